/* SPDX-License-Identifier: MIT */
/* Opening and closing the MySQL store: its URL, its schema, what the server promises. */
#include "stores/mysql.h"

#include "core/buf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* shard = crc32c(id of the run) % 64 is the first column of every primary key, and of every WHERE but those that look
 * through all runs: so the tables can be spread over several servers by it. No foreign keys, no numbers that the server
 * gives. Entries have no index but their key. */
#define TABLE(name, columns)                                                               \
    "CREATE TABLE IF NOT EXISTS @" name " (shard TINYINT UNSIGNED NOT NULL, " columns ") " \
    "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=binary"
static const char *const schema[] = {
    TABLE("meta", "name VARBINARY(32) NOT NULL, value BIGINT UNSIGNED NOT NULL, PRIMARY KEY (shard, name)"),
    TABLE("graph", "fingerprint VARBINARY(255) NOT NULL, source LONGBLOB NOT NULL, PRIMARY KEY (shard, fingerprint)"),
    TABLE("run", "run_id VARBINARY(128) NOT NULL, graph VARBINARY(255) NOT NULL DEFAULT '', "
                 "fingerprint VARBINARY(255) NOT NULL DEFAULT '', origin VARBINARY(255) NOT NULL DEFAULT '', "
                 "queue VARBINARY(255) NOT NULL DEFAULT '', owner VARBINARY(255) NOT NULL DEFAULT '', "
                 "token BINARY(16) NOT NULL DEFAULT '', epoch BIGINT UNSIGNED NOT NULL DEFAULT 1, "
                 "head BIGINT UNSIGNED NOT NULL, steps BIGINT UNSIGNED NOT NULL, "
                 "snapshot_seq BIGINT UNSIGNED NOT NULL, status TINYINT UNSIGNED NOT NULL, "
                 "state TINYINT UNSIGNED NOT NULL, place BIGINT NOT NULL, slot BIGINT NOT NULL, "
                 "attempts INT UNSIGNED NOT NULL, priority INT NOT NULL DEFAULT 0, crc INT UNSIGNED NOT NULL, "
                 "due_ms BIGINT NOT NULL, created_ms BIGINT NOT NULL DEFAULT 0, updated_ms BIGINT NOT NULL, "
                 "PRIMARY KEY (shard, run_id), KEY due (queue, state, place, slot), KEY created (created_ms, run_id)"),
    TABLE("entry", "run_id VARBINARY(128) NOT NULL, seq BIGINT UNSIGNED NOT NULL, step BIGINT UNSIGNED NOT NULL, "
                   "kind TINYINT UNSIGNED NOT NULL, task VARBINARY(256) NOT NULL, body LONGBLOB NOT NULL, "
                   "PRIMARY KEY (shard, run_id, seq)"),
    TABLE("inbox", "run_id VARBINARY(128) NOT NULL, no BIGINT UNSIGNED NOT NULL, message_id VARBINARY(512) NOT NULL, "
                   "kind INT UNSIGNED NOT NULL, name LONGBLOB NOT NULL, payload LONGBLOB NOT NULL, "
                   "done TINYINT UNSIGNED NOT NULL, PRIMARY KEY (shard, run_id, no), "
                   "UNIQUE KEY message (shard, run_id, message_id)"),
    TABLE("outbox", "run_id VARBINARY(128) NOT NULL, no BIGINT UNSIGNED NOT NULL, id VARBINARY(512) NOT NULL, "
                    "topic LONGBLOB NOT NULL, payload LONGBLOB NOT NULL, PRIMARY KEY (shard, run_id, no), "
                    "UNIQUE KEY event (shard, run_id, id)"),
    TABLE("value", "ns VARBINARY(512) NOT NULL, name VARBINARY(2048) NOT NULL, version BIGINT UNSIGNED NOT NULL, "
                   "until_ms BIGINT NOT NULL, value LONGBLOB NOT NULL, PRIMARY KEY (shard, ns, name)"),
    TABLE("tombstone", "run_id VARBINARY(128) NOT NULL, until_ms BIGINT NOT NULL, PRIMARY KEY (shard, run_id)"),
};

/* ---- the URL ---------------------------------------------------------------------------------------------------- */

static bool is_near(const eyot__mysql_settings *set)
{
    return set->socket || strcmp(set->host, "localhost") == 0 || strncmp(set->host, "127.", 4) == 0 ||
           strcmp(set->host, "::1") == 0;
}

static eyot_status read_tls(eyot__mysql_settings *set, const char *text, eyot_error *e)
{
    static const char *const names[] = {"off", "required", "verify-ca", "verify-full"};
    set->tls = is_near(set) ? EYOT__TLS_OFF : EYOT__TLS_VERIFY_FULL;
    if (!text) return EYOT_OK;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], text) != 0) continue;
        memcpy(&set->tls, &i, sizeof i);
        return EYOT_OK;
    }
    return eyot_error_set(e, EYOT_EINVAL, "tls=%s: must be verify-full, verify-ca, required or off", text);
}

static eyot_status read_prefix(eyot__mysql_settings *set, const char *text, eyot_error *e)
{
    size_t n = strlen(text);
    bool good = n >= 1 && n < sizeof set->prefix;
    for (size_t i = 0; i < n && good; i++) {
        char c = text[i], letter = (char)(c | 0x20);
        good = (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') || c == '_';
    }
    if (!good) return eyot_error_set(e, EYOT_EINVAL, "prefix=%.40s: must be 1 to 32 of A-Z, a-z, 0-9 and _", text);
    memcpy(set->prefix, text, n + 1);
    return EYOT_OK;
}

static const char *keep_text(char **to, const char *text)
{
    if (!text) return NULL;
    char *kept = *to;
    size_t n = strlen(text) + 1;
    memcpy(kept, text, n);
    *to += n;
    return kept;
}

/* The authorities that the system trusts: the client library does not look for them. */
static const char *system_ca(void)
{
    static const char *const places[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                         "/etc/ssl/cert.pem"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], R_OK) == 0) return places[i];
    return NULL;
}

/* Copies what outlives the URL. */
static eyot_status keep_texts(eyot__mysql_settings *set, const eyot__url_server *server, const char *database,
                              const char *socket, const char *ca, eyot_error *e)
{
    const char *texts[] = {server->user, server->password, server->host, database, socket, ca};
    size_t n = 16;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) n += texts[i] ? strlen(texts[i]) + 1 : 0;
    char *to = set->text = malloc(n);
    if (!to) return eyot_error_set(e, EYOT_ENOMEM, "no memory for a store");
    set->user = keep_text(&to, server->user);
    set->password = keep_text(&to, server->password);
    set->database = keep_text(&to, database);
    set->socket = keep_text(&to, socket);
    set->tls_ca = keep_text(&to, ca);
    set->port = server->port;
    /* To the client library "localhost" is a socket. */
    bool local = !*server->host || strcmp(server->host, "localhost") == 0;
    set->host = keep_text(&to, local ? server->port ? "127.0.0.1" : "localhost" : server->host);
    return EYOT_OK;
}

static eyot_status read_settings(eyot__mysql_settings *set, eyot__url *url, eyot_error *e)
{
    eyot__url_server server;
    const char *socket = eyot__url_param_text(url, "socket"), *tls = eyot__url_param_text(url, "tls");
    const char *ca = eyot__url_param_text(url, "tls_ca"), *prefix = eyot__url_param_text(url, "prefix");
    const char *database = *url->path == '/' ? url->path + 1 : url->path;
    set->timeout_ms = 10000;
    set->retry_ms = 30000;
    set->pool = 8;
    eyot_status r = eyot__url_server_of(&server, url, e);
    if (!r && (!*database || strpbrk(database, "/@"))) /* an '@' is of a password that was not escaped */
        r = eyot_error_set(e, EYOT_EINVAL, "a mysql store needs a database: mysql://user@host/database");
    if (!r && socket && *socket != '/')
        r = eyot_error_set(e, EYOT_EINVAL, "socket=%.100s: must be the whole path of a socket", socket);
    if (!r && socket && (server.port || (*server.host && strcmp(server.host, "localhost") != 0)))
        r = eyot_error_set(e, EYOT_EINVAL, "a mysql store is at a socket or at a host, not at both");
    if (!r) r = keep_texts(set, &server, database, socket, ca ? ca : system_ca(), e);
    if (!r) r = read_tls(set, tls, e);
    if (!r) r = read_prefix(set, prefix ? prefix : "eyot_", e);
    if (!r) r = eyot__url_param_number(url, "pool", 1, EYOT__MYSQL_POOL, &set->pool, e);
    if (!r) r = eyot__url_param_number(url, "timeout", 100, 3600000, &set->timeout_ms, e);
    if (!r) r = eyot__url_param_number(url, "retry", 0, 3600000, &set->retry_ms, e);
    return r ? r : eyot__url_check_params(url, e);
}

/* ---- what the server is ----------------------------------------------------------------------------------------- */

typedef struct server {
    char version[64];
    uint64_t flush, sync_binlog, max_packet;
    bool log_bin, doublewrite_off, galera, group;
    bool seen; /* the setting that the class comes from */
} server;

static bool is_on(const char *value)
{
    return strcmp(value, "ON") == 0 || strcmp(value, "1") == 0;
}

static void see_variable(void *arg, const char *name, const char *value)
{
    server *s = arg;
    uint64_t number = strtoull(value, NULL, 10);
    if (strcmp(name, "version") == 0) {
        snprintf(s->version, sizeof s->version, "%.63s", value);
    } else if (strcmp(name, "innodb_flush_log_at_trx_commit") == 0) {
        s->flush = number;
        s->seen = true;
    } else if (strcmp(name, "sync_binlog") == 0) {
        s->sync_binlog = number;
    } else if (strcmp(name, "max_allowed_packet") == 0) {
        s->max_packet = number;
    } else if (strcmp(name, "log_bin") == 0) {
        s->log_bin = is_on(value);
    } else if (strcmp(name, "innodb_doublewrite") == 0) {
        s->doublewrite_off = strcmp(value, "OFF") == 0 || strcmp(value, "0") == 0;
    } else if (strcmp(name, "wsrep_on") == 0) {
        s->galera = is_on(value);
    } else if (strcmp(name, "group_replication_group_name") == 0) {
        s->group = *value != '\0';
    }
}

static void judge_class(eyot__mysql *s, const server *found)
{
    static const eyot_store_class classes[] = {EYOT_CLASS_VOLATILE, EYOT_CLASS_MACHINE, EYOT_CLASS_PROCESS};
    static const char *const whys[] = {"the server writes commits to its log once a second",
                                       "a commit is on the server's disk before it is acknowledged",
                                       "a power loss of the server may take its last second"};
    uint64_t flush = found->seen && found->flush < 3 ? found->flush : 0;
    s->durability = classes[flush];
    s->advice = flush != 1               ? "innodb_flush_log_at_trx_commit=1 on the server"
                : found->doublewrite_off ? "innodb_doublewrite=ON on the server"
                                         : "none: a mysql store claims no more, whatever replicas the server has";
    if (!found->seen) {
        snprintf(s->reasons, sizeof s->reasons, "the server does not say when it writes commits to its disk");
        return;
    }
    int n = snprintf(s->reasons, sizeof s->reasons, "innodb_flush_log_at_trx_commit=%" PRIu64 ": %s", found->flush,
                     whys[flush]);
    if (found->doublewrite_off) {
        if (s->durability > EYOT_CLASS_PROCESS) s->durability = EYOT_CLASS_PROCESS;
        n += snprintf(s->reasons + n, sizeof s->reasons - (size_t)n, "; innodb_doublewrite is off");
    }
    if (found->log_bin && found->sync_binlog != 1)
        n += snprintf(s->reasons + n, sizeof s->reasons - (size_t)n,
                      "; sync_binlog=%" PRIu64 ": after a power loss replicas may lack commits, or have more",
                      found->sync_binlog);
    if (found->galera || found->group)
        snprintf(s->reasons + n, sizeof s->reasons - (size_t)n,
                 "; one of a cluster: what another member has at that moment is not known");
}

static eyot_status judge_version(eyot__mysql *s, const server *found, eyot_error *e)
{
    const char *v = found->version;
    bool mariadb = strstr(v, "MariaDB") != NULL;
    const char *name = mariadb ? "MariaDB" : strstr(v, "TiDB") ? "TiDB" : strstr(v, "Vitess") ? "Vitess" : "MySQL";
    char *dot = NULL;
    unsigned long major = strtoul(v, &dot, 10), minor = *dot == '.' ? strtoul(dot + 1, NULL, 10) : 0;
    snprintf(s->version, sizeof s->version, "%s %.*s", name, mariadb ? (int)strcspn(v, "-") : 50, v);
    if (mariadb ? major > 10 || (major == 10 && minor >= 6) : major >= 8) return EYOT_OK;
    return eyot_error_set(e, EYOT_ENOTSUP, "%s: %s is too old: MariaDB 10.6 or MySQL 8 has what a store needs",
                          s->shown, s->version);
}

static eyot_status look_at_server(eyot__my_connection *c, eyot_error *e)
{
    eyot__mysql *s = c->store;
    server found = {.version = "", .max_packet = 1 << 20};
    eyot_status r = eyot__my_pairs(
        c,
        "SHOW VARIABLES WHERE Variable_name IN ('version', 'innodb_flush_log_at_trx_commit', 'log_bin', "
        "'sync_binlog', 'max_allowed_packet', 'innodb_doublewrite', 'wsrep_on', 'group_replication_group_name')",
        see_variable, &found, e);
    if (!r) r = judge_version(s, &found, e);
    if (r) return r;
    judge_class(s, &found);
    s->max_packet = found.max_packet;
    /* Beside a body, a statement has keys and ids; beyond 1 GiB no packet goes. */
    s->max_body = s->max_packet > 8192 ? s->max_packet - 4096 : s->max_packet / 2;
    if (s->max_body > (1u << 30) - 4096) s->max_body = (1u << 30) - 4096;
    return EYOT_OK;
}

/* ---- the schema ------------------------------------------------------------------------------------------------- */

/* *fresh: there is none yet, or it is not whole. The number of the format is what is written last. */
static eyot_status check_format(eyot__my_connection *c, bool *fresh, eyot_error *e)
{
    bool found = false;
    eyot__my_begin(c, EYOT__MY_FORMAT, 1);
    eyot_status r = eyot__my_one(c, &found, e);
    *fresh = (r && c->error == 1146) || (!r && !found);
    if (*fresh) return EYOT_OK;
    if (r) return r;
    if (c->columns[0].number > EYOT__MYSQL_FORMAT)
        return eyot_error_set(e, EYOT_EFORMAT, "%s has format %" PRIu64 ", this eyot knows %d", c->store->shown,
                              c->columns[0].number, EYOT__MYSQL_FORMAT);
    if (c->columns[0].number < EYOT__MYSQL_FORMAT)
        return eyot_error_set(e, EYOT_ECORRUPT, "%s is no store of eyot", c->store->shown);
    return EYOT_OK;
}

/* Any number of processes may do this at once: each table is made by one of them, and all write the same number. */
static eyot_status create_schema(eyot__my_connection *c, eyot_error *e)
{
    eyot_status r = EYOT_OK;
    for (size_t i = 0; i < sizeof schema / sizeof *schema && !r; i++) {
        r = eyot__my_define(c, schema[i], e);
        if (r && c->error == 1050) r = EYOT_OK;
    }
    if (r) return r;
    eyot__my_begin(c, EYOT__MY_SET_FORMAT, 1);
    eyot__my_number(c, EYOT__MYSQL_FORMAT);
    return eyot__my_run(c, e);
}

static eyot_status open_schema(eyot__my_connection *c, void *arg, eyot_error *e)
{
    const uint32_t *flags = arg;
    bool fresh;
    eyot_status r = look_at_server(c, e);
    if (!r) r = check_format(c, &fresh, e);
    if (r || !fresh) return r;
    c->trouble = EYOT__TROUBLE_NONE;
    if (*flags & EYOT_OPEN_EXISTING)
        return eyot_error_set(e, EYOT_ENOTFOUND, "%s: there is no store with prefix %s", c->store->shown,
                              c->store->set.prefix);
    r = create_schema(c, e);
    return r ? r : check_format(c, &fresh, e);
}

/* ---- opening and closing ---------------------------------------------------------------------------------------- */

void eyot__mysql_close(void *self)
{
    eyot__mysql *s = self;
    /* In a forked child the connections are the parent's: the memory is left behind. */
    if (s->pid != getpid()) return;
    for (size_t i = 0; i < EYOT__MYSQL_POOL; i++) eyot__my_connection_free(s->connections[i]);
    pthread_cond_destroy(&s->given);
    pthread_mutex_destroy(&s->lock);
    free(s->set.text);
    free(s);
}

static eyot__mysql *mysql_new(void)
{
    pthread_condattr_t monotonic;
    eyot__mysql *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->pid = getpid();
    if (pthread_mutex_init(&s->lock, NULL) != 0) goto no_lock;
    if (pthread_condattr_init(&monotonic) != 0) goto no_attributes;
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    int failed = pthread_cond_init(&s->given, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (!failed) return s;
no_attributes:
    pthread_mutex_destroy(&s->lock);
no_lock:
    free(s);
    return NULL;
}

static eyot_status make_pool(eyot__mysql *s, eyot_error *e)
{
    char port[12] = "";
    if (s->set.port) snprintf(port, sizeof port, ":%u", (unsigned)s->set.port);
    snprintf(s->shown, sizeof s->shown, "mysql store at %.48s%s/%.32s", s->set.host, port, s->set.database);
    for (size_t i = 0; i < s->set.pool; i++) {
        s->connections[i] = eyot__my_connection_new(s);
        if (!s->connections[i]) return eyot_error_set(e, EYOT_ENOMEM, "no memory for a store");
    }
    return EYOT_OK;
}

static eyot_status mysql_open(const eyot_store_ops **ops, void **self, eyot__url *url, uint32_t flags, eyot_error *e)
{
    *ops = &eyot__mysql_ops;
    *self = NULL;
    eyot__mysql *s = mysql_new();
    if (!s) return eyot_error_set(e, EYOT_ENOMEM, "no memory for a store");
    eyot_status r = read_settings(&s->set, url, e);
    if (!r) r = eyot__my_library_init(e);
    if (!r) r = make_pool(s, e);
    if (!r) r = eyot__my_do_within(s, s->set.timeout_ms, false, open_schema, &flags, e);
    s->opened = !r;
    if (r)
        eyot__mysql_close(s);
    else
        *self = s;
    return r;
}

#define TEXT(x) #x
#define DOTTED(a, b, c) TEXT(a) "." TEXT(b) "." TEXT(c)
#define VERSION DOTTED(EYOT_VERSION_MAJOR, EYOT_VERSION_MINOR, EYOT_VERSION_PATCH)

extern const eyot__store_module eyot_store_module;
__attribute__((visibility("default"))) const eyot__store_module eyot_store_module = {
    .size = sizeof(eyot__store_module), .abi = EYOT_STORE_ABI, .version = VERSION, .open = mysql_open};
