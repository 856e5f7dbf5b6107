/* SPDX-License-Identifier: MIT */
#include "core/labels.h"

#include <string.h>

#include "core/past.h"

enum {
    NAME = 64,
    TRIES = 100 /* against others who label at the same moment */
};

/* ---- lines --------------------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool name_is_good(const char *name, size_t len)
{
    bool digits = true;
    if (len == 0 || len > NAME || (len == 6 && memcmp(name, "latest", 6) == 0)) return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i], letter = (char)(c | 0x20);
        bool word = (letter >= 'a' && letter <= 'z') || is_digit(c);
        if (!word && (i == 0 || (c != '.' && c != '_' && c != '-'))) return false;
        digits &= is_digit(c);
    }
    return !digits;
}

bool eyot__label_next(eyot__label *out, const char **at, const char *end)
{
    const char *p = *at;
    if (p == end) return false;
    *out = (eyot__label){.step = 0};
    while (is_digit(*p)) out->step = out->step * 10 + (uint64_t)(*p++ - '0');
    out->name = ++p;
    const char *newline = memchr(p, '\n', (size_t)(end - p));
    out->len = (size_t)(newline - p);
    *at = newline + 1;
    return true;
}

static bool line_is_good(const char *p, const char *newline)
{
    const char *digits = p;
    while (p < newline && is_digit(*p)) p++;
    if (p == digits || p - digits > 19 || p == newline || *p != ' ') return false;
    return name_is_good(p + 1, (size_t)(newline - p - 1));
}

static bool lines_are_good(const char *p, const char *end)
{
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (!newline || !line_is_good(p, newline)) return false;
        p = newline + 1;
    }
    return true;
}

eyot_status eyot__labels_load(eyot_store *store, const char *run_id, eyot_buf *lines, uint64_t *version, eyot_error *e)
{
    *version = 0;
    if (!store->ops.kv_get) return EYOT_OK;
    eyot_status status = eyot__note_get(store, run_id, EYOT_NOTE_LABELS, version, lines, e);
    if (status == EYOT_ENOMEM) return eyot_error_set(e, status, "out of memory");
    if (status) return status;
    const char *p = (const char *)lines->data;
    if (lines->len > 0 && !lines_are_good(p, p + lines->len))
        status = eyot_error_set(e, EYOT_ECORRUPT, "run %s: its labels are not well-formed", run_id);
    return status;
}

/* ---- changing them ------------------------------------------------------------------------------------------------- */

static bool is_name(const eyot__label *l, const char *name)
{
    return l->len == strlen(name) && memcmp(l->name, name, l->len) == 0;
}

static bool is_before(const eyot__label *l, uint64_t step, const char *name)
{
    size_t len = strlen(name), n = l->len < len ? l->len : len;
    int order = memcmp(l->name, name, n);
    if (l->step != step) return l->step < step;
    return order < 0 || (order == 0 && l->len < len);
}

static void put_line(eyot_buf *out, uint64_t step, const char *name, size_t len)
{
    eyot__buf_format(out, "%llu %.*s\n", (unsigned long long)step, (int)len, name);
}

/* The lines without `name`, and with it again when `add`. True: it was there. */
static bool edit(eyot_buf *out, const eyot_buf *lines, const char *name, bool add, uint64_t step)
{
    eyot__label l;
    bool found = false;
    const char *at = (const char *)lines->data, *end = lines->len ? at + lines->len : at;
    while (eyot__label_next(&l, &at, end)) {
        bool same = is_name(&l, name);
        found |= same;
        if (same) continue;
        if (add && !is_before(&l, step, name)) {
            put_line(out, step, name, strlen(name));
            add = false;
        }
        put_line(out, l.step, l.name, l.len);
    }
    if (add) put_line(out, step, name, strlen(name));
    return found;
}

static eyot_status no_label(const char *run_id, const char *name, eyot_error *e)
{
    return eyot_error_set(e, EYOT_ENOTFOUND, "run %s has no label \"%s\"", run_id, name);
}

static eyot_status change(eyot_store *store, const char *run_id, const char *name, bool add, uint64_t step,
                          eyot_error *e)
{
    eyot_buf old = EYOT__BUF_INIT, lines = EYOT__BUF_INIT;
    eyot_status status = EYOT_ESTALE;
    for (int i = 0; i < TRIES && status == EYOT_ESTALE; i++) {
        uint64_t version;
        eyot__buf_reset(&old);
        eyot__buf_reset(&lines);
        status = eyot__labels_load(store, run_id, &old, &version, e);
        if (status) break;
        bool found = edit(&lines, &old, name, add, step);
        if (!add && !found)
            status = no_label(run_id, name, e);
        else if (lines.failed)
            status = eyot_error_set(e, EYOT_ENOMEM, "out of memory");
        else
            status = eyot__note_cas(store, run_id, EYOT_NOTE_LABELS, version, lines.data, lines.len, e);
    }
    eyot__buf_clear(&old);
    eyot__buf_clear(&lines);
    return status;
}

static eyot_status check(eyot_store *store, const char *run_id, const char *name, eyot_error *e)
{
    if (!store || !run_id || !name || !eyot__run_id_valid(eyot__bytes(run_id, strlen(run_id))))
        return eyot_error_set(e, EYOT_EINVAL, "a label needs a store, a run id and a name");
    if (!name_is_good(name, strlen(name)))
        return eyot_error_set(e, EYOT_EINVAL,
                              "\"%.80s\" is no label: [A-Za-z0-9][A-Za-z0-9._-]{0,63}, not digits alone, not latest",
                              name);
    return EYOT_OK;
}

eyot_status eyot_store_label(eyot_store *store, const char *run_id, uint64_t step, const char *name, eyot_error *e)
{
    eyot_status status = check(store, run_id, name, e);
    if (!status) status = eyot__past_has_step(store, run_id, &step, e);
    if (!status) status = change(store, run_id, name, true, step, e);
    if (status) return status;
    /* Whoever pruned it meanwhile did not see the label. */
    status = eyot__past_has_step(store, run_id, &step, e);
    if (status == EYOT_ENOTFOUND) (void)change(store, run_id, name, false, step, NULL);
    return status;
}

eyot_status eyot_store_unlabel(eyot_store *store, const char *run_id, const char *name, eyot_error *e)
{
    eyot_status status = check(store, run_id, name, e);
    return status ? status : change(store, run_id, name, false, 0, e);
}

/* ---- finding them -------------------------------------------------------------------------------------------------- */

eyot_status eyot_store_find_label(eyot_store *store, const char *run_id, const char *name, uint64_t *step,
                                  eyot_error *e)
{
    eyot_buf lines = EYOT__BUF_INIT;
    uint64_t version;
    eyot__label l;
    eyot_status status = check(store, run_id, name, e);
    if (!status) status = eyot__labels_load(store, run_id, &lines, &version, e);
    bool found = false;
    const char *at = (const char *)lines.data, *end = lines.len ? at + lines.len : at;
    while (!status && !found && eyot__label_next(&l, &at, end)) found = is_name(&l, name);
    if (found) *step = l.step;
    if (!status && !found) status = no_label(run_id, name, e);
    eyot__buf_clear(&lines);
    return status;
}

eyot_status eyot_store_list_labels(eyot_store *store, const char *run_id, eyot_label_fn fn, void *arg, eyot_error *e)
{
    eyot_buf lines = EYOT__BUF_INIT;
    uint64_t version;
    eyot__label l;
    eyot_status status =
        fn ? check(store, run_id, "any", e) : eyot_error_set(e, EYOT_EINVAL, "a walk needs a function to be told to");
    if (!status) status = eyot__labels_load(store, run_id, &lines, &version, e);
    const char *at = (const char *)lines.data, *end = lines.len ? at + lines.len : at;
    while (!status && eyot__label_next(&l, &at, end)) {
        char name[NAME + 1];
        memcpy(name, l.name, l.len);
        name[l.len] = 0;
        status = fn(arg, l.step, name);
    }
    eyot__buf_clear(&lines);
    return status;
}
