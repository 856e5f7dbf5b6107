/* SPDX-License-Identifier: MIT */
/* A store before another one, for tests of what happens when a store fails, is slow or refuses; test/proxy_support.c. */
#ifndef EYOT_TEST_PROXY_H
#define EYOT_TEST_PROXY_H

#include <eyot/store.h>

typedef struct proxy proxy;
struct proxy {
    /* All may be NULL or 0: then the store behind is asked. Set before the store is used, or while nobody uses it. */
    eyot_status (*commit)(proxy *p, eyot_commit *commits, size_t n, eyot_error *e); /* instead of its commit */
    void (*before_load)(proxy *p);
    uint64_t max_body;

    eyot_store *behind;
    const eyot_store_ops *ops;
    void *self;
};

/* Opens `url` behind a proxy, which is the caller's; closing the store closes both. The test fails when it cannot. */
eyot_store *proxy_open(proxy *p, const char *url);
/* What the store behind would have done. */
eyot_status proxy_commit(proxy *p, eyot_commit *commits, size_t n, eyot_error *e);
/* One of the commits has an entry of the task with this key. */
bool proxy_has(const eyot_commit *commits, size_t n, const char *key);

#endif
