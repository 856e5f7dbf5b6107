/* SPDX-License-Identifier: MIT */
#include "cli/place.h"

#include "cli/out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- the store -------------------------------------------------------------------------------------------------- */

int place_open(place *p, const args *a, place_mode mode)
{
    eyot_error e;
    *p = (place){0};
    int code = config_load(&p->conf, args_text(a, "store", NULL));
    if (code != EXIT_DONE) return code;
    uint32_t flags = mode == PLACE_LOOK ? EYOT_OPEN_EXISTING : 0;
    eyot_status s = eyot_store_open_with(&p->store, p->conf.url, flags, &e);
    if (s == EYOT_OK) return EXIT_DONE;
    if (s == EYOT_ENOTFOUND && mode == PLACE_LOOK)
        return out_error(EXIT_MISSING,
                         strstr(p->conf.shown, "://")
                             ? "there is no store %s yet: the server answers; `eyot run` makes one"
                             : "there is no store %s; `eyot run` makes one",
                         p->conf.shown);
    return out_failed(&e);
}

void place_close(place *p)
{
    eyot_store_close(p->store);
    config_clear(&p->conf);
    p->store = NULL;
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

static void copy_bytes(char *to, size_t room, eyot_bytes from)
{
    size_t n = from.n < room ? from.n : room - 1;
    if (n > 0) memcpy(to, from.p, n);
    to[n] = '\0';
}

void run_row_copy(run_row *out, const eyot_run_row *row)
{
    *out = (run_row){.status = (eyot_run_status)row->status,
                     .steps = row->steps,
                     .created_ms = row->created_ms,
                     .updated_ms = row->updated_ms,
                     .now_ms = row->now_ms,
                     .due_ms = row->due_ms,
                     .priority = row->priority,
                     .attempts = row->attempts};
    copy_bytes(out->queue, sizeof out->queue, row->queue);
    copy_bytes(out->owner, sizeof out->owner, row->owner);
    copy_bytes(out->id, sizeof out->id, row->run);
    copy_bytes(out->graph, sizeof out->graph, row->graph);
    copy_bytes(out->fingerprint, sizeof out->fingerprint, row->fingerprint);
    copy_bytes(out->origin, sizeof out->origin, row->origin);
    bool owned = row->owner.n > 0;
    out->lost = owned && (row->due_ms <= row->now_ms || eyot_owner_is_gone(row->owner));
    out->held = owned && !out->lost;
    out->half = eyot_owner_imports(row->owner);
}

const char *run_row_status(const run_row *row)
{
    if (row->half) return "importing";
    return row->status == EYOT_RUN_RUNNING && !row->held ? "interrupted" : eyot_run_status_name(row->status);
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool run_id_is_good(const char *id)
{
    size_t n = strlen(id);
    if (n == 0 || n > 128 || !is_alnum(id[0])) return false;
    for (size_t i = 1; i < n; i++)
        if (!is_alnum(id[i]) && !strchr("._:-", id[i])) return false;
    return true;
}

static bool read_step(const char *text, uint64_t *step)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 19 || text[digits]) return false;
    *step = strtoull(text, NULL, 10);
    return *step <= INT64_MAX;
}

/* Not digits alone. */
static bool read_label(char label[65], const char *text)
{
    size_t n = strlen(text);
    if (n == 0 || n > 64 || !is_alnum(text[0]) || strspn(text, "0123456789") == n) return false;
    for (size_t i = 0; i < n; i++)
        if (!is_alnum(text[i]) && !strchr("._-", text[i])) return false;
    memcpy(label, text, n + 1);
    return true;
}

int run_word_read(run_word *out, const char *word, run_tail tail)
{
    size_t n = strcspn(word, tail == RUN_STEP ? "@" : tail == RUN_TASK ? "/" : "");
    *out = (run_word){.step = EYOT_LATEST};
    if (n < sizeof out->run) memcpy(out->run, word, n);
    if (!run_id_is_good(out->run)) return out_error(EXIT_USAGE, "\"%.*s\" is no id of a run", (int)n, word);
    if (!word[n]) return EXIT_DONE;
    if (tail == RUN_TASK) {
        out->task = word + n + 1;
        return *out->task ? EXIT_DONE : out_error(EXIT_USAGE, "which task? after the / of \"%s\" stands none", word);
    }
    const char *step = word + n + 1;
    if (strcmp(step, "latest") == 0 || read_step(step, &out->step)) return EXIT_DONE;
    if (!read_label(out->label, step))
        return out_error(EXIT_USAGE, "\"%s\" is no step; steps are 0 for the start, 1, 2, 3 ..., or a label", step);
    return EXIT_DONE;
}

/* ---- finding runs ----------------------------------------------------------------------------------------------- */

enum { CANDIDATES = 6 }; /* of an ambiguous beginning that are told */

typedef struct found {
    run_row rows[CANDIDATES];
    size_t n;
} found;

static eyot_status on_row(void *arg, const eyot_run_row *row)
{
    found *f = arg;
    if (f->n < CANDIDATES) run_row_copy(&f->rows[f->n++], row);
    return EYOT_OK;
}

static eyot_status list(place *p, const char *prefix, uint32_t limit, found *f, eyot_error *e)
{
    eyot_run_filter filter = {.size = sizeof filter, .prefix = {prefix, strlen(prefix)}};
    eyot_buf *next = eyot_buf_new();
    if (!next) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    eyot_status s = eyot_store_list_runs(p->store, &filter, (eyot_bytes){NULL, 0}, limit, on_row, f, next, e);
    eyot_buf_free(next);
    return s;
}

static int several(const found *f, const char *prefix)
{
    char names[CANDIDATES * 131] = "";
    size_t at = 0;
    for (size_t i = 0; i + 1 < CANDIDATES && i < f->n; i++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i > 0 ? ", " : "", f->rows[i].id);
    return out_error(EXIT_MISSING, "several runs begin with \"%s\": %s%s", prefix, names,
                     f->n == CANDIDATES ? ", ..." : "");
}

int place_find(place *p, const char *run, run_row *out)
{
    eyot_error e;
    found f = {.n = 0};
    bool latest = strcmp(run, "latest") == 0;
    if (!latest) {
        eyot_status s = eyot_store_get_run(p->store, run, on_row, &f, &e);
        if (s == EYOT_ENOTFOUND) s = list(p, run, CANDIDATES, &f, &e);
        if (s != EYOT_OK) return out_failed(&e);
    } else if (list(p, "", 1, &f, &e) != EYOT_OK) {
        return out_failed(&e);
    }
    if (f.n > 1) return several(&f, run);
    if (f.n == 0 && latest) return out_error(EXIT_MISSING, "%s holds no run yet", p->conf.shown);
    if (f.n == 0)
        return out_error(EXIT_MISSING, "%s has no run %s; `eyot list` shows those it has", p->conf.shown, run);
    *out = f.rows[0];
    return EXIT_DONE;
}

int place_step(place *p, run_word *word, const run_row *row)
{
    eyot_error e;
    if (!word->label[0]) return EXIT_DONE;
    eyot_status s = eyot_store_find_label(p->store, row->id, word->label, &word->step, &e);
    return s == EYOT_OK ? EXIT_DONE : out_failed(&e);
}

int place_open_run(place *p, const args *a, run_tail tail, run_word *word, run_row *row)
{
    *p = (place){0};
    int code = run_word_read(word, a->words[0], tail);
    if (code == EXIT_DONE) code = place_open(p, a, PLACE_LOOK);
    if (code == EXIT_DONE) code = place_find(p, word->run, row);
    if (code == EXIT_DONE) code = place_step(p, word, row);
    return code;
}

/* ---- new ids ---------------------------------------------------------------------------------------------------- */

bool run_id_new(char id[129], const char *graph)
{
    /* Without letters and digits that are taken for one another or make words: 2^40 ids. */
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char random[8];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return out_error(EXIT_FAILED, "no random bytes for an id: %s", strerror(errno)), false;
    int at = snprintf(id, 129, "%s-", graph);
    for (size_t i = 0; i < sizeof random; i++) id[at++] = letters[random[i] & 31];
    id[at] = '\0';
    return true;
}
