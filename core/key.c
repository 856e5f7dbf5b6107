/* SPDX-License-Identifier: MIT */
#include "core/key.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"

eyot__stamp *eyot__stamp_new(const uint64_t *counters, uint32_t n)
{
    eyot__stamp *s = malloc(sizeof *s + n * sizeof s->c[0]);
    if (!s) return NULL;
    s->refs = 1;
    s->n = n;
    memcpy(s->c, counters, n * sizeof s->c[0]);
    return s;
}

int eyot__stamp_compare(const eyot__stamp *a, const eyot__stamp *b)
{
    if (a == b) return 0;
    uint32_t an = a ? a->n : 0, bn = b ? b->n : 0;
    for (uint32_t i = 0; i < an && i < bn; i++)
        if (a->c[i] != b->c[i]) return a->c[i] < b->c[i] ? -1 : 1;
    return an == bn ? 0 : an < bn ? -1 : 1;
}

eyot__path *eyot__path_add(eyot__path *parent_take, eyot__part_kind kind, const int64_t *numbers, uint32_t n)
{
    eyot__path *p = malloc(sizeof *p + n * sizeof p->c[0]);
    if (!p) {
        eyot__path_unref(parent_take);
        return NULL;
    }
    p->parent = parent_take;
    p->refs = 1;
    p->length = parent_take ? parent_take->length + 1 : 1;
    p->kind = (uint32_t)kind;
    p->n = n;
    memcpy(p->c, numbers, n * sizeof p->c[0]);
    return p;
}

void eyot__path_unref_all(eyot__path *p)
{
    while (p && --p->refs == 0) {
        eyot__path *parent = p->parent;
        free(p);
        p = parent;
    }
}

static int part_compare(const eyot__path *a, const eyot__path *b)
{
    if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
    for (uint32_t i = 0; i < a->n && i < b->n; i++)
        if (a->c[i] != b->c[i]) return a->c[i] < b->c[i] ? -1 : 1;
    return a->n == b->n ? 0 : a->n < b->n ? -1 : 1;
}

/* The lists are linked from their ends, so the first part that differs is the last one seen on the way to the fork. */
int eyot__path_compare(const eyot__path *a, const eyot__path *b)
{
    uint32_t an = a ? a->length : 0, bn = b ? b->length : 0;
    int answer = an == bn ? 0 : an < bn ? -1 : 1;
    for (; an > bn; an--) a = a->parent;
    for (; bn > an; bn--) b = b->parent;
    for (; a != b; a = a->parent, b = b->parent) {
        int c = part_compare(a, b);
        if (c) answer = c;
    }
    return answer;
}

int eyot__who_compare(const eyot__who *a, const eyot__who *b)
{
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    int c = eyot__stamp_compare(a->stamp, b->stamp);
    return c ? c : eyot__path_compare(a->path, b->path);
}

static void print_part(eyot_buf *out, const eyot__path *p)
{
    static const char *const opening[] = {"[", "[<", "[@"};
    eyot__buf_text(out, opening[p->kind]);
    for (uint32_t i = 0; i < p->n; i++) eyot__buf_format(out, i ? ".%lld" : "%lld", (long long)p->c[i]);
    eyot__buf_text(out, "]");
}

/* Parts in order without recursion: a path is as long as a run makes it. ENOMEM sticks in the buffer. */
static void print_path(eyot_buf *out, const eyot__path *p)
{
    if (!p) return;
    const eyot__path *few[16], **parts = few;
    if (p->length > 16) {
        parts = malloc(p->length * sizeof *parts);
        if (!parts) {
            out->failed = EYOT_ENOMEM;
            return;
        }
    }
    uint32_t n = p->length;
    for (uint32_t i = n; i > 0; p = p->parent) parts[--i] = p;
    for (uint32_t i = 0; i < n; i++) print_part(out, parts[i]);
    if (parts != few) free(parts);
}

void eyot__key_print(eyot_buf *out, const eyot_graph *g, const eyot__who *w)
{
    size_t start = out->len;
    eyot__buf_put(out, g->nodes[w->node].id, g->nodes[w->node].id_len);
    for (uint32_t i = 0; w->stamp && i < w->stamp->n; i++)
        eyot__buf_format(out, i ? ".%llu" : "@%llu", (unsigned long long)w->stamp->c[i]);
    print_path(out, w->path);
    if (out->failed || out->len - start <= EYOT__KEY_MAX) return;
    uint8_t digest[32];
    char hex[65];
    eyot__sha256(out->data + start, out->len - start, digest);
    eyot__hex(digest, 16, hex);
    out->len = start + 160;
    eyot__buf_text(out, "~");
    eyot__buf_text(out, hex);
}

eyot_status eyot__key_is(const eyot_graph *g, const eyot__who *w, const char *key, bool *is)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot__key_print(&buf, g, w);
    eyot_status status = buf.failed;
    *is = !status && buf.len == strlen(key) && memcmp(buf.data, key, buf.len) == 0;
    eyot__buf_clear(&buf);
    return status;
}

/* Zigzag: small numbers of either sign stay short. */
static uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v < 0 ? -1 : 0);
}
static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

void eyot__who_encode(eyot_buf *out, const eyot_graph *g, const eyot__who *w)
{
    eyot__buf_bytes(out, g->nodes[w->node].id, g->nodes[w->node].id_len);
    uint32_t n = w->stamp ? w->stamp->n : 0;
    eyot__buf_varint(out, n);
    for (uint32_t i = 0; i < n; i++) eyot__buf_varint(out, w->stamp->c[i]);
    eyot__buf_varint(out, w->path ? w->path->length : 0); /* last part first */
    for (const eyot__path *p = w->path; p; p = p->parent) {
        eyot__buf_varint(out, p->kind);
        eyot__buf_varint(out, p->n);
        for (uint32_t i = 0; i < p->n; i++) eyot__buf_varint(out, zigzag(p->c[i]));
    }
}

static eyot_status decode_stamp(eyot__stamp **out, eyot__reader *in, uint32_t depth)
{
    size_t n = eyot__read_count(in, 1);
    if (in->failed || n != depth) return EYOT_ECORRUPT;
    if (n == 0) return EYOT_OK;
    eyot__stamp *s = malloc(sizeof *s + n * sizeof s->c[0]);
    if (!s) return EYOT_ENOMEM;
    s->refs = 1;
    s->n = (uint32_t)n;
    for (size_t i = 0; i < n; i++) s->c[i] = eyot__read_varint(in);
    *out = s;
    return in->failed ? EYOT_ECORRUPT : EYOT_OK;
}

/* Builds the list from its last part towards its first: every part read becomes the parent of the one before. */
static eyot_status decode_path(eyot__path **out, eyot__reader *in)
{
    size_t length = eyot__read_count(in, 2);
    eyot__path *last = NULL, **link = &last;
    eyot_status status = EYOT_OK;
    for (size_t i = 0; i < length && !status; i++) {
        uint64_t kind = eyot__read_varint(in);
        size_t n = eyot__read_count(in, 1);
        if (in->failed || kind > EYOT__PART_LEFT || n == 0 || n > UINT32_MAX) {
            status = EYOT_ECORRUPT;
            break;
        }
        eyot__path *p = malloc(sizeof *p + n * sizeof p->c[0]);
        if (!p) {
            status = EYOT_ENOMEM;
            break;
        }
        *p = (eyot__path){.refs = 1, .length = (uint32_t)(length - i), .kind = (uint32_t)kind, .n = (uint32_t)n};
        for (size_t k = 0; k < n; k++) p->c[k] = unzigzag(eyot__read_varint(in));
        *link = p;
        link = &p->parent;
    }
    *out = last;
    return status ? status : in->failed ? EYOT_ECORRUPT : EYOT_OK;
}

eyot_status eyot__who_decode(eyot__who *out, eyot__reader *in, const eyot_graph *g, eyot_error *e)
{
    size_t len;
    const unsigned char *id = eyot__read_bytes(in, &len);
    *out = (eyot__who){0};
    if (in->failed) return eyot_error_set(e, EYOT_ECORRUPT, "a task without a node");
    out->node = eyot__graph_find(g, (const char *)id, len);
    if (out->node == UINT32_MAX)
        return eyot_error_set(e, EYOT_ECHANGED, "graph %s has no node \"%.*s\"", g->name, (int)(len < 64 ? len : 64),
                              (const char *)id);
    eyot_status status = decode_stamp(&out->stamp, in, g->shape->nodes[out->node].depth);
    if (!status) status = decode_path(&out->path, in);
    if (!status) return EYOT_OK;
    eyot__who_clear(out);
    *out = (eyot__who){0};
    return eyot_error_set(e, status,
                          status == EYOT_ENOMEM ? "out of memory" : "a task of node \"%s\" is not well-formed",
                          g->nodes[out->node].id);
}
