/* SPDX-License-Identifier: MIT */
/* The bundled stores, chosen by URL. */
#ifndef EYOT_STORES_H
#define EYOT_STORES_H

#include <eyot/store.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum eyot_open_flag {
    EYOT_OPEN_EXISTING = 1 /* never creates a file or schema: ENOTFOUND instead */
} eyot_open_flag;

/* Opens a store: "memory:", "run.db" or "sqlite:run.db?sync=normal" (docs/stores.md lists every setting). A plain path is
 * SQLite. An unknown scheme or parameter is EINVAL, a backend this build lacks ENOTSUP, both naming it, and so is a store
 * that promises less than min_class or lies on a network file system; what is there but is no store, or of a newer
 * format, ECORRUPT or EFORMAT; ENOTFOUND with EYOT_OPEN_EXISTING; EIO; ENOMEM. Passwords never appear in an error. May block. */
EYOT_API eyot_status eyot_store_open(eyot_store **out, const char *url, eyot_error *e);
EYOT_API eyot_status eyot_store_open_with(eyot_store **out, const char *url, uint32_t flags, eyot_error *e);

/* Opens the store for a URL whose scheme was registered. `flags` as above. Called with no lock held. */
typedef eyot_status (*eyot_store_open_fn)(eyot_store **out, const char *url, uint32_t flags, eyot_error *e);
/* Makes eyot_store_open know a scheme ([a-z][a-z0-9+.-]{0,15}) for the whole process. EEXIST: it knows it already.
 * EINVAL, ENOMEM. Any thread. */
EYOT_API eyot_status eyot_store_register(const char *scheme, eyot_store_open_fn open, eyot_error *e);

#ifdef __cplusplus
}
#endif
#endif
