/* SPDX-License-Identifier: MIT */
/* A relay of bytes between clients and a server, for tests of what happens when the network fails: it cuts, swallows, delays or
 * trickles. It has a thread of its own, a Unix socket in the test's directory, and a port of 127.0.0.1. Every
 * setting takes effect at once, for the connections there are and for those to come. test/net_proxy_support.c. */
#ifndef EYOT_TEST_NET_PROXY_H
#define EYOT_TEST_NET_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct net_proxy net_proxy;

typedef enum net_way { NET_TO_SERVER, NET_TO_CLIENT } net_way;

/* Before the server at a socket ("/path") or a port of 127.0.0.1 ("3306"). NULL: there is none; see net_proxy_say. The test
 * fails when it cannot. */
net_proxy *net_proxy_open(const char *server);
void net_proxy_close(net_proxy *p);
const char *net_proxy_socket(const net_proxy *p); /* the path of its socket; until it is closed */
uint16_t net_proxy_port(const net_proxy *p);

/* When so many more bytes have gone this way, the connection that they went over is closed at both ends; those after it are
 * let through. */
void net_proxy_cut_after(net_proxy *p, net_way way, uint64_t bytes);
/* Closes every connection there is. */
void net_proxy_cut_now(net_proxy *p);
/* When so many more bytes have gone this way, nothing goes either way any more, over any connection. */
void net_proxy_stop_after(net_proxy *p, net_way way, uint64_t bytes);
void net_proxy_delay(net_proxy *p, unsigned ms);         /* of whatever comes */
void net_proxy_trickle(net_proxy *p, unsigned every_ms); /* one byte at a time, each way; 0: no */
/* To whoever connects: these bytes, instead of a server; then nothing, or the end. */
void net_proxy_say(net_proxy *p, const void *bytes, size_t n, bool then_close);
/* Lets everything through again. */
void net_proxy_heal(net_proxy *p);
/* Bytes that have gone so far, of all connections, and how many have been accepted. */
uint64_t net_proxy_count(net_proxy *p, net_way way);
unsigned net_proxy_accepted(net_proxy *p);

#endif
