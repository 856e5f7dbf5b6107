/* SPDX-License-Identifier: MIT */
/* URLs of stores, and what the bundled backends share. */
#ifndef EYOT_STORES_URL_H
#define EYOT_STORES_URL_H

#include <eyot/stores.h>

#define EYOT__URL_PARAMS 16

typedef struct eyot__url_param {
    const char *name, *value; /* decoded; borrowed from the URL's text */
    bool known;               /* somebody asked for it */
} eyot__url_param;

/* scheme:[//authority]path[?name=value[&…]]. Path, names and values are percent-decoded. A text without a scheme is a
 * path as it stands. */
typedef struct eyot__url {
    char scheme[17];       /* lower case; empty: a plain path */
    const char *authority; /* not decoded; NULL: none */
    const char *path;
    eyot__url_param params[EYOT__URL_PARAMS];
    size_t n_params;
    char *text; /* what the pointers point into */
} eyot__url;

/* EINVAL: not well-formed, a parameter twice or too many of them; ENOMEM. Error texts show no secrets. */
eyot_status eyot__url_parse(eyot__url *out, const char *url, eyot_error *e);
void eyot__url_clear(eyot__url *url);

/* The value of a parameter, NULL when it is not given; it counts as known from then on. Borrowed until clear. */
const char *eyot__url_param_text(eyot__url *url, const char *name);
/* A parameter as a number; *value is left alone when it is not given. EINVAL: no number, or not in low … high. */
eyot_status eyot__url_param_number(eyot__url *url, const char *name, uint64_t low, uint64_t high, uint64_t *value,
                                   eyot_error *e);
/* EINVAL naming a parameter that nobody has asked for. */
eyot_status eyot__url_check_params(const eyot__url *url, eyot_error *e);

/* Who and where a server is. */
typedef struct eyot__url_server {
    const char *user, *password; /* decoded; NULL: none. Borrowed from the URL, or below */
    const char *host;            /* decoded, an IPv6 address without its brackets; "": none */
    uint16_t port;               /* 0: none */
    char from_file[1024];        /* the password of password_file= */
} eyot__url_server;
/* Reads [user[:password]@][host][:port], once per URL, and the file that the parameter password_file names. EINVAL, EIO. */
eyot_status eyot__url_server_of(eyot__url_server *out, eyot__url *url, eyot_error *e);

/* The URL for people: a password in the authority and the values of secret parameters become "***". Cut to size. */
void eyot__url_redact(const char *url, char *out, size_t size);

/* Openers of the bundled backends; each asks for its parameters and checks that there are no others. */
typedef eyot_status (*eyot__open_fn)(eyot_store **out, eyot__url *url, uint32_t flags, eyot_error *e);
eyot_status eyot__memory_open(eyot_store **out, eyot__url *url, uint32_t flags, eyot_error *e);
eyot_status eyot__sqlite_open(eyot_store **out, eyot__url *url, uint32_t flags, eyot_error *e);

/* Cursors: a number in decimal, ':' and an id (maybe empty). false: malformed. The id is borrowed from the cursor. */
bool eyot__cursor_parse(eyot_bytes cursor, int64_t *number, eyot_bytes *id);
eyot_status eyot__cursor_print(eyot_buf *out, int64_t number, eyot_bytes id);

#endif
