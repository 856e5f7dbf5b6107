/* SPDX-License-Identifier: MIT */
#include "cli/slowest.h"

#include "cli/out.h"
#include "cli/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct attempt {
    char *task, *node;
    uint32_t number;
    bool failed;
    uint64_t step, took_us, order; /* order: as they were added */
} attempt;

struct slowest {
    uint32_t most;
    uint64_t n_all, sum_us;
    size_t n, cap;
    attempt *list;
};

slowest *slowest_new(uint32_t most)
{
    slowest *s = calloc(1, sizeof *s);
    if (s) s->most = most;
    return s;
}

static void drop_last(slowest *s)
{
    s->n--;
    free(s->list[s->n].task);
    free(s->list[s->n].node);
}

void slowest_free(slowest *s)
{
    while (s && s->n > 0) drop_last(s);
    if (s) free(s->list);
    free(s);
}

/* The slowest first; of equals the one that came first. */
static int by_time(const void *a, const void *b)
{
    const attempt *one = a, *two = b;
    if (one->took_us != two->took_us) return one->took_us > two->took_us ? -1 : 1;
    return one->order < two->order ? -1 : 1;
}

static void keep_slowest(slowest *s)
{
    if (s->n > 0) qsort(s->list, s->n, sizeof *s->list, by_time);
    while (s->n > s->most) drop_last(s);
}

static bool make_room(slowest *s)
{
    if (s->n < s->cap) return true;
    if (s->n >= 64 && s->n / 2 >= s->most) { /* of a long log only a few are held at once */
        keep_slowest(s);
        return true;
    }
    size_t cap = s->cap ? 2 * s->cap : 64;
    attempt *more = realloc(s->list, cap * sizeof *more);
    if (!more) return false;
    s->list = more;
    s->cap = cap;
    return true;
}

bool slowest_add(slowest *s, const eyot_history_entry *entry)
{
    s->sum_us += entry->took_us;
    if (!make_room(s)) return false;
    attempt one = {.task = strdup(entry->task),
                   .node = strdup(entry->node),
                   .number = entry->attempt,
                   .failed = entry->kind == EYOT_ENTRY_ATTEMPT,
                   .step = entry->step,
                   .took_us = entry->took_us,
                   .order = s->n_all++};
    s->list[s->n++] = one;
    return one.task && one.node;
}

static double share_of(const slowest *s, const attempt *a)
{
    return s->sum_us ? (double)a->took_us / (double)s->sum_us : 0.0;
}

static eyot_value *attempt_value(const slowest *s, const attempt *a, bool with_schema)
{
    eyot_value *v = eyot_value_new_map();
    if (with_schema) v = eyot_value_set(v, "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "step", eyot_value_new_uint(a->step));
    v = eyot_value_set(v, "task", eyot_value_new_string(a->task));
    v = eyot_value_set(v, "node", eyot_value_new_string(a->node));
    v = eyot_value_set(v, "attempt", eyot_value_new_uint(a->number));
    v = eyot_value_set(v, "failed", eyot_value_new_bool(a->failed));
    v = eyot_value_set(v, "took_ms", eyot_value_new_double((double)a->took_us / 1000));
    return eyot_value_set(v, "share", eyot_value_new_double((double)(int64_t)(share_of(s, a) * 10000 + 0.5) / 10000));
}

eyot_value *slowest_value(slowest *s)
{
    eyot_value *list = eyot_value_new_array();
    keep_slowest(s);
    for (size_t i = 0; i < s->n; i++) list = eyot_value_append(list, attempt_value(s, &s->list[i], false));
    return list;
}

bool slowest_lines(slowest *s)
{
    bool good = true;
    keep_slowest(s);
    for (size_t i = 0; i < s->n && good; i++) good = out_json(attempt_value(s, &s->list[i], true));
    return good;
}

static void table_row(const slowest *s, out_table *t, const attempt *a)
{
    char number[16], took[WHEN_TEXT], share[16], step[24] = "";
    snprintf(number, sizeof number, "%" PRIu32, a->number);
    if (!a->failed) snprintf(step, sizeof step, "%" PRIu64, a->step);
    snprintf(share, sizeof share, "%.1f %%", 100 * share_of(s, a));
    when_took(took, a->took_us / 1000);
    out_table_cell(t, OUT_PLAIN, step);
    out_table_cell(t, OUT_PLAIN, a->task);
    out_table_cell(t, OUT_PLAIN, number);
    out_table_cell(t, OUT_PLAIN, took);
    out_table_cell(t, OUT_PLAIN, share);
    out_table_cell(t, a->failed ? OUT_BAD : OUT_PLAIN, a->failed ? "failed" : "done");
}

bool slowest_print(slowest *s)
{
    static const char *const headings[] = {">STEP", "TASK", ">ATTEMPT", ">TOOK", ">SHARE", "WHAT"};
    char all[WHEN_TEXT];
    out_table *t = out_table_new(headings, sizeof headings / sizeof *headings);
    keep_slowest(s);
    for (size_t i = 0; i < s->n; i++) table_row(s, t, &s->list[i]);
    if (!out_table_end(t)) return false;
    when_took(all, s->sum_us / 1000);
    out_printf("%" PRIu64 " attempt%s took %s in all\n", s->n_all, s->n_all == 1 ? "" : "s", all);
    return true;
}
