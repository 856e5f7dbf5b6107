/* SPDX-License-Identifier: MIT */
/* The process that libjq may end. It serves one request after the other and trusts its client; what it is protected from,
 * and protects eyot from, are the programs. Whatever fails in itself ends it: its client then starts another. */
#define _GNU_SOURCE /* environ, mallinfo2 */
#include <jv.h>
#include <jq.h>

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/jq_wire.h"

int jq_helper_main(void);

enum {
    ERROR_BYTES = 1000, /* of an error's text */
    MAX_DEPTH = 512     /* EYOT_VALUE_MAX_DEPTH */
};

typedef struct line {
    char text[ERROR_BYTES];
    size_t len;
} line;

typedef struct program {
    jq_state *jq; /* NULL: it does not compile */
    line error;
} program;

typedef struct helper {
    program *programs; /* by number */
    size_t n_programs;
    char *request;
    size_t len, at;
    uint32_t kind;
    uint64_t memory; /* bytes; 0: no limit */
} helper;

/* ---- the socket ------------------------------------------------------------------------------------------------ */

static bool receive(void *to, size_t len)
{
    char *p = to;
    while (len > 0) {
        ssize_t n = recv(JQ_WIRE_FD, p, len, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool send_all(const void *from, size_t len, int flags)
{
    const char *p = from;
    while (len > 0) {
        ssize_t n = send(JQ_WIRE_FD, p, len, MSG_NOSIGNAL | flags);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool reply(int kind, const char *text, size_t len)
{
    char head[5];
    uint32_t all = (uint32_t)len + 1;
    memcpy(head, &all, 4);
    head[4] = (char)kind;
    return send_all(head, sizeof head, len ? MSG_MORE : 0) && send_all(text, len, 0);
}

/* What the client has sent is whole, so these do not check. */
static uint32_t take_u32(helper *h)
{
    uint32_t v;
    memcpy(&v, h->request + h->at, 4);
    h->at += 4;
    return v;
}

/* ---- error texts ----------------------------------------------------------------------------------------------- */

static void line_add(line *l, const char *text, size_t len)
{
    for (size_t i = 0; i < len && l->len < ERROR_BYTES - 1; i++) {
        unsigned char c = (unsigned char)text[i];
        l->text[l->len++] = c < ' ' || c == 127 ? ' ' : (char)c;
    }
    while (l->len == ERROR_BYTES - 1 && l->len > 0 && (l->text[l->len - 1] & 0x80)) l->len--; /* no half characters */
    l->text[l->len] = 0;
}

static void line_say(line *l, const char *text)
{
    line_add(l, text, strlen(text));
}

static bool skip(const char **p, const char *text)
{
    size_t len = strlen(text);
    if (strncmp(*p, text, len) != 0) return false;
    *p += len;
    return true;
}

typedef struct compiling {
    line *error;
    bool one_line; /* then its number says nothing */
} compiling;

/* "jq: error: foo/0 is not defined at <top-level>, line 1:\nfoo" → "foo/0 is not defined". */
static void compile_error(void *arg, jv message)
{
    const compiling *now = arg;
    line *l = now->error;
    const char *p = jv_get_kind(message) == JV_KIND_STRING ? jv_string_value(message) : "it does not compile";
    skip(&p, "jq: error: ");
    bool count = strncmp(p, "jq: ", 4) == 0; /* "jq: 2 compile errors" */
    const char *end = strchr(p, '\n');
    if (!end) end = p + strlen(p);
    if (!count && l->len > 0) line_say(l, "; ");
    while (!count && p < end) {
        if (skip(&p, " (Unix shell quoting issues?)")) continue;
        if (skip(&p, " at <top-level>")) {
            if (now->one_line) break;
        } else if (skip(&p, "syntax error, ")) {
            line_say(l, "syntax error: ");
        } else if (skip(&p, "$end")) {
            line_say(l, "end of text");
        } else if (skip(&p, "INVALID_CHARACTER")) {
            line_say(l, "character");
        } else if (p + 1 != end || *p != ':') {
            line_add(l, p, 1);
            p++;
        } else {
            break;
        }
    }
    jv_free(message);
}

static void say_message(line *l, jv message)
{
    if (jv_get_kind(message) != JV_KIND_STRING) message = jv_dump_string(message, 0);
    line_add(l, jv_string_value(message), (size_t)jv_string_length_bytes(jv_copy(message)));
    jv_free(message);
}

/* ---- results --------------------------------------------------------------------------------------------------- */

/* Where in a value: from the innermost step outwards. */
typedef struct step {
    const struct step *up;
    const char *key; /* NULL: an item */
    int index;
    unsigned depth;
} step;

static void say_pointer(line *l, const step *s)
{
    char number[16];
    if (!s->up) return;
    say_pointer(l, s->up);
    line_say(l, "/");
    if (!s->key) {
        snprintf(number, sizeof number, "%d", s->index);
        line_say(l, number);
        return;
    }
    for (const char *p = s->key; *p; p++) {
        if (*p == '~' || *p == '/')
            line_say(l, *p == '~' ? "~0" : "~1");
        else
            line_add(l, p, 1);
    }
}

/* libjq prints NaN as null and infinity as the largest double. */
static bool printable(jv v, const step *at, line *error)
{
    bool good = true;
    step below = {.up = at, .depth = at->depth + 1};
    switch (jv_get_kind(v)) {
    case JV_KIND_NUMBER:
        if (isfinite(jv_number_value(v))) break;
        good = false;
        say_pointer(error, at);
        line_say(error, at->up ? ": " : "the result is ");
        line_say(error, isnan(jv_number_value(v)) ? "not a number" : "infinite");
        break;
    case JV_KIND_ARRAY:
    case JV_KIND_OBJECT:
        if (at->depth >= MAX_DEPTH) {
            good = false;
            line_say(error, "the result is nested deeper than 512");
        } else if (jv_get_kind(v) == JV_KIND_ARRAY) {
            int n = jv_array_length(jv_copy(v));
            for (; good && below.index < n; below.index++)
                good = printable(jv_array_get(jv_copy(v), below.index), &below, error);
        } else {
            for (int i = jv_object_iter(v); good && jv_object_iter_valid(v, i); i = jv_object_iter_next(v, i)) {
                jv key = jv_object_iter_key(v, i);
                below.key = jv_string_value(key);
                good = printable(jv_object_iter_value(v, i), &below, error);
                jv_free(key);
            }
        }
        break;
    default: break;
    }
    jv_free(v);
    return good;
}

/* The only output of a program, or an invalid value with `error` filled. */
static jv evaluate(jq_state *jq, jv input, line *error)
{
    const step root = {0};
    jq_start(jq, input, 0);
    jv first = jq_next(jq);
    jv last = jv_is_valid(first) ? jq_next(jq) : jv_copy(first);
    if (jv_is_valid(last)) {
        line_say(error, "gave more than one output");
    } else if (jq_halted(jq)) {
        line_say(error, "called halt");
    } else if (jv_invalid_has_msg(jv_copy(last))) {
        say_message(error, jv_invalid_get_msg(jv_copy(last)));
        if (error->len == 0) line_say(error, "failed without a message");
    } else if (!jv_is_valid(first)) {
        line_say(error, "gave no output");
    } else {
        printable(jv_copy(first), &root, error);
    }
    jv_free(last);
    if (error->len == 0) return first;
    jv_free(first);
    return jv_invalid();
}

/* ---- programs -------------------------------------------------------------------------------------------------- */

static jv no_input(jq_state *jq, void *arg)
{
    (void)jq;
    (void)arg;
    return jv_invalid_with_msg(jv_string("there is no further input"));
}

static void ignore(void *arg, jv message)
{
    (void)arg;
    jv_free(message);
}

static void compile(program *p, const char *text)
{
    jq_state *jq = jq_init();
    if (!jq) abort();
    const char *newline = strchr(text, '\n');
    compiling now = {&p->error, !newline || !newline[1]};
    jq_set_error_cb(jq, compile_error, &now);
    jq_set_input_cb(jq, no_input, NULL);
    jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array()); /* modules: there are none to be found */
    if (jq_compile(jq, text)) {
        p->jq = jq;
        p->error.len = 0;
        jq_set_error_cb(jq, ignore, NULL); /* what it says while it runs comes as its error, too */
    } else {
        jq_teardown(&jq);
        if (p->error.len == 0) line_say(&p->error, "it does not compile");
    }
}

/* The next one of the request: compiled now, or known. */
static program *take_program(helper *h)
{
    uint32_t number = take_u32(h), len = take_u32(h);
    if (number >= h->n_programs) {
        program *more = realloc(h->programs, (number + 1) * sizeof *more);
        if (!more) abort();
        memset(more + h->n_programs, 0, (number + 1 - h->n_programs) * sizeof *more);
        h->programs = more;
        h->n_programs = number + 1;
    }
    program *p = &h->programs[number];
    if (len == JQ_WIRE_KNOWN) return p;
    char *text = malloc((size_t)len + 1);
    if (!text) abort();
    memcpy(text, h->request + h->at, len);
    text[len] = 0;
    h->at += len;
    if (p->jq) jq_teardown(&p->jq);
    *p = (program){.jq = NULL};
    compile(p, text);
    free(text);
    return p;
}

static bool evaluate_and_reply(helper *h, program *p, jv input, bool last)
{
    line error = {.len = 0};
    jv v = jv_invalid();
    if (!p->jq) {
        error = p->error;
        jv_free(input);
    } else if (h->kind == JQ_WIRE_CHECK) {
        jv_free(input);
        v = jv_true();
    } else if (!jv_is_valid(input)) {
        say_message(&error, jv_invalid_get_msg(input));
    } else {
        v = evaluate(p->jq, input, &error);
    }
    bool good = jv_is_valid(v);
    jv text = good ? jv_dump_string(v, 0) : jv_null();
    /* Memory that is not given back may be missed by the next one. */
    struct mallinfo2 used = mallinfo2();
    bool grown = last && h->memory > 0 && used.arena + used.hblkhd > h->memory / 4;
    int kind = (good ? JQ_REPLY_VALUE : JQ_REPLY_ERROR) | (grown ? JQ_REPLY_LAST : 0);
    bool sent = good ? reply(kind, jv_string_value(text), (size_t)jv_string_length_bytes(jv_copy(text)))
                     : reply(kind, error.text, error.len);
    jv_free(text);
    return sent;
}

/* ---- requests -------------------------------------------------------------------------------------------------- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

static void limit_memory(helper *h, uint32_t mib)
{
#ifdef SANITIZED
    (void)h; /* the sanitizer's own shadow is far beyond any limit */
    (void)mib;
#else
    struct rlimit memory = {.rlim_cur = (rlim_t)mib << 20, .rlim_max = (rlim_t)mib << 20};
    if (h->memory > 0 || mib == 0) return;
    h->memory = (uint64_t)mib << 20;
    setrlimit(RLIMIT_AS, &memory);
#endif
}

static jv parse_input(helper *h)
{
    if (h->kind == JQ_WIRE_CHECK) return jv_null();
    jv input = jv_parse_sized(h->request + h->at, (int)(h->len - h->at));
    free(h->request); /* programs may need the room */
    h->request = NULL;
    if (jv_is_valid(input)) return input;
    jv message = jv_invalid_get_msg(input); /* ends with the whole text */
    const char *text = jv_string_value(message), *end = strstr(text, " (while parsing");
    jv cut = jv_string_fmt("libjq cannot read the state: %.*s", end ? (int)(end - text) : 200, text);
    jv_free(message);
    return jv_invalid_with_msg(cut);
}

static bool serve(helper *h)
{
    bool good = true;
    h->at = 0;
    h->kind = take_u32(h);
    limit_memory(h, take_u32(h));
    uint32_t n = take_u32(h);
    uint32_t *numbers = malloc((n + 1) * sizeof *numbers);
    if (!numbers) abort();
    for (uint32_t i = 0; i < n; i++) numbers[i] = (uint32_t)(take_program(h) - h->programs);
    jv input = parse_input(h);
    for (uint32_t i = 0; i < n && good; i++)
        good = evaluate_and_reply(h, &h->programs[numbers[i]], jv_copy(input), i + 1 == n);
    jv_free(input);
    free(numbers);
    free(h->request);
    h->request = NULL;
    return good;
}

int jq_helper_main(void)
{
    helper h = {0};
    uint32_t len;
    bool good = true;
    const struct rlimit none = {0, 0};
    static char *nothing[] = {NULL};
    environ = nothing; /* programs see it; clearenv would leave libjq a null pointer to follow */
    setrlimit(RLIMIT_CORE, &none);
    while (good && receive(&len, sizeof len)) {
        h.len = len;
        h.request = malloc(h.len + 1);
        if (!h.request || !receive(h.request, h.len)) break;
        good = serve(&h);
    }
    free(h.request);
    for (size_t i = 0; i < h.n_programs; i++) {
        if (h.programs[i].jq) jq_teardown(&h.programs[i].jq);
    }
    free(h.programs);
    return 0;
}
