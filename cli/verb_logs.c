/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/out.h"
#include "cli/stored.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const args_option options[] = {
    {.name = NULL},
};

/* An attempt that ended; its log is read when the walk is over, for no call may be made during it. */
typedef struct ended {
    char *task;
    uint32_t attempt;
    bool failed;
} ended;

typedef struct attempts {
    const char *wanted; /* a task's key, or a node's id; NULL: all */
    ended *list;
    size_t n, cap, n_failed;
} attempts;

static bool known(const attempts *all, const eyot_history_entry *entry)
{
    for (size_t i = all->n; i-- > 0;)
        if (all->list[i].attempt == entry->attempt && strcmp(all->list[i].task, entry->task) == 0) return true;
    return false;
}

static eyot_status on_entry(void *arg, const eyot_history_entry *entry)
{
    attempts *all = arg;
    bool failed = entry->kind == EYOT_ENTRY_ATTEMPT;
    if (entry->kind != EYOT_ENTRY_TASK && !failed) return EYOT_OK;
    if (!failed && all->n_failed > 0 && known(all, entry)) return EYOT_OK; /* the rescue of the last attempt */
    if (all->wanted && strcmp(all->wanted, entry->task) != 0 && strcmp(all->wanted, entry->node) != 0) return EYOT_OK;
    if (all->n == all->cap) {
        size_t cap = all->cap ? all->cap * 2 : 64;
        ended *more = realloc(all->list, cap * sizeof *more);
        if (!more) return EYOT_ENOMEM;
        all->list = more;
        all->cap = cap;
    }
    char *task = strdup(entry->task);
    if (!task) return EYOT_ENOMEM;
    all->list[all->n++] = (ended){task, entry->attempt, failed};
    all->n_failed += failed;
    return EYOT_OK;
}

static bool print_log(place *p, const char *run, const ended *one, bool with_heading, eyot_buf *buf)
{
    char key[320];
    size_t len;
    snprintf(key, sizeof key, FLOW_LOG_KEY, one->task, one->attempt);
    eyot_buf_reset(buf);
    if (eyot_store_get_note(p->store, run, key, buf, NULL) != EYOT_OK) return false;
    const char *text = eyot_buf_data(buf, &len);
    if (len == 0) return false;
    if (with_heading) {
        char heading[360];
        snprintf(heading, sizeof heading, "==> %s, attempt %" PRIu32 "%s <==", one->task, one->attempt,
                 one->failed ? ", failed" : "");
        out_styled(OUT_FAINT, heading);
        out_printf("\n");
    }
    out_lines(text, len);
    if (text[len - 1] != '\n') out_printf("\n");
    return true;
}

static int print_logs(place *p, const run_row *row, const attempts *all)
{
    size_t printed = 0;
    eyot_buf *buf = eyot_buf_new();
    if (!buf) return out_error(EXIT_FAILED, "out of memory");
    for (size_t i = 0; i < all->n && !out_is_gone(); i++)
        printed += print_log(p, row->id, &all->list[i], !all->wanted || all->n > 1, buf);
    eyot_buf_free(buf);
    if (all->n == 0 && all->wanted)
        return out_error(EXIT_MISSING, "run %s has no task %s that has ended", row->id, all->wanted);
    if (printed == 0)
        out_note("no command of %s%s%s wrote anything on its stderr", row->id, all->wanted ? "/" : "",
                 all->wanted ? all->wanted : "");
    return EXIT_DONE;
}

static int logs_main(const args *a)
{
    eyot_error e = {.text = "out of memory"};
    place p;
    run_word word = {.task = NULL};
    run_row row;
    stored s = {0};
    attempts all = {0};
    int code = place_open_run(&p, a, RUN_TASK, &word, &row);
    if (code == EXIT_DONE) code = stored_open(&s, &p, &row);
    all.wanted = word.task;
    if (code == EXIT_DONE && eyot_store_read_history(p.store, s.graph, row.id, on_entry, &all, &e) != EYOT_OK)
        code = out_failed(&e);
    if (code == EXIT_DONE) code = print_logs(&p, &row, &all);
    for (size_t i = 0; i < all.n; i++) free(all.list[i].task);
    free(all.list);
    stored_clear(&s);
    place_close(&p);
    return code;
}

const verb verb_logs = {
    .name = "logs",
    .words = "RUN[/TASK]",
    .min_words = 1,
    .max_words = 1,
    .summary = "print what the commands of a run wrote on stderr",
    .about = "TASK is a task's key, as `eyot history` shows it, or a node: then all of its tasks. The last 64 KiB of "
             "every attempt that has ended are kept.",
    .options = options,
    .uses_store = true,
    .main = logs_main};
