/* SPDX-License-Identifier: MIT */
#include "stores/url.h"

#include "core/buf.h"
#include "core/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- parsing ---------------------------------------------------------------------------------------------------- */

/* Length of the scheme in front of ':', 0 when the text has none and is a path. */
static size_t scheme_len(const char *url)
{
    size_t n = 0;
    for (;; n++) {
        char c = url[n], letter = (char)(c | 0x20);
        if (letter >= 'a' && letter <= 'z') continue;
        if (n == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '.' || c == '-')) break;
    }
    return url[n] == ':' ? n : 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* In place; false: an incomplete escape, or one of a NUL. */
static bool decode(char *text)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        if (*p != '%') {
            *to++ = *p;
            continue;
        }
        int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
        if (low < 0 || high * 16 + low == 0) return false;
        *to++ = (char)(high * 16 + low);
        p += 2;
    }
    *to = '\0';
    return true;
}

static eyot_status add_param(eyot__url *url, char *text, eyot_error *e)
{
    char *value = strchr(text, '=');
    if (value) *value++ = '\0';
    if (!decode(text) || (value && !decode(value)))
        return eyot_error_set(e, EYOT_EINVAL, "the store's URL has a malformed %% escape in a parameter");
    if (!value) return eyot_error_set(e, EYOT_EINVAL, "parameter \"%s\" of the store's URL has no value", text);
    for (size_t i = 0; i < url->n_params; i++)
        if (strcmp(url->params[i].name, text) == 0)
            return eyot_error_set(e, EYOT_EINVAL, "parameter \"%s\" of the store's URL is there twice", text);
    if (url->n_params == EYOT__URL_PARAMS)
        return eyot_error_set(e, EYOT_EINVAL, "the store's URL has more than %d parameters", EYOT__URL_PARAMS);
    url->params[url->n_params++] = (eyot__url_param){text, value, false};
    return EYOT_OK;
}

static eyot_status parse_params(eyot__url *url, char *text, eyot_error *e)
{
    eyot_status r = EYOT_OK;
    while (text && *text && !r) {
        char *next = strchr(text, '&');
        if (next) *next++ = '\0';
        r = add_param(url, text, e);
        text = next;
    }
    return r;
}

/* A path as people type it. Settings belong to URLs: a '?' in it is rather a forgotten scheme than part of a name. */
static eyot_status parse_path(eyot__url *url, eyot_error *e)
{
    url->path = url->text;
    if (!*url->text) return eyot_error_set(e, EYOT_EINVAL, "the store's URL is empty");
    if (strchr(url->text, '?'))
        return eyot_error_set(e, EYOT_EINVAL,
                              "a plain path takes no settings: write \"sqlite:%.*s?…\", or %%3F for a '?' in the name",
                              (int)strcspn(url->text, "?") < 100 ? (int)strcspn(url->text, "?") : 100, url->text);
    return EYOT_OK;
}

static eyot_status parse_url(eyot__url *url, size_t scheme, eyot_error *e)
{
    for (size_t i = 0; i < scheme; i++) {
        char c = url->text[i];
        url->scheme[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    char *rest = url->text + scheme + 1, *query = strchr(rest, '?');
    if (query) *query++ = '\0';
    if (strncmp(rest, "//", 2) == 0) {
        /* One byte to the left, so that the authority gets its NUL and the path keeps its '/'. */
        size_t n = strcspn(rest + 2, "/");
        memmove(rest + 1, rest + 2, n);
        rest[n + 1] = '\0';
        url->authority = rest + 1;
        rest += n + 2;
    }
    url->path = rest;
    if (!decode(rest)) return eyot_error_set(e, EYOT_EINVAL, "the store's URL has a malformed %% escape in its path");
    return parse_params(url, query, e);
}

eyot_status eyot__url_parse(eyot__url *out, const char *url, eyot_error *e)
{
    memset(out, 0, sizeof *out);
    size_t scheme = scheme_len(url), n = strlen(url);
    if (scheme >= sizeof out->scheme)
        return eyot_error_set(e, EYOT_EINVAL, "\"%.*s\" is too long for the scheme of a store", 16, url);
    out->text = malloc(n + 1);
    if (!out->text) return eyot_error_set(e, EYOT_ENOMEM, "no memory for a URL");
    memcpy(out->text, url, n + 1);
    eyot_status r = scheme ? parse_url(out, scheme, e) : parse_path(out, e);
    if (r) eyot__url_clear(out);
    return r;
}

void eyot__url_clear(eyot__url *url)
{
    free(url->text);
    memset(url, 0, sizeof *url);
}

const char *eyot__url_param_text(eyot__url *url, const char *name)
{
    for (size_t i = 0; i < url->n_params; i++) {
        if (strcmp(url->params[i].name, name) != 0) continue;
        url->params[i].known = true;
        return url->params[i].value;
    }
    return NULL;
}

eyot_status eyot__url_param_number(eyot__url *url, const char *name, uint64_t low, uint64_t high, uint64_t *value,
                                   eyot_error *e)
{
    const char *text = eyot__url_param_text(url, name);
    if (!text) return EYOT_OK;
    char *end = NULL;
    errno = 0;
    uint64_t v = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    if (!end || *end || errno || v < low || v > high)
        return eyot_error_set(e, EYOT_EINVAL, "%s=%s: must be a number from %" PRIu64 " to %" PRIu64, name, text, low,
                              high);
    *value = v;
    return EYOT_OK;
}

eyot_status eyot__url_check_params(const eyot__url *url, eyot_error *e)
{
    for (size_t i = 0; i < url->n_params; i++)
        if (!url->params[i].known)
            return eyot_error_set(e, EYOT_EINVAL, "a %s store has no parameter \"%s\"",
                                  *url->scheme ? url->scheme : "sqlite", url->params[i].name);
    return EYOT_OK;
}

/* ---- secrets ---------------------------------------------------------------------------------------------------- */

/* A name with an escape in it may be any. */
static bool is_secret(const char *name, size_t n)
{
    static const char *const secrets[] = {"password", "token", "secret"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (strlen(secrets[i]) == n && strncasecmp(secrets[i], name, n) == 0) return true;
    return memchr(name, '%', n) != NULL;
}

static void redact_params(eyot_buf *out, const char *query)
{
    while (*query) {
        size_t n = strcspn(query, "&"), name = strcspn(query, "=&");
        bool secret = name < n && is_secret(query, name);
        eyot_buf_add(out, query, secret ? name + 1 : n);
        if (secret) eyot__buf_text(out, "***");
        query += n;
        if (*query) eyot_buf_add(out, query++, 1);
    }
}

/* The text before "//" and the authority; what follows the last '@' is the host. */
static const char *redact_authority(eyot_buf *out, const char *url)
{
    const char *slashes = strstr(url, "//");
    if (!slashes || (size_t)(slashes - url) > strcspn(url, "/?")) return url;
    const char *from = slashes + 2, *host = from;
    size_t n = strcspn(from, "/?");
    for (size_t i = 0; i < n; i++)
        if (from[i] == '@') host = from + i;
    eyot_buf_add(out, url, (size_t)(from - url));
    size_t user = strcspn(from, ":@/?");
    bool secret = host > from && from[user] == ':';
    eyot_buf_add(out, from, secret ? user + 1 : (size_t)(host - from));
    if (secret) eyot__buf_text(out, "***");
    return host;
}

void eyot__url_redact(const char *url, char *out, size_t size)
{
    eyot_buf text = EYOT__BUF_INIT;
    const char *rest = redact_authority(&text, url);
    size_t n = strcspn(rest, "?");
    eyot_buf_add(&text, rest, n);
    if (rest[n]) {
        eyot__buf_text(&text, "?");
        redact_params(&text, rest + n + 1);
    }
    /* Without memory nothing is shown rather than too much. */
    size_t shown = text.failed ? 0 : text.len < size - 1 ? text.len : size - 1;
    if (shown) memcpy(out, text.data, shown);
    out[shown] = '\0';
    eyot__buf_clear(&text);
}

/* ---- cursors ---------------------------------------------------------------------------------------------------- */

bool eyot__cursor_parse(eyot_bytes cursor, int64_t *number, eyot_bytes *id)
{
    const unsigned char *p = cursor.p;
    uint64_t v = 0;
    size_t i = 0;
    for (; i < cursor.n && p[i] >= '0' && p[i] <= '9'; i++) {
        if (v > (INT64_MAX - 9) / 10) return false;
        v = v * 10 + (uint64_t)(p[i] - '0');
    }
    if (i == 0 || i == cursor.n || p[i] != ':') return false;
    *number = (int64_t)v;
    *id = eyot__bytes(p + i + 1, cursor.n - i - 1);
    return true;
}

eyot_status eyot__cursor_print(eyot_buf *out, int64_t number, eyot_bytes id)
{
    eyot__buf_format(out, "%" PRId64 ":", number);
    return eyot_buf_add(out, id.p, id.n);
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

typedef struct scheme {
    struct scheme *next;
    eyot_store_open_fn open;
    char name[17];
} scheme;

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static scheme *registry; /* guarded by registry_lock; only grows */

#if EYOT_HAVE_SQLITE
#define OPEN_SQLITE eyot__sqlite_open
#else
#define OPEN_SQLITE NULL
#endif

static const struct bundled {
    const char *scheme;
    eyot__open_fn open; /* NULL: not in this build */
} bundled[] = {
    {"", OPEN_SQLITE}, {"sqlite", OPEN_SQLITE}, {"memory", eyot__memory_open},
    {"mysql", NULL},   {"redis", NULL},         {"redis+unix", NULL},
};

static const struct bundled *find_bundled(const char *name)
{
    for (size_t i = 0; i < sizeof bundled / sizeof *bundled; i++)
        if (strcmp(bundled[i].scheme, name) == 0) return &bundled[i];
    return NULL;
}

static scheme *find_registered(const char *name)
{
    pthread_mutex_lock(&registry_lock);
    scheme *s = registry;
    while (s && strcmp(s->name, name) != 0) s = s->next;
    pthread_mutex_unlock(&registry_lock);
    return s;
}

static bool scheme_valid(const char *name)
{
    size_t n = 0;
    for (; name[n]; n++) {
        char c = name[n];
        bool letter = c >= 'a' && c <= 'z', other = (c >= '0' && c <= '9') || c == '+' || c == '.' || c == '-';
        if (!letter && !(other && n > 0)) return false;
    }
    return n > 0 && n < sizeof((scheme *)NULL)->name;
}

/* Takes s; false: the name is known already. */
static bool registry_add(scheme *s)
{
    pthread_mutex_lock(&registry_lock);
    const scheme *other = registry;
    while (other && strcmp(other->name, s->name) != 0) other = other->next;
    bool fresh = !other && !find_bundled(s->name);
    if (fresh) {
        s->next = registry;
        registry = s;
    }
    pthread_mutex_unlock(&registry_lock);
    if (!fresh) free(s);
    return fresh;
}

eyot_status eyot_store_register(const char *name, eyot_store_open_fn open, eyot_error *e)
{
    if (!name || !open || !scheme_valid(name))
        return eyot_error_set(e, EYOT_EINVAL, "\"%.*s\" is no scheme for a store", 40, name ? name : "");
    scheme *s = calloc(1, sizeof *s);
    if (!s) return eyot_error_set(e, EYOT_ENOMEM, "no memory for a scheme");
    memcpy(s->name, name, strlen(name));
    s->open = open;
    if (registry_add(s)) return EYOT_OK;
    return eyot_error_set(e, EYOT_EEXIST, "the scheme \"%s\" is known already", name);
}

/* 0: the name of none. */
static eyot_store_class class_by_name(const char *name)
{
    for (int c = EYOT_CLASS_VOLATILE; c <= EYOT_CLASS_REPLICATED; c++)
        if (strcmp(eyot_store_class_name((eyot_store_class)c), name) == 0) return (eyot_store_class)c;
    return 0;
}

static eyot_status check_class(eyot_store *store, eyot_store_class least, eyot_error *e)
{
    eyot_store_info info;
    eyot_status r = eyot_store_inform(store, &info, e);
    if (!r && info.durability < least)
        r = eyot_error_set(e, EYOT_ENOTSUP, "min_class=%s is asked for, the store is %s: %s",
                           eyot_store_class_name(least), eyot_store_class_name(info.durability), info.reasons);
    return r;
}

static eyot_status open_bundled(eyot_store **out, const struct bundled *b, eyot__url *url, uint32_t flags,
                                eyot_error *e)
{
    const char *name = *url->scheme ? url->scheme : "sqlite";
    if (!b->open) return eyot_error_set(e, EYOT_ENOTSUP, "this build of eyot has no %s store", name);
    if (url->authority && *url->authority)
        return eyot_error_set(e, EYOT_EINVAL, "a %s store is not on another host: write \"%s:%s\"", name, name,
                              url->path);
    const char *least_text = eyot__url_param_text(url, "min_class");
    eyot_store_class least = least_text ? class_by_name(least_text) : EYOT_CLASS_VOLATILE;
    if (!least)
        return eyot_error_set(e, EYOT_EINVAL, "min_class=%s: must be volatile, process, machine or replicated",
                              least_text);
    eyot_status r = b->open(out, url, flags, e);
    if (!r) r = check_class(*out, least, e);
    if (r) {
        eyot_store_close(*out);
        *out = NULL;
    }
    return r;
}

eyot_status eyot_store_open_with(eyot_store **out, const char *text, uint32_t flags, eyot_error *e)
{
    eyot__url url;
    char shown[120];
    *out = NULL;
    if (!text) return eyot_error_set(e, EYOT_EINVAL, "the store's URL is NULL");
    if (flags & ~(uint32_t)EYOT_OPEN_EXISTING)
        return eyot_error_set(e, EYOT_EINVAL, "unknown flags 0x%x for opening a store", (unsigned)flags);
    eyot_status r = eyot__url_parse(&url, text, e);
    if (r) return r;
    const struct bundled *b = find_bundled(url.scheme);
    const scheme *s = b ? NULL : find_registered(url.scheme);
    if (b) {
        r = open_bundled(out, b, &url, flags, e);
    } else if (s) {
        r = s->open(out, text, flags, e);
    } else {
        eyot__url_redact(text, shown, sizeof shown);
        r = eyot_error_set(e, EYOT_EINVAL, "unknown scheme \"%s\" in \"%s\" (a path with a ':' begins with ./)",
                           url.scheme, shown);
    }
    eyot__url_clear(&url);
    return r;
}

eyot_status eyot_store_open(eyot_store **out, const char *url, eyot_error *e)
{
    return eyot_store_open_with(out, url, 0, e);
}
