/* SPDX-License-Identifier: MIT */
#include "cli/timeline.h"

#include "cli/out.h"
#include "cli/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 80, TASK_MOST = 30, TOOK = 9, GAP_LEAST = 5000000 };

typedef struct attempt {
    char *label;
    uint64_t from, to; /* microseconds */
    bool failed;
    size_t number; /* as they were added */
} attempt;

/* A long time in which nothing ran, of which only a part is drawn. `cut` is what is left out in it and before it. */
typedef struct gap {
    uint64_t from, to, cut;
} gap;

struct timeline {
    attempt *list;
    size_t n, cap;
    gap *gaps;
    size_t n_gaps;
    uint64_t begin, length; /* length: of what is drawn */
    size_t label_width, bar_width;
    bool gap_at[COLUMNS];
};

timeline *timeline_new(void)
{
    return calloc(1, sizeof(timeline));
}

void timeline_free(timeline *t)
{
    for (size_t i = 0; t && i < t->n; i++) free(t->list[i].label);
    if (t) {
        free(t->list);
        free(t->gaps);
    }
    free(t);
}

bool timeline_add(timeline *t, const char *task, uint32_t number, uint64_t began_us, uint64_t took_us, bool failed)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        attempt *more = realloc(t->list, cap * sizeof *more);
        if (!more) return false;
        t->list = more;
        t->cap = cap;
    }
    char label[320];
    if (number > 1)
        snprintf(label, sizeof label, "%s #%" PRIu32, task, number);
    else
        snprintf(label, sizeof label, "%s", task);
    char *copy = strdup(label);
    if (copy) t->list[t->n] = (attempt){copy, began_us, began_us + took_us, failed, t->n};
    t->n += copy != NULL;
    return copy != NULL;
}

/* ---- the scale -------------------------------------------------------------------------------------------------- */

static int by_beginning(const void *a, const void *b)
{
    const attempt *one = a, *two = b;
    if (one->from != two->from) return one->from < two->from ? -1 : 1;
    return one->number < two->number ? -1 : 1;
}

/* The times between attempts, which are sorted, and how long something ran. */
static uint64_t find_gaps(timeline *t)
{
    uint64_t busy = 0, until = t->list[0].from;
    for (size_t i = 0; i < t->n; i++) {
        const attempt *a = &t->list[i];
        if (a->from >= until + GAP_LEAST) t->gaps[t->n_gaps++] = (gap){until, a->from, 0};
        uint64_t from = a->from > until ? a->from : until;
        if (a->to > from) busy += a->to - from;
        if (a->to > until) until = a->to;
    }
    t->begin = t->list[0].from;
    t->length = until - t->begin;
    return busy;
}

/* Keeps the gaps that are long beside the time in which something ran; a twentieth of that is drawn of each. */
static void shorten_gaps(timeline *t, uint64_t busy)
{
    uint64_t cut = 0;
    size_t n = 0;
    for (size_t i = 0; i < t->n_gaps; i++) {
        gap g = t->gaps[i];
        if (g.to - g.from <= busy / 4) continue;
        cut += g.to - g.from - busy / 20;
        g.cut = cut;
        t->gaps[n++] = g;
    }
    t->n_gaps = n;
    t->length -= cut;
}

/* The column of a time that is in no gap, 0 to bar_width. */
static size_t column_of(const timeline *t, uint64_t at)
{
    size_t low = 0, high = t->n_gaps; /* gaps that end by then */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (t->gaps[middle].to <= at)
            low = middle + 1;
        else
            high = middle;
    }
    uint64_t cut = low > 0 ? t->gaps[low - 1].cut : 0;
    if (t->length == 0) return 0;
    return (size_t)((double)(at - t->begin - cut) / (double)t->length * (double)t->bar_width + 0.5);
}

/* ---- the rows --------------------------------------------------------------------------------------------------- */

static bool has_utf8(void)
{
    const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value) return strstr(value, "UTF-8") || strstr(value, "utf8") || strstr(value, "UTF8");
    }
    return false;
}

/* The end of a long key tells more than its middle: "fetch@2[17]". */
static void put_label(const timeline *t, const char *label)
{
    size_t n = strlen(label), keep = t->label_width / 2;
    char cut[TASK_MOST + 1];
    if (n > t->label_width) {
        snprintf(cut, sizeof cut, "%.*s~%s", (int)keep, label, label + n - (t->label_width - keep - 1));
        label = cut;
    }
    out_text(label);
    out_printf("%*s", (int)(t->label_width - strlen(label)) + 1, "");
}

typedef enum ink { INK_NONE, INK_GAP, INK_BAR, INK_FAILED } ink;

/* What stands in a column of an attempt's row, whose bar goes over the columns from … to - 1. */
static ink ink_at(const timeline *t, const attempt *a, size_t from, size_t to, size_t column)
{
    if (column >= from && column < to) return a->failed && column + 1 == to ? INK_FAILED : INK_BAR;
    return t->gap_at[column] ? INK_GAP : INK_NONE;
}

static void put_row(const timeline *t, const attempt *a, bool utf8)
{
    static const char *const inks[2][4] = {{" ", ":", "#", "x"}, {" ", ":", "\u2588", "\u2573"}};
    char took[WHEN_TEXT], run[COLUMNS * 4];
    size_t from = column_of(t, a->from), to = column_of(t, a->to);
    if (from >= t->bar_width) from = t->bar_width - 1;
    if (to <= from) to = from + 1; /* however short it was, it is seen */
    put_label(t, a->label);
    for (size_t c = 0; c < t->bar_width;) {
        ink now = ink_at(t, a, from, to, c);
        size_t n = 0;
        for (; c < t->bar_width && ink_at(t, a, from, to, c) == now; c++)
            n += (size_t)sprintf(run + n, "%s", inks[utf8][now]);
        out_styled(now == INK_NONE ? OUT_PLAIN : now == INK_GAP ? OUT_FAINT : a->failed ? OUT_BAD : OUT_GOOD, run);
    }
    when_took(took, (a->to - a->from) / 1000);
    out_printf("%*s\n", TOOK, took);
}

/* Attempts are sorted: how wide what is. */
static void lay_out(timeline *t)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t n = strlen(t->list[i].label);
        if (n > t->label_width) t->label_width = n;
    }
    if (t->label_width > TASK_MOST) t->label_width = TASK_MOST;
    t->bar_width = COLUMNS - TOOK - t->label_width - 2;
    for (size_t i = 0; i < t->n_gaps; i++) {
        size_t column = column_of(t, t->gaps[i].from);
        if (column < t->bar_width) t->gap_at[column] = true;
    }
}

bool timeline_draw(timeline *t)
{
    char took[WHEN_TEXT];
    if (t->n == 0) return true;
    t->gaps = malloc(t->n * sizeof *t->gaps);
    if (!t->gaps) return false;
    qsort(t->list, t->n, sizeof *t->list, by_beginning);
    shorten_gaps(t, find_gaps(t));
    lay_out(t);
    bool utf8 = has_utf8();
    for (size_t i = 0; i < t->n && !out_is_gone(); i++) put_row(t, &t->list[i], utf8);
    uint64_t cut = t->n_gaps > 0 ? t->gaps[t->n_gaps - 1].cut : 0;
    when_took(took, (t->length + cut) / 1000);
    out_printf("%zu attempt%s in %s", t->n, t->n == 1 ? "" : "s", took);
    when_took(took, cut / 1000);
    if (cut > 0) out_printf("; at : nothing ran, and %s are left out", took);
    out_printf("\n");
    return true;
}
