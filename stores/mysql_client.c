/* SPDX-License-Identifier: MIT */
/* One connection of the MySQL store: everything that depends on the client library. Built with MariaDB's Connector/C, each
 * call is begun, waited for with our own deadline, and continued: so it ends in time to the millisecond, also when the server
 * sends a byte now and then. Oracle's library cannot do that for prepared statements: there its own timeouts count,
 * which are whole seconds and start anew with each byte. */
#include "stores/mysql.h"

#include "core/buf.h"
#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <errmsg.h>
#include <mysqld_error.h>

/* ---- the two libraries ------------------------------------------------------------------------------------------ */

#ifdef LIBMARIADB
typedef my_bool lib_bool;

static int await(eyot__my_connection *c, uint64_t deadline_ns, int events);

/* A call of the library: begun, and continued for as long as it waits for the server. */
#define CALL(c, result, name, handle) \
    AWAIT(c, name##_start(&(result), handle), name##_cont(&(result), handle, call_ready))
#define CALL_WITH(c, result, name, handle, ...) \
    AWAIT(c, name##_start(&(result), handle, __VA_ARGS__), name##_cont(&(result), handle, call_ready))
#define AWAIT(c, begun, continued)                               \
    do {                                                         \
        uint64_t call_deadline = deadline_of(c);                 \
        int call_wait = (begun);                                 \
        while (call_wait) {                                      \
            int call_ready = await(c, call_deadline, call_wait); \
            call_wait = (continued);                             \
        }                                                        \
    } while (0)

static uint64_t deadline_of(const eyot__my_connection *c);

static int socket_of(const eyot__my_connection *c)
{
    return c->db ? (int)mysql_get_socket(c->db) : -1;
}

static eyot_status set_tls(MYSQL *db, const eyot__mysql_settings *set, eyot_error *e)
{
    my_bool on = 1, verify = set->tls == EYOT__TLS_VERIFY_FULL;
    if (set->tls == EYOT__TLS_OFF) return EYOT_OK;
    if (set->tls == EYOT__TLS_VERIFY_CA)
        return eyot_error_set(e, EYOT_ENOTSUP,
                              "tls=verify-ca: MariaDB's client cannot leave out the name of the host: "
                              "use verify-full, or required to verify nothing");
    mysql_optionsv(db, MYSQL_OPT_SSL_ENFORCE, &on);
    mysql_optionsv(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    /* Some builds of it verify whenever they know an authority. */
    if (verify && set->tls_ca) mysql_optionsv(db, MYSQL_OPT_SSL_CA, set->tls_ca);
    return EYOT_OK;
}

static void set_options(MYSQL *db)
{
    mysql_optionsv(db, MYSQL_OPT_NONBLOCK, 0);
    /* Not those that send the password as it is. */
    mysql_optionsv(db, MARIADB_OPT_RESTRICTED_AUTH,
                   "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,unix_socket,parsec");
}

#else
typedef bool lib_bool;

#define CALL(c, result, name, handle) ((void)(c), (result) = name(handle))
#define CALL_WITH(c, result, name, handle, ...) ((void)(c), (result) = name(handle, __VA_ARGS__))

static int socket_of(const eyot__my_connection *c)
{
    return c->db ? (int)c->db->net.fd : -1;
}

static eyot_status set_tls(MYSQL *db, const eyot__mysql_settings *set, eyot_error *e)
{
    unsigned mode = set->tls == EYOT__TLS_VERIFY_FULL ? SSL_MODE_VERIFY_IDENTITY
                    : set->tls == EYOT__TLS_VERIFY_CA ? SSL_MODE_VERIFY_CA
                    : set->tls == EYOT__TLS_REQUIRED  ? SSL_MODE_REQUIRED
                                                      : SSL_MODE_DISABLED;
    (void)e;
    mysql_options(db, MYSQL_OPT_SSL_MODE, &mode);
    if (set->tls_ca) mysql_options(db, MYSQL_OPT_SSL_CA, set->tls_ca);
    return EYOT_OK;
}

static void set_options(MYSQL *db)
{
    (void)db;
}

#endif

struct eyot__my_library {
    MYSQL_BIND args[EYOT__MYSQL_ARGS];
    uint64_t numbers[EYOT__MYSQL_ARGS];
    unsigned long lengths[EYOT__MYSQL_ARGS];
    MYSQL_BIND results[EYOT__MYSQL_COLUMNS];
    lib_bool nulls[EYOT__MYSQL_COLUMNS];
    bool timed_out;
};

static eyot_error init_error;

static void library_init(void)
{
    struct sigaction before;
    sigaction(SIGPIPE, NULL, &before);
    if (mysql_library_init(0, NULL, NULL) != 0)
        eyot_error_set(&init_error, EYOT_EIO, "the MySQL client does not start");
    sigaction(SIGPIPE, &before, NULL);
}

eyot_status eyot__my_library_init(eyot_error *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, library_init);
    return init_error.status ? eyot_error_set(e, init_error.status, "%s", init_error.text) : EYOT_OK;
}

/* ---- waiting ---------------------------------------------------------------------------------------------------- */

#ifdef LIBMARIADB
static uint64_t deadline_of(const eyot__my_connection *c)
{
    uint64_t one = eyot__now_ns() + c->store->set.timeout_ms * 1000000;
    return one < c->deadline_ns ? one : c->deadline_ns;
}

/* What the library waits for has come. When the time is over, the connection is cut first: whatever the library tries
 * then fails at once. */
static int await(eyot__my_connection *c, uint64_t deadline_ns, int events)
{
    struct pollfd p = {.fd = socket_of(c)};
    if (events & MYSQL_WAIT_READ) p.events |= POLLIN;
    if (events & MYSQL_WAIT_WRITE) p.events |= POLLOUT;
    if (events & MYSQL_WAIT_EXCEPT) p.events |= POLLPRI;
    for (;;) {
        uint64_t now = eyot__now_ns();
        if (now >= deadline_ns) break;
        uint64_t ms = (deadline_ns - now + 999999) / 1000000;
        int n = poll(&p, 1, ms < 3600000 ? (int)ms : 3600000);
        if (n < 0 && errno != EINTR) break;
        if (n <= 0) continue;
        int ready = 0;
        if (p.revents & (POLLIN | POLLERR | POLLHUP)) ready |= MYSQL_WAIT_READ;
        if (p.revents & (POLLOUT | POLLERR | POLLHUP)) ready |= MYSQL_WAIT_WRITE;
        if (p.revents & POLLPRI) ready |= MYSQL_WAIT_EXCEPT;
        return ready & events ? ready & events : events & ~MYSQL_WAIT_TIMEOUT;
    }
    c->library->timed_out = true;
    shutdown(p.fd, SHUT_RDWR);
    return MYSQL_WAIT_TIMEOUT;
}
#endif

/* ---- failures --------------------------------------------------------------------------------------------------- */

static eyot__my_trouble trouble_of(unsigned number)
{
    switch (number) {
    case 1213: /* deadlock */
    case 1205: /* lock wait timeout */
    case 1020: /* record has changed since last read */
    case 3101: /* rolled back by the group */
    case 1047: /* node not ready */
    case 1180: /* error during commit */
    case 8002: /* TiDB: write conflict, locked */
    case 8022: /* TiDB: commit must be tried again */
    case 9007: /* TiDB: write conflict */ return EYOT__TROUBLE_AGAIN;
    case 1040: /* too many connections */
    case 1053: /* server shutdown in progress */
    case 1290: /* read-only: another one has taken over */
    case 1836: /* the same */
    case 1152: /* aborted connections */
    case 1158:
    case 1159:
    case 1160:
    case 1161:
    case 1184:
    case 1317: /* interrupted */
    case 1927: /* connection was killed */
    case 1615: /* prepared statement needs to be re-prepared */
    case 1243: /* the server does not know this prepared statement */
    case 4031: /* disconnected for inactivity */
    case CR_UNKNOWN_ERROR:
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST:
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_HANDSHAKE_ERR:
    case CR_SERVER_LOST:
    case CR_COMMANDS_OUT_OF_SYNC:
    case CR_MALFORMED_PACKET:
    case CR_SERVER_LOST_EXTENDED: return EYOT__TROUBLE_LOST;
    default: return number >= 5000 && number < 6000 ? EYOT__TROUBLE_LOST : EYOT__TROUBLE_NONE;
    }
}

static eyot_status status_of(unsigned number)
{
    switch (number) {
    case ER_NET_PACKET_TOO_LARGE:
    case ER_DATA_TOO_LONG: return EYOT_ELIMIT;
    case CR_OUT_OF_MEMORY: return EYOT_ENOMEM;
    case ER_NO_SUCH_TABLE:
    case ER_BAD_FIELD_ERROR: return EYOT_ECORRUPT;
    default: return EYOT_EIO;
    }
}

/* One line, whatever a server says. */
static void copy_line(char *out, size_t size, const char *text)
{
    size_t n = 0;
    for (; text[n] && n < size - 1; n++) out[n] = (unsigned char)text[n] < 32 || text[n] == 127 ? ' ' : text[n];
    out[n] = '\0';
}

/* What a URL may lack. */
static const char *advice(const eyot__my_connection *c)
{
    if (c->error == ER_ACCESS_DENIED_ERROR && !c->store->set.password)
        return "; password_file=PATH in its URL gives a password";
    if (c->error == CR_SSL_CONNECTION_ERROR)
        return "; tls_ca=PATH names who vouches for it, tls=off is for safe networks";
    return "";
}

static eyot_status failed(eyot__my_connection *c, unsigned number, const char *text, eyot_error *e)
{
    char line[160];
    const char *shown = c->store->shown;
    c->error = number ? number : CR_UNKNOWN_ERROR;
    c->trouble = c->library->timed_out ? EYOT__TROUBLE_LOST : trouble_of(c->error);
    if (c->library->timed_out)
        return eyot_error_set(e, EYOT_EIO, "%s: no answer within %" PRIu64 " ms", shown, c->store->set.timeout_ms);
    copy_line(line, sizeof line, text);
    if (c->error == ER_NO_SUCH_TABLE || c->error == ER_BAD_FIELD_ERROR)
        return eyot_error_set(e, EYOT_ECORRUPT, "%s is damaged: %s", shown, line);
    return eyot_error_set(e, status_of(c->error), "%s: %s (%u)%s", shown, line, c->error, advice(c));
}

static eyot_status failed_db(eyot__my_connection *c, eyot_error *e)
{
    return failed(c, mysql_errno(c->db), mysql_error(c->db), e);
}

static void no_trouble(eyot__my_connection *c)
{
    c->error = 0;
    c->trouble = EYOT__TROUBLE_NONE;
    c->library->timed_out = false;
}

static eyot_status no_memory(eyot_error *e)
{
    return eyot_error_set(e, EYOT_ENOMEM, "no memory to speak to a MySQL server");
}

/* ---- connecting ------------------------------------------------------------------------------------------------- */

eyot__my_connection *eyot__my_connection_new(eyot__mysql *s)
{
    eyot__my_connection *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->store = s;
    c->library = calloc(1, sizeof *c->library);
    if (c->library) return c;
    free(c);
    return NULL;
}

void eyot__my_disconnect(eyot__my_connection *c)
{
    if (!c->db) return;
    /* Whether it works or not: saying good-bye must not wait for it. */
    int fd = socket_of(c);
    if (fd >= 0 && c->trouble == EYOT__TROUBLE_LOST) shutdown(fd, SHUT_RDWR);
    mysql_close(c->db);
    c->db = NULL;
    for (int i = 0; i < EYOT__MY_COUNT; i++)
        for (int k = 0; k < EYOT__MYSQL_LEVELS; k++) {
            if (c->st[i][k]) mysql_stmt_close(c->st[i][k]);
            c->st[i][k] = NULL;
        }
    c->result = NULL;
}

void eyot__my_connection_free(eyot__my_connection *c)
{
    if (!c) return;
    eyot__my_disconnect(c);
    for (size_t i = 0; i < EYOT__MYSQL_COLUMNS; i++) free(c->columns[i].room);
    free(c->library);
    free(c);
}

bool eyot__my_is_stale(const eyot__my_connection *c)
{
    struct pollfd p = {.fd = socket_of(c), .events = POLLIN};
    return poll(&p, 1, 0) != 0;
}

/* What every session needs, in as few statements as the servers agree on. */
static eyot_status set_session(eyot__my_connection *c, eyot_error *e)
{
    char text[300];
    bool mariadb = strstr(mysql_get_server_info(c->db), "MariaDB") != NULL;
    uint64_t wait_s = (c->store->set.timeout_ms + 1999) / 2000;
    snprintf(text, sizeof text,
             "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', autocommit = 1, "
             "innodb_lock_wait_timeout = %" PRIu64 "%s",
             wait_s < 50 ? wait_s : 50,
             /* A worker that is frozen inside a transaction must not keep others from its runs. */
             mariadb ? ", idle_transaction_timeout = 3, idle_write_transaction_timeout = 3" : "");
    eyot_status r = eyot__my_text(c, text, e);
    if (!r) r = eyot__my_text(c, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", e);
    if (!r && !mariadb) r = eyot__my_text(c, "SET SESSION wait_timeout = 10", e);
    c->writing = false;
    return r;
}

static eyot_status check_tls(eyot__my_connection *c, eyot_error *e)
{
    if (c->store->set.tls == EYOT__TLS_OFF || mysql_get_ssl_cipher(c->db)) return EYOT_OK;
    return eyot_error_set(e, EYOT_EIO, "%s: the connection is not encrypted; write tls=off if it need not be",
                          c->store->shown);
}

static eyot_status prepare_to_connect(eyot__my_connection *c, eyot_error *e)
{
    const eyot__mysql_settings *set = &c->store->set;
    unsigned seconds = (unsigned)((set->timeout_ms + 999) / 1000), no = 0;
    unsigned long packet = 1ul << 30;
    c->db = mysql_init(NULL);
    if (!c->db) return no_memory(e);
    set_options(c->db);
    mysql_options(c->db, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    mysql_options(c->db, MYSQL_OPT_READ_TIMEOUT, &seconds);
    mysql_options(c->db, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
    mysql_options(c->db, MYSQL_OPT_LOCAL_INFILE, &no);
    mysql_options(c->db, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
    mysql_options(c->db, MYSQL_SET_CHARSET_NAME, "binary");
    return set_tls(c->db, set, e);
}

eyot_status eyot__my_connect(eyot__my_connection *c, eyot_error *e)
{
    const eyot__mysql_settings *set = &c->store->set;
    const char *host = set->socket ? "localhost" : set->host;
    MYSQL *db = NULL;
    no_trouble(c);
    eyot_status r = prepare_to_connect(c, e);
    if (!r) {
        CALL_WITH(c, db, mysql_real_connect, c->db, host, set->user, set->password, set->database, set->port,
                  set->socket, CLIENT_FOUND_ROWS);
        if (!db) r = failed_db(c, e);
    }
    if (!r) fcntl(socket_of(c), F_SETFD, FD_CLOEXEC);
    if (!r) r = check_tls(c, e);
    if (!r) r = set_session(c, e);
    if (r) eyot__my_disconnect(c);
    return r;
}

/* ---- text ------------------------------------------------------------------------------------------------------- */

eyot_status eyot__my_text(eyot__my_connection *c, const char *sql, eyot_error *e)
{
    int failure = 0;
    no_trouble(c);
    CALL_WITH(c, failure, mysql_real_query, c->db, sql, (unsigned long)strlen(sql));
    return failure ? failed_db(c, e) : EYOT_OK;
}

eyot_status eyot__my_pairs(eyot__my_connection *c, const char *sql, eyot__my_pair_fn fn, void *arg, eyot_error *e)
{
    MYSQL_RES *rows = NULL;
    eyot_status r = eyot__my_text(c, sql, e);
    if (r) return r;
    CALL(c, rows, mysql_store_result, c->db);
    if (!rows) return failed_db(c, e);
    for (MYSQL_ROW row; mysql_num_fields(rows) >= 2 && (row = mysql_fetch_row(rows)) != NULL;)
        if (row[0] && row[1]) fn(arg, row[0], row[1]);
    mysql_free_result(rows);
    return EYOT_OK;
}

eyot_status eyot__my_commit(eyot__my_connection *c, eyot_error *e)
{
    return eyot__my_text(c, "COMMIT", e);
}

/* ---- prepared statements ---------------------------------------------------------------------------------------- */

static const struct statement {
    const char *shape, *text;
} statements[EYOT__MY_COUNT] = {
#define TEXT(name, shape, text) {shape, text},
    EYOT__MYSQL_STATEMENTS(TEXT)
#undef TEXT
};

/* The text of a statement for these tables, with its repeated part n times. */
static eyot_status write_text(const eyot__mysql *s, const char *from, size_t n, eyot_buf *out)
{
    for (; *from; from++) {
        if (*from == '@') {
            eyot__buf_text(out, s->set.prefix);
        } else if (*from == '{') {
            size_t part = strcspn(++from, "|"), separator = strcspn(from + part + 1, "}");
            for (size_t i = 0; i < n; i++) {
                if (i > 0) eyot_buf_add(out, from + part + 1, separator);
                eyot_buf_add(out, from, part);
            }
            from += part + 1 + separator;
        } else {
            eyot_buf_add(out, from, 1);
        }
    }
    return out->failed;
}

eyot_status eyot__my_define(eyot__my_connection *c, const char *sql, eyot_error *e)
{
    eyot_buf text = EYOT__BUF_INIT;
    eyot_status r = write_text(c->store, sql, 1, &text);
    r = r ? no_memory(e) : eyot__my_text(c, eyot_buf_data(&text, NULL), e);
    eyot__buf_clear(&text);
    return r;
}

/* Few enough for a connection to keep a statement of each, enough for two of them to make any number of rows up to 64. */
static const size_t times[EYOT__MYSQL_LEVELS] = {
    1, 2, 3, 4, 5, 6, 7, 8, 16, 24, 32, 40, 48, 56, 64, 128, 256, 512, EYOT__MYSQL_MOST};

static eyot_status failed_statement(eyot__my_connection *c, MYSQL_STMT *st, eyot_error *e)
{
    eyot_status r = failed(c, mysql_stmt_errno(st), mysql_stmt_error(st), e);
    if (c->error == CR_OUT_OF_MEMORY) return no_memory(e);
    return r;
}

static eyot_status prepare(eyot__my_connection *c, MYSQL_STMT **out, eyot_error *e)
{
    int failure = 0;
    eyot_buf text = EYOT__BUF_INIT;
    MYSQL_STMT *st = mysql_stmt_init(c->db);
    if (!st || write_text(c->store, statements[c->sql].text, times[c->level], &text)) {
        if (st) mysql_stmt_close(st);
        eyot__buf_clear(&text);
        return no_memory(e);
    }
    CALL_WITH(c, failure, mysql_stmt_prepare, st, (const char *)text.data, (unsigned long)text.len);
    eyot__buf_clear(&text);
    eyot_status r = failure ? failed_statement(c, st, e) : EYOT_OK;
    if (!r && mysql_stmt_param_count(st) != c->n_args)
        r = failed(c, CR_MALFORMED_PACKET, "the server counts other values in a statement", e);
    if (!r && mysql_stmt_field_count(st) != strlen(statements[c->sql].shape))
        r = failed(c, CR_MALFORMED_PACKET, "the server counts other columns in a result", e);
    if (r)
        mysql_stmt_close(st);
    else
        *out = st;
    return r;
}

size_t eyot__my_rows_together(size_t n)
{
    size_t level = 0;
    while (level + 1 < EYOT__MYSQL_LEVELS && times[level + 1] <= n) level++;
    return times[level];
}

size_t eyot__my_begin(eyot__my_connection *c, eyot__my_sql sql, size_t n)
{
    c->sql = sql;
    c->n_args = 0;
    for (c->level = 0; times[c->level] < n; c->level++) {}
    return times[c->level];
}

static MYSQL_BIND *next_arg(eyot__my_connection *c)
{
    MYSQL_BIND *b = &c->library->args[c->n_args++];
    memset(b, 0, sizeof *b);
    return b;
}

void eyot__my_number(eyot__my_connection *c, uint64_t v)
{
    c->library->numbers[c->n_args] = v;
    void *at = &c->library->numbers[c->n_args];
    MYSQL_BIND *b = next_arg(c);
    b->buffer_type = MYSQL_TYPE_LONGLONG;
    b->buffer = at;
    b->is_unsigned = 1;
}

void eyot__my_signed(eyot__my_connection *c, int64_t v)
{
    eyot__my_number(c, (uint64_t)v);
    c->library->args[c->n_args - 1].is_unsigned = 0;
}

void eyot__my_bytes(eyot__my_connection *c, eyot_bytes bytes)
{
    unsigned long *length = &c->library->lengths[c->n_args];
    MYSQL_BIND *b = next_arg(c);
    *length = (unsigned long)bytes.n;
    b->buffer_type = MYSQL_TYPE_BLOB;
    b->buffer = (void *)(uintptr_t)(bytes.n ? bytes.p : "");
    b->buffer_length = *length;
    b->length = length;
}

static void bind_column(eyot__my_connection *c, size_t i, char shape)
{
    MYSQL_BIND *b = &c->library->results[i];
    eyot__my_column *column = &c->columns[i];
    memset(b, 0, sizeof *b);
    b->is_null = &c->library->nulls[i];
    b->length = &column->length;
    if (shape == 'n') {
        b->buffer_type = MYSQL_TYPE_LONGLONG;
        b->buffer = &column->number;
        b->is_unsigned = 1;
        return;
    }
    b->buffer_type = MYSQL_TYPE_BLOB;
    b->buffer = column->room;
    b->buffer_length = column->size;
}

/* Begins a result: binds room for its columns and takes all of it from the server. */
static eyot_status take_result(eyot__my_connection *c, MYSQL_STMT *st, const char *shape, eyot_error *e)
{
    int failure = 0;
    for (size_t i = 0; shape[i]; i++) {
        eyot__my_column *column = &c->columns[i];
        if (shape[i] == 'b' && !column->room) {
            column->room = malloc(512);
            if (!column->room) return no_memory(e);
            column->size = 512;
        }
        bind_column(c, i, shape[i]);
    }
    if (mysql_stmt_bind_result(st, c->library->results) != 0) return failed_statement(c, st, e);
    CALL(c, failure, mysql_stmt_store_result, st);
    if (failure) return failed_statement(c, st, e);
    c->result = st;
    return EYOT_OK;
}

eyot_status eyot__my_run(eyot__my_connection *c, eyot_error *e)
{
    int failure = 0;
    MYSQL_STMT **st = &c->st[c->sql][c->level];
    const char *shape = statements[c->sql].shape;
    no_trouble(c);
    eyot_status r = *st ? EYOT_OK : prepare(c, st, e);
    if (r) return r;
    if (c->n_args && mysql_stmt_bind_param(*st, c->library->args) != 0) return failed_statement(c, *st, e);
    CALL(c, failure, mysql_stmt_execute, *st);
    if (failure) return failed_statement(c, *st, e);
    c->matched = *shape ? 0 : (uint64_t)mysql_stmt_affected_rows(*st);
    return *shape ? take_result(c, *st, shape, e) : EYOT_OK;
}

/* A column whose bytes do not fit into its room gets more. */
static eyot_status fetch_rest(eyot__my_connection *c, unsigned i, eyot_error *e)
{
    eyot__my_column *column = &c->columns[i];
    unsigned char *room = realloc(column->room, column->length);
    if (!room) return no_memory(e);
    column->room = room;
    column->size = column->length;
    bind_column(c, i, 'b');
    if (mysql_stmt_fetch_column(c->result, &c->library->results[i], i, 0) != 0)
        return failed_statement(c, c->result, e);
    return EYOT_OK;
}

eyot_status eyot__my_fetch(eyot__my_connection *c, bool *more, eyot_error *e)
{
    const char *shape = statements[c->sql].shape;
    bool grown = false;
    int got = mysql_stmt_fetch(c->result);
    *more = got == 0 || got == MYSQL_DATA_TRUNCATED;
    if (got == MYSQL_NO_DATA) return EYOT_OK;
    if (!*more) return failed_statement(c, c->result, e);
    for (unsigned i = 0; shape[i]; i++) {
        eyot__my_column *column = &c->columns[i];
        column->null = c->library->nulls[i];
        if (column->null) {
            column->number = 0;
            column->bytes = eyot__bytes(NULL, 0);
        } else if (shape[i] == 'b') {
            if (column->length > column->size) {
                eyot_status r = fetch_rest(c, i, e);
                if (r) return r;
                grown = true;
            }
            column->bytes = eyot__bytes(column->room, column->length);
        }
    }
    if (grown && mysql_stmt_bind_result(c->result, c->library->results) != 0) return failed_statement(c, c->result, e);
    return EYOT_OK;
}

void eyot__my_end(eyot__my_connection *c)
{
    if (c->result) mysql_stmt_free_result(c->result);
    c->result = NULL;
    /* A large body must not stay for ever. */
    for (size_t i = 0; i < EYOT__MYSQL_COLUMNS; i++) {
        if (c->columns[i].size <= 1u << 20) continue;
        free(c->columns[i].room);
        c->columns[i].room = NULL;
        c->columns[i].size = 0;
    }
}

eyot_status eyot__my_one(eyot__my_connection *c, bool *found, eyot_error *e)
{
    *found = false;
    eyot_status r = eyot__my_run(c, e);
    if (!r) r = eyot__my_fetch(c, found, e);
    if (c->result) mysql_stmt_free_result(c->result);
    c->result = NULL;
    return r;
}
