/* SPDX-License-Identifier: MIT */
/* The n-th allocation fails, for every n: the call says so, leaves what it was given as it was, and leaks nothing (the
 * leak check of the sanitizer build sees to that). */
#define _GNU_SOURCE /* RTLD_NEXT: the allocator behind ours */
#include "test/eyot_test.h"

#include <dlfcn.h>
#include <stdlib.h>

#include <eyot/copiers.h>

#include "core/buf.h"

static long left = -1; /* allocations until one fails; -1: never */

static bool fails(void)
{
    return left >= 0 && left-- == 0;
}

/* clang's sanitizers are part of the program and gcc's thread sanitizer wants memory before main: nothing can be put in
 * front of them. */
#if defined(__SANITIZE_THREAD__)
#define CANNOT_FAIL 1
#elif defined(__clang__) && defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CANNOT_FAIL 1
#endif
#endif

static void needs_failures(void)
{
#ifdef CANNOT_FAIL
    test_skip("this sanitizer keeps malloc to itself");
#endif
}

#ifndef CANNOT_FAIL
static void *next(const char *name)
{
    void *f = dlsym(RTLD_NEXT, name);
    if (!f) abort();
    return f;
}

void *malloc(size_t size)
{
    static void *(*behind)(size_t);
    if (!behind) *(void **)&behind = next("malloc");
    return fails() ? NULL : behind(size);
}

void *realloc(void *p, size_t size)
{
    static void *(*behind)(void *, size_t);
    if (!behind) *(void **)&behind = next("realloc");
    return fails() ? NULL : behind(p, size);
}

void *calloc(size_t n, size_t size)
{
    static void *(*behind)(size_t, size_t);
    static bool asked; /* dlsym may want memory too, and can do without */
    if (!behind && asked) return NULL;
    asked = true;
    if (!behind) *(void **)&behind = next("calloc");
    return fails() ? NULL : behind(n, size);
}
#endif

/* Calls `once` with the 1st, 2nd … allocation failing until it gets through; it returns ENOMEM or EYOT_OK. */
static void for_each_allocation(eyot_status (*once)(void *arg), void *arg, long at_least)
{
    long n = 0;
    for (;; n++) {
        left = n;
        eyot_status s = once(arg);
        bool failed = left < 0;
        left = -1;
        if (!failed) {
            CHECK_INT(s, EYOT_OK);
            break;
        }
        CHECK_INT(s, EYOT_ENOMEM);
        CHECK(n < 100000);
    }
    CHECK(n >= at_least);
}

static char *big_text(void)
{
    char *text = malloc(1 << 16), *to = text;
    to += sprintf(to, "{\"list\":[0");
    for (int i = 1; i < 300; i++) to += sprintf(to, ",%d", i);
    to += sprintf(to, "],\"map\":{\"k\":0");
    for (int i = 1; i < 300; i++) to += sprintf(to, ",\"k%d\":[\"a\\n%d\"]", i, i);
    strcpy(to, "},\"b\":{\"$bytes\":\"AQID\"},\"own\":{\"$$bytes\":1},\"big\":1e300,\"u\":18446744073709551615}");
    return text;
}

static eyot_status parse_once(void *text)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_value *v = eyot_json_parse(text, &e);
    eyot_value_unref(v);
    return e.status;
}

TEST(copier_memory__parse)
{
    needs_failures();
    char *text = big_text();
    for_each_allocation(parse_once, text, 20);
    free(text);
}

typedef struct packed {
    void *bytes;
    size_t len;
} packed;

static eyot_status unpack_once(void *arg)
{
    packed *p = arg;
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_value_unref(eyot_msgpack_parse(p->bytes, p->len, &e));
    return e.status;
}

static eyot_status pack_once(void *v)
{
    eyot_error e = {EYOT_OK, 0, ""};
    size_t len;
    eyot_free(eyot_msgpack_print(v, &len, &e));
    return e.status;
}

TEST(copier_memory__msgpack)
{
    needs_failures();
    char *text = big_text();
    packed p;
    eyot_value *v = eyot_json_parse(text, NULL);
    p.bytes = eyot_msgpack_print(v, &p.len, NULL);
    for_each_allocation(unpack_once, &p, 20);
    for_each_allocation(pack_once, v, 2);
    eyot_free(p.bytes);
    eyot_value_unref(v);
    free(text);
}

static eyot_status print_once(void *v)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_free(eyot_json_print(v, &e));
    return e.status;
}

TEST(copier_memory__print)
{
    needs_failures();
    char *text = big_text();
    eyot_value *v = eyot_json_parse(text, NULL);
    for_each_allocation(print_once, v, 2);
    eyot_value_unref(v);
    free(text);
}

static eyot_status build_once(void *arg)
{
    (void)arg;
    eyot_value *v = eyot_value_new_map();
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        eyot_value *item = eyot_value_append(eyot_value_new_array(), eyot_value_new_string(key));
        v = eyot_value_set(v, key, eyot_value_append(item, eyot_value_new_double(1e300)));
        if (i == 50) v = eyot_value_remove(v, "k3");
    }
    eyot_value_unref(v);
    return v ? EYOT_OK : EYOT_ENOMEM;
}

TEST(copier_memory__build)
{
    needs_failures();
    for_each_allocation(build_once, NULL, 400);
}

typedef struct case_of {
    void *rules, *state, *update;
    char *before, *after;
    bool shared;
} case_of;

static case_of make_case(const char *state, const char *update, bool shared)
{
    static const char *const names[] = {"replace", "append", "add",   "min",   "max",
                                        "first",   "last",   "union", "merge", "local"};
    case_of c = {.shared = shared};
    for (int i = 0; i < 10; i++) CHECK_OK(eyot_json()->rule(&c.rules, names[i], (eyot_reducer)i, 0, NULL));
    c.state = eyot_json_parse(state, NULL);
    c.update = eyot_json_parse(update, NULL);
    CHECK(c.state && c.update);
    void *after = eyot_value_ref(c.state);
    CHECK_OK(eyot_json()->apply(&after, c.update, NULL, c.rules));
    c.before = eyot_json_print(c.state, NULL);
    c.after = eyot_json_print(after, NULL);
    eyot_value_unref(after);
    return c;
}

static void free_case(case_of *c)
{
    eyot_value_unref(c->state);
    eyot_value_unref(c->update);
    eyot_json()->rules_free(c->rules);
    eyot_free(c->before);
    eyot_free(c->after);
}

/* Each time on a state of its own, of which nothing is shared unless the case says so. */
static eyot_status apply_once(void *arg)
{
    case_of *c = arg;
    long budget = left;
    left = -1;
    void *state = c->shared ? eyot_value_ref(c->state) : (void *)eyot_json_parse(c->before, NULL);
    left = budget;
    eyot_status s = eyot_json()->apply(&state, c->update, NULL, c->rules);
    budget = left;
    left = -1;
    char *text = eyot_json_print(state, NULL);
    CHECK_STR(text, s ? c->before : c->after);
    eyot_free(text);
    eyot_value_unref(state);
    left = budget;
    return s;
}

static const char state_text[] = "{\"a\":1,\"append\":[1,2],\"union\":[1],\"add\":9223372036854775807,"
                                 "\"merge\":{\"x\":{\"y\":1},\"z\":5},\"gone\":1}";
static const char update_text[] =
    "{\"a\":[2],\"new\":{\"b\":1},\"append\":[3,4,5,6,7,8,9,10,11],\"union\":[1,2,3],\"add\":1,"
    "\"merge\":{\"x\":{\"y\":{\"$removed\":true},\"w\":{\"v\":{\"$removed\":true},\"u\":1}},"
    "\"z\":{\"t\":{\"$removed\":true}},\"s\":1},\"gone\":{\"$removed\":true},\"n1\":1,\"n2\":2}";

TEST(copier_memory__apply_is_all_or_nothing_in_place)
{
    needs_failures();
    case_of c = make_case(state_text, update_text, false);
    for_each_allocation(apply_once, &c, 8);
    free_case(&c);
}

TEST(copier_memory__apply_is_all_or_nothing_on_what_is_shared)
{
    needs_failures();
    case_of c = make_case(state_text, update_text, true);
    for_each_allocation(apply_once, &c, 8);
    char *text = eyot_json_print(c.state, NULL);
    CHECK_STR(text, c.before);
    eyot_free(text);
    free_case(&c);
}

TEST(copier_memory__apply_is_all_or_nothing_when_containers_become_big)
{
    needs_failures();
    char *state = big_text(), update[] = "{\"map\":5,\"list\":6,\"n1\":1}", *many = malloc(4096), *to = many;
    to += sprintf(to, "{\"append\":[0");
    for (int i = 1; i < 70; i++) to += sprintf(to, ",%d", i);
    to += sprintf(to, "],\"merge\":{\"m\":0");
    for (int i = 1; i < 40; i++) to += sprintf(to, ",\"m%d\":%d", i, i);
    to += sprintf(to, "}");
    for (int i = 0; i < 40; i++) to += sprintf(to, ",\"t%d\":%d", i, i);
    strcpy(to, "}");
    for (int shared = 0; shared < 2; shared++) {
        case_of c = make_case(state, update, shared);
        for_each_allocation(apply_once, &c, 1);
        free_case(&c);
        c = make_case(state_text, many, shared);
        for_each_allocation(apply_once, &c, 6);
        free_case(&c);
    }
    free(state);
    free(many);
}

static eyot_status diff_once(void *arg)
{
    case_of *c = arg;
    void *update = NULL;
    eyot_status s = eyot_json()->diff(c->state, c->update, &update, NULL, c->rules);
    eyot_value_unref(update);
    return s;
}

TEST(copier_memory__diff)
{
    needs_failures();
    case_of c = make_case("{\"append\":[1],\"merge\":{\"a\":{\"b\":1},\"c\":2},\"d\":1,\"add\":1}", "{}", true);
    eyot_value_unref(c.update);
    c.update = eyot_json_parse("{\"append\":[1,2],\"merge\":{\"a\":{\"b\":2},\"e\":1},\"add\":7}", NULL);
    for_each_allocation(diff_once, &c, 5);
    free_case(&c);
}

static eyot_status patch_once(void *arg)
{
    case_of *c = arg;
    eyot_value *patch = eyot_value_diff(c->state, c->update);
    eyot_value_unref(patch);
    return patch ? EYOT_OK : EYOT_ENOMEM;
}

static eyot_status first_difference_once(void *arg)
{
    case_of *c = arg;
    eyot_buf bufs[3] = {EYOT__BUF_INIT, EYOT__BUF_INIT, EYOT__BUF_INIT};
    eyot_status s = eyot_json()->difference(c->state, c->update, &bufs[0], &bufs[1], &bufs[2], NULL);
    for (int i = 0; i < 3; i++) eyot__buf_clear(&bufs[i]);
    return s;
}

TEST(copier_memory__difference)
{
    needs_failures();
    case_of c = make_case("{\"a\":[1,2,{\"b\":1}],\"c\":1,\"m\":{\"x\":1,\"y\":2}}",
                          "{\"a\":[1,2,{\"b\":2},3],\"d\":[1],\"m\":{\"y\":2,\"x\":1}}", false);
    for_each_allocation(patch_once, &c, 8);
    for_each_allocation(first_difference_once, &c, 3);
    free_case(&c);
}

static eyot_status drop_once(void *arg)
{
    case_of *c = arg;
    void *state = eyot_value_ref(c->state);
    eyot_status s = eyot_json()->drop_local(&state, c->rules);
    eyot_value_unref(state);
    return s;
}

TEST(copier_memory__drop_local)
{
    needs_failures();
    case_of c = make_case("{\"local\":1,\"a\":[]}", "{}", true);
    for_each_allocation(drop_once, &c, 1);
    free_case(&c);
}

static eyot_status rules_once(void *arg)
{
    void *rules = NULL;
    eyot_buf buf = EYOT__BUF_INIT;
    (void)arg;
    eyot_status s = eyot_json()->rule(&rules, "a", EYOT_ADD, 0, NULL);
    if (!s) s = eyot_json()->rule(&rules, "b", EYOT_APPEND, 7, NULL);
    if (!s) s = eyot_json()->rules_text(rules, &buf);
    eyot__buf_clear(&buf);
    eyot_json()->rules_free(rules);
    return s;
}

TEST(copier_memory__rules)
{
    needs_failures();
    for_each_allocation(rules_once, NULL, 3);
}

static eyot_status blob_once(void *arg)
{
    void *b = eyot_blob_new("bytes", 5), *copy = NULL;
    (void)arg;
    eyot_status s = b ? eyot_bytes_copier()->copy(b, &copy, NULL) : EYOT_ENOMEM;
    if (!s) s = eyot_bytes_copier()->apply(&copy, b, NULL, NULL);
    eyot_blob_free(b);
    eyot_blob_free(copy);
    return s;
}

TEST(copier_memory__bytes)
{
    needs_failures();
    for_each_allocation(blob_once, NULL, 3);
}
