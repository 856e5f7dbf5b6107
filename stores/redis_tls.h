/* SPDX-License-Identifier: MIT */
/* TLS between memory and memory: the socket stays with redis_wire.c, so that nothing in here blocks or raises SIGPIPE.
 * Without OpenSSL none can be made. */
#ifndef EYOT_STORES_REDIS_TLS_H
#define EYOT_STORES_REDIS_TLS_H

#include "stores/redis_wire.h"

/* For one connection to a server that must prove to be `host`. Nothing is sent. ENOMEM, EIO. */
eyot_status eyot__tls_session_new(void **out, eyot__wire_tls *tls, const char *host, eyot_error *e);
void eyot__tls_session_free(void *session);
/* As far as it goes with what has come; *over when it is done. EIO: the server is not who it should be, or speaks no TLS. */
eyot_status eyot__tls_handshake(void *session, bool *over, eyot_error *e);
/* Takes bytes to send; eyot__tls_pending is then what goes over the wire, and eyot__tls_sent how much of it did. */
eyot_status eyot__tls_put(void *session, const char *p, size_t n, eyot_error *e);
void eyot__tls_pending(void *session, const char **p, size_t *n);
void eyot__tls_sent(void *session, size_t n);
/* Takes what came over the wire; eyot__tls_get then gives what it says, *n 0 when there is no more. */
eyot_status eyot__tls_feed(void *session, const char *p, size_t n, eyot_error *e);
eyot_status eyot__tls_get(void *session, char *p, size_t size, size_t *n, eyot_error *e);

#endif
