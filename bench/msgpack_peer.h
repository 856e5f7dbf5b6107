/* SPDX-License-Identifier: MIT */
/* msgpack-c as a yardstick: the same documents, packed. Only where HAVE_MSGPACK is defined. */
#ifndef EYOT_BENCH_MSGPACK_PEER_H
#define EYOT_BENCH_MSGPACK_PEER_H

#include <eyot/copiers.h>

#if defined(HAVE_MSGPACK)
#include <msgpack.h>

/* A document as msgpack-c holds it. The strings of `tree` are those in `bytes`: msgpack-c does not copy them. */
typedef struct msgpack_peer {
    msgpack_sbuffer bytes;
    msgpack_zone zone; /* holds the tree */
    msgpack_object tree;
} msgpack_peer;

void msgpack_peer_init(msgpack_peer *p, const eyot_value *document); /* ends the program if that fails */
void msgpack_peer_clear(msgpack_peer *p);

/* The tree of these bytes, which must outlive it, in a zone that is ready. */
msgpack_object msgpack_peer_unpack(const char *bytes, size_t len, msgpack_zone *zone);
#endif
#endif
