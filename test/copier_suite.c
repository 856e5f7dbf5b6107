/* SPDX-License-Identifier: MIT */
#include "test/copier_suite.h"

#include <pthread.h>
#include <stdlib.h>

#include <eyot/copiers.h>

#include "core/buf.h"

enum { SEEDS = 40 };

static eyot_buf encoded(const eyot_copier *c, const void *v)
{
    eyot_buf buf = EYOT__BUF_INIT;
    CHECK_OK(c->encode(v, &buf, c->user));
    return buf;
}

static bool same_bytes(const eyot_buf *a, const eyot_buf *b)
{
    return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

/* Checks that v encodes as `want`. */
static void check_bytes(const eyot_copier *c, const void *v, const eyot_buf *want)
{
    eyot_buf buf = encoded(c, v);
    CHECK(same_bytes(&buf, want));
    eyot__buf_clear(&buf);
}

static void *copied(const eyot_copier *c, const void *v)
{
    void *out = NULL;
    CHECK_OK(c->copy(v, &out, c->user));
    CHECK(out != NULL);
    return out;
}

static void table__has_what_is_required(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    (void)make;
    (void)seed;
    CHECK_INT(c->size, sizeof(eyot_copier));
    CHECK(c->name && *c->name && strlen(c->name) <= 32);
    CHECK(c->copy && c->free && c->encode && c->decode && c->apply);
    CHECK(!c->rule == !c->rules_free && !c->rule == !c->rules_text);
}

static void copy__is_not_changed_through_the_other(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    for (uint64_t i = 0; i < SEEDS; i++) {
        void *v = make(seed + i), *update = make(seed + i + 1), *copy = copied(c, v);
        eyot_buf before = encoded(c, v);
        CHECK_OK(c->apply(&copy, update, NULL, c->user));
        check_bytes(c, v, &before);
        eyot_buf changed = encoded(c, copy);
        c->free(v, c->user);
        check_bytes(c, copy, &changed);
        c->free(copy, c->user);
        c->free(update, c->user);
        eyot__buf_clear(&before);
        eyot__buf_clear(&changed);
    }
}

static void copy__has_the_same_bytes(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    void *v = make(seed), *copy = copied(c, v);
    eyot_buf bytes = encoded(c, v);
    check_bytes(c, copy, &bytes);
    c->free(copy, c->user);
    check_bytes(c, v, &bytes);
    c->free(v, c->user);
    eyot__buf_clear(&bytes);
}

static void encode__gives_the_same_bytes_for_equal_values(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    for (uint64_t i = 0; i < SEEDS; i++) {
        void *a = make(seed + i), *b = make(seed + i);
        eyot_buf bytes = encoded(c, a);
        check_bytes(c, b, &bytes);
        eyot__buf_clear(&bytes);
        c->free(a, c->user);
        c->free(b, c->user);
    }
}

static void encode__appends(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    void *v = make(seed);
    eyot_buf alone = encoded(c, v), after = EYOT__BUF_INIT;
    CHECK_OK(eyot_buf_add(&after, "before", 6));
    CHECK_OK(c->encode(v, &after, c->user));
    CHECK_INT(after.len, alone.len + 6);
    CHECK(memcmp(after.data, "before", 6) == 0);
    CHECK(!alone.len || memcmp(after.data + 6, alone.data, alone.len) == 0);
    eyot__buf_clear(&alone);
    eyot__buf_clear(&after);
    c->free(v, c->user);
}

static void encode__reports_a_full_buffer(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    for (uint64_t i = 0; i < SEEDS; i++) {
        void *v = make(seed + i);
        eyot_buf whole = encoded(c, v), small = EYOT__BUF_INIT;
        for (small.max = 1; small.max < whole.len; small.max = 2 * small.max + 1) {
            CHECK_STATUS(c->encode(v, &small, c->user), EYOT_ELIMIT);
            eyot__buf_clear(&small);
        }
        eyot__buf_clear(&whole);
        c->free(v, c->user);
    }
}

static void decode__gives_back_what_was_encoded(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    for (uint64_t i = 0; i < SEEDS; i++) {
        void *v = make(seed + i), *back = NULL;
        eyot_buf bytes = encoded(c, v);
        CHECK_OK(c->decode(bytes.data, bytes.len, &back, NULL, c->user));
        check_bytes(c, back, &bytes);
        if (c->equal) CHECK(c->equal(v, back, c->user));
        eyot__buf_clear(&bytes);
        c->free(v, c->user);
        c->free(back, c->user);
    }
}

/* Any outcome but a crash: a value that can be encoded, or an error with a sentence. */
static void decode_any(const eyot_copier *c, const unsigned char *bytes, size_t len)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_buf buf = EYOT__BUF_INIT;
    void *v = NULL;
    unsigned char *exact = malloc(len ? len : 1); /* so that a read beyond the end is found */
    if (len) memcpy(exact, bytes, len);
    eyot_status s = c->decode(exact, len, &v, &e, c->user);
    free(exact);
    if (s == EYOT_OK) {
        CHECK(v != NULL);
        CHECK_OK(c->encode(v, &buf, c->user));
        c->free(v, c->user);
    } else {
        CHECK(v == NULL);
        CHECK(s == EYOT_ECORRUPT || s == EYOT_ELIMIT);
        CHECK(e.text[0] && !strchr(e.text, '\n'));
    }
    eyot__buf_clear(&buf);
}

static void decode__of_cut_bytes_ends_in_a_status(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    void *v = make(seed);
    eyot_buf bytes = encoded(c, v);
    for (size_t n = 0; n < bytes.len; n++) decode_any(c, bytes.data, n);
    eyot__buf_clear(&bytes);
    c->free(v, c->user);
}

static void decode__of_changed_bytes_ends_in_a_status(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    for (uint64_t i = 0; i < SEEDS; i++) {
        void *v = make(seed + i);
        eyot_buf bytes = encoded(c, v);
        for (int k = 0; bytes.len && k < 200; k++) {
            uint64_t r = test_random(&seed);
            bytes.data[r % bytes.len] = (unsigned char)(k % 2 ? r >> 40 : bytes.data[(r >> 32) % bytes.len]);
            decode_any(c, bytes.data, bytes.len);
        }
        eyot__buf_clear(&bytes);
        c->free(v, c->user);
    }
}

static void apply__is_deterministic(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    void *a = make(seed), *b = make(seed);
    for (uint64_t i = 1; i < SEEDS; i++) {
        void *update = make(seed + i);
        CHECK_OK(c->apply(&a, update, NULL, c->user));
        void *other = copied(c, b); /* b is replaced by a copy: what is shared must not matter */
        CHECK_OK(c->apply(&other, update, NULL, c->user));
        c->free(b, c->user);
        c->free(update, c->user);
        b = other;
    }
    eyot_buf bytes = encoded(c, a);
    check_bytes(c, b, &bytes);
    eyot__buf_clear(&bytes);
    c->free(a, c->user);
    c->free(b, c->user);
}

static void apply__leaves_the_update(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    void *state = make(seed), *update = make(seed + 1), *next = make(seed + 2);
    eyot_buf before = encoded(c, update);
    CHECK_OK(c->apply(&state, update, NULL, c->user));
    CHECK_OK(c->apply(&state, next, NULL, c->user));
    check_bytes(c, update, &before);
    c->free(state, c->user);
    check_bytes(c, update, &before);
    c->free(update, c->user);
    c->free(next, c->user);
    eyot__buf_clear(&before);
}

static void apply__to_a_decoded_state_is_the_same(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    void *live = make(seed);
    for (uint64_t i = 1; i < SEEDS; i++) {
        void *update = make(seed + i), *back = NULL;
        eyot_buf bytes = encoded(c, live);
        CHECK_OK(c->decode(bytes.data, bytes.len, &back, NULL, c->user));
        eyot__buf_clear(&bytes);
        CHECK_OK(c->apply(&live, update, NULL, c->user));
        CHECK_OK(c->apply(&back, update, NULL, c->user));
        bytes = encoded(c, live);
        check_bytes(c, back, &bytes);
        eyot__buf_clear(&bytes);
        c->free(back, c->user);
        c->free(update, c->user);
    }
    c->free(live, c->user);
}

static void equal__is_as_the_bytes_say(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    for (uint64_t i = 0; c->equal && i < SEEDS; i++) {
        void *a = make(seed + i), *b = make(seed + (i & 1 ? i : i + 1));
        eyot_buf x = encoded(c, a), y = encoded(c, b);
        CHECK(c->equal(a, b, c->user) == same_bytes(&x, &y));
        eyot__buf_clear(&x);
        eyot__buf_clear(&y);
        c->free(a, c->user);
        c->free(b, c->user);
    }
}

static void hash__is_the_same_for_equal_values(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    for (uint64_t i = 0; c->hash && i < SEEDS; i++) {
        void *a = make(seed + i), *b = make(seed + i), *back = NULL;
        eyot_buf bytes = encoded(c, a);
        CHECK_OK(c->decode(bytes.data, bytes.len, &back, NULL, c->user));
        CHECK(c->hash(a, c->user) == c->hash(b, c->user));
        CHECK(c->hash(a, c->user) == c->hash(back, c->user));
        eyot__buf_clear(&bytes);
        c->free(a, c->user);
        c->free(b, c->user);
        c->free(back, c->user);
    }
}

static eyot_status note_place(void *arg, const char *key, size_t key_len, bool through)
{
    eyot_buf *places = arg;
    eyot__buf_bytes(places, key, key_len);
    eyot__buf_u8(places, through);
    return places->failed;
}

static void conflict__names_the_same_places_each_time(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    for (uint64_t i = 0; c->conflict && i < SEEDS; i++) {
        void *a = make(seed + i), *back = NULL;
        eyot_buf bytes = encoded(c, a), first = EYOT__BUF_INIT, second = EYOT__BUF_INIT;
        CHECK_OK(c->decode(bytes.data, bytes.len, &back, NULL, c->user));
        CHECK_OK(c->conflict(a, note_place, &first, c->user));
        CHECK_OK(c->conflict(back, note_place, &second, c->user));
        CHECK(same_bytes(&first, &second));
        eyot__buf_clear(&bytes);
        eyot__buf_clear(&first);
        eyot__buf_clear(&second);
        c->free(a, c->user);
        c->free(back, c->user);
    }
}

static eyot_status say_no(void *arg, const char *key, size_t key_len, bool through)
{
    (void)key;
    (void)key_len;
    (void)through;
    ++*(int *)arg;
    return EYOT_ECONFLICT;
}

static void conflict__ends_when_the_callback_says_so(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    for (uint64_t i = 0; c->conflict && i < SEEDS; i++) {
        void *v = make(seed + i);
        int calls = 0;
        eyot_status s = c->conflict(v, say_no, &calls, c->user);
        CHECK_INT(s, calls ? EYOT_ECONFLICT : EYOT_OK);
        CHECK(calls <= 1);
        c->free(v, c->user);
    }
}

static void diff__leads_from_one_state_to_the_other(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    for (uint64_t i = 0; c->diff && i < SEEDS; i++) {
        void *before = make(seed + i), *after = copied(c, before), *change = make(seed + i + 1), *update = NULL;
        CHECK_OK(c->apply(&after, change, NULL, c->user));
        CHECK_OK(c->diff(before, after, &update, NULL, c->user));
        if (update) CHECK_OK(c->apply(&before, update, NULL, c->user));
        eyot_buf bytes = encoded(c, after);
        check_bytes(c, before, &bytes);
        eyot__buf_clear(&bytes);
        c->free(before, c->user);
        c->free(after, c->user);
        c->free(change, c->user);
        if (update) c->free(update, c->user);
    }
}

static void difference__is_told_where_the_bytes_differ(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    for (uint64_t i = 0; c->difference && i < SEEDS; i++) {
        void *a = make(seed + i), *b = make(seed + (i & 1 ? i : i + 1));
        eyot_buf x = encoded(c, a), y = encoded(c, b), told[3] = {EYOT__BUF_INIT, EYOT__BUF_INIT, EYOT__BUF_INIT};
        CHECK_OK(c->difference(a, b, &told[0], &told[1], &told[2], c->user));
        CHECK(same_bytes(&x, &y) == (!told[0].len && !told[1].len && !told[2].len));
        CHECK(told[1].len + told[2].len == 0 || !same_bytes(&told[1], &told[2]));
        for (int k = 0; k < 3; k++) eyot__buf_clear(&told[k]);
        eyot__buf_clear(&x);
        eyot__buf_clear(&y);
        c->free(a, c->user);
        c->free(b, c->user);
    }
}

static void measure__is_not_nothing(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    void *v = make(seed);
    if (c->measure) CHECK(c->measure(v, c->user) > 0);
    c->free(v, c->user);
}

typedef struct reader {
    const eyot_copier *c;
    void *v;
    eyot_buf want;
    bool fine;
} reader;

static void *read_many_times(void *arg)
{
    reader *r = arg;
    r->fine = true;
    for (int i = 0; i < 200; i++) {
        eyot_buf buf = EYOT__BUF_INIT;
        void *copy = NULL;
        if (r->c->copy(r->v, &copy, r->c->user) || r->c->encode(copy, &buf, r->c->user)) r->fine = false;
        r->fine = r->fine && same_bytes(&buf, &r->want);
        if (r->c->equal) r->fine = r->fine && r->c->equal(r->v, copy, r->c->user);
        if (copy) r->c->free(copy, r->c->user);
        eyot__buf_clear(&buf);
    }
    return NULL;
}

static void threads__may_read_one_state(const eyot_copier *c, copier_make_fn make, uint64_t seed)
{
    reader readers[4];
    pthread_t threads[4];
    void *v = make(seed);
    eyot_buf bytes = encoded(c, v);
    for (int i = 0; i < 4; i++) {
        readers[i] = (reader){c, v, bytes, false};
        CHECK_INT(pthread_create(&threads[i], NULL, read_many_times, &readers[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) CHECK(readers[i].fine);
    eyot__buf_clear(&bytes);
    c->free(v, c->user);
}

/* ---- the copiers ----------------------------------------------------------------------------------------------- */

static eyot_value *make_item(const char *key, uint64_t r, uint64_t what)
{
    switch (what) {
    case 1:
        return eyot_value_append(eyot_value_new_array(),
                                 eyot_value_append(eyot_value_new_array(), make_item(key, r, 0)));
    case 2: return eyot_value_set(eyot_value_new_map(), "$bytes", make_item(key, r, 0));
    case 3: return eyot_value_set(eyot_value_new_map(), key, eyot_value_new_bytes(&r, r % 9));
    case 4: return eyot_value_new_double((double)r / 1e17);
    case 5: return eyot_value_new_uint(r | (uint64_t)1 << 63);
    case 6: return eyot_value_new_ext((int8_t)r, &r, r % 9);
    case 7: return eyot_value_new_float32((float)(r % 1000) / 8);
    case 8: return eyot_value_new_string(r & 1 ? "line\n\"quoted\" \xe2\x82\xac" : "");
    default: return eyot_value_new_int((int64_t)r);
    }
}

/* A map of a few keys, so that updates meet the keys of states, with values of every kind. */
static void *make_value(uint64_t seed)
{
    eyot_value *v = eyot_value_new_map();
    uint64_t state = seed, n = 1 + test_random(&state) % 60;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t r = test_random(&state);
        char key[16];
        snprintf(key, sizeof key, "k%d", (int)(r % 80));
        v = eyot_value_set(v, key, make_item(key, r, test_random(&state) % 9));
    }
    return v;
}
COPIER_SUITE(json, eyot_json(), make_value)
COPIER_SUITE(msgpack, eyot_msgpack(), make_value)

static void *make_blob(uint64_t seed)
{
    unsigned char bytes[100];
    uint64_t state = seed;
    size_t len = (size_t)(test_random(&state) % sizeof bytes);
    for (size_t i = 0; i < len; i++) bytes[i] = (unsigned char)test_random(&state);
    return eyot_blob_new(bytes, len);
}
COPIER_SUITE(bytes, eyot_bytes_copier(), make_blob)
