/* SPDX-License-Identifier: MIT */
#include "stores/url.h"

#include "core/buf.h"
#include "core/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* ---- servers ---------------------------------------------------------------------------------------------------- */

/* host, host:port, [v6], [v6]:port, or nothing. */
static eyot_status split_host(eyot__url_server *out, char *host, eyot_error *e)
{
    char *port = *host == '[' ? strchr(host, ']') : strchr(host, ':'), *end = NULL;
    if (*host == '[') {
        if (!port || (port[1] && port[1] != ':'))
            return eyot_error_set(e, EYOT_EINVAL, "the host of the store's URL has no ']' at its end");
        host++;
        *port++ = '\0';
    }
    out->host = host;
    if (!port || !*port) return EYOT_OK;
    *port++ = '\0';
    unsigned long number = *port >= '0' && *port <= '9' ? strtoul(port, &end, 10) : 0;
    if (!end || *end || number < 1 || number > 65535)
        return eyot_error_set(e, EYOT_EINVAL, "the port of the store's URL must be a number from 1 to 65535");
    out->port = (uint16_t)number;
    return EYOT_OK;
}

/* One line, of a file that nobody else can read. */
static eyot_status read_password(eyot__url_server *out, const char *path, eyot_error *e)
{
    struct stat st;
    size_t n = 0;
    ssize_t got = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    eyot_status r = EYOT_OK;
    if (fd < 0)
        return eyot_error_set(e, EYOT_EINVAL, "password_file=%.100s cannot be opened: %s", path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        r = eyot_error_set(e, EYOT_EINVAL, "password_file=%.100s is no regular file", path);
    else if (st.st_mode & (S_IRWXG | S_IRWXO))
        r = eyot_error_set(e, EYOT_EINVAL, "password_file=%.100s can be read by others: chmod 600 it", path);
    while (!r && got > 0 && n < sizeof out->from_file) {
        got = read(fd, out->from_file + n, sizeof out->from_file - n);
        if (got < 0 && errno != EINTR) r = eyot_error_set(e, EYOT_EIO, "password_file=%.100s cannot be read", path);
        if (got > 0) n += (size_t)got;
        if (got < 0) got = 1;
    }
    close(fd);
    if (!r && n == sizeof out->from_file)
        r = eyot_error_set(e, EYOT_EINVAL, "password_file=%.100s is too long for a password", path);
    if (r) return r;
    out->from_file[n] = '\0';
    out->from_file[strcspn(out->from_file, "\r\n")] = '\0';
    out->password = out->from_file;
    return EYOT_OK;
}

eyot_status eyot__url_server_of(eyot__url_server *out, eyot__url *url, eyot_error *e)
{
    memset(out, 0, sizeof *out);
    out->host = "";
    char *text = (char *)(uintptr_t)url->authority, *at = text ? strrchr(text, '@') : NULL;
    const char *file = eyot__url_param_text(url, "password_file");
    if (at) {
        *at = '\0';
        out->user = text;
        char *colon = strchr(text, ':');
        if (colon) *colon++ = '\0';
        out->password = colon;
        if (!decode(text) || (colon && !decode(colon)))
            return eyot_error_set(e, EYOT_EINVAL, "the store's URL has a malformed %% escape before its '@'");
        text = at + 1;
    }
    if (text && !decode(text))
        return eyot_error_set(e, EYOT_EINVAL, "the store's URL has a malformed %% escape in its host");
    eyot_status r = text ? split_host(out, text, e) : EYOT_OK;
    if (r || !file) return r;
    if (out->password) return eyot_error_set(e, EYOT_EINVAL, "the store's URL has both a password and a password_file");
    return read_password(out, file, e);
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
