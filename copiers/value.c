/* SPDX-License-Identifier: MIT */
/* Values: their memory, their scalars, and what is read from them. Containers are in containers.c. */
#include "copiers/value.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "copiers/scan.h"

/* ---- memory ---------------------------------------------------------------------------------------------------- */

#define PAGE_LIMIT 1024u /* a larger node gets its own memory, so that a page always holds several */

static void page_drop(eyot__page *page, uint32_t n)
{
    if (n && atomic_fetch_sub_explicit(&page->live, n, memory_order_acq_rel) == n) free(page);
}

void eyot__arena_close(eyot__arena *a)
{
    if (a->page) page_drop(a->page, EYOT__PAGE_OPEN - a->made);
    a->page = NULL;
    a->at = a->end = NULL;
    a->made = 0;
}

static bool arena_page(eyot__arena *a, size_t size)
{
    size_t least = size + sizeof(eyot__page) + EYOT__PAGE_SLACK;
    size_t bytes = a->page || a->first > EYOT__PAGE_BYTES ? EYOT__PAGE_BYTES : a->first;
    if (bytes < least) bytes = least;
    eyot__page *page = malloc(bytes);
    if (!page) return false;
    eyot__arena_close(a);
    atomic_init(&page->live, EYOT__PAGE_OPEN);
    page->size = (uint32_t)bytes;
    a->page = page;
    a->at = (unsigned char *)(page + 1);
    a->end = (unsigned char *)page + bytes - EYOT__PAGE_SLACK;
    return true;
}

void *eyot__arena_slow(eyot__arena *a, size_t size)
{
    eyot__node *n = NULL;
    if (!a || size > PAGE_LIMIT) {
        n = malloc(size);
        if (n) n->page = 0;
    } else if (arena_page(a, size)) {
        n = eyot__node_new(a, size, 0);
    }
    return n;
}

static eyot__page *page_of(const eyot__node *n)
{
    return (eyot__page *)(void *)((uintptr_t)n - (uintptr_t)n->page * 8);
}

void eyot__node_release(eyot__node *n)
{
    if (n->page)
        page_drop(page_of(n), 1);
    else
        free(n);
}

/* Nodes of one page mostly die one after another: one atomic step for all of them. */
typedef struct release_run {
    eyot__page *page;
    uint32_t n;
} release_run;

static inline void release_later(release_run *run, eyot__node *n)
{
    if (!n->page) {
        free(n);
        return;
    }
    eyot__page *page = page_of(n);
    if (page != run->page) {
        page_drop(run->page, run->n);
        run->page = page;
        run->n = 0;
    }
    run->n++;
}

static inline eyot__word *words_of(eyot__node *n)
{
    return eyot__node_kind(n) >= EYOT__BIG_ARRAY ? ((eyot__big *)n)->w : ((eyot__seq *)n)->w;
}

/* Lets go of the words of a container, from its end, until one of them is a container that dies with it; NULL: all are
 * gone. The count is what is left. */
static eyot__node *release_words(eyot__node *n, release_run *run)
{
    eyot__word *w = words_of(n);
    uint32_t left = ((eyot__seq *)n)->count;
    eyot__node *dying = NULL;
    while (left && !dying) {
        eyot__word child = w[--left];
        if (!eyot__is_node(child) || !eyot__was_last(eyot__node_of(child))) continue;
        if (eyot__node_kind(eyot__node_of(child)) < EYOT__ARRAY)
            release_later(run, eyot__node_of(child));
        else
            dying = eyot__node_of(child);
    }
    ((eyot__seq *)n)->count = left;
    return dying;
}

/* Needs no stack: a dying container keeps the way back to its parent in the slot of the child that is destroyed first
 * (after Schorr and Waite, 1967). */
void eyot__node_destroy(eyot__node *n)
{
    release_run run = {NULL, 0};
    eyot__node *up = NULL;
    while (n) {
        eyot__node *down = eyot__node_kind(n) >= EYOT__ARRAY ? release_words(n, &run) : NULL;
        if (down) {
            words_of(n)[((eyot__seq *)n)->count] = (eyot__word)up;
            up = n;
            n = down;
            continue;
        }
        if (eyot__node_kind(n) == EYOT__BIG_MAP) eyot__unref((eyot__word)((eyot__big *)n)->index);
        release_later(&run, n);
        n = up;
        if (n) up = eyot__node_of(words_of(n)[((eyot__seq *)n)->count]);
    }
    page_drop(run.page, run.n);
}

eyot_value *eyot_value_ref(const eyot_value *v)
{
    return eyot__value_of(eyot__ref(eyot__word_of(v)));
}

void eyot_value_unref(eyot_value *v)
{
    eyot__unref(eyot__word_of(v));
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

static eyot__number *number_new(unsigned kind)
{
    return eyot__node_new(NULL, sizeof(eyot__number), kind);
}

eyot__word eyot__word_int(int64_t i)
{
    if (i >= EYOT__INT_MIN && i <= EYOT__INT_MAX) return eyot__int_pack(i);
    eyot__number *n = number_new(EYOT__INT64);
    if (n) n->as.i = i;
    return (eyot__word)n;
}

eyot__word eyot__word_uint(uint64_t u)
{
    if (u <= INT64_MAX) return eyot__word_int((int64_t)u);
    eyot__number *n = number_new(EYOT__UINT64);
    if (n) n->as.u = u;
    return (eyot__word)n;
}

eyot__word eyot__word_double(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    if (eyot__double_fits(bits)) return eyot__double_pack(bits);
    if (bits << 1 == 0) return bits ? EYOT__NEGATIVE_ZERO : EYOT__ZERO;
    eyot__number *n = number_new(EYOT__DOUBLE);
    if (n) n->as.d = d;
    return (eyot__word)n;
}

static eyot__num boxed(eyot__word w)
{
    eyot__num n = {EYOT_VALUE_NONE, 0, 0, 0};
    const eyot__number *box = (const eyot__number *)w;
    switch (eyot__node_kind(&box->node)) {
    case EYOT__INT64: return (eyot__num){EYOT_VALUE_INT, box->as.i, 0, 0};
    case EYOT__UINT64: return (eyot__num){EYOT_VALUE_UINT, 0, box->as.u, 0};
    case EYOT__DOUBLE: return (eyot__num){EYOT_VALUE_DOUBLE, 0, 0, box->as.d};
    default: return n;
    }
}

eyot__num eyot__num_of(eyot__word w)
{
    eyot__num n = {EYOT_VALUE_NONE, 0, 0, 0};
    switch (w & 3) {
    case 0: return w ? boxed(w) : n;
    case 1:
        n.kind = EYOT_VALUE_INT;
        n.i = eyot__int_unpack(w);
        return n;
    case 2:
        n.kind = EYOT_VALUE_DOUBLE;
        n.d = eyot__double_unpack(w);
        return n;
    default: break;
    }
    if (!(w & 4)) {
        uint32_t bits = (uint32_t)(w >> 32);
        float f;
        memcpy(&f, &bits, sizeof f);
        n.kind = EYOT_VALUE_FLOAT32;
        n.d = (double)f;
    } else if (w == EYOT__ZERO || w == EYOT__NEGATIVE_ZERO) {
        n.kind = EYOT_VALUE_DOUBLE;
        n.d = w == EYOT__ZERO ? 0.0 : -0.0;
    }
    return n;
}

/* ---- texts ----------------------------------------------------------------------------------------------------- */

/* Length of the well-formed UTF-8 character at p (Unicode 15, table 3-7), 0 if there is none. */
size_t eyot__utf8_char(const unsigned char *p, size_t n)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (p[0] == 0xe0) low = 0xa0;
    if (p[0] == 0xed) high = 0x9f;
    if (p[0] == 0xf0) low = 0x90;
    if (p[0] == 0xf4) high = 0x8f;
    if (len > n) return 0;
    if (len > 1 && (p[1] < low || p[1] > high)) return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    return len;
}

const char *eyot__utf8_check(const char *p, const char *end)
{
    for (;;) {
        p = eyot__skip_ascii(p, end);
        size_t n = p < end ? eyot__utf8_char((const unsigned char *)p, (size_t)(end - p)) : 0;
        if (!n) return p;
        p += n;
    }
}

bool eyot__is_plain(const char *bytes, size_t len)
{
    return eyot__skip_unescaped(bytes, bytes + len) == bytes + len;
}

/* Where there is no random device, addresses and time are all there is. */
static uint64_t secret_draw(void)
{
    uint64_t s = 0;
    struct timespec now = {0, 0};
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, &s, sizeof s) != (ssize_t)sizeof s) s = 0;
        close(fd);
    }
    clock_gettime(CLOCK_REALTIME, &now);
    s ^= (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec ^ (uint64_t)(uintptr_t)&now;
    return s | 1;
}

uint64_t eyot__key_secret(void)
{
    static _Atomic uint64_t secret;
    uint64_t s = atomic_load_explicit(&secret, memory_order_relaxed);
    if (s) return s;
    uint64_t drawn = secret_draw();
    return atomic_compare_exchange_strong(&secret, &s, drawn) ? drawn : s;
}

__extension__ typedef unsigned __int128 wide;

static uint64_t fold(uint64_t a, uint64_t b)
{
    wide m = (wide)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t load64(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static uint64_t load32(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

#define HASH_A 0x9e3779b97f4a7c15u
#define HASH_B 0xd6e8feb86659fd93u

/* Multiply and fold, as in wyhash (Wang Yi, 2019); the secret goes into both factors. */
uint64_t eyot__hash_bytes(const void *bytes, size_t len, uint64_t secret)
{
    const unsigned char *p = bytes;
    uint64_t a = 0, b = 0, h = secret ^ HASH_B, n = len;
    while (len > 16) {
        h = fold(load64(p) ^ h, load64(p + 8) ^ secret ^ HASH_A);
        p += 16;
        len -= 16;
    }
    if (len >= 8) {
        a = load64(p);
        b = load64(p + len - 8);
    } else if (len >= 4) {
        a = load32(p);
        b = load32(p + len - 4);
    } else if (len) {
        a = (uint64_t)p[0] << 16 | (uint64_t)p[len / 2] << 8 | p[len - 1];
    }
    return fold(fold(a ^ h, b ^ secret ^ HASH_A) ^ n, HASH_B ^ secret);
}

eyot__text *eyot__text_new(eyot__arena *a, unsigned bits, const char *bytes, size_t len, uint32_t hash)
{
    eyot__text *t = eyot__node_new(a, sizeof *t + len + 1, bits);
    if (!t) return NULL;
    t->len = (uint32_t)len;
    t->hash = hash;
    if (len) memcpy(t->bytes, bytes, len);
    t->bytes[len] = 0;
    return t;
}

eyot_status eyot__key_new(eyot__text **out, const char *key, size_t len, uint32_t hash)
{
    *out = NULL;
    if (len > EYOT_VALUE_MAX_BYTES) return EYOT_ELIMIT;
    if (eyot__utf8_check(key, key + len) != key + len) return EYOT_EINVAL;
    *out = eyot__text_new(NULL, EYOT__TEXT | (eyot__is_plain(key, len) ? EYOT__PLAIN : 0), key, len, hash);
    return *out ? EYOT_OK : EYOT_ENOMEM;
}

/* ---- making ---------------------------------------------------------------------------------------------------- */

eyot_value *eyot_value_new_null(void)
{
    return eyot__value_of(EYOT__NULL);
}
eyot_value *eyot_value_new_bool(bool b)
{
    return eyot__value_of(b ? EYOT__TRUE : EYOT__FALSE);
}
eyot_value *eyot_value_new_int(int64_t i)
{
    return eyot__value_of(eyot__word_int(i));
}
eyot_value *eyot_value_new_uint(uint64_t u)
{
    return eyot__value_of(eyot__word_uint(u));
}
eyot_value *eyot_value_new_float32(float f)
{
    return eyot__value_of(eyot__word_float32(f));
}
eyot_value *eyot_value_new_double(double d)
{
    return eyot__value_of(eyot__word_double(d));
}
eyot_value *eyot_value_new_array(void)
{
    return eyot__value_of(EYOT__EMPTY_ARRAY);
}
eyot_value *eyot_value_new_map(void)
{
    return eyot__value_of(EYOT__EMPTY_MAP);
}
eyot_value *eyot_value_new_removed(void)
{
    return eyot__value_of(EYOT__REMOVED);
}

eyot_value *eyot_value_new_string_len(const char *text, size_t len)
{
    if ((!text && len) || len > EYOT_VALUE_MAX_BYTES) return NULL;
    if (!len) return eyot__value_of(EYOT__EMPTY_STRING);
    if (eyot__utf8_check(text, text + len) != text + len) return NULL;
    unsigned bits = EYOT__TEXT | (eyot__is_plain(text, len) ? EYOT__PLAIN : 0);
    return eyot__value_of((eyot__word)eyot__text_new(NULL, bits, text, len, 0));
}

eyot_value *eyot_value_new_string(const char *text)
{
    return text ? eyot_value_new_string_len(text, strlen(text)) : NULL;
}

eyot_value *eyot_value_new_bytes(const void *bytes, size_t len)
{
    if ((!bytes && len) || len > EYOT_VALUE_MAX_BYTES) return NULL;
    if (!len) return eyot__value_of(EYOT__EMPTY_BYTES);
    return eyot__value_of((eyot__word)eyot__text_new(NULL, EYOT__BYTES, bytes, len, 0));
}

eyot_value *eyot_value_new_ext(int8_t type, const void *bytes, size_t len)
{
    if ((!bytes && len) || len > EYOT_VALUE_MAX_BYTES) return NULL;
    return eyot__value_of((eyot__word)eyot__text_new(NULL, EYOT__EXT, bytes, len, (uint8_t)type));
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static eyot_value_kind constant_kind(eyot__word w)
{
    switch (w) {
    case EYOT__NULL: return EYOT_VALUE_NULL;
    case EYOT__FALSE:
    case EYOT__TRUE: return EYOT_VALUE_BOOL;
    case EYOT__ZERO:
    case EYOT__NEGATIVE_ZERO: return EYOT_VALUE_DOUBLE;
    case EYOT__EMPTY_STRING: return EYOT_VALUE_STRING;
    case EYOT__EMPTY_BYTES: return EYOT_VALUE_BYTES;
    case EYOT__EMPTY_ARRAY: return EYOT_VALUE_ARRAY;
    case EYOT__EMPTY_MAP: return EYOT_VALUE_MAP;
    default: return EYOT_VALUE_REMOVED;
    }
}

static eyot_value_kind node_kind(const eyot__node *n)
{
    switch (eyot__node_kind(n)) {
    case EYOT__TEXT: return EYOT_VALUE_STRING;
    case EYOT__BYTES: return EYOT_VALUE_BYTES;
    case EYOT__EXT: return EYOT_VALUE_EXT;
    case EYOT__INT64: return EYOT_VALUE_INT;
    case EYOT__UINT64: return EYOT_VALUE_UINT;
    case EYOT__DOUBLE: return EYOT_VALUE_DOUBLE;
    case EYOT__ARRAY:
    case EYOT__BIG_ARRAY: return EYOT_VALUE_ARRAY;
    default: return EYOT_VALUE_MAP;
    }
}

eyot_value_kind eyot_value_kind_of(const eyot_value *v)
{
    eyot__word w = eyot__word_of(v);
    if (!w) return EYOT_VALUE_NONE;
    switch (w & 3) {
    case 0: return node_kind(eyot__node_of(w));
    case 1: return EYOT_VALUE_INT;
    case 2: return EYOT_VALUE_DOUBLE;
    default: return w & 4 ? constant_kind(w) : EYOT_VALUE_FLOAT32;
    }
}

const char *eyot_value_kind_name(eyot_value_kind kind)
{
    static const char *const names[] = {"nothing", "null",   "boolean", "integer", "unsigned integer",
                                        "float32", "double", "string",  "bytes",   "extension",
                                        "array",   "map",    "removal"};
    return (unsigned)kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}

const eyot_value *eyot_value_at_len(const eyot_value *v, const char *key, size_t key_len)
{
    eyot__word map = eyot__word_of(v);
    if (!key || !eyot__is_map(map)) return NULL;
    uint32_t at = eyot__map_find(map, key, key_len, eyot__key_hash(key, key_len, eyot__key_secret()));
    return at == EYOT__NONE ? NULL : eyot__value_of(eyot__map_entry(map, at)[1]);
}

const eyot_value *eyot_value_at(const eyot_value *v, const char *key)
{
    return key ? eyot_value_at_len(v, key, strlen(key)) : NULL;
}

const eyot_value *eyot_value_item(const eyot_value *v, size_t i)
{
    eyot__word array = eyot__word_of(v);
    if (!eyot__is_array(array) || i >= eyot__count(array)) return NULL;
    return eyot__value_of(eyot__array_get(array, (uint32_t)i));
}

/* An array index in a JSON pointer: digits without a leading zero. */
static const eyot_value *pointer_item(const eyot_value *v, const char *token, size_t len)
{
    size_t i = 0;
    if (!len || len > 8 || (len > 1 && token[0] == '0')) return NULL;
    for (size_t k = 0; k < len; k++) {
        if (token[k] < '0' || token[k] > '9') return NULL;
        i = i * 10 + (size_t)(token[k] - '0');
    }
    return eyot_value_item(v, i);
}

static bool key_is_token(const eyot__text *key, const char *token, size_t len)
{
    size_t k = 0;
    for (size_t i = 0; i < len; i++, k++) {
        char c = token[i];
        if (c == '~') c = token[++i] == '0' ? '~' : '/';
        if (k == key->len || key->bytes[k] != c) return false;
    }
    return k == key->len;
}

static const eyot_value *pointer_key(const eyot_value *v, const char *token, size_t len)
{
    bool escaped = false;
    for (size_t i = 0; i < len; i++) {
        if (token[i] != '~') continue;
        if (i + 1 == len || (token[i + 1] != '0' && token[i + 1] != '1')) return NULL;
        escaped = true;
    }
    if (!escaped) return eyot_value_at_len(v, token, len);
    /* Rare: going over the keys saves the memory for an unescaped token. */
    eyot__cursor c = eyot__cursor_of(eyot__word_of(v));
    for (const eyot__word *entry; (entry = eyot__cursor_entry(&c));)
        if (key_is_token(eyot__text_of(entry[0]), token, len)) return eyot__value_of(entry[1]);
    return NULL;
}

const eyot_value *eyot_value_pointer(const eyot_value *v, const char *pointer)
{
    if (!pointer) return NULL;
    while (v && *pointer) {
        if (*pointer++ != '/') return NULL;
        size_t len = strcspn(pointer, "/");
        eyot_value_kind kind = eyot_value_kind_of(v);
        v = kind == EYOT_VALUE_ARRAY ? pointer_item(v, pointer, len)
            : kind == EYOT_VALUE_MAP ? pointer_key(v, pointer, len)
                                     : NULL;
        pointer += len;
    }
    return v;
}

size_t eyot_value_count(const eyot_value *v)
{
    eyot__word w = eyot__word_of(v);
    if (!eyot__is_node(w)) return 0;
    unsigned kind = eyot__node_kind(eyot__node_of(w));
    if (kind >= EYOT__ARRAY) return eyot__count(w);
    return kind <= EYOT__EXT ? eyot__text_of(w)->len : 0;
}

bool eyot_value_bool(const eyot_value *v, bool otherwise)
{
    eyot__word w = eyot__word_of(v);
    return w == EYOT__TRUE || (w != EYOT__FALSE && otherwise);
}

int64_t eyot_value_int(const eyot_value *v, int64_t otherwise)
{
    eyot__word w = eyot__word_of(v);
    if ((w & 3) == 1) return eyot__int_unpack(w);
    eyot__num n = eyot__num_of(w);
    if (n.kind == EYOT_VALUE_INT) return n.i;
    if (n.kind < EYOT_VALUE_FLOAT32 || !(n.d >= -0x1p63 && n.d < 0x1p63)) return otherwise;
    return (double)(int64_t)n.d == n.d ? (int64_t)n.d : otherwise;
}

uint64_t eyot_value_uint(const eyot_value *v, uint64_t otherwise)
{
    eyot__num n = eyot__num_of(eyot__word_of(v));
    if (n.kind == EYOT_VALUE_INT) return n.i >= 0 ? (uint64_t)n.i : otherwise;
    if (n.kind == EYOT_VALUE_UINT) return n.u;
    if (n.kind < EYOT_VALUE_FLOAT32 || !(n.d >= 0 && n.d < 0x1p64)) return otherwise;
    return (double)(uint64_t)n.d == n.d ? (uint64_t)n.d : otherwise;
}

double eyot_value_double(const eyot_value *v, double otherwise)
{
    eyot__num n = eyot__num_of(eyot__word_of(v));
    switch (n.kind) {
    case EYOT_VALUE_INT: return (double)n.i;
    case EYOT_VALUE_UINT: return (double)n.u;
    case EYOT_VALUE_NONE: return otherwise;
    default: return n.d;
    }
}

/* `empty` is the constant for an empty one, 0 if the kind has none. */
static const char *text_bytes(eyot__word w, unsigned kind, eyot__word empty, size_t *len)
{
    size_t ignored;
    if (!len) len = &ignored;
    *len = 0;
    if (w && w == empty) return "";
    if (!eyot__is_kind(w, kind)) return NULL;
    *len = eyot__text_of(w)->len;
    return eyot__text_of(w)->bytes;
}

const char *eyot_value_string_len(const eyot_value *v, size_t *len)
{
    return text_bytes(eyot__word_of(v), EYOT__TEXT, EYOT__EMPTY_STRING, len);
}

const char *eyot_value_string(const eyot_value *v, const char *otherwise)
{
    const char *text = eyot_value_string_len(v, NULL);
    return text ? text : otherwise;
}

const void *eyot_value_bytes(const eyot_value *v, size_t *len)
{
    return text_bytes(eyot__word_of(v), EYOT__BYTES, EYOT__EMPTY_BYTES, len);
}

const void *eyot_value_ext(const eyot_value *v, int8_t *type, size_t *len)
{
    eyot__word w = eyot__word_of(v);
    const char *bytes = text_bytes(w, EYOT__EXT, 0, len);
    if (bytes && type) *type = (int8_t)eyot__text_of(w)->hash;
    return bytes;
}
