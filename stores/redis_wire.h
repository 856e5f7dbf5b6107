/* SPDX-License-Identifier: MIT */
/* One connection to a Redis server: bytes with a deadline. Sockets are eyot's own, never blocking and without SIGPIPE; what
 * comes back is read by hiredis. What differs between hiredis 0.14 and 1.x is in redis_wire.c. A connection belongs to one
 * thread at a time and is closed after its first error. */
#ifndef EYOT_STORES_REDIS_WIRE_H
#define EYOT_STORES_REDIS_WIRE_H

#include <eyot/eyot.h>

#include <hiredis/hiredis.h>

typedef struct eyot__wire_address {
    char host[256]; /* of a Unix socket its path */
    uint16_t port;  /* 0: a Unix socket */
} eyot__wire_address;

typedef struct eyot__wire_tls eyot__wire_tls;
/* What is needed for TLS: the system's certificate authorities, or those of `ca_file`. ENOTSUP: built without OpenSSL. */
eyot_status eyot__wire_tls_new(eyot__wire_tls **out, const char *ca_file, eyot_error *e);
void eyot__wire_tls_free(eyot__wire_tls *tls);

typedef struct eyot__wire eyot__wire;
struct eyot__wire {
    eyot__wire *next; /* of those that wait for use */
    unsigned node;
    int fd;
    redisReader *reader;
    void *session; /* of TLS */
    /* When the exchange has to be over, by eyot__now_ns; a byte that has been moved puts it off, so that large bodies get
     * through (1 MiB/s at least) and a trickle does not. */
    uint64_t deadline_ns;
};

/* EIO (also: not within the deadline), ENOMEM. A name is looked up by the system, which may take longer. */
eyot_status eyot__wire_open(eyot__wire **out, const eyot__wire_address *address, eyot__wire_tls *tls,
                            uint64_t deadline_ns, eyot_error *e);
void eyot__wire_close(eyot__wire *w);

/* Sends `n` bytes and reads `expect` replies; *got tells how many of them came. Replies are the caller's. */
eyot_status eyot__wire_exchange(eyot__wire *w, const void *bytes, size_t n, redisReply **replies, size_t expect,
                                size_t *got, eyot_error *e);
/* Takes the elements out of an array: they are the caller's then. */
void eyot__wire_take_elements(redisReply *array, redisReply **to);

#endif
