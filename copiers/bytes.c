/* SPDX-License-Identifier: MIT */
/* A copier in its simplest form: states are byte strings, copied whole. Read this first when you write your own. */
#include <stdlib.h>
#include <string.h>

#include <eyot/copiers.h>

struct eyot_blob {
    size_t len;
    unsigned char data[];
};

eyot_blob *eyot_blob_new(const void *bytes, size_t len)
{
    eyot_blob *b = NULL;
    if ((bytes || !len) && len <= SIZE_MAX - sizeof *b) b = malloc(sizeof *b + len);
    if (!b) return NULL;
    b->len = len;
    if (len) memcpy(b->data, bytes, len);
    return b;
}

const void *eyot_blob_data(const eyot_blob *blob, size_t *len)
{
    if (len) *len = blob ? blob->len : 0;
    return blob ? blob->data : NULL;
}

void eyot_blob_free(eyot_blob *blob)
{
    free(blob);
}

/* ---- the slots every copier has -------------------------------------------------------------------------------- */

static eyot_status blob_copy(const void *v, void **out, void *user)
{
    const eyot_blob *b = v;
    (void)user;
    *out = eyot_blob_new(b->data, b->len);
    return *out ? EYOT_OK : EYOT_ENOMEM;
}

static void blob_free(void *v, void *user)
{
    (void)user;
    free(v);
}

static eyot_status blob_encode(const void *v, eyot_buf *out, void *user)
{
    const eyot_blob *b = v;
    (void)user;
    return eyot_buf_add(out, b->data, b->len);
}

/* Any bytes are a blob. A type with structure checks here, with ECORRUPT and a sentence in `e`: anyone may have changed
 * what comes from a store. */
static eyot_status blob_decode(const void *bytes, size_t len, void **out, eyot_error *e, void *user)
{
    (void)user;
    *out = eyot_blob_new(bytes, len);
    return *out ? EYOT_OK : eyot_error_set(e, EYOT_ENOMEM, "out of memory");
}

/* The update takes the state's place. The old state goes only when nothing can fail any more. */
static eyot_status blob_apply(void **state, const void *update, eyot_error *e, void *user)
{
    void *next;
    if (blob_copy(update, &next, user)) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    free(*state);
    *state = next;
    return EYOT_OK;
}

/* ---- the slots that a copier may leave out --------------------------------------------------------------------- */

static size_t blob_measure(const void *v, void *user)
{
    const eyot_blob *b = v;
    (void)user;
    return sizeof *b + b->len;
}

static bool blob_equal(const void *x, const void *y, void *user)
{
    const eyot_blob *a = x, *b = y;
    (void)user;
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* FNV-1a (Fowler, Noll, Vo, 1991). */
static uint64_t blob_hash(const void *v, void *user)
{
    const eyot_blob *b = v;
    uint64_t h = 0xcbf29ce484222325u;
    (void)user;
    for (size_t i = 0; i < b->len; i++) h = (h ^ b->data[i]) * 0x100000001b3u;
    return h;
}

/* An update writes the one place there is. */
static eyot_status blob_conflict(const void *update, eyot_written_fn emit, void *arg, void *user)
{
    (void)update;
    (void)user;
    return emit(arg, "", 0, false);
}

const eyot_copier *eyot_bytes_copier(void)
{
    static const eyot_copier bytes = {
        .size = sizeof(eyot_copier),
        .name = "bytes/1",
        .copy = blob_copy,
        .free = blob_free,
        .encode = blob_encode,
        .decode = blob_decode,
        .apply = blob_apply,
        .measure = blob_measure,
        .equal = blob_equal,
        .hash = blob_hash,
        .conflict = blob_conflict,
    };
    return &bytes;
}
