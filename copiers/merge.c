/* SPDX-License-Identifier: MIT */
/* Maps that come into maps, and the other way round: what an update writes, and which update leads from one state to
 * another. All go down two maps side by side, with a stack of their own. */
#include "copiers/reducers.h"

#include <stdlib.h>

#include "core/buf.h"

/* ---- merging --------------------------------------------------------------------------------------------------- */

enum mode { PREPARE, COMMIT, BUILD }; /* BUILD: into a map of our own that is thrown away on failure */

typedef struct side {
    eyot__word *map; /* merged into; stays in place while its children are worked on */
    eyot__cursor c;  /* over the update */
} side;

static eyot_status keep_made(eyot__merge *m, eyot__word w)
{
    if (m->count == m->cap) {
        uint32_t cap = m->cap ? 2 * m->cap : 8;
        eyot__word *grown = realloc(m->made, cap * sizeof *grown);
        if (!grown) {
            eyot__unref(w);
            return EYOT_ENOMEM;
        }
        m->made = grown;
        m->cap = cap;
    }
    m->made[m->count++] = w;
    return EYOT_OK;
}

void eyot__merge_drop(eyot__merge *m)
{
    while (m->next < m->count) eyot__unref(m->made[m->next++]);
    free(m->made);
    *m = (eyot__merge){NULL, 0, 0, 0};
}

/* Room in a map for the keys of the update that it lacks. */
static eyot_status reserve_missing(eyot__word *map, eyot__word update)
{
    uint32_t missing = 0;
    eyot__cursor c = eyot__cursor_of(update);
    for (const eyot__word *entry; (entry = eyot__cursor_entry(&c));)
        missing += entry[1] != EYOT__REMOVED && eyot__map_find_text(*map, eyot__text_of(entry[0])) == EYOT__NONE;
    return missing ? eyot__map_reserve(map, missing) : EYOT_OK;
}

/* Writes a value that is not merged further: as it is, or stripped of its removals. */
static eyot_status write_leaf(eyot__merge *m, enum mode mode, eyot__word *map, const eyot__word *entry, unsigned level)
{
    eyot__text *key = eyot__text_of(entry[0]);
    uint32_t at = eyot__map_find_text(*map, key);
    bool strip = eyot__is_map(entry[1]) && eyot__removes(entry[1]);
    eyot__word value = entry[1], *slot;
    eyot_status status = EYOT_OK;
    if (mode == PREPARE) {
        if (!eyot__depth_ok(value, level + 1)) return EYOT_ELIMIT;
        if (at != EYOT__NONE) status = eyot__map_own(map, at, &slot);
        if (!status && strip) status = eyot__merge_strip(value, &value);
        return !status && strip ? keep_made(m, value) : status;
    }
    value = strip ? m->made[m->next++] : eyot__ref(value);
    if (at == EYOT__NONE) {
        status = eyot__map_insert(map, key, value);
        if (!status)
            eyot__ref((eyot__word)key);
        else
            eyot__unref(value);
        return status;
    }
    status = eyot__map_own(map, at, &slot);
    assert(!status);
    eyot__unref(slot[1]);
    slot[1] = value;
    eyot__note(eyot__node_of(*map), value);
    return status;
}

static eyot_status remove_key(enum mode mode, eyot__word *map, const eyot__text *key)
{
    eyot__word *slot;
    uint32_t at = eyot__map_find_text(*map, key);
    if (at == EYOT__NONE) return EYOT_OK;
    return mode == PREPARE ? eyot__map_own(map, at, &slot) : eyot__map_remove(map, at);
}

/* The map inside *map that the entry is merged into, NULL if it is a leaf there. */
static eyot_status find_inner(enum mode mode, eyot__word *map, const eyot__word *entry, eyot__word **inner)
{
    eyot__word *slot;
    uint32_t at = eyot__map_find_text(*map, eyot__text_of(entry[0]));
    *inner = NULL;
    if (!eyot__is_map(entry[1])) return EYOT_OK;
    if (mode == BUILD && at == EYOT__NONE && eyot__removes(entry[1])) {
        eyot_status status = eyot__map_insert(map, eyot__text_of(entry[0]), EYOT__EMPTY_MAP);
        if (status) return status;
        eyot__ref(entry[0]);
        at = eyot__map_find_text(*map, eyot__text_of(entry[0]));
    }
    if (at == EYOT__NONE || !eyot__is_map(eyot__map_entry(*map, at)[1])) return EYOT_OK;
    eyot_status status = eyot__map_own(map, at, &slot);
    if (!status) *inner = &slot[1];
    return status;
}

static eyot_status merge(eyot__merge *m, enum mode mode, eyot__word *map, eyot__word update)
{
    side stack[EYOT_VALUE_MAX_DEPTH];
    unsigned depth = 1;
    eyot_status status = mode == COMMIT ? EYOT_OK : reserve_missing(map, update);
    stack[0] = (side){map, eyot__cursor_of(update)};
    while (depth && !status) {
        side *top = &stack[depth - 1];
        const eyot__word *entry = eyot__cursor_entry(&top->c);
        eyot__word *inner = NULL;
        if (!entry) {
            depth--;
            if (depth && mode != PREPARE) eyot__note(eyot__node_of(*stack[depth - 1].map), *top->map);
            continue;
        }
        if (entry[1] == EYOT__REMOVED) {
            status = remove_key(mode, top->map, eyot__text_of(entry[0]));
            continue;
        }
        status = find_inner(mode, top->map, entry, &inner);
        if (!status && !inner) status = write_leaf(m, mode, top->map, entry, depth);
        if (status || !inner) continue;
        if (mode != COMMIT) status = reserve_missing(inner, entry[1]);
        stack[depth++] = (side){inner, eyot__cursor_of(entry[1])};
    }
    return status;
}

eyot_status eyot__merge_prepare(eyot__merge *m, eyot__word *map, eyot__word update)
{
    return merge(m, PREPARE, map, update);
}

void eyot__merge_commit(eyot__merge *m, eyot__word *map, eyot__word update)
{
    eyot_status status = merge(m, COMMIT, map, update);
    assert(!status);
    (void)status;
    eyot__merge_drop(m);
}

eyot_status eyot__merge_strip(eyot__word map, eyot__word *out)
{
    eyot__merge none = {NULL, 0, 0, 0};
    *out = EYOT__EMPTY_MAP;
    eyot_status status = merge(&none, BUILD, out, map);
    if (status) {
        eyot__unref(*out);
        *out = 0;
    }
    return status;
}

/* ---- what an update writes ------------------------------------------------------------------------------------- */

/* The JSON pointer of the place that is reported. */
typedef struct path {
    char *text, at_hand[256];
    size_t len, cap;
} path;

/* Goes one key down. */
static eyot_status path_push(path *p, const eyot__text *key)
{
    size_t need = p->len + 1 + 2 * (size_t)key->len;
    if (need > p->cap) {
        char *grown = realloc(p->text == p->at_hand ? NULL : p->text, 2 * need);
        if (!grown) return EYOT_ENOMEM;
        if (p->text == p->at_hand) memcpy(grown, p->at_hand, p->len);
        p->text = grown;
        p->cap = 2 * need;
    }
    char *to = p->text + p->len;
    *to++ = '/';
    for (uint32_t i = 0; i < key->len; i++) {
        char c = key->bytes[i];
        if (c == '~' || c == '/') *to++ = '~';
        *to++ = c == '~' ? '0' : c == '/' ? '1' : c;
    }
    p->len = (size_t)(to - p->text);
    return EYOT_OK;
}

/* Reports what lies at and under the key whose pointer is in `p`. */
static eyot_status written_under(path *p, eyot__word value, eyot_written_fn emit, void *arg)
{
    struct {
        eyot__cursor c;
        size_t len; /* of its own pointer */
    } stack[EYOT_VALUE_MAX_DEPTH];
    unsigned depth = 0;
    eyot_status status = EYOT_OK;
    for (;;) {
        bool through = eyot__is_map(value);
        status = emit(arg, p->text, p->len, through);
        if (status) break;
        if (through) {
            stack[depth].c = eyot__cursor_of(value);
            stack[depth++].len = p->len;
        }
        const eyot__word *entry = NULL;
        while (depth && !(entry = eyot__cursor_entry(&stack[depth - 1].c))) depth--;
        if (!depth) break;
        p->len = stack[depth - 1].len;
        status = path_push(p, eyot__text_of(entry[0]));
        if (status) break;
        value = entry[1];
    }
    return status;
}

eyot_status eyot__state_conflict(const void *update, eyot_written_fn emit, void *arg, void *rules)
{
    path p;
    p.text = p.at_hand;
    p.cap = sizeof p.at_hand;
    eyot_status status = EYOT_OK;
    eyot__word u = eyot__word_of(update);
    eyot__cursor c = eyot__cursor_of(eyot__is_map(u) ? u : EYOT__EMPTY_MAP);
    for (const eyot__word *entry; !status && (entry = eyot__cursor_entry(&c));) {
        eyot_reducer reducer = eyot__rule_of(rules, eyot__text_of(entry[0])).reducer;
        if (reducer != EYOT_REPLACE && reducer != EYOT_MERGE) continue;
        p.len = 0;
        status = path_push(&p, eyot__text_of(entry[0]));
        if (status) break;
        if (reducer == EYOT_MERGE)
            status = written_under(&p, entry[1], emit, arg);
        else
            status = emit(arg, p.text, p.len, false);
    }
    if (p.text != p.at_hand) free(p.text);
    return status;
}

/* ---- from one state to another --------------------------------------------------------------------------------- */

/* The items of `after` behind those of `before`, which it must begin with; ETYPE if it does not. */
static eyot_status diff_arrays(eyot__word before, eyot__word after, eyot__word *out)
{
    eyot_status status = EYOT_OK;
    *out = EYOT__EMPTY_ARRAY;
    if (!eyot__is_array(before) || !eyot__is_array(after)) return EYOT_ETYPE;
    eyot__cursor b = eyot__cursor_of(before), a = eyot__cursor_of(after);
    for (eyot__word w; (w = eyot__cursor_item(&b));)
        if (!eyot_value_equal(eyot__value_of(w), eyot__value_of(eyot__cursor_item(&a)))) return EYOT_ETYPE;
    for (eyot__word w; !status && (w = eyot__cursor_item(&a));) {
        status = eyot__array_push(out, w);
        if (!status) eyot__ref(w);
    }
    if (status) eyot__unref(*out);
    return status;
}

typedef struct pair {
    eyot__cursor c; /* over `after` */
    eyot__word before, after, update;
    const eyot__word *entry; /* of the parent's `after` */
} pair;

static eyot_status put_entry(eyot__word *map, eyot__word key, eyot__word value)
{
    eyot_status status = eyot__map_insert(map, eyot__text_of(key), value);
    if (status)
        eyot__unref(value);
    else
        eyot__ref(key);
    return status;
}

/* What leads from the old value of a key to its new one; *down: both are maps that are merged. */
static eyot_status diff_entry(pair *p, const eyot__word *entry, eyot_reducer reducer, bool *down)
{
    uint32_t at = eyot__map_find_text(p->before, eyot__text_of(entry[0]));
    eyot__word old = at == EYOT__NONE ? 0 : eyot__map_entry(p->before, at)[1], value;
    eyot_status status = EYOT_OK;
    const char *what;
    *down = false;
    if (old && eyot_value_equal(eyot__value_of(old), eyot__value_of(entry[1]))) return EYOT_OK;
    *down = old && reducer == EYOT_MERGE && eyot__is_map(old) && eyot__is_map(entry[1]);
    if (*down) return EYOT_OK;
    if (old && reducer == EYOT_ADD)
        status = eyot__subtract(entry[1], old, &value, &what);
    else if (old && (reducer == EYOT_APPEND || reducer == EYOT_UNION))
        status = diff_arrays(old, entry[1], &value);
    else
        value = eyot__ref(entry[1]);
    if (status) return status;
    return put_entry(&p->update, entry[0], value);
}

static eyot_status diff_removed(pair *p)
{
    eyot_status status = EYOT_OK;
    eyot__cursor c = eyot__cursor_of(p->before);
    for (const eyot__word *entry; !status && (entry = eyot__cursor_entry(&c));)
        if (eyot__map_find_text(p->after, eyot__text_of(entry[0])) == EYOT__NONE)
            status = put_entry(&p->update, entry[0], EYOT__REMOVED);
    return status;
}

static pair pair_of(eyot__word before, eyot__word after, const eyot__word *entry)
{
    return (pair){eyot__cursor_of(after), before, after, EYOT__EMPTY_MAP, entry};
}

/* *bad: the key that no update leads to. */
static eyot_status diff(eyot__word before, eyot__word after, const eyot__rules *rules, eyot__word *out,
                        const eyot__text **bad)
{
    pair stack[EYOT_VALUE_MAX_DEPTH];
    unsigned depth = 1;
    eyot_status status = EYOT_OK;
    stack[0] = pair_of(before, after, NULL);
    for (;;) {
        pair *p = &stack[depth - 1];
        bool down = false;
        const eyot__word *entry = eyot__cursor_entry(&p->c);
        if (entry) {
            eyot__rule rule = {EYOT_MERGE, 0};
            if (depth == 1) rule = eyot__rule_of(rules, *bad = eyot__text_of(entry[0]));
            status = diff_entry(p, entry, rule.reducer, &down);
            if (down) {
                uint32_t at = eyot__map_find_text(p->before, eyot__text_of(entry[0]));
                stack[depth++] = pair_of(eyot__map_entry(p->before, at)[1], entry[1], entry);
            }
        } else {
            status = diff_removed(p);
            if (depth == 1 || status) break;
            depth--;
            if (eyot__count(p->update)) status = put_entry(&stack[depth - 1].update, p->entry[0], p->update);
        }
        if (status) break;
    }
    *out = stack[0].update;
    for (unsigned i = status ? 0 : depth; i < depth; i++) eyot__unref(stack[i].update);
    return status;
}

/* Equal but for the order of keys in maps that are not inside an array. */
static bool alike(eyot__word a, eyot__word b)
{
    struct {
        eyot__cursor c; /* over a */
        eyot__word b;
    } stack[EYOT_VALUE_MAX_DEPTH];
    unsigned depth = 0;
    for (;;) {
        bool maps = eyot__is_map(a) && eyot__is_map(b);
        if (maps ? eyot__count(a) != eyot__count(b) : !eyot_value_equal(eyot__value_of(a), eyot__value_of(b)))
            return false;
        if (maps) {
            stack[depth].c = eyot__cursor_of(a);
            stack[depth++].b = b;
        }
        const eyot__word *entry = NULL;
        while (depth && !(entry = eyot__cursor_entry(&stack[depth - 1].c))) depth--;
        if (!depth) return true;
        uint32_t at = eyot__map_find_text(stack[depth - 1].b, eyot__text_of(entry[0]));
        if (at == EYOT__NONE) return false;
        a = entry[1];
        b = eyot__map_entry(stack[depth - 1].b, at)[1];
    }
}

/* Whether the update really leads there. */
static eyot_status check_diff(eyot__word before, eyot__word after, eyot__word update, void *rules,
                              const eyot__text **bad)
{
    void *state = eyot__value_of(eyot__ref(before));
    eyot_status status = eyot__state_apply(&state, eyot__value_of(update), NULL, rules);
    eyot__cursor c = eyot__cursor_of(after);
    for (const eyot__word *entry; !status && (entry = eyot__cursor_entry(&c));) {
        *bad = eyot__text_of(entry[0]);
        uint32_t at = eyot__map_find_text(eyot__word_of(state), *bad);
        if (at == EYOT__NONE || !alike(eyot__map_entry(eyot__word_of(state), at)[1], entry[1])) status = EYOT_ETYPE;
    }
    eyot_value_unref(state);
    return status;
}

eyot_status eyot__state_diff(const void *before, const void *after, void **update, eyot_error *e, void *rules)
{
    eyot__word b = eyot__word_of(before), a = eyot__word_of(after), u = 0;
    const eyot__text *bad = NULL;
    *update = NULL;
    if (!eyot__is_map(b) || !eyot__is_map(a)) return eyot_error_set(e, EYOT_ETYPE, "both states must be maps");
    eyot_status status = diff(b, a, rules, &u, &bad);
    if (!status) {
        status = check_diff(b, a, u, rules, &bad);
        if (!status && eyot__count(u))
            *update = eyot__value_of(u);
        else
            eyot__unref(u);
    }
    if (status == EYOT_ENOMEM || !bad)
        return status ? eyot_error_set(e, status, "%s", eyot_status_text(status)) : EYOT_OK;
    if (status)
        return eyot_error_set(e, status, EYOT__KEY_FMT ": no update leads to its new value", EYOT__KEY_ARG(bad));
    return EYOT_OK;
}
