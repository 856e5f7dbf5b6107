/* SPDX-License-Identifier: MIT */
/* What leads from one value to another. Goes down both side by side, with a stack of its own; what they share is the same
 * word in both and is passed over. */
#include "copiers/reducers.h"

#include "copiers/json.h"
#include "core/buf.h"

typedef enum { ADD, REMOVE, REPLACE } operation;

/* Told of every operation. Non-zero ends the walk, which returns it. `from` is 0 for ADD, `to` for REMOVE. */
typedef eyot_status (*told_fn)(void *arg, operation op, const eyot_buf *path, eyot__word from, eyot__word to);

typedef struct level { /* two maps or two arrays */
    eyot__word from, to;
    eyot__cursor c;              /* map: over `from` */
    const eyot__text *key;       /* map: where it is now */
    uint32_t item;               /* array: where it is now */
    uint32_t next, paired;       /* array: the next pair, the end of the pairs; map: `paired` counts keys in both */
    uint32_t more_from, more_to; /* array: items after the pairs that only one of them has */
    uint64_t told;               /* operations before it */
} level;

typedef struct walk {
    told_fn tell;
    void *arg;
    bool first; /* only the first operation is wanted: the one that comes first in the value */
    eyot_buf path;
    uint64_t told;
    unsigned depth;
    level stack[EYOT_VALUE_MAX_DEPTH];
} walk;

static void put_key(eyot_buf *path, const eyot__text *key)
{
    const char *p = key->bytes, *end = p + key->len;
    eyot__buf_u8(path, '/');
    for (const char *from = p; p < end; from = p) {
        while (p < end && *p != '~' && *p != '/') p++;
        eyot__buf_put(path, from, (size_t)(p - from));
        if (p < end) eyot__buf_text(path, *p++ == '~' ? "~0" : "~1");
    }
}

/* The place is where the first `levels` levels are now. */
static eyot_status tell(walk *w, unsigned levels, operation op, eyot__word from, eyot__word to)
{
    eyot__buf_reset(&w->path);
    for (const level *l = w->stack; l < w->stack + levels; l++) {
        if (eyot__is_map(l->from))
            put_key(&w->path, l->key);
        else
            eyot__buf_format(&w->path, "/%u", (unsigned)l->item);
    }
    if (w->path.failed) return w->path.failed;
    w->told++;
    return w->tell(w->arg, op, &w->path, from, to);
}

static bool same(eyot__word a, eyot__word b)
{
    return eyot_value_equal(eyot__value_of(a), eyot__value_of(b));
}

/* Which items of two arrays are pairs: all, or what is between the items that both begin and end with. */
static void pair_items(level *l)
{
    uint32_t n = eyot__count(l->from), m = eyot__count(l->to), least = n < m ? n : m, tail = 0;
    l->paired = least;
    if (n == m) return;
    while (l->next < least && same(eyot__array_get(l->from, l->next), eyot__array_get(l->to, l->next))) l->next++;
    while (tail < least - l->next && same(eyot__array_get(l->from, n - 1 - tail), eyot__array_get(l->to, m - 1 - tail)))
        tail++;
    l->paired = least - tail;
    l->more_from = n - least;
    l->more_to = m - least;
}

/* Compares two values that are where the levels are now: tells that one takes the other's place, or goes inside. */
static eyot_status compare(walk *w, eyot__word from, eyot__word to)
{
    bool maps = eyot__is_map(from) && eyot__is_map(to), arrays = eyot__is_array(from) && eyot__is_array(to);
    if (from == to) return EYOT_OK;
    if (!maps && !arrays) return same(from, to) ? EYOT_OK : tell(w, w->depth, REPLACE, from, to);
    assert(w->depth < EYOT_VALUE_MAX_DEPTH);
    level *l = &w->stack[w->depth++];
    *l = (level){.from = from, .to = to, .told = w->told};
    if (maps)
        l->c = eyot__cursor_of(from);
    else
        pair_items(l);
    return EYOT_OK;
}

static eyot_status end_array(walk *w, level *l)
{
    eyot_status status = EYOT_OK;
    for (uint32_t i = 0; i < l->more_to && !status; i++) {
        l->item = l->paired + i;
        status = tell(w, w->depth, ADD, 0, eyot__array_get(l->to, l->item));
    }
    for (uint32_t left = l->more_from; left && !status;
         left--) { /* from the end: no index changes by another removal */
        l->item = l->paired + (w->first ? 0 : left - 1);
        status = tell(w, w->depth, REMOVE, eyot__array_get(l->from, l->item), 0);
    }
    return status;
}

static bool same_order(const level *l)
{
    eyot__cursor a = eyot__cursor_of(l->from), b = eyot__cursor_of(l->to);
    const eyot__word *x, *y;
    while ((x = eyot__cursor_entry(&a)) && (y = eyot__cursor_entry(&b)))
        if (!same(x[0], y[0])) return false;
    return true;
}

static eyot_status end_map(walk *w, level *l)
{
    eyot_status status = EYOT_OK;
    if (l->paired < eyot__count(l->to)) {
        eyot__cursor c = eyot__cursor_of(l->to);
        for (const eyot__word *entry; !status && (entry = eyot__cursor_entry(&c));) {
            l->key = eyot__text_of(entry[0]);
            if (eyot__map_find_text(l->from, l->key) == EYOT__NONE) status = tell(w, w->depth, ADD, 0, entry[1]);
        }
    }
    if (status || w->told > l->told || same_order(l)) return status;
    return tell(w, w->depth - 1, REPLACE, l->from, l->to);
}

/* The next key of a map, or its end. */
static eyot_status step_map(walk *w, level *l)
{
    const eyot__word *entry = eyot__cursor_entry(&l->c);
    if (!entry) {
        eyot_status status = end_map(w, l);
        w->depth--;
        return status;
    }
    l->key = eyot__text_of(entry[0]);
    uint32_t at = eyot__map_find_text(l->to, l->key);
    if (at == EYOT__NONE) return tell(w, w->depth, REMOVE, entry[1], 0);
    l->paired++;
    return compare(w, entry[1], eyot__map_entry(l->to, at)[1]);
}

static eyot_status step_array(walk *w, level *l)
{
    if (l->next == l->paired) {
        eyot_status status = end_array(w, l);
        w->depth--;
        return status;
    }
    l->item = l->next++;
    return compare(w, eyot__array_get(l->from, l->item), eyot__array_get(l->to, l->item));
}

static eyot_status walk_both(walk *w, eyot__word from, eyot__word to)
{
    eyot_status status = compare(w, from, to);
    while (w->depth && !status) {
        level *l = &w->stack[w->depth - 1];
        status = eyot__is_map(l->from) ? step_map(w, l) : step_array(w, l);
    }
    eyot__buf_clear(&w->path);
    return status;
}

/* ---- all operations -------------------------------------------------------------------------------------------- */

static eyot_status add_operation(void *arg, operation op, const eyot_buf *path, eyot__word from, eyot__word to)
{
    static const char *const names[] = {"add", "remove", "replace"};
    eyot_value **patch = arg;
    eyot_value *one = eyot_value_set(eyot_value_new_map(), "op", eyot_value_new_string(names[op]));
    (void)from;
    one = eyot_value_set(one, "path", eyot_value_new_string_len(path->len ? (const char *)path->data : "", path->len));
    if (op != REMOVE) one = eyot_value_set(one, "value", eyot__value_of(eyot__ref(to)));
    *patch = eyot_value_append(*patch, one);
    return *patch ? EYOT_OK : EYOT_ENOMEM;
}

eyot_value *eyot_value_diff(const eyot_value *from, const eyot_value *to)
{
    eyot_value *patch = from && to ? eyot_value_new_array() : NULL;
    walk w = {.tell = add_operation, .arg = &patch};
    eyot_status status = patch ? walk_both(&w, eyot__word_of(from), eyot__word_of(to)) : EYOT_OK;
    if (!status) return patch;
    eyot_value_unref(patch);
    return NULL;
}

/* ---- the first one --------------------------------------------------------------------------------------------- */

typedef struct first {
    eyot_buf *pointer, *in_a, *in_b;
} first;

/* Ends the walk with EDIFFERS once all is told. */
static eyot_status tell_first(void *arg, operation op, const eyot_buf *path, eyot__word from, eyot__word to)
{
    const first *f = arg;
    (void)op;
    eyot_status status = eyot_buf_add(f->pointer, path->data, path->len);
    if (!status && from) status = eyot__json_show(from, f->in_a);
    if (!status && to) status = eyot__json_show(to, f->in_b);
    return status ? status : EYOT_EDIFFERS;
}

eyot_status eyot__state_difference(const void *a, const void *b, eyot_buf *pointer, eyot_buf *in_a, eyot_buf *in_b,
                                   void *rules)
{
    first f = {pointer, in_a, in_b};
    walk w = {.tell = tell_first, .arg = &f, .first = true};
    (void)rules;
    eyot_status status = walk_both(&w, eyot__word_of(a), eyot__word_of(b));
    return status == EYOT_EDIFFERS ? EYOT_OK : status;
}
