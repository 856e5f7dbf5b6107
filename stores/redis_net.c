/* SPDX-License-Identifier: MIT */
/* Nodes, their connections, and batches of commands that go to them. A server that stands alone is one node that has all
 * slots. Connections are opened when they are needed and kept; a thread has one of them at a time, so that no two wait for
 * each other. */
#define _GNU_SOURCE /* explicit_bzero */
#include "core/clock.h"
#include "stores/redis.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NO_NODE 255

/* ---- slots -------------------------------------------------------------------------------------------------------- */

/* CRC-16/XMODEM, as Redis Cluster has it. */
static uint16_t crc16(const char *p, size_t n)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < n; i++) {
        crc = (uint16_t)(crc ^ ((unsigned char)p[i] << 8));
        for (int bit = 0; bit < 8; bit++) crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc;
}

uint16_t eyot__redis_key_slot(const char *key, size_t n)
{
    const char *open = memchr(key, '{', n);
    const char *end = open ? memchr(open, '}', n - (size_t)(open - key)) : NULL;
    if (end && end > open + 1) return crc16(open + 1, (size_t)(end - open - 1)) % EYOT__REDIS_SLOTS;
    return crc16(key, n) % EYOT__REDIS_SLOTS;
}

uint16_t eyot__redis_bucket_slot(unsigned bucket)
{
    char tag[5] = {'q', ':', (char)('0' + bucket / 10), (char)('0' + bucket % 10), '\0'};
    return crc16(tag, 4) % EYOT__REDIS_SLOTS;
}

/* ---- nodes and connections ---------------------------------------------------------------------------------------- */

/* With the lock. NO_NODE: there are too many. */
static unsigned node_at(eyot__redis *s, const char *host, uint16_t port)
{
    unsigned i = 0;
    while (i < s->n_nodes && !(s->nodes[i].address.port == port && strcmp(s->nodes[i].address.host, host) == 0)) i++;
    if (i < s->n_nodes) return i;
    if (i == EYOT__REDIS_NODES) return NO_NODE;
    snprintf(s->nodes[i].address.host, sizeof s->nodes[i].address.host, "%s", host);
    s->nodes[i].address.port = port;
    s->n_nodes++;
    return i;
}

bool eyot__redis_add_node(eyot__redis *s, const eyot__wire_address *address)
{
    return node_at(s, address->host, address->port) != NO_NODE;
}

void eyot__redis_free_nodes(eyot__redis *s)
{
    for (unsigned i = 0; i < s->n_nodes; i++)
        for (eyot__wire *w = s->nodes[i].idle, *next; w; w = next) {
            next = w->next;
            eyot__wire_close(w);
        }
}

/* An answer that is an error, as a sentence: its first one. */
static eyot_status say_refusal(const char *doing, const redisReply *r, eyot_error *e)
{
    const char *end = strstr(r->str, ". ");
    size_t len = end ? (size_t)(end - r->str) : r->len;
    return eyot_error_set(e, EYOT_EINVAL, "the server refuses %s: %.*s", doing, len < 120 ? (int)len : 120, r->str);
}

/* AUTH and SELECT, in one exchange. Nothing of a password gets into an error: servers do not repeat it. */
static eyot_status greet(const eyot__redis *s, eyot__wire *w, eyot_error *e)
{
    eyot__redis_batch b;
    redisReply *replies[2] = {NULL, NULL};
    size_t got = 0, n = 0;
    eyot__redis_batch_init(&b, NULL);
    if (s->password) {
        eyot__redis_plain(&b, "AUTH", 0, false);
        if (s->user) eyot__redis_arg_text(&b, s->user);
        eyot__redis_arg_text(&b, s->password);
        n++;
    }
    if (s->db) {
        eyot__redis_plain(&b, "SELECT", 0, false);
        eyot__redis_arg_u64(&b, s->db);
        n++;
    }
    for (size_t i = 0; i < n; i++) {
        eyot__buf_format(&b.line, "*%u\r\n", b.at[i].argc);
        eyot_buf_add(&b.line, b.text.data + b.at[i].from, b.at[i].len);
    }
    eyot_status r = b.line.failed || b.text.failed ? eyot_error_set(e, EYOT_ENOMEM, "no memory to connect") : EYOT_OK;
    if (!r && n) r = eyot__wire_exchange(w, b.line.data, b.line.len, replies, n, &got, e);
    for (size_t i = 0; i < got; i++) {
        if (!r && replies[i]->type == REDIS_REPLY_ERROR)
            r = say_refusal(i == 0 && s->password ? "the password" : "the database", replies[i], e);
        freeReplyObject(replies[i]);
    }
    if (b.text.data) explicit_bzero(b.text.data, b.text.len);
    if (b.line.data) explicit_bzero(b.line.data, b.line.len);
    eyot__redis_batch_clear(&b);
    return r;
}

static struct timespec moment(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
}

/* Takes an idle connection, or the right to open one. */
static eyot_status take_idle(eyot__redis *s, unsigned node, uint64_t deadline_ns, eyot__wire **out, eyot_error *e)
{
    struct timespec until = moment(deadline_ns);
    eyot_status r = EYOT_OK;
    pthread_mutex_lock(&s->lock);
    eyot__redis_node *n = &s->nodes[node];
    while (!n->idle && n->open >= s->pool && !r)
        if (pthread_cond_timedwait(&s->freed, &s->lock, &until) == ETIMEDOUT)
            r = eyot_error_set(e, EYOT_EIO, "all %" PRIu64 " connections are in use", s->pool);
    *out = r ? NULL : n->idle;
    if (*out)
        n->idle = (*out)->next;
    else if (!r)
        n->open++;
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* `w` NULL or not `usable`: one less is open. */
static void give_back(eyot__redis *s, unsigned node, eyot__wire *w, bool usable)
{
    pthread_mutex_lock(&s->lock);
    eyot__redis_node *n = &s->nodes[node];
    if (w && usable) {
        w->next = n->idle;
        n->idle = w;
    } else {
        n->open--;
    }
    pthread_cond_broadcast(&s->freed);
    pthread_mutex_unlock(&s->lock);
    if (!usable) eyot__wire_close(w);
}

/* When one connection of a node breaks, those that wait are likely to be dead too. */
static void drop_idle(eyot__redis *s, unsigned node)
{
    pthread_mutex_lock(&s->lock);
    eyot__wire *list = s->nodes[node].idle;
    s->nodes[node].idle = NULL;
    for (eyot__wire *w = list; w; w = w->next) s->nodes[node].open--;
    pthread_cond_broadcast(&s->freed);
    pthread_mutex_unlock(&s->lock);
    for (eyot__wire *w = list, *next; w; w = next) {
        next = w->next;
        eyot__wire_close(w);
    }
}

static eyot_status take(eyot__redis *s, unsigned node, uint64_t deadline_ns, eyot__wire **out, eyot_error *e)
{
    eyot_status r = take_idle(s, node, deadline_ns, out, e);
    if (r) return r;
    if (!*out) {
        r = eyot__wire_open(out, &s->nodes[node].address, s->tls, deadline_ns, e);
        if (!r) (*out)->node = node;
        if (!r) r = greet(s, *out, e);
        if (r) give_back(s, node, *out, false);
        if (r) *out = NULL;
    }
    if (*out) (*out)->deadline_ns = deadline_ns;
    return r;
}

/* ---- building batches --------------------------------------------------------------------------------------------- */

void eyot__redis_batch_init(eyot__redis_batch *b, eyot__redis *s)
{
    memset(b, 0, sizeof *b);
    b->store = s;
    b->at = b->small;
    b->size = sizeof b->small / sizeof *b->small;
    b->text.max = b->line.max = SIZE_MAX / 4;
}

void eyot__redis_batch_reset(eyot__redis_batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->at[i].reply) freeReplyObject(b->at[i].reply);
    b->n = 0;
    eyot__buf_reset(&b->text);
    eyot__buf_reset(&b->line);
}

void eyot__redis_batch_clear(eyot__redis_batch *b)
{
    eyot__redis_batch_reset(b);
    if (b->at != b->small) free(b->at);
    eyot__buf_clear(&b->text);
    eyot__buf_clear(&b->line);
}

void eyot__redis_call(eyot__redis_batch *b, eyot__redis_script script, uint16_t slot, bool is_write)
{
    if (b->n == b->size) {
        eyot__redis_command *at = malloc(2 * b->size * sizeof *at);
        if (!at) {
            b->text.failed = EYOT_ENOMEM;
            return;
        }
        memcpy(at, b->at, b->n * sizeof *at);
        if (b->at != b->small) free(b->at);
        b->at = at;
        b->size *= 2;
    }
    b->at[b->n++] =
        (eyot__redis_command){.from = b->text.len, .script = script, .slot = slot, .is_write = is_write, .asked = -1};
}

static void put_count(eyot_buf *to, char kind, size_t n)
{
    char text[24], *p = text + sizeof text;
    *--p = '\n';
    *--p = '\r';
    do *--p = (char)('0' + n % 10);
    while (n /= 10);
    *--p = kind;
    eyot__buf_put(to, p, (size_t)(text + sizeof text - p));
}

static void put_arg(eyot_buf *to, const void *p, size_t n)
{
    put_count(to, '$', n);
    eyot__buf_put(to, p, n);
    eyot__buf_put(to, "\r\n", 2);
}

void eyot__redis_added(eyot__redis_batch *b)
{
    if (b->n == 0) return;
    eyot__redis_command *c = &b->at[b->n - 1];
    c->argc++;
    c->len = b->text.len - c->from;
}

void eyot__redis_arg(eyot__redis_batch *b, eyot_bytes arg)
{
    put_arg(&b->text, arg.p, arg.n);
    eyot__redis_added(b);
}

void eyot__redis_arg_text(eyot__redis_batch *b, const char *arg)
{
    eyot__redis_arg(b, eyot__bytes(arg, strlen(arg)));
}

void eyot__redis_arg_u64(eyot__redis_batch *b, uint64_t arg)
{
    char text[24];
    eyot__redis_arg(b, eyot__bytes(text, (size_t)snprintf(text, sizeof text, "%" PRIu64, arg)));
}

void eyot__redis_arg_i64(eyot__redis_batch *b, int64_t arg)
{
    char text[24];
    eyot__redis_arg(b, eyot__bytes(text, (size_t)snprintf(text, sizeof text, "%" PRId64, arg)));
}

void eyot__redis_plain(eyot__redis_batch *b, const char *name, uint16_t slot, bool is_write)
{
    eyot__redis_call(b, EYOT__REDIS_COMMAND, slot, is_write);
    eyot__redis_arg_text(b, name);
}

void eyot__redis_key(eyot__redis_batch *b, unsigned bucket, const char *kind, eyot_bytes id)
{
    size_t prefix = strlen(b->store->prefix), n = strlen(kind);
    const char tag[] = {':', '{', 'q', ':', (char)('0' + bucket / 10), (char)('0' + bucket % 10), '}', ':'};
    put_count(&b->text, '$', prefix + sizeof tag + n + (id.n ? 1 + id.n : 0));
    eyot__buf_put(&b->text, b->store->prefix, prefix);
    eyot__buf_put(&b->text, tag, sizeof tag);
    eyot__buf_put(&b->text, kind, n);
    if (id.n) eyot__buf_put(&b->text, ":", 1);
    eyot__buf_put(&b->text, id.p, id.n);
    eyot__buf_put(&b->text, "\r\n", 2);
    eyot__redis_added(b);
    if (b->n) b->at[b->n - 1].n_keys++;
}

/* ---- sending batches ---------------------------------------------------------------------------------------------- */

/* One round: what is still to be done goes to the nodes it belongs to. */
typedef struct round {
    eyot__redis *store;
    eyot__redis_batch *batch;
    uint64_t deadline_ns; /* of this round */
    bool at_once;         /* what is left can be sent again without a pause */
    bool refresh;         /* slots have moved */
    eyot_status broken;   /* EIO or ENOMEM: it did not go well, and `why` */
    bool final;           /* sending it again would not help */
    bool nobody;          /* nothing listens where a node should be */
    eyot_error why;
} round;

typedef struct group {
    unsigned node;
    eyot__wire *wire;
    size_t n, n_extra, *commands; /* indices; extra replies come before the last of each, see frame() */
    bool together, waits;
} group;

static void put_command(eyot_buf *to, const eyot__redis_batch *b, const eyot__redis_command *c)
{
    const char *text = (const char *)b->text.data + c->from;
    if (c->script == EYOT__REDIS_COMMAND) {
        put_count(to, '*', c->argc);
        eyot__buf_put(to, text, c->len);
        return;
    }
    put_count(to, '*', c->argc + 4);
    if (c->by_text) {
        const char *lua = eyot__redis_script_texts[c->script];
        put_arg(to, "EVAL", 4);
        put_arg(to, lua, strlen(lua));
    } else {
        put_arg(to, "EVALSHA", 7);
        put_arg(to, b->store->sha[c->script], 40);
    }
    char keys[12];
    put_arg(to, keys, (size_t)snprintf(keys, sizeof keys, "%u", c->n_keys));
    eyot__buf_put(to, text, c->len);
    put_arg(to, c->again ? "1" : "0", 1);
}

/* Writes what is sent to one node into the batch's line. Writes go in one transaction when the server stands alone: then they
 * share one flush, however many packets they come in. */
static void frame(round *r, group *g)
{
    eyot__redis_batch *b = r->batch;
    bool writes = false;
    eyot__buf_reset(&b->line);
    for (size_t i = 0; i < g->n; i++) writes |= b->at[g->commands[i]].is_write;
    g->together = writes && g->n > 1 && !r->store->cluster;
    g->waits = writes && (r->store->wait || r->store->has_waitaof);
    g->n_extra = 0;
    if (g->together) eyot_buf_add(&b->line, "*1\r\n$5\r\nMULTI\r\n", 15);
    for (size_t i = 0; i < g->n; i++) {
        const eyot__redis_command *c = &b->at[g->commands[i]];
        if (c->asked >= 0) eyot_buf_add(&b->line, "*1\r\n$6\r\nASKING\r\n", 16);
        if (c->asked >= 0) g->n_extra++;
        put_command(&b->line, b, c);
    }
    if (g->together) eyot_buf_add(&b->line, "*1\r\n$4\r\nEXEC\r\n", 14);
    if (g->together) g->n_extra += 2;
    if (!g->waits) return;
    char number[2][24];
    uint64_t replicas = r->store->has_waitaof ? r->store->waitaof : r->store->wait;
    snprintf(number[0], sizeof number[0], "%" PRIu64, replicas);
    snprintf(number[1], sizeof number[1], "%" PRIu64, r->store->timeout_ms / 2 + 1);
    put_count(&b->line, '*', r->store->has_waitaof ? 4 : 3);
    put_arg(&b->line, r->store->has_waitaof ? "WAITAOF" : "WAIT", r->store->has_waitaof ? 7 : 4);
    if (r->store->has_waitaof) put_arg(&b->line, "1", 1);
    for (int i = 0; i < 2; i++) put_arg(&b->line, number[i], strlen(number[i]));
    g->n_extra++;
}

static void broke(round *r, bool final, const char *text)
{
    if (r->broken && (r->final || !final)) return;
    eyot_error_set(&r->why, EYOT_EIO, "%s", text);
    r->broken = EYOT_EIO;
    r->final = final;
}

static void broke_by(round *r, const eyot_error *why)
{
    broke(r, why->status != EYOT_EIO, why->text);
    if (why->status == EYOT_ENOMEM) r->broken = EYOT_ENOMEM;
}

static void broke_without_memory(round *r)
{
    broke(r, true, "no memory for commands");
    r->broken = EYOT_ENOMEM;
}

static bool begins(const redisReply *r, const char *word)
{
    return strncmp(r->str, word, strlen(word)) == 0;
}

/* "MOVED 3999 127.0.0.1:6381": the node, or NO_NODE. */
static unsigned node_named(eyot__redis *s, const redisReply *reply, unsigned asked, uint16_t *slot)
{
    char host[256];
    const char *p = strchr(reply->str, ' '), *at = p ? strchr(p + 1, ' ') : NULL, *colon = at ? strrchr(at, ':') : NULL;
    unsigned long number = p ? strtoul(p + 1, NULL, 10) : EYOT__REDIS_SLOTS,
                  port = colon ? strtoul(colon + 1, NULL, 10) : 0;
    if (!colon || number >= EYOT__REDIS_SLOTS || port == 0 || port > 65535) return NO_NODE;
    if ((size_t)(colon - at) > sizeof host) return NO_NODE;
    snprintf(host, sizeof host, "%.*s", (int)(colon - at - 1), at + 1);
    *slot = (uint16_t)number;
    pthread_mutex_lock(&s->lock);
    if (!*host) snprintf(host, sizeof host, "%s", s->nodes[asked].address.host);
    unsigned node = node_at(s, host, (uint16_t)port);
    pthread_mutex_unlock(&s->lock);
    return node;
}

static void redirect(round *r, eyot__redis_command *c, const redisReply *reply, unsigned node)
{
    uint16_t slot = 0;
    unsigned to = node_named(r->store, reply, node, &slot);
    if (to == NO_NODE) {
        broke(r, false, "it names a node that cannot be");
    } else if (begins(reply, "ASK")) {
        c->asked = (int)to;
        r->at_once = true;
    } else {
        pthread_mutex_lock(&r->store->lock);
        r->store->node_of[slot] = (uint8_t)to;
        pthread_mutex_unlock(&r->store->lock);
        r->refresh = true;
        r->at_once = true;
    }
}

/* An answer that is an error: what is to be done about it. */
static void judge_error(round *r, eyot__redis_command *c, const redisReply *reply, unsigned node)
{
    static const char *const later[] = {"LOADING",     "BUSY",       "TRYAGAIN",
                                        "CLUSTERDOWN", "MASTERDOWN", "ERR max number of clients"};
    char text[160];
    c->asked = -1;
    if (begins(reply, "NOSCRIPT") && c->script != EYOT__REDIS_COMMAND && !c->by_text) {
        c->by_text = r->at_once = true;
        return;
    }
    if (begins(reply, "MOVED ") || begins(reply, "ASK ")) {
        redirect(r, c, reply, node);
        return;
    }
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        if (!begins(reply, later[i])) continue;
        snprintf(text, sizeof text, "the server is not ready: %.100s", reply->str);
        broke(r, false, text);
        return;
    }
    if (begins(reply, "READONLY")) {
        broke(r, false, "the server has become a replica and takes no writes");
        r->refresh = true;
        drop_idle(r->store, node); /* its name may lead to another one by now */
    } else if (begins(reply, "OOM")) {
        broke(r, true, "the server's memory is full (maxmemory): it takes no writes");
    } else if (begins(reply, "MISCONF")) {
        broke(r, true, "the server cannot write to its disk and takes no writes (MISCONF)");
    } else if (begins(reply, "NOAUTH")) {
        broke(r, true, "the server wants a password (NOAUTH): password_file=PATH in its URL gives one");
    } else if (begins(reply, "NOREPLICAS")) {
        broke(r, false, "too few replicas are connected: the server takes no writes");
    } else {
        snprintf(text, sizeof text, "the server refuses: %.120s", reply->str);
        broke(r, true, text);
    }
}

/* Takes the reply. */
static void judge(round *r, eyot__redis_command *c, redisReply *reply, unsigned node)
{
    if (!reply) {
        broke(r, true, "the server answers what it should not");
    } else if (reply->type == REDIS_REPLY_ERROR) {
        judge_error(r, c, reply, node);
        freeReplyObject(reply);
    } else {
        c->reply = reply;
        c->done = true;
    }
}

/* The answer to WAIT (a number) or WAITAOF (two). */
static void judge_wait(round *r, const redisReply *reply)
{
    char text[120];
    const redisReply *last = reply->type == REDIS_REPLY_ARRAY ? eyot__redis_item(reply, 1) : reply;
    const redisReply *local = reply->type == REDIS_REPLY_ARRAY ? eyot__redis_item(reply, 0) : NULL;
    uint64_t need = r->store->has_waitaof ? r->store->waitaof : r->store->wait, have = eyot__redis_number(last);
    if (reply->type == REDIS_REPLY_ERROR) {
        snprintf(text, sizeof text, "the server refuses to wait: %.80s", reply->str);
        broke(r, true, text);
    } else if (have < need || (local && eyot__redis_number(local) < 1)) {
        snprintf(text, sizeof text, "written, but only %" PRIu64 " of %" PRIu64 " replicas have it", have, need);
        broke(r, true, text);
    }
}

/* The answers of one node, in order: +OK of MULTI, one of each command (and of its ASKING), EXEC's, WAIT's. */
static void judge_group(round *r, group *g, redisReply **replies)
{
    size_t at = g->together ? 1 : 0, last = g->n + g->n_extra - 1;
    redisReply *all = g->together ? replies[g->n + 1] : NULL;
    redisReply *refused = g->together && replies[0]->type == REDIS_REPLY_ERROR ? replies[0] : NULL;
    bool taken = all && eyot__redis_count(all) == g->n;
    if (g->waits) judge_wait(r, replies[last]);
    for (size_t i = 0; i < g->n; i++) {
        eyot__redis_command *c = &r->batch->at[g->commands[i]];
        if (c->asked >= 0) freeReplyObject(replies[at++]);
        redisReply *reply = replies[at++];
        if (!g->together) {
            judge(r, c, reply, g->node);
            continue;
        }
        if (reply->type == REDIS_REPLY_ERROR) refused = reply;
        if (taken) {
            judge(r, c, all->element[i], g->node);
            all->element[i] = NULL;
        } else if (refused || all->type == REDIS_REPLY_ERROR) {
            judge_error(r, c, refused ? refused : all, g->node);
        } else {
            judge(r, c, NULL, g->node);
        }
    }
    if (g->together)
        for (size_t i = 0; i < g->n + 2; i++) freeReplyObject(replies[i]);
    if (g->waits) freeReplyObject(replies[last]);
}

/* What was sent and not answered may have been executed. */
static void lost(round *r, group *g, const eyot_error *why)
{
    for (size_t i = 0; i < g->n; i++) {
        r->batch->at[g->commands[i]].again = true;
        r->batch->at[g->commands[i]].asked = -1;
    }
    broke_by(r, why);
    r->refresh = true;
    drop_idle(r->store, g->node);
}

static void exchange(round *r, group *g)
{
    eyot_error why = {.status = EYOT_OK};
    size_t got = 0;
    frame(r, g);
    size_t expect = g->n + g->n_extra;
    redisReply **replies = r->batch->line.failed ? NULL : calloc(expect, sizeof *replies);
    if (!replies) {
        broke_without_memory(r);
        give_back(r->store, g->node, g->wire, true);
        return;
    }
    g->wire->deadline_ns = r->deadline_ns;
    eyot_status st = eyot__wire_exchange(g->wire, r->batch->line.data, r->batch->line.len, replies, expect, &got, &why);
    give_back(r->store, g->node, g->wire, !st);
    if (!st) {
        judge_group(r, g, replies);
    } else {
        for (size_t i = 0; i < got; i++) freeReplyObject(replies[i]);
        lost(r, g, &why);
    }
    free(replies);
}

static unsigned node_for(const round *r, const eyot__redis_command *c)
{
    if (c->asked >= 0) return (unsigned)c->asked;
    if (!r->store->cluster) return 0;
    pthread_mutex_lock(&r->store->lock);
    unsigned node = r->store->node_of[c->slot];
    pthread_mutex_unlock(&r->store->lock);
    return node == NO_NODE ? 0 : node; /* any node says where it is */
}

static bool is_nobody(int os_errno)
{
    return os_errno == ECONNREFUSED || os_errno == ENOENT || os_errno == EHOSTUNREACH || os_errno == ENETUNREACH;
}

/* All commands for one node. */
static void run_node(round *r, unsigned node, size_t *commands, size_t n)
{
    eyot_error why = {.status = EYOT_OK};
    group g = {.node = node, .n = n, .commands = commands};
    eyot_status st = take(r->store, node, r->deadline_ns, &g.wire, &why);
    if (!st) {
        exchange(r, &g);
        return;
    }
    broke_by(r, &why);
    r->nobody = is_nobody(why.os_errno);
    r->refresh = true;
    drop_idle(r->store, node);
}

static void run_round(round *r)
{
    eyot__redis_batch *b = r->batch;
    uint8_t small[64], *nodes = b->n <= sizeof small ? small : malloc(b->n);
    size_t few[64], *commands = b->n <= 64 ? few : malloc(b->n * sizeof *commands);
    if (!nodes || !commands) {
        broke_without_memory(r);
    } else {
        for (size_t i = 0; i < b->n; i++) nodes[i] = b->at[i].done ? NO_NODE : (uint8_t)node_for(r, &b->at[i]);
        for (unsigned node = 0; node < EYOT__REDIS_NODES; node++) {
            size_t n = 0;
            for (size_t i = 0; i < b->n; i++)
                if (nodes[i] == node) commands[n++] = i;
            if (n) run_node(r, node, commands, n);
            if (!r->store->cluster) break;
        }
    }
    if (nodes != small) free(nodes);
    if (commands != few) free(commands);
}

/* ---- the map of a cluster ----------------------------------------------------------------------------------------- */

/* [first, last, [host, port, …], …] */
static void note_range(eyot__redis *s, const redisReply *range, unsigned asked)
{
    const redisReply *master = eyot__redis_item(range, 2);
    uint64_t first = eyot__redis_number(eyot__redis_item(range, 0)),
             last = eyot__redis_number(eyot__redis_item(range, 1));
    uint64_t port = eyot__redis_number(eyot__redis_item(master, 1));
    eyot_bytes name = eyot__redis_text(eyot__redis_item(master, 0));
    char host[256];
    if (last >= EYOT__REDIS_SLOTS || port == 0 || port > 65535 || name.n >= sizeof host) return;
    bool unsaid = name.n == 0 || (name.n == 1 && *(const char *)name.p == '?');
    pthread_mutex_lock(&s->lock);
    if (unsaid)
        snprintf(host, sizeof host, "%s", s->nodes[asked].address.host);
    else
        snprintf(host, sizeof host, "%.*s", (int)name.n, (const char *)name.p);
    unsigned node = node_at(s, host, (uint16_t)port);
    for (uint64_t slot = first; slot <= last; slot++) s->node_of[slot] = (uint8_t)node;
    pthread_mutex_unlock(&s->lock);
}

static bool read_map(eyot__redis *s, unsigned node, uint64_t deadline_ns)
{
    static const char ask[] = "*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n";
    eyot__wire *w;
    redisReply *reply = NULL;
    size_t got = 0;
    if (take(s, node, deadline_ns, &w, NULL)) return false;
    eyot_status r = eyot__wire_exchange(w, ask, sizeof ask - 1, &reply, 1, &got, NULL);
    give_back(s, node, w, !r);
    for (size_t i = 0; i < eyot__redis_count(reply); i++) note_range(s, reply->element[i], node);
    bool found = eyot__redis_count(reply) > 0;
    if (got) freeReplyObject(reply);
    return found;
}

/* Of the first node that answers; those that are dead take a part of the time each. */
void eyot__redis_refresh(eyot__redis *s, uint64_t deadline_ns)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = s->n_nodes, from = s->refreshed++;
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < n; i++) {
        uint64_t now = eyot__now_ns();
        if (now >= deadline_ns) return;
        uint64_t part = (deadline_ns - now) / 2, most = s->timeout_ms * 1000000;
        if (read_map(s, (from + i) % n, now + (part < most ? part : most))) return;
    }
}

/* ---- running batches ---------------------------------------------------------------------------------------------- */

/* 1, 2, 4 … 256 ms, but not beyond the end. */
static void pause_before(unsigned times, uint64_t end_ns)
{
    uint64_t ns = (uint64_t)1000000 << (times < 8 ? times : 8), now = eyot__now_ns();
    if (now + ns > end_ns) ns = now < end_ns ? end_ns - now : 0;
    struct timespec t = moment(ns);
    nanosleep(&t, NULL);
}

static bool all_done(const eyot__redis_batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (!b->at[i].done) return false;
    return true;
}

static eyot_status say(const eyot__redis *s, const round *r, eyot_error *e)
{
    eyot_status status = r->broken ? r->broken : EYOT_EIO;
    return eyot_error_set(e, status, "%s: %s", s->shown, r->broken ? r->why.text : "it sends from node to node");
}

eyot_status eyot__redis_run(eyot__redis_batch *b, eyot_error *e)
{
    enum { REDIRECTIONS = 16, NOBODY_NS = 1000000000 }; /* who opens a store may have misspelt where it is */
    eyot__redis *s = b->store;
    unsigned pauses = 0, redirections = 0;
    uint64_t start = eyot__now_ns(), ms = s->retry_ms > s->timeout_ms ? s->retry_ms : s->timeout_ms;
    uint64_t end = start + ms * 1000000;
    if (b->text.failed)
        return eyot_error_set(e, b->text.failed, "%s: no memory for a command of %zu bytes", s->shown, b->text.len);
    for (;;) {
        round r = {.store = s, .batch = b, .deadline_ns = eyot__now_ns() + s->timeout_ms * 1000000};
        if (r.deadline_ns > end) r.deadline_ns = end;
        run_round(&r);
        if (!r.broken && all_done(b)) return EYOT_OK;
        if (r.final || (r.nobody && !s->met && eyot__now_ns() - start >= NOBODY_NS)) return say(s, &r, e);
        bool at_once = r.at_once && !r.broken && redirections++ < REDIRECTIONS;
        if (!at_once && (s->retry_ms == 0 || eyot__now_ns() >= end)) return say(s, &r, e);
        if (!at_once) pause_before(pauses++, end);
        if (r.refresh && s->cluster) eyot__redis_refresh(s, end);
        if (!at_once && eyot__now_ns() >= end) return say(s, &r, e);
    }
}

/* ---- replies ------------------------------------------------------------------------------------------------------ */

uint64_t eyot__redis_number(const redisReply *r)
{
    eyot_bytes text = eyot__redis_text(r);
    uint64_t v = 0;
    if (r && r->type == REDIS_REPLY_INTEGER) return (uint64_t)r->integer;
    for (size_t i = 0; i < text.n; i++) {
        char c = ((const char *)text.p)[i];
        if (c < '0' || c > '9') return 0;
        v = v * 10 + (uint64_t)(c - '0');
    }
    return v;
}

int eyot__redis_code(const redisReply *r)
{
    const redisReply *first = eyot__redis_count(r) ? r->element[0] : r;
    return first && first->type == REDIS_REPLY_INTEGER ? (int)first->integer : -1;
}

eyot_status eyot__redis_unexpected(const eyot__redis *s, eyot_error *e)
{
    return eyot_error_set(e, EYOT_ECORRUPT, "%s: what is kept there is not what eyot keeps", s->shown);
}
