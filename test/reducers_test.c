/* SPDX-License-Identifier: MIT */
#include "test/eyot_test.h"

#include <math.h>
#include <stdlib.h>

#include "copiers/reducers.h"
#include "core/buf.h"

static eyot_value *parsed(const char *text)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_value *v = eyot_json_parse(text, &e);
    if (!v) test_fail(__FILE__, __LINE__, "%s: %s", text, e.text);
    return v;
}

static void check_text(const void *v, const char *want)
{
    char *text = eyot_json_print(v, NULL);
    CHECK_STR(text, want);
    eyot_free(text);
}

/* Rules as used by most tests: keys are named after their reducer. */
static void *all_rules(void)
{
    static const char *const names[] = {"replace", "append", "add",   "min",   "max",
                                        "first",   "last",   "union", "merge", "local"};
    void *rules = NULL;
    for (int i = 0; i < 10; i++) CHECK_OK(eyot_json()->rule(&rules, names[i], (eyot_reducer)i, 0, NULL));
    CHECK_OK(eyot_json()->rule(&rules, "last3", EYOT_APPEND, 3, NULL));
    return rules;
}

/* Applies updates one after another, to a sole owner and to a state that others hold, and checks the result. */
static void check_applied(const char *state, const char *updates, const char *want)
{
    void *rules = all_rules(), *sole = parsed(state), *shared = parsed(state);
    eyot_value *list = parsed(updates);
    eyot_value_iter it = eyot_value_each(list);
    while (eyot_value_next(&it)) {
        eyot_error e = {EYOT_OK, 0, ""};
        void *held = eyot_value_ref(shared);
        char *before = eyot_json_print(held, NULL);
        if (eyot_json()->apply(&sole, it.value, &e, rules)) test_fail(__FILE__, __LINE__, "%s", e.text);
        CHECK_OK(eyot_json()->apply(&shared, it.value, &e, rules));
        check_text(held, before);
        eyot_free(before);
        eyot_value_unref(held);
    }
    check_text(sole, want);
    check_text(shared, want);
    check_text(list, updates);
    eyot_value_unref(sole);
    eyot_value_unref(shared);
    eyot_value_unref(list);
    eyot_json()->rules_free(rules);
}

static void check_fails(const char *state, const char *update, eyot_status status, const char *why)
{
    eyot_error e = {EYOT_OK, 0, ""};
    void *rules = all_rules(), *s = parsed(state), *u = parsed(update);
    CHECK_STATUS(eyot_json()->apply(&s, u, &e, rules), status);
    CHECK_INT(e.status, status);
    CHECK_HAS(e.text, why);
    check_text(s, state);
    eyot_value_unref(s);
    eyot_value_unref(u);
    eyot_json()->rules_free(rules);
}

/* ---- each reducer ---------------------------------------------------------------------------------------------- */

TEST(reducers_replace__is_the_default)
{
    check_applied("{\"a\":1,\"b\":{\"c\":1}}", "[{\"b\":{\"d\":2}},{\"e\":null}]",
                  "{\"a\":1,\"b\":{\"d\":2},\"e\":null}");
}

TEST(reducers_removal__takes_the_key_away)
{
    check_applied("{\"a\":1,\"add\":2,\"merge\":{},\"b\":3}",
                  "[{\"a\":{\"$removed\":true},\"add\":{\"$removed\":true},\"none\":{\"$removed\":true}},{\"add\":5}]",
                  "{\"merge\":{},\"b\":3,\"add\":5}");
}

TEST(reducers_append__joins_arrays)
{
    check_applied("{}", "[{\"append\":[1]},{\"append\":[]},{\"append\":[2,[3]]}]", "{\"append\":[1,2,[3]]}");
}

TEST(reducers_append__keeps_the_last_of_a_limit)
{
    check_applied("{}", "[{\"last3\":[1,2,3,4]},{\"last3\":[5]},{\"last3\":[6,7,8,9]}]", "{\"last3\":[7,8,9]}");
    check_applied("{\"last3\":[1,2,3,4,5]}", "[{\"last3\":[]}]", "{\"last3\":[3,4,5]}");
}

TEST(reducers_append__keeps_the_last_of_a_large_limit)
{
    void *rules = NULL, *state = parsed("{}");
    CHECK_OK(eyot_json()->rule(&rules, "log", EYOT_APPEND, 1000, NULL));
    for (int i = 0; i < 5000; i++) {
        eyot_value *one = eyot_value_append(eyot_value_new_array(), eyot_value_new_int(i));
        eyot_value *update = eyot_value_set(eyot_value_new_map(), "log", one);
        void *held = i % 7 ? NULL : eyot_value_ref(state);
        CHECK_OK(eyot_json()->apply(&state, update, NULL, rules));
        eyot_value_unref(held);
        eyot_value_unref(update);
    }
    const eyot_value *log = eyot_value_at(state, "log");
    CHECK_INT(eyot_value_count(log), 1000);
    for (size_t i = 0; i < 1000; i++) CHECK_INT(eyot_value_int(eyot_value_item(log, i), -1), 4000 + i);
    CHECK(eyot_value_measure(log) < 20000);
    eyot_value_unref(state);
    eyot_json()->rules_free(rules);
}

TEST(reducers_add__is_exact)
{
    check_applied("{\"add\":9223372036854775807}", "[{\"add\":1}]", "{\"add\":9223372036854775808}");
    check_applied("{\"add\":18446744073709551615}", "[{\"add\":-9223372036854775808}]",
                  "{\"add\":9223372036854775807}");
    check_applied("{\"add\":0.5}", "[{\"add\":2},{\"add\":0.25}]", "{\"add\":2.75}");
    check_applied("{\"add\":{\"$float32\":0.5}}", "[{\"add\":{\"$float32\":0.25}}]", "{\"add\":{\"$float32\":0.75}}");
    check_applied("{}", "[{\"add\":1},{\"add\":1}]", "{\"add\":2}");
}

TEST(reducers_add__overflow_fails)
{
    check_fails("{\"add\":18446744073709551615}", "{\"add\":1}", EYOT_EOVERFLOW,
                "key \"add\": add: the sum does not fit 64 bits");
    check_fails("{\"add\":-9223372036854775808}", "{\"add\":-1}", EYOT_EOVERFLOW, "key \"add\"");
    check_fails("{\"add\":1.7e308}", "{\"add\":1.7e308}", EYOT_EOVERFLOW, "beyond any double");
    check_fails("{\"add\":0.5}", "{\"add\":9007199254740993}", EYOT_EOVERFLOW, "2^53");
}

TEST(reducers_min_max__compare_numbers_and_strings)
{
    check_applied("{\"min\":5,\"max\":5}", "[{\"min\":7,\"max\":7},{\"min\":4.5,\"max\":7.5},{\"min\":5,\"max\":7}]",
                  "{\"min\":4.5,\"max\":7.5}");
    check_applied("{\"min\":9007199254740993,\"max\":9007199254740993}",
                  "[{\"min\":9007199254740992.0,\"max\":9007199254740992.0}]",
                  "{\"min\":9007199254740992.0,\"max\":9007199254740993}");
    check_applied("{\"max\":18446744073709551615}", "[{\"max\":1e300},{\"max\":-1e300},{\"max\":-1}]",
                  "{\"max\":1e300}");
    check_applied("{\"min\":\"b\",\"max\":\"b\"}", "[{\"min\":\"ba\",\"max\":\"ba\"},{\"min\":\"a\",\"max\":\"\"}]",
                  "{\"min\":\"a\",\"max\":\"ba\"}");
    check_applied("{\"min\":1,\"max\":1}", "[{\"min\":1.0,\"max\":1.0}]", "{\"min\":1,\"max\":1}");
}

TEST(reducers_first_last__keep_one)
{
    check_applied("{}", "[{\"first\":1,\"last\":1},{\"first\":2,\"last\":2}]", "{\"first\":1,\"last\":2}");
}

TEST(reducers_union__keeps_the_order_first_seen)
{
    check_applied("{}", "[{\"union\":[3,1]},{\"union\":[1,2,2]},{\"union\":[[1],3,[1],\"1\",1.0]}]",
                  "{\"union\":[3,1,2,[1],\"1\",1.0]}");
    check_applied("{\"union\":[]}", "[{\"union\":[]},{\"union\":[7]}]", "{\"union\":[7]}");
}

TEST(reducers_union__of_many_items_takes_time_in_proportion)
{
    void *rules = NULL, *state = parsed("{\"ids\":[]}");
    CHECK_OK(eyot_json()->rule(&rules, "ids", EYOT_UNION, 0, NULL));
    eyot_value *items = eyot_value_new_array();
    for (int i = 0; i < 100000; i++) items = eyot_value_append(items, eyot_value_new_int(i % 70000));
    eyot_value *update = eyot_value_set(eyot_value_new_map(), "ids", items);
    uint64_t begin = test_now_ms();
    CHECK_OK(eyot_json()->apply(&state, update, NULL, rules));
    CHECK_OK(eyot_json()->apply(&state, update, NULL, rules));
    CHECK(test_now_ms() - begin < 5000);
    CHECK_INT(eyot_value_count(eyot_value_at(state, "ids")), 70000);
    eyot_value_unref(update);
    eyot_value_unref(state);
    eyot_json()->rules_free(rules);
}

TEST(reducers_merge__goes_down_maps)
{
    check_applied("{\"merge\":{\"a\":{\"b\":1,\"c\":[1]},\"d\":2}}",
                  "[{\"merge\":{\"a\":{\"b\":5,\"e\":{}},\"f\":{\"g\":1}}}]",
                  "{\"merge\":{\"a\":{\"b\":5,\"c\":[1],\"e\":{}},\"d\":2,\"f\":{\"g\":1}}}");
    check_applied("{\"merge\":{\"a\":{\"b\":1}}}", "[{\"merge\":{\"a\":7}},{\"merge\":{\"a\":{\"c\":1}}}]",
                  "{\"merge\":{\"a\":{\"c\":1}}}");
}

TEST(reducers_merge__removes_below)
{
    check_applied(
        "{\"merge\":{\"a\":{\"b\":1,\"c\":2},\"d\":3}}",
        "[{\"merge\":{\"a\":{\"b\":{\"$removed\":true},\"x\":{\"$removed\":true}},\"d\":{\"$removed\":true}}}]",
        "{\"merge\":{\"a\":{\"c\":2}}}");
}

TEST(reducers_merge__leaves_no_removal_in_the_state)
{
    const char *update = "[{\"merge\":{\"a\":{\"b\":{\"$removed\":true},\"c\":{\"d\":{\"$removed\":true},\"e\":1}},"
                         "\"f\":{\"$removed\":true}}}]";
    check_applied("{}", update, "{\"merge\":{\"a\":{\"c\":{\"e\":1}}}}");
    check_applied("{\"merge\":{\"a\":5}}", update, "{\"merge\":{\"a\":{\"c\":{\"e\":1}}}}");
    check_applied("{\"merge\":{\"a\":{\"b\":1,\"c\":2}}}", update, "{\"merge\":{\"a\":{\"c\":{\"e\":1}}}}");
}

TEST(reducers_merge__one_key_into_many_is_quick)
{
    void *rules = NULL, *state = parsed("{\"results\":{}}");
    CHECK_OK(eyot_json()->rule(&rules, "results", EYOT_MERGE, 0, NULL));
    uint64_t begin = test_now_ms();
    for (int i = 0; i < 50000; i++) {
        char key[16];
        snprintf(key, sizeof key, "r%d", i);
        eyot_value *one = eyot_value_set(eyot_value_new_map(), key, eyot_value_new_int(i));
        eyot_value *update = eyot_value_set(eyot_value_new_map(), "results", one);
        CHECK_OK(eyot_json()->apply(&state, update, NULL, rules));
        eyot_value_unref(update);
    }
    CHECK(test_now_ms() - begin < 5000);
    CHECK_INT(eyot_value_count(eyot_value_at(state, "results")), 50000);
    CHECK_INT(eyot_value_int(eyot_value_pointer(state, "/results/r49999"), 0), 49999);
    eyot_value_unref(state);
    eyot_json()->rules_free(rules);
}

TEST(reducers_local__is_dropped_where_branches_meet)
{
    void *rules = all_rules(), *state = parsed("{\"a\":1,\"local\":2,\"b\":3}"), *held = eyot_value_ref(state);
    CHECK_OK(eyot_json()->drop_local(&state, rules));
    check_text(state, "{\"a\":1,\"b\":3}");
    check_text(held, "{\"a\":1,\"local\":2,\"b\":3}");
    CHECK_OK(eyot_json()->drop_local(&state, rules));
    check_text(state, "{\"a\":1,\"b\":3}");
    eyot_value_unref(state);
    eyot_value_unref(held);
    eyot_json()->rules_free(rules);
}

/* ---- failures -------------------------------------------------------------------------------------------------- */

TEST(reducers_types__wrong_one_fails_and_names_the_key)
{
    check_fails("{\"add\":1}", "{\"add\":\"x\"}", EYOT_ETYPE, "key \"add\": add: both values must be numbers");
    check_fails("{}", "{\"add\":\"x\"}", EYOT_ETYPE, "key \"add\"");
    check_fails("{\"append\":[1]}", "{\"append\":2}", EYOT_ETYPE, "key \"append\": append wants an array, got integer");
    check_fails("{\"append\":5}", "{\"append\":[2]}", EYOT_ETYPE, "key \"append\": append wants an array, got integer");
    check_fails("{}", "{\"append\":2}", EYOT_ETYPE, "key \"append\"");
    check_fails("{\"union\":[1]}", "{\"union\":{}}", EYOT_ETYPE, "key \"union\": union wants an array, got map");
    check_fails("{\"merge\":{}}", "{\"merge\":[]}", EYOT_ETYPE, "key \"merge\": merge wants a map, got array");
    check_fails("{}", "{\"merge\":1}", EYOT_ETYPE, "key \"merge\"");
    check_fails("{\"min\":1}", "{\"min\":\"a\"}", EYOT_ETYPE, "key \"min\"");
    check_fails("{}", "{\"max\":null}", EYOT_ETYPE, "key \"max\"");
    check_fails("[1]", "{}", EYOT_ETYPE, "the state is not a map but array");
    check_fails("{}", "3", EYOT_ETYPE, "the update is not a map but integer");
}

TEST(reducers_apply__is_all_or_nothing)
{
    check_fails(
        "{\"a\":1,\"append\":[1],\"merge\":{\"x\":1},\"add\":1}",
        "{\"a\":2,\"new\":3,\"append\":[2],\"merge\":{\"y\":{\"z\":{\"$removed\":true}},\"x\":{\"$removed\":true}},"
        "\"union\":[1],\"add\":\"no number\"}",
        EYOT_ETYPE, "add");
}

static eyot_value *nested(int depth)
{
    eyot_value *v = eyot_value_new_map();
    for (int i = 1; i < depth; i++) v = eyot_value_set(eyot_value_new_map(), "d", v);
    return v;
}

TEST(reducers_apply__keeps_to_the_depth)
{
    eyot_error e = {EYOT_OK, 0, ""};
    void *rules = all_rules(), *state = parsed("{\"merge\":{\"d\":{}}}");
    eyot_value *deep = eyot_value_set(eyot_value_new_map(), "merge", nested(EYOT_VALUE_MAX_DEPTH - 1));
    CHECK_OK(eyot_json()->apply(&state, deep, &e, rules));
    CHECK_INT(eyot__height(eyot__word_of(state)), EYOT_VALUE_MAX_DEPTH);
    eyot_value_unref(deep);
    char *text = eyot_json_print(state, &e);
    CHECK(text != NULL);
    eyot_free(text);
    eyot_value_unref(state);
    eyot_json()->rules_free(rules);
}

TEST(reducers_apply__takes_its_own_state_as_update)
{
    void *rules = all_rules(), *state = parsed("{\"append\":[1,2],\"merge\":{\"a\":{\"b\":1}},\"add\":3}");
    void *update = eyot_value_ref(state);
    CHECK_OK(eyot_json()->apply(&state, update, NULL, rules));
    check_text(state, "{\"append\":[1,2,1,2],\"merge\":{\"a\":{\"b\":1}},\"add\":6}");
    check_text(update, "{\"append\":[1,2],\"merge\":{\"a\":{\"b\":1}},\"add\":3}");
    eyot_value_unref(state);
    eyot_value_unref(update);
    eyot_json()->rules_free(rules);
}

/* ---- rules ----------------------------------------------------------------------------------------------------- */

TEST(reducers_rules__text_does_not_depend_on_their_order)
{
    eyot_buf a = EYOT__BUF_INIT, b = EYOT__BUF_INIT;
    void *one = NULL, *two = NULL;
    const eyot_copier *c = eyot_json();
    CHECK_OK(c->rule(&one, "n", EYOT_ADD, 0, NULL));
    CHECK_OK(c->rule(&one, "log", EYOT_APPEND, 10, NULL));
    CHECK_OK(c->rule(&two, "log", EYOT_APPEND, 10, NULL));
    CHECK_OK(c->rule(&two, "said", EYOT_REPLACE, 0, NULL)); /* as if it were not */
    CHECK_OK(c->rule(&two, "n", EYOT_ADD, 0, NULL));
    CHECK_OK(c->rules_text(one, &a));
    CHECK_OK(c->rules_text(two, &b));
    CHECK(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    CHECK(a.len == 24 && memcmp(a.data, "3:log=append 10\n1:n=add\n", 24) == 0);
    eyot__buf_clear(&a);
    eyot__buf_clear(&b);
    c->rules_free(one);
    c->rules_free(two);
}

TEST(reducers_rules__refuse_what_makes_no_sense)
{
    eyot_error e = {EYOT_OK, 0, ""};
    void *rules = NULL;
    const eyot_copier *c = eyot_json();
    CHECK_STATUS(c->rule(&rules, NULL, EYOT_ADD, 0, &e), EYOT_EINVAL);
    CHECK_STATUS(c->rule(&rules, "n", (eyot_reducer)10, 0, &e), EYOT_EINVAL);
    CHECK_STATUS(c->rule(&rules, "n", EYOT_ADD, 5, &e), EYOT_EINVAL);
    CHECK_STR(e.text, "key \"n\": add takes no limit");
    CHECK_STATUS(c->rule(&rules, "n", EYOT_APPEND, UINT64_MAX, &e), EYOT_EINVAL);
    CHECK_STATUS(c->rule(&rules, "\xff", EYOT_ADD, 0, &e), EYOT_EINVAL);
    CHECK_OK(c->rule(&rules, "n", EYOT_ADD, 0, &e));
    CHECK_STATUS(c->rule(&rules, "n", EYOT_MAX, 0, &e), EYOT_EINVAL);
    CHECK_STR(e.text, "key \"n\" has a reducer already");
    c->rules_free(rules);
    c->rules_free(NULL);
}

/* ---- conflicts ------------------------------------------------------------------------------------------------- */

static eyot_status list_place(void *arg, const char *key, size_t key_len, bool through)
{
    eyot__buf_format(arg, "%.*s%s ", (int)key_len, key, through ? "…" : "");
    return ((eyot_buf *)arg)->failed;
}

static void check_places(const char *update, const char *want)
{
    eyot_buf buf = EYOT__BUF_INIT;
    void *rules = all_rules(), *u = parsed(update);
    CHECK_OK(eyot_json()->conflict(u, list_place, &buf, rules));
    CHECK_OK(eyot_buf_add(&buf, "", 1));
    CHECK_STR((char *)buf.data, want);
    eyot__buf_clear(&buf);
    eyot_value_unref(u);
    eyot_json()->rules_free(rules);
}

TEST(reducers_conflict__names_replaced_keys_and_merged_leaves)
{
    check_places("{\"a\":{\"b\":1},\"replace\":2,\"x/y~z\":3}", "/a /replace /x~1y~0z ");
    check_places("{\"merge\":{\"a\":{\"b\":1,\"c\":[1]},\"d\":null}}",
                 "/merge… /merge/a… /merge/a/b /merge/a/c /merge/d ");
    check_places("{\"append\":[1],\"add\":1,\"min\":1,\"max\":1,\"first\":1,\"last\":1,\"union\":[1],\"local\":1}", "");
}

TEST(reducers_conflict__removal_counts_as_a_write)
{
    check_places("{\"a\":{\"$removed\":true},\"merge\":{\"$removed\":true}}", "/a /merge ");
    check_places("{\"merge\":{\"a\":{\"b\":{\"$removed\":true}},\"c\":{}}}", "/merge… /merge/a… /merge/a/b /merge/c… ");
}

TEST(reducers_conflict__names_long_paths)
{
    char key[400], update[1000];
    memset(key, '/', sizeof key - 1);
    key[sizeof key - 1] = 0;
    snprintf(update, sizeof update, "{\"merge\":{\"%s\":{\"k\":1}}}", key);
    eyot_buf buf = EYOT__BUF_INIT;
    void *rules = all_rules(), *u = parsed(update);
    CHECK_OK(eyot_json()->conflict(u, list_place, &buf, rules));
    CHECK_HAS((char *)buf.data, "~1~1/k ");
    eyot__buf_clear(&buf);
    eyot_value_unref(u);
    eyot_json()->rules_free(rules);
}

/* ---- differences ----------------------------------------------------------------------------------------------- */

static void check_diff(const char *before, const char *after, const char *want)
{
    eyot_error e = {EYOT_OK, 0, ""};
    void *rules = all_rules(), *b = parsed(before), *a = parsed(after), *update = &e;
    if (eyot_json()->diff(b, a, &update, &e, rules)) test_fail(__FILE__, __LINE__, "%s", e.text);
    if (want)
        check_text(update, want);
    else
        CHECK(update == NULL);
    eyot_value_unref(update);
    eyot_value_unref(b);
    eyot_value_unref(a);
    eyot_json()->rules_free(rules);
}

TEST(reducers_diff__is_the_update_between)
{
    check_diff("{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1,\"b\":5,\"d\":4}", "{\"b\":5,\"d\":4,\"c\":{\"$removed\":true}}");
    check_diff("{\"a\":1}", "{\"a\":1}", NULL);
    check_diff("{\"add\":5,\"append\":[1],\"union\":[1]}", "{\"add\":3,\"append\":[1,2],\"union\":[1,5]}",
               "{\"add\":-2,\"append\":[2],\"union\":[5]}");
    check_diff("{\"add\":0.5}", "{\"add\":0.75}", "{\"add\":0.25}");
    check_diff("{\"min\":5,\"max\":5}", "{\"min\":4,\"max\":6}", "{\"min\":4,\"max\":6}");
    check_diff("{\"merge\":{\"a\":{\"b\":1,\"c\":2},\"d\":3,\"s\":{\"t\":1}}}",
               "{\"merge\":{\"a\":{\"b\":1,\"c\":5},\"e\":4,\"s\":{\"t\":1}}}",
               "{\"merge\":{\"a\":{\"c\":5},\"e\":4,\"d\":{\"$removed\":true}}}");
    check_diff("{\"merge\":{\"a\":{\"b\":1}}}", "{\"merge\":{\"a\":{}}}",
               "{\"merge\":{\"a\":{\"b\":{\"$removed\":true}}}}");
}

TEST(reducers_diff__says_when_no_update_leads_there)
{
    static const char *const pairs[][2] = {{"{\"append\":[1,2]}", "{\"append\":[2]}"},
                                           {"{\"union\":[1]}", "{\"union\":[1,1]}"},
                                           {"{\"first\":1}", "{\"first\":2}"},
                                           {"{\"min\":1}", "{\"min\":2}"},
                                           {"{\"last3\":[1,2,3]}", "{\"last3\":[1,2,3,4]}"},
                                           {"{\"add\":1}", "{\"add\":\"x\"}"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        eyot_error e = {EYOT_OK, 0, ""};
        void *rules = all_rules(), *b = parsed(pairs[i][0]), *a = parsed(pairs[i][1]), *update = &e;
        CHECK_STATUS(eyot_json()->diff(b, a, &update, &e, rules), EYOT_ETYPE);
        CHECK(update == NULL);
        CHECK_HAS(e.text, "no update leads to its new value");
        eyot_value_unref(b);
        eyot_value_unref(a);
        eyot_json()->rules_free(rules);
    }
}

/* ---- at random ------------------------------------------------------------------------------------------------- */

static eyot_value *random_map(uint64_t *seed, int depth, bool removals)
{
    eyot_value *v = eyot_value_new_map();
    uint64_t n = test_random(seed) % 5;
    for (uint64_t i = 0; i < n; i++) {
        char key[2] = {(char)('a' + test_random(seed) % 5), 0};
        uint64_t what = test_random(seed) % 4;
        eyot_value *item = what == 0 && removals ? eyot_value_new_removed()
                           : what < 3 && depth   ? random_map(seed, depth - 1, removals)
                                                 : eyot_value_new_int((int64_t)(test_random(seed) % 100));
        v = eyot_value_set(v, key, item);
    }
    return v;
}

/* Merging as it is told, recursively and by copying. */
static eyot_value *merged(const eyot_value *old, const eyot_value *update)
{
    eyot_value *v = eyot_value_kind_of(old) == EYOT_VALUE_MAP ? eyot_value_ref(old) : eyot_value_new_map();
    eyot_value_iter it = eyot_value_each(update);
    while (eyot_value_next(&it)) {
        eyot_value_kind kind = eyot_value_kind_of(it.value);
        if (kind == EYOT_VALUE_REMOVED)
            v = eyot_value_remove(v, it.key);
        else if (kind == EYOT_VALUE_MAP)
            v = eyot_value_set(v, it.key, merged(eyot_value_at(v, it.key), it.value));
        else
            v = eyot_value_set(v, it.key, eyot_value_ref(it.value));
    }
    return v;
}

TEST(reducers_random__merge_does_as_it_is_told)
{
    uint64_t seed = test_seed();
    void *rules = all_rules(), *state = parsed("{\"merge\":{}}");
    for (unsigned i = 0; i < 20000 * test_long(); i++) {
        eyot_value *change = random_map(&seed, 4, true);
        eyot_value *want = merged(eyot_value_at(state, "merge"), change);
        eyot_value *update = eyot_value_set(eyot_value_new_map(), "merge", eyot_value_ref(change));
        void *held = i % 3 ? NULL : eyot_value_ref(state);
        CHECK_OK(eyot_json()->apply(&state, update, NULL, rules));
        CHECK(eyot_value_equal(eyot_value_at(state, "merge"), want));
        eyot_value_unref(held);
        eyot_value_unref(change);
        eyot_value_unref(want);
        eyot_value_unref(update);
    }
    eyot_value_unref(state);
    eyot_json()->rules_free(rules);
}

TEST(reducers_random__diff_leads_from_one_merge_to_the_next)
{
    uint64_t seed = test_seed();
    void *rules = all_rules();
    for (unsigned i = 0; i < 5000 * test_long(); i++) {
        void *before = eyot_value_set(eyot_value_new_map(), "merge", random_map(&seed, 3, false)), *update = NULL;
        void *after = eyot_value_set(eyot_value_new_map(), "merge", random_map(&seed, 3, false));
        CHECK_OK(eyot_json()->diff(before, after, &update, NULL, rules));
        void *again = NULL;
        if (update) {
            CHECK_OK(eyot_json()->apply(&before, update, NULL, rules));
            CHECK_OK(eyot_json()->diff(before, after, &again, NULL, rules));
        }
        CHECK(again == NULL); /* nothing is left to do */
        eyot_value_unref(update);
        eyot_value_unref(before);
        eyot_value_unref(after);
    }
    eyot_json()->rules_free(rules);
}
