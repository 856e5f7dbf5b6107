/* SPDX-License-Identifier: MIT */
/* How an update comes into a state. An update either comes in whole or leaves the state as it was: first every key is
 * planned, which computes new values and makes room, and may fail; then the plan is carried out, which cannot. */
#include "copiers/reducers.h"

#include <stdlib.h>

#include "core/buf.h"

/* ---- rules ----------------------------------------------------------------------------------------------------- */

static const char *const reducer_names[] = {"replace", "append", "add",   "min",   "max",
                                            "first",   "last",   "union", "merge", "local"};

eyot__rule eyot__rule_of(const eyot__rules *rules, const eyot__text *key)
{
    eyot__rule rule = {EYOT_REPLACE, 0};
    uint32_t at = rules ? eyot__map_find_text(rules->map, key) : EYOT__NONE;
    if (at != EYOT__NONE) {
        int64_t packed = eyot__int_unpack(eyot__map_entry(rules->map, at)[1]);
        rule.reducer = (eyot_reducer)(packed & 15);
        rule.limit = (uint32_t)(packed >> 4);
    }
    return rule;
}

eyot_status eyot__rules_add(void **rules, const char *key, eyot_reducer reducer, uint64_t limit, eyot_error *e)
{
    eyot__rules *r = *rules;
    if (!key || (unsigned)reducer > EYOT_LOCAL)
        return eyot_error_set(e, EYOT_EINVAL, "%s", key ? "no such reducer" : "the key of a reducer is NULL");
    if (limit && reducer != EYOT_APPEND)
        return eyot_error_set(e, EYOT_EINVAL, "key \"%s\": %s takes no limit", key, reducer_names[reducer]);
    if (limit > EYOT_VALUE_MAX_ITEMS)
        return eyot_error_set(e, EYOT_EINVAL, "key \"%s\": the limit is more than %d", key, EYOT_VALUE_MAX_ITEMS);
    if (r && eyot_value_at(eyot__value_of(r->map), key))
        return eyot_error_set(e, EYOT_EINVAL, "key \"%s\" has a reducer already", key);
    if (!r && !(r = calloc(1, sizeof *r))) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    if (!r->map) r->map = EYOT__EMPTY_MAP;
    *rules = r;
    eyot_status status = eyot__map_put(&r->map, key, strlen(key), eyot__int_pack((int64_t)(limit << 4) | reducer));
    if (status) return eyot_error_set(e, status, "key \"%s\": %s", key, eyot_status_text(status));
    r->locals += reducer == EYOT_LOCAL;
    return EYOT_OK;
}

void eyot__rules_free(void *rules)
{
    eyot__rules *r = rules;
    if (r) eyot__unref(r->map);
    free(r);
}

static int by_key(const void *a, const void *b)
{
    const eyot__text *s = eyot__text_of(**(const eyot__word *const *)a);
    const eyot__text *t = eyot__text_of(**(const eyot__word *const *)b);
    int order = memcmp(s->bytes, t->bytes, s->len < t->len ? s->len : t->len);
    return order ? order : (s->len > t->len) - (s->len < t->len);
}

/* Sorted, and without what is so by default: equal rules give equal texts, whatever order they were made in. */
eyot_status eyot__rules_text(const void *rules, eyot_buf *out)
{
    const eyot__rules *r = rules;
    uint32_t count = r ? eyot__count(r->map) : 0, n = 0;
    const eyot__word **sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted) return EYOT_ENOMEM;
    eyot__cursor c = eyot__cursor_of(r ? r->map : EYOT__EMPTY_MAP);
    for (const eyot__word *entry; (entry = eyot__cursor_entry(&c));)
        if (eyot__int_unpack(entry[1]) != EYOT_REPLACE) sorted[n++] = entry;
    qsort(sorted, n, sizeof *sorted, by_key);
    for (uint32_t i = 0; i < n; i++) {
        const eyot__text *key = eyot__text_of(sorted[i][0]);
        eyot__rule rule = eyot__rule_of(r, key);
        eyot__buf_format(out, "%u:%s=%s", (unsigned)key->len, key->bytes, reducer_names[rule.reducer]);
        if (rule.limit) eyot__buf_format(out, " %u", (unsigned)rule.limit);
        eyot__buf_text(out, "\n");
    }
    free(sorted);
    return out->failed;
}

/* ---- what needs no rules --------------------------------------------------------------------------------------- */

eyot_status eyot__state_copy(const void *v, void **out, void *rules)
{
    (void)rules;
    *out = eyot_value_ref(v);
    return EYOT_OK;
}
void eyot__state_free(void *v, void *rules)
{
    (void)rules;
    eyot_value_unref(v);
}
size_t eyot__state_measure(const void *v, void *rules)
{
    (void)rules;
    return eyot_value_measure(v);
}
bool eyot__state_equal(const void *a, const void *b, void *rules)
{
    (void)rules;
    return eyot_value_equal(a, b);
}
uint64_t eyot__state_hash(const void *v, void *rules)
{
    (void)rules;
    return eyot_value_hash(v);
}

/* ---- planning -------------------------------------------------------------------------------------------------- */

enum action { KEEP, SET, EXTEND, MERGE, REMOVE };

/* What one key of the update does. */
typedef struct step {
    eyot__text *key;  /* the update's */
    eyot__word value; /* ours: the new value, or the array of items to add, or the map to merge */
    enum action action;
    bool present; /* the state has the key */
    uint32_t limit;
    eyot__merge merge;
} step;

#define STEPS_AT_HAND 8

static eyot_status wrong_type(eyot_error *e, const eyot__text *key, const char *does, eyot__word is)
{
    return eyot_error_set(e, EYOT_ETYPE, EYOT__KEY_FMT ": %s, got %s", EYOT__KEY_ARG(key), does,
                          eyot_value_kind_name(eyot_value_kind_of(eyot__value_of(is))));
}

/* The items of `more` that are neither in `old` nor twice in `more`. */
static eyot_status union_items(eyot__word old, eyot__word more, eyot__word *out);

static eyot_status plan_array(step *p, eyot__word old, eyot__word value, bool as_set, eyot_error *e)
{
    const char *does = as_set ? "union wants an array" : "append wants an array";
    if (!eyot__is_array(value)) return wrong_type(e, p->key, does, value);
    if (old && !eyot__is_array(old)) return wrong_type(e, p->key, does, old);
    p->action = old ? EXTEND : SET;
    if (old && as_set) return union_items(old, value, &p->value);
    p->value = eyot__ref(value);
    uint32_t n = eyot__count(value);
    if (!old && p->limit && n > p->limit) return eyot__array_drop_front(&p->value, n - p->limit);
    return EYOT_OK;
}

static eyot_status plan_number(step *p, eyot_reducer reducer, eyot__word old, eyot__word value, eyot_error *e)
{
    const char *what = NULL;
    bool first = true;
    eyot__word zero = eyot__int_pack(0), result = 0, other = old ? old : reducer == EYOT_ADD ? zero : value;
    /* Also the first value must be one that the reducer can go on with. */
    eyot_status status = reducer == EYOT_ADD   ? eyot__add(other, value, &result, &what)
                         : reducer == EYOT_MIN ? eyot__smaller(value, other, &first, &what)
                                               : eyot__smaller(other, value, &first, &what);
    if (status == EYOT_ENOMEM) return status;
    if (status)
        return eyot_error_set(e, status, EYOT__KEY_FMT ": %s: %s", EYOT__KEY_ARG(p->key), reducer_names[reducer], what);
    if (old && reducer == EYOT_ADD) {
        p->value = result;
        p->action = SET;
        return EYOT_OK;
    }
    eyot__unref(result);
    p->action = !old || first ? SET : KEEP;
    if (p->action == SET) p->value = eyot__ref(value);
    return EYOT_OK;
}

static eyot_status plan_merge(step *p, eyot__word old, eyot__word value, eyot_error *e)
{
    if (!eyot__is_map(value)) return wrong_type(e, p->key, "merge wants a map", value);
    if (old && !eyot__is_map(old)) return wrong_type(e, p->key, "merge wants a map", old);
    p->action = old ? MERGE : SET;
    if (!old && eyot__removes(value)) return eyot__merge_strip(value, &p->value);
    p->value = eyot__ref(value);
    return EYOT_OK;
}

/* Decides what a key of the update does and computes what can be computed without touching the state. */
static eyot_status plan_step(step *p, const eyot__word *entry, eyot__word state, const eyot__rules *rules,
                             eyot_error *e)
{
    eyot__text *key = eyot__text_of(entry[0]);
    eyot__rule rule = eyot__rule_of(rules, key);
    uint32_t at = eyot__map_find_text(state, key);
    eyot__word value = entry[1], old = at == EYOT__NONE ? 0 : eyot__map_entry(state, at)[1];
    *p = (step){key, 0, SET, old != 0, rule.limit, {NULL, 0, 0, 0}};
    if (value == EYOT__REMOVED) {
        p->action = old ? REMOVE : KEEP;
        return EYOT_OK;
    }
    switch (rule.reducer) {
    case EYOT_APPEND: return plan_array(p, old, value, false, e);
    case EYOT_UNION: return plan_array(p, old, value, true, e);
    case EYOT_ADD:
    case EYOT_MIN:
    case EYOT_MAX: return plan_number(p, rule.reducer, old, value, e);
    case EYOT_MERGE: return plan_merge(p, old, value, e);
    case EYOT_FIRST:
        if (old) p->action = KEEP;
        break;
    case EYOT_REPLACE:
    case EYOT_LAST:
    case EYOT_LOCAL: break;
    }
    if (p->action == SET) p->value = eyot__ref(value);
    return EYOT_OK;
}

/* Makes what the step will change our own, and room in it. */
static eyot_status prepare_step(step *p, eyot__word *state)
{
    eyot__word *entry;
    if (!p->present || p->action == KEEP) return EYOT_OK;
    eyot_status status = eyot__map_own(state, eyot__map_find_text(*state, p->key), &entry);
    if (status) return status;
    if (p->action == MERGE) return eyot__merge_prepare(&p->merge, &entry[1], p->value);
    if (p->action != EXTEND) return EYOT_OK;
    /* One more than needed, so that the array is our own when its front is dropped. */
    return eyot__depth_ok(p->value, 1) ? eyot__array_reserve(&entry[1], eyot__count(p->value) + 1) : EYOT_ELIMIT;
}

/* ---- carrying out ---------------------------------------------------------------------------------------------- */

static void extend(eyot__word *array, const step *p)
{
    eyot__cursor c = eyot__cursor_of(p->value);
    for (eyot__word item; (item = eyot__cursor_item(&c));) {
        eyot_status pushed = eyot__array_push(array, eyot__ref(item));
        assert(!pushed);
        (void)pushed;
    }
    uint32_t n = eyot__count(*array);
    if (p->limit && n > p->limit) {
        eyot_status dropped = eyot__array_drop_front(array, n - p->limit);
        assert(!dropped);
        (void)dropped;
    }
    eyot__unref(p->value);
}

static void commit_step(step *p, eyot__word *state)
{
    eyot__word *entry = NULL;
    eyot_status status = EYOT_OK;
    if (p->action == KEEP) return;
    if (!p->present) {
        status = eyot__map_insert(state, eyot__text_of(eyot__ref((eyot__word)p->key)), p->value);
    } else if (p->action == REMOVE) {
        status = eyot__map_remove(state, eyot__map_find_text(*state, p->key));
    } else {
        status = eyot__map_own(state, eyot__map_find_text(*state, p->key), &entry);
    }
    assert(!status);
    (void)status;
    if (!entry) return;
    if (p->action == EXTEND) {
        extend(&entry[1], p);
    } else if (p->action == MERGE) {
        eyot__merge_commit(&p->merge, &entry[1], p->value);
        eyot__unref(p->value);
    } else {
        eyot__unref(entry[1]);
        entry[1] = p->value;
    }
    eyot__note(eyot__node_of(*state), entry[1]);
}

static eyot_status both_are_maps(eyot__word state, eyot__word update, eyot_error *e)
{
    bool bad_state = !eyot__is_map(state);
    if (!bad_state && eyot__is_map(update)) return EYOT_OK;
    return eyot_error_set(e, EYOT_ETYPE, "the %s is not a map but %s", bad_state ? "state" : "update",
                          eyot_value_kind_name(eyot_value_kind_of(eyot__value_of(bad_state ? state : update))));
}

static void drop_steps(step *steps, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        eyot__merge_drop(&steps[i].merge);
        eyot__unref(steps[i].value);
    }
}

static eyot_status reduce(eyot__word *state, eyot__word update, step *steps, const eyot__rules *rules, eyot_error *e)
{
    eyot_status status = EYOT_OK;
    uint32_t n = 0, fresh = 0;
    eyot__cursor c = eyot__cursor_of(update);
    for (const eyot__word *entry; !status && (entry = eyot__cursor_entry(&c)); n++) {
        status = plan_step(&steps[n], entry, *state, rules, e);
        fresh += !steps[n].present && steps[n].action == SET;
        if (!status && !eyot__depth_ok(steps[n].value, 1)) status = EYOT_ELIMIT;
    }
    if (!status && fresh) status = eyot__map_reserve(state, fresh);
    for (uint32_t i = 0; !status && i < n; i++) status = prepare_step(&steps[i], state);
    if (status) {
        drop_steps(steps, n);
        return status;
    }
    for (uint32_t i = 0; i < n; i++) commit_step(&steps[i], state);
    return EYOT_OK;
}

eyot_status eyot__state_apply(void **state, const void *update, eyot_error *e, void *rules)
{
    step at_hand[STEPS_AT_HAND], *steps = at_hand;
    eyot__word w = eyot__word_of(*state), u = eyot__word_of(update);
    eyot_status status = both_are_maps(w, u, e);
    if (status) return status;
    uint32_t n = eyot__count(u);
    if (n > STEPS_AT_HAND && !(steps = malloc(n * sizeof *steps)))
        return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    status = reduce(&w, u, steps, rules, e);
    if (steps != at_hand) free(steps);
    *state = eyot__value_of(w);
    /* The others were told with the name of their key. */
    if (status == EYOT_ENOMEM) eyot_error_set(e, status, "out of memory");
    if (status == EYOT_ELIMIT) eyot_error_set(e, status, "the state would be nested too deep or have too many items");
    return status;
}

/* ---- local keys ------------------------------------------------------------------------------------------------ */

bool eyot__state_has_local(const void *v, void *rules)
{
    const eyot__rules *r = rules;
    eyot__word w = eyot__word_of(v);
    if (!r || !r->locals || !eyot__is_map(w)) return false;
    eyot__cursor c = eyot__cursor_of(r->map);
    for (const eyot__word *entry; (entry = eyot__cursor_entry(&c));)
        if (eyot__int_unpack(entry[1]) == EYOT_LOCAL && eyot__map_find_text(w, eyot__text_of(entry[0])) != EYOT__NONE)
            return true;
    return false;
}

eyot_status eyot__state_drop_local(void **state, void *rules)
{
    const eyot__rules *r = rules;
    eyot__word w = eyot__word_of(*state);
    eyot_status status = EYOT_OK;
    if (!r || !r->locals || !eyot__is_map(w)) return EYOT_OK;
    eyot__cursor c = eyot__cursor_of(r->map);
    for (const eyot__word *entry; !status && (entry = eyot__cursor_entry(&c));) {
        if (eyot__int_unpack(entry[1]) != EYOT_LOCAL) continue;
        uint32_t at = eyot__map_find_text(w, eyot__text_of(entry[0]));
        if (at != EYOT__NONE) status = eyot__map_remove(&w, at);
    }
    *state = eyot__value_of(w);
    return status;
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

__extension__ typedef __int128 wide;

static bool is_integer(const eyot__num *n)
{
    return n->kind == EYOT_VALUE_INT || n->kind == EYOT_VALUE_UINT;
}

static wide integer_of(const eyot__num *n)
{
    return n->kind == EYOT_VALUE_UINT ? (wide)n->u : (wide)n->i;
}

static eyot_status not_numbers(const eyot__num *a, const eyot__num *b, const char **what)
{
    if (a->kind && b->kind && a->d == a->d && b->d == b->d) return EYOT_OK;
    *what = "both values must be numbers";
    return EYOT_ETYPE;
}

/* Integers add up exactly; an integer and a double only if the integer is one that a double has. */
eyot_status eyot__add(eyot__word a, eyot__word b, eyot__word *out, const char **what)
{
    eyot__num x = eyot__num_of(a), y = eyot__num_of(b);
    eyot_status status = not_numbers(&x, &y, what);
    if (status) return status;
    if (is_integer(&x) && is_integer(&y)) {
        wide sum = integer_of(&x) + integer_of(&y);
        *what = "the sum does not fit 64 bits";
        if (sum < INT64_MIN || sum > (wide)UINT64_MAX) return EYOT_EOVERFLOW;
        *out = sum < 0 ? eyot__word_int((int64_t)sum) : eyot__word_uint((uint64_t)sum);
        return *out ? EYOT_OK : EYOT_ENOMEM;
    }
    double dx = is_integer(&x) ? (double)integer_of(&x) : x.d, dy = is_integer(&y) ? (double)integer_of(&y) : y.d;
    *what = "an integer beyond 2^53 cannot be added to a double exactly";
    if ((is_integer(&x) && (wide)dx != integer_of(&x)) || (is_integer(&y) && (wide)dy != integer_of(&y)))
        return EYOT_EOVERFLOW;
    double sum = dx + dy;
    bool single = x.kind == EYOT_VALUE_FLOAT32 && y.kind == EYOT_VALUE_FLOAT32;
    if (single && sum - sum == 0) sum = (double)(float)sum;
    *what = "the sum is beyond any double";
    if (sum - sum != 0) return EYOT_EOVERFLOW;
    *out = single ? eyot__word_float32((float)sum) : eyot__word_double(sum);
    return *out ? EYOT_OK : EYOT_ENOMEM;
}

/* b such that a = old + b, if there is one; for doubles nearly. */
eyot_status eyot__subtract(eyot__word a, eyot__word old, eyot__word *out, const char **what)
{
    eyot__num x = eyot__num_of(a), y = eyot__num_of(old);
    eyot_status status = not_numbers(&x, &y, what);
    if (status) return status;
    if (is_integer(&x) && is_integer(&y)) {
        wide by = integer_of(&x) - integer_of(&y);
        if (by < INT64_MIN || by > (wide)UINT64_MAX) return EYOT_EOVERFLOW;
        *out = by < 0 ? eyot__word_int((int64_t)by) : eyot__word_uint((uint64_t)by);
    } else {
        *out = eyot__word_double(eyot_value_double(eyot__value_of(a), 0) - eyot_value_double(eyot__value_of(old), 0));
    }
    return *out ? EYOT_OK : EYOT_ENOMEM;
}

static int compare_integer(wide i, double d)
{
    if (d >= 0x1p65) return -1;
    if (d <= -0x1p65) return 1;
    wide whole = (wide)d;
    if (i != whole) return i < whole ? -1 : 1;
    double rest = d - (double)whole;
    return (rest < 0) - (rest > 0);
}

static int compare_numbers(const eyot__num *x, const eyot__num *y)
{
    if (is_integer(x) && is_integer(y)) {
        wide a = integer_of(x), b = integer_of(y);
        return (a > b) - (a < b);
    }
    if (is_integer(x)) return compare_integer(integer_of(x), y->d);
    if (is_integer(y)) return -compare_integer(integer_of(y), x->d);
    return (x->d > y->d) - (x->d < y->d);
}

/* Numbers by what they are worth, strings by their bytes. */
eyot_status eyot__smaller(eyot__word a, eyot__word b, bool *first, const char **what)
{
    size_t n, m;
    const char *s = eyot_value_string_len(eyot__value_of(a), &n), *t = eyot_value_string_len(eyot__value_of(b), &m);
    if (s && t) {
        int order = memcmp(s, t, n < m ? n : m);
        *first = order ? order < 0 : n < m;
        return EYOT_OK;
    }
    eyot__num x = eyot__num_of(a), y = eyot__num_of(b);
    if (not_numbers(&x, &y, what)) {
        *what = "both values must be numbers, or both strings";
        return EYOT_ETYPE;
    }
    *first = compare_numbers(&x, &y) < 0;
    return EYOT_OK;
}

/* ---- sets ------------------------------------------------------------------------------------------------------ */

/* A table of the items seen so far, by hash: a union takes time in proportion to its items. */
typedef struct seen {
    eyot__word *slot;
    size_t mask;
} seen;

static bool seen_add(seen *s, eyot__word item)
{
    size_t i = (size_t)eyot_value_hash(eyot__value_of(item)) & s->mask;
    for (; s->slot[i]; i = (i + 1) & s->mask)
        if (eyot_value_equal(eyot__value_of(s->slot[i]), eyot__value_of(item))) return false;
    s->slot[i] = item;
    return true;
}

static bool in_array(eyot__word array, eyot__word item)
{
    eyot__cursor c = eyot__cursor_of(array);
    for (eyot__word w; (w = eyot__cursor_item(&c));)
        if (eyot_value_equal(eyot__value_of(w), eyot__value_of(item))) return true;
    return false;
}

static eyot_status union_items(eyot__word old, eyot__word more, eyot__word *out)
{
    uint32_t n = eyot__count(old), m = eyot__count(more);
    bool few = m == 1; /* then no table pays */
    seen s = {NULL, 15};
    eyot_status status = EYOT_OK;
    *out = EYOT__EMPTY_ARRAY;
    while (!few && s.mask < 2 * ((size_t)n + m)) s.mask = 2 * s.mask + 1;
    if (!few && !(s.slot = calloc(s.mask + 1, sizeof *s.slot))) return EYOT_ENOMEM;
    eyot__cursor c = eyot__cursor_of(few ? EYOT__EMPTY_ARRAY : old);
    for (eyot__word item; (item = eyot__cursor_item(&c));) seen_add(&s, item);
    c = eyot__cursor_of(more);
    for (eyot__word item; !status && (item = eyot__cursor_item(&c));) {
        bool known = few ? in_array(old, item) : !seen_add(&s, item);
        if (!known) status = eyot__array_push(out, item);
        if (!known && !status) eyot__ref(item);
    }
    free(s.slot);
    return status;
}
