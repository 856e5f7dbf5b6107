/* SPDX-License-Identifier: MIT */
/* Backends of servers are modules, so that libeyot links to none of their clients: NAME.so exports `eyot_store_module`.
 * A module has copies of its own of what it needs of the library (buffers, errors, URLs, hashes); with the library that
 * loads it it shares the structs of <eyot/store.h> and this one, therefore its version must be the same. */
#ifndef EYOT_STORES_MODULE_H
#define EYOT_STORES_MODULE_H

#include "stores/url.h"

typedef struct eyot__store_module {
    size_t size;         /* sizeof(eyot__store_module) */
    uint32_t abi;        /* EYOT_STORE_ABI */
    const char *version; /* EYOT_VERSION */
    /* Opens the store of a URL: checks all of its parameters. *ops is a constant; *self is closed by its `close`. `flags` as of
     * eyot_store_open_with. May block. */
    eyot_status (*open)(const eyot_store_ops **ops, void **self, eyot__url *url, uint32_t flags, eyot_error *e);
} eyot__store_module;

/* Loads a module, once per process. ENOTSUP: there is none (`package` is what to install), or it does not fit. */
eyot_status eyot__module_load(const eyot__store_module **out, const char *name, const char *package, eyot_error *e);

/* Where modules are looked for, in place of what is found out: for tests linked with the static library. */
extern const char *eyot__module_dir;

#endif
