/* SPDX-License-Identifier: MIT */
/* Opening and closing the Redis store: the URL, what the server is and promises, the format. */
#define _GNU_SOURCE /* explicit_bzero, strcasestr */
#include "core/clock.h"
#include "stores/module.h"
#include "stores/redis.h"
#include "stores/redis_scripts.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const char *const eyot__redis_script_texts[] = {
    [EYOT__REDIS_CREATE] = LUA_CREATE, [EYOT__REDIS_COMMIT] = LUA_COMMIT, [EYOT__REDIS_CLAIM] = LUA_CLAIM,
    [EYOT__REDIS_FIND] = LUA_FIND,     [EYOT__REDIS_LOAD] = LUA_LOAD,     [EYOT__REDIS_LIST_ENTRIES] = LUA_LIST_ENTRIES,
    [EYOT__REDIS_POST] = LUA_POST,     [EYOT__REDIS_INBOX] = LUA_INBOX,   [EYOT__REDIS_OUTBOX] = LUA_OUTBOX,
    [EYOT__REDIS_ACK] = LUA_ACK,       [EYOT__REDIS_KV_CAS] = LUA_KV_CAS, [EYOT__REDIS_PRUNE] = LUA_PRUNE,
    [EYOT__REDIS_DELETE] = LUA_DELETE,
};

/* ---- the URL ------------------------------------------------------------------------------------------------------ */

typedef struct settings {
    eyot_store_class asserted; /* class=; 0: not given */
    bool is_volatile;          /* volatile=yes */
    const char *tls_ca;
} settings;

static bool is_loopback(const char *host)
{
    struct in6_addr six;
    struct in_addr four;
    if (inet_pton(AF_INET, host, &four) == 1) return ntohl(four.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &six) == 1) return IN6_IS_ADDR_LOOPBACK(&six);
    return strcmp(host, "localhost") == 0;
}

static eyot_status read_prefix(eyot__redis *s, eyot__url *url, eyot_error *e)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    const char *prefix = eyot__url_param_text(url, "prefix");
    if (!prefix) prefix = "eyot";
    size_t n = strlen(prefix);
    if (n < 1 || n > 32 || strspn(prefix, letters) != n)
        return eyot_error_set(e, EYOT_EINVAL, "prefix=%.40s: must be 1 to 32 of A-Z a-z 0-9 _", prefix);
    memcpy(s->prefix, prefix, n + 1);
    return EYOT_OK;
}

static eyot_status read_flag(eyot__url *url, const char *name, bool *out, eyot_error *e)
{
    const char *text = eyot__url_param_text(url, name);
    if (text && strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
        return eyot_error_set(e, EYOT_EINVAL, "%s=%s: must be yes or no", name, text);
    *out = text && *text == 'y';
    return EYOT_OK;
}

static eyot_status read_class(settings *set, eyot__url *url, eyot_error *e)
{
    const char *text = eyot__url_param_text(url, "class");
    for (int c = EYOT_CLASS_VOLATILE; text && c <= EYOT_CLASS_REPLICATED; c++)
        if (strcmp(eyot_store_class_name((eyot_store_class)c), text) == 0) set->asserted = (eyot_store_class)c;
    if (text && !set->asserted)
        return eyot_error_set(e, EYOT_EINVAL, "class=%s: must be volatile, process, machine or replicated", text);
    return EYOT_OK;
}

/* The database: of the path, of db=, or 0. */
static eyot_status read_db(eyot__redis *s, eyot__url *url, eyot_error *e)
{
    bool is_unix = strcmp(url->scheme, "redis+unix") == 0;
    const char *path = is_unix || !*url->path ? "" : url->path + 1;
    uint64_t from_path = 0;
    size_t n = strlen(path);
    if (n && (n > 9 || strspn(path, "0123456789") != n))
        return eyot_error_set(e, EYOT_EINVAL, /* which may be a part of a password that was not escaped */
                              "the path of the store's URL is no number of a Redis database: redis://host:6379/0");
    if (n) from_path = strtoull(path, NULL, 10);
    s->db = from_path;
    eyot_status r = eyot__url_param_number(url, "db", 0, INT32_MAX, &s->db, e);
    if (!r && n && s->db != from_path)
        r = eyot_error_set(e, EYOT_EINVAL, "the store's URL names database %" PRIu64 " and db=%" PRIu64, from_path,
                           s->db);
    return r;
}

/* A password or bodies in clear text over a network are for who asks for it. */
static eyot_status check_tls(const eyot__redis *s, eyot__url *url, const eyot__url_server *server, settings *set,
                             eyot_error *e)
{
    const char *tls = eyot__url_param_text(url, "tls");
    bool secure = strcmp(url->scheme, "rediss") == 0, off = tls && strcmp(tls, "off") == 0;
    set->tls_ca = eyot__url_param_text(url, "tls_ca");
    if (tls && strcmp(tls, "off") != 0 && strcmp(tls, "on") != 0)
        return eyot_error_set(e, EYOT_EINVAL, "tls=%s: must be on or off", tls);
    if (tls && off == secure)
        return eyot_error_set(e, EYOT_EINVAL, "tls=%s contradicts %s: (TLS is rediss:)", tls, url->scheme);
    if (set->tls_ca && !secure) return eyot_error_set(e, EYOT_EINVAL, "tls_ca is a setting of rediss:");
    if (server->password && s->nodes[0].address.port && !secure && !off && !is_loopback(server->host))
        return eyot_error_set(
            e, EYOT_EINVAL,
            "a password for %.100s would go over the network in clear text: use rediss:, or tls=off if "
            "the network is safe",
            server->host);
    return EYOT_OK;
}

static eyot_status read_place(eyot__redis *s, eyot__url *url, const eyot__url_server *server, eyot_error *e)
{
    eyot__wire_address at = {.port = 0};
    bool is_unix = strcmp(url->scheme, "redis+unix") == 0;
    const char *host = is_unix ? url->path : server->host;
    if (is_unix && (*server->host || *url->path != '/'))
        return eyot_error_set(e, EYOT_EINVAL, "redis+unix: needs the whole path of a socket: redis+unix:///path?db=0");
    if (!is_unix && !*server->host)
        return eyot_error_set(e, EYOT_EINVAL, "%s: needs a host: %s://host:6379/0", url->scheme, url->scheme);
    if (strlen(host) >= sizeof at.host)
        return eyot_error_set(e, EYOT_EINVAL, "the host of the store's URL is too long");
    snprintf(at.host, sizeof at.host, "%s", host);
    if (!is_unix) at.port = server->port ? server->port : 6379;
    eyot__redis_add_node(s, &at);
    if (is_unix)
        snprintf(s->shown, sizeof s->shown, "redis store at %.100s, db %" PRIu64, host, s->db);
    else
        snprintf(s->shown, sizeof s->shown, "redis store at %.100s:%u/%" PRIu64, host, at.port, s->db);
    return EYOT_OK;
}

static eyot_status read_numbers(eyot__redis *s, eyot__url *url, eyot_error *e)
{
    s->pool = 8;
    s->timeout_ms = 5000;
    s->retry_ms = 30000;
    s->has_waitaof = eyot__url_param_text(url, "waitaof");
    eyot_status r = eyot__url_param_number(url, "pool", 1, 1000, &s->pool, e);
    if (!r) r = eyot__url_param_number(url, "timeout", 1, 3600000, &s->timeout_ms, e);
    if (!r) r = eyot__url_param_number(url, "retry", 0, 86400000, &s->retry_ms, e);
    if (!r) r = eyot__url_param_number(url, "wait", 1, 100, &s->wait, e);
    if (!r) r = eyot__url_param_number(url, "waitaof", 0, 100, &s->waitaof, e);
    if (!r && s->wait && s->has_waitaof)
        r = eyot_error_set(e, EYOT_EINVAL, "wait and waitaof are two ways to ask for the same: give one of them");
    return r;
}

static eyot_status keep_secret(char **to, const char *text, eyot_error *e)
{
    *to = text ? strdup(text) : NULL;
    return text && !*to ? eyot_error_set(e, EYOT_ENOMEM, "no memory for a password") : EYOT_OK;
}

static eyot_status read_url(eyot__redis *s, settings *set, eyot__url *url, eyot_error *e)
{
    eyot__url_server server;
    eyot_status r = eyot__url_server_of(&server, url, e);
    if (!r) r = read_prefix(s, url, e);
    if (!r) r = read_db(s, url, e);
    if (!r) r = read_place(s, url, &server, e);
    if (!r) r = read_numbers(s, url, e);
    if (!r) r = read_class(set, url, e);
    if (!r) r = read_flag(url, "volatile", &set->is_volatile, e);
    if (!r) r = check_tls(s, url, &server, set, e);
    if (!r) r = eyot__url_check_params(url, e);
    if (!r && server.user && *server.user && !server.password)
        r = eyot_error_set(e, EYOT_EINVAL, "the store's URL names user %.60s without a password", server.user);
    if (!r) r = keep_secret(&s->password, server.password, e);
    if (!r && server.user && *server.user) r = keep_secret(&s->user, server.user, e);
    explicit_bzero(server.from_file, sizeof server.from_file);
    return r;
}

/* ---- what the server is ------------------------------------------------------------------------------------------- */

/* The value of "name:" in what INFO says, cut to size; false: it does not say. */
static bool info_field(eyot_bytes info, const char *name, char *out, size_t size)
{
    const char *p = info.p, *end = p + info.n;
    size_t n = strlen(name);
    for (; p && p < end; p = memchr(p, '\n', (size_t)(end - p)), p = p ? p + 1 : NULL) {
        if ((size_t)(end - p) <= n || memcmp(p, name, n) != 0 || p[n] != ':') continue;
        size_t len = 0;
        for (p += n + 1; p + len < end && p[len] != '\r' && p[len] != '\n'; len++) {}
        snprintf(out, size, "%.*s", (int)(len < size ? len : size - 1), p);
        return true;
    }
    return false;
}

typedef struct server_facts {
    char version[32], role[16], mode[16], aof[4], maxmemory[24], policy[32];
    char fsync[16], no_rewrite_fsync[8], most_bulk[24]; /* by CONFIG; empty: denied */
} server_facts;

static void config_field(const redisReply *r, char *out, size_t size)
{
    eyot_bytes text = eyot__redis_text(eyot__redis_item(r, 1));
    snprintf(out, size, "%.*s", (int)(text.n < size ? text.n : size - 1), text.n ? (const char *)text.p : "");
}

static eyot_status ask_info(eyot__redis *s, uint16_t slot, server_facts *f, eyot_error *e)
{
    eyot__redis_batch b;
    char name[24] = "", forked[20];
    eyot__redis_batch_init(&b, s);
    eyot__redis_plain(&b, "INFO", slot, false);
    eyot_status r = eyot__redis_run(&b, e);
    eyot_bytes info = r ? eyot__bytes(NULL, 0) : eyot__redis_text(b.at[0].reply);
    if (!r && !info_field(info, "redis_version", f->version, sizeof f->version))
        r = eyot_error_set(e, EYOT_ENOTSUP, "%s: it does not say which version of Redis it is", s->shown);
    if (!r) {
        info_field(info, "role", f->role, sizeof f->role);
        info_field(info, "redis_mode", f->mode, sizeof f->mode);
        info_field(info, "aof_enabled", f->aof, sizeof f->aof);
        info_field(info, "maxmemory", f->maxmemory, sizeof f->maxmemory);
        info_field(info, "maxmemory_policy", f->policy, sizeof f->policy);
        info_field(info, "server_name", name, sizeof name);
        bool is_valkey = strcmp(name, "valkey") == 0 && info_field(info, "valkey_version", forked, sizeof forked);
        snprintf(s->version, sizeof s->version, "%s %s%s", is_valkey ? "Valkey" : "Redis",
                 is_valkey ? forked : f->version, strcmp(f->mode, "cluster") == 0 ? ", a cluster" : "");
    }
    eyot__redis_batch_clear(&b);
    return r;
}

/* One by one: whoever denies CONFIG denies each. */
static eyot_status ask_config(eyot__redis *s, uint16_t slot, const char *name, char *out, size_t size, eyot_error *e)
{
    eyot_error why = {.status = EYOT_OK};
    eyot__redis_batch b;
    eyot__redis_batch_init(&b, s);
    eyot__redis_plain(&b, "CONFIG", slot, false);
    eyot__redis_arg_text(&b, "GET");
    eyot__redis_arg_text(&b, name);
    eyot_status r = eyot__redis_run(&b, &why);
    if (!r)
        config_field(b.at[0].reply, out, size);
    else if (strstr(why.text, "the server refuses"))
        r = EYOT_OK;
    else
        r = eyot_error_set(e, why.status, "%s", why.text);
    eyot__redis_batch_clear(&b);
    return r;
}

/* Of the node that has this slot. */
static eyot_status ask_server(eyot__redis *s, uint16_t slot, server_facts *f, eyot_error *e)
{
    memset(f, 0, sizeof *f);
    eyot_status r = ask_info(s, slot, f, e);
    if (!r) r = ask_config(s, slot, "appendfsync", f->fsync, sizeof f->fsync, e);
    if (r || !*f->fsync) return r;
    r = ask_config(s, slot, "no-appendfsync-on-rewrite", f->no_rewrite_fsync, sizeof f->no_rewrite_fsync, e);
    return r ? r : ask_config(s, slot, "proto-max-bulk-len", f->most_bulk, sizeof f->most_bulk, e);
}

static eyot_status judge_server(const eyot__redis *s, const server_facts *f, eyot_error *e)
{
    char *minor = NULL;
    unsigned long major = strtoul(f->version, &minor, 10), second = *minor == '.' ? strtoul(minor + 1, NULL, 10) : 0;
    if (major < 6) return eyot_error_set(e, EYOT_ENOTSUP, "%s: it is Redis %s, eyot needs 6.0", s->shown, f->version);
    if (strcmp(f->role, "master") != 0)
        return eyot_error_set(e, EYOT_ENOTSUP, "%s: it is a replica (role %s): name the master", s->shown, f->role);
    if (strtoull(f->maxmemory, NULL, 10) > 0 && strcmp(f->policy, "noeviction") != 0)
        return eyot_error_set(e, EYOT_ENOTSUP,
                              "%s: when its memory is full it drops keys (maxmemory-policy %s): set maxmemory-policy "
                              "noeviction",
                              s->shown, f->policy);
    if (strcmp(f->mode, "cluster") == 0 && s->db)
        return eyot_error_set(e, EYOT_EINVAL, "%s: a Redis Cluster has database 0 only", s->shown);
    if (s->has_waitaof && (major < 7 || (major == 7 && second < 2)))
        return eyot_error_set(e, EYOT_ENOTSUP, "%s: waitaof needs Redis 7.2, it is %s", s->shown, f->version);
    return EYOT_OK;
}

/* What the server alone promises, and why. */
static eyot_store_class class_of(eyot__redis *s, const server_facts *f, const settings *set)
{
    const char *why;
    eyot_store_class c = EYOT_CLASS_VOLATILE;
    bool always = strcmp(f->fsync, "always") == 0;
    if (!*f->fsync && set->asserted) {
        snprintf(s->reasons, sizeof s->reasons, "as class=%s in its URL asserts: the server denies CONFIG",
                 eyot_store_class_name(set->asserted));
        return set->asserted;
    }
    if (strcmp(f->aof, "1") != 0) {
        why = "appendonly is off: what was written is lost when the server ends";
    } else if (!*f->fsync) {
        why = "appendonly is on, but the server denies CONFIG: appendfsync is not known";
    } else if (always && strcmp(f->no_rewrite_fsync, "yes") != 0) {
        c = EYOT_CLASS_MACHINE;
        why = "appendonly with appendfsync always: on the disk before it is acknowledged";
    } else if (always) {
        c = EYOT_CLASS_PROCESS;
        why = "appendfsync always, but not while the file is rewritten (no-appendfsync-on-rewrite yes)";
    } else {
        c = EYOT_CLASS_PROCESS;
        why = "appendonly with appendfsync everysec or no: a power loss takes the last seconds";
    }
    snprintf(s->reasons, sizeof s->reasons, "%s", why);
    return c;
}

static const char *advice_for(eyot_store_class c, bool knows_config)
{
    switch (c) {
    case EYOT_CLASS_VOLATILE:
        return knows_config ? "appendonly yes and appendfsync always in the server's configuration"
                            : "class= in the URL, if the server promises more than it says";
    case EYOT_CLASS_PROCESS: return "appendfsync always and no-appendfsync-on-rewrite no in the server's configuration";
    case EYOT_CLASS_MACHINE: return "a replica, and wait=1 in the URL";
    case EYOT_CLASS_REPLICATED: break;
    }
    return "";
}

static eyot_status judge_class(eyot__redis *s, const server_facts *f, const settings *set, eyot_error *e)
{
    s->durability = class_of(s, f, set);
    size_t n = strlen(s->reasons);
    if (s->durability == EYOT_CLASS_VOLATILE && !set->is_volatile)
        return eyot_error_set(e, EYOT_ENOTSUP, "%s: %s; %s, or say volatile=yes", s->shown, s->reasons,
                              *f->fsync ? "set appendonly yes and appendfsync always"
                                        : "say class=machine if each write is on a disk before it is answered");
    if (set->asserted > s->durability && *f->fsync)
        return eyot_error_set(e, EYOT_ENOTSUP, "%s: class=%s is asserted, but it is %s: %s", s->shown,
                              eyot_store_class_name(set->asserted), eyot_store_class_name(s->durability), s->reasons);
    if (s->durability == EYOT_CLASS_VOLATILE) return EYOT_OK;
    if (s->has_waitaof && s->durability < EYOT_CLASS_MACHINE) s->durability = EYOT_CLASS_MACHINE;
    if (s->wait || s->waitaof) s->durability = EYOT_CLASS_REPLICATED;
    if (s->has_waitaof)
        snprintf(s->reasons + n, sizeof s->reasons - n,
                 "; each write waits for the disks of it and %" PRIu64 " replicas", s->waitaof);
    else if (s->wait)
        snprintf(s->reasons + n, sizeof s->reasons - n, "; each write waits for %" PRIu64 " replicas", s->wait);
    return EYOT_OK;
}

/* ---- scripts and the format --------------------------------------------------------------------------------------- */

static eyot_status load_scripts(eyot__redis *s, eyot_error *e)
{
    eyot__redis_batch b;
    eyot__redis_batch_init(&b, s);
    for (int i = 0; i < EYOT__REDIS_SCRIPTS; i++) {
        eyot__redis_plain(&b, "SCRIPT", 0, false);
        eyot__redis_arg_text(&b, "LOAD");
        eyot__redis_arg_text(&b, eyot__redis_script_texts[i]);
    }
    eyot_status r = eyot__redis_run(&b, e);
    for (int i = 0; i < EYOT__REDIS_SCRIPTS && !r; i++) {
        eyot_bytes sha = eyot__redis_text(b.at[i].reply);
        if (sha.n != 40)
            r = eyot__redis_unexpected(s, e);
        else
            memcpy(s->sha[i], sha.p, 40);
    }
    eyot__redis_batch_clear(&b);
    return r;
}

/* Reads PREFIX:format, and makes it where that is wanted. */
static eyot_status check_format(eyot__redis *s, eyot_error *e)
{
    eyot__redis_batch b;
    char key[48];
    int n = snprintf(key, sizeof key, "%s:format", s->prefix);
    uint16_t slot = eyot__redis_key_slot(key, (size_t)n);
    eyot__redis_batch_init(&b, s);
    if (!s->existing) {
        eyot__redis_plain(&b, "SET", slot, true);
        eyot__redis_arg_text(&b, key);
        eyot__redis_arg_u64(&b, EYOT__REDIS_FORMAT);
        eyot__redis_arg_text(&b, "NX");
    }
    eyot_status r = b.n ? eyot__redis_run(&b, e) : EYOT_OK;
    eyot__redis_batch_reset(&b);
    eyot__redis_plain(&b, "GET", slot, false);
    eyot__redis_arg_text(&b, key);
    if (!r) r = eyot__redis_run(&b, e);
    const redisReply *reply = r ? NULL : b.at[0].reply;
    if (reply && reply->type == REDIS_REPLY_NIL)
        r = eyot_error_set(e, EYOT_ENOTFOUND, "%s: there is no store with prefix %s", s->shown, s->prefix);
    else if (reply && eyot__redis_number(reply) > EYOT__REDIS_FORMAT)
        r = eyot_error_set(e, EYOT_EFORMAT, "%s: the store with prefix %s has format %" PRIu64 ", this eyot knows %d",
                           s->shown, s->prefix, eyot__redis_number(reply), EYOT__REDIS_FORMAT);
    else if (reply && eyot__redis_number(reply) != EYOT__REDIS_FORMAT)
        r = eyot_error_set(e, EYOT_ECORRUPT, "%s: %s is there, but is not the format of a store", s->shown, key);
    eyot__redis_batch_clear(&b);
    return r;
}

/* ---- opening and closing ------------------------------------------------------------------------------------------ */

static void free_store(eyot__redis *s)
{
    eyot__redis_free_nodes(s);
    for (size_t i = 0; i < EYOT__REDIS_QUEUES; i++) free(s->queues[i]);
    for (size_t i = 0; i < EYOT__REDIS_GRAPHS; i++) free(s->graphs[i]);
    if (s->password) explicit_bzero(s->password, strlen(s->password));
    free(s->password);
    free(s->user);
    eyot__wire_tls_free(s->tls);
    free(s);
}

void eyot__redis_close(void *self)
{
    eyot__redis *s = self;
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->freed);
    free_store(s);
}

static bool make_lock(eyot__redis *s)
{
    pthread_condattr_t attr;
    if (pthread_mutex_init(&s->lock, NULL) != 0) return false;
    bool made = pthread_condattr_init(&attr) == 0;
    if (made) {
        made = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 && pthread_cond_init(&s->freed, &attr) == 0;
        pthread_condattr_destroy(&attr);
    }
    if (!made) pthread_mutex_destroy(&s->lock);
    return made;
}

/* Judges the node that has this slot. A store of several is what the weakest of them is. */
static eyot_status judge_node(eyot__redis *s, const settings *set, uint16_t slot, eyot_error *e)
{
    server_facts facts;
    char reasons[sizeof s->reasons];
    eyot_store_class before = s->durability;
    memcpy(reasons, s->reasons, sizeof reasons);
    eyot_status r = ask_server(s, slot, &facts, e);
    if (!r) r = judge_server(s, &facts, e);
    if (!r) r = judge_class(s, &facts, set, e);
    if (r) return r;
    uint64_t most = strtoull(facts.most_bulk, NULL, 10), usual = (uint64_t)512 << 20;
    if (most == 0 || most > usual) most = usual;
    most = most > 8192 ? most - 4096 : most / 2;
    if (s->max_body == 0 || most < s->max_body) s->max_body = most;
    s->cluster = strcmp(facts.mode, "cluster") == 0;
    if (before && before <= s->durability) {
        s->durability = before;
        memcpy(s->reasons, reasons, sizeof reasons);
    } else {
        s->advice = advice_for(s->durability, *facts.fsync);
    }
    return EYOT_OK;
}

static eyot_status judge_cluster(eyot__redis *s, const settings *set, eyot_error *e)
{
    bool judged[EYOT__REDIS_NODES] = {false};
    eyot_status r = EYOT_OK;
    eyot__redis_refresh(s, eyot__now_ns() + s->timeout_ms * 1000000);
    for (uint16_t slot = 0; slot < EYOT__REDIS_SLOTS && !r; slot++) {
        uint8_t node = s->node_of[slot];
        if (node >= EYOT__REDIS_NODES || judged[node]) continue;
        judged[node] = true;
        r = judge_node(s, set, slot, e);
    }
    return r;
}

/* Whoever opens a store waits for less long than who has runs in it. */
static eyot_status start(eyot__redis *s, const settings *set, bool secure, eyot_error *e)
{
    uint64_t retry_ms = s->retry_ms;
    if (s->retry_ms > s->timeout_ms) s->retry_ms = s->timeout_ms;
    eyot_status r = secure ? eyot__wire_tls_new(&s->tls, set->tls_ca, e) : EYOT_OK;
    if (!r) r = judge_node(s, set, 0, e);
    s->met = true;
    if (!r && s->cluster) r = judge_cluster(s, set, e);
    if (!r) r = check_format(s, e);
    if (!r) r = load_scripts(s, e);
    s->retry_ms = retry_ms;
    return r;
}

static eyot_status redis_open(const eyot_store_ops **ops, void **self, eyot__url *url, uint32_t flags, eyot_error *e)
{
    settings set = {0};
    *ops = &eyot__redis_ops;
    *self = NULL;
    eyot__redis *s = calloc(1, sizeof *s);
    if (!s || !make_lock(s)) {
        free(s);
        return eyot_error_set(e, EYOT_ENOMEM, "no memory for a store");
    }
    memset(s->node_of, 255, sizeof s->node_of);
    s->existing = flags & EYOT_OPEN_EXISTING;
    eyot_status r = read_url(s, &set, url, e);
    if (!r) r = start(s, &set, strcmp(url->scheme, "rediss") == 0, e);
    if (r)
        eyot__redis_close(s);
    else
        *self = s;
    return r;
}

#define VERSION_TEXT_OF(a, b, c) #a "." #b "." #c
#define VERSION_TEXT(a, b, c) VERSION_TEXT_OF(a, b, c)

extern const eyot__store_module eyot_store_module;
__attribute__((visibility("default"))) const eyot__store_module eyot_store_module = {
    .size = sizeof(eyot__store_module),
    .abi = EYOT_STORE_ABI,
    .version = VERSION_TEXT(EYOT_VERSION_MAJOR, EYOT_VERSION_MINOR, EYOT_VERSION_PATCH),
    .open = redis_open,
};
