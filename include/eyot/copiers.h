/* SPDX-License-Identifier: MIT */
/* The bundled copiers and their value type: what a state is when you do not bring your own.
 *
 * A value is null, a boolean, a number, a string, bytes, an extension, an array or a map. Values never change: what
 * "changes" one takes a reference and gives another value, which shares everything that stayed the same. Only when
 * nobody else holds a value is it rebuilt in place, which nobody can see. So a reference is a copy, made in O(1).
 *
 * NULL goes through: every call here accepts NULL values, constructors and builders return NULL when there is no memory,
 * when a limit is passed, or when an argument does not fit (no UTF-8, not a map). A chain of them may be checked once,
 * at its end; nothing leaks:
 *     v = eyot_value_set(eyot_value_set(eyot_value_new_map(), "n", eyot_value_new_int(1)), "name", eyot_value_new_string("x"));
 *
 * Threads: any number of threads may read and hold one value. None of these calls blocks. */
#ifndef EYOT_COPIERS_H
#define EYOT_COPIERS_H

#include <eyot/copier.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eyot_value eyot_value;

/* Limits, on building as on reading: what was built can be written, what was written can be read. */
#define EYOT_VALUE_MAX_DEPTH 512        /* containers inside each other */
#define EYOT_VALUE_MAX_ITEMS 16777215   /* of one array or map */
#define EYOT_VALUE_MAX_BYTES 67108864   /* of one string, bytes or extension */
#define EYOT_JSON_MAX_BYTES 67108864    /* of one JSON text */
#define EYOT_MSGPACK_MAX_BYTES 67108864 /* of one value in msgpack */

typedef enum eyot_value_kind {
    EYOT_VALUE_NONE = 0, /* of NULL: no value at all */
    EYOT_VALUE_NULL,
    EYOT_VALUE_BOOL,
    EYOT_VALUE_INT,  /* any integer that fits int64_t */
    EYOT_VALUE_UINT, /* an integer beyond INT64_MAX */
    EYOT_VALUE_FLOAT32,
    EYOT_VALUE_DOUBLE,
    EYOT_VALUE_STRING, /* UTF-8, may hold NUL */
    EYOT_VALUE_BYTES,
    EYOT_VALUE_EXT, /* bytes with a type of -128 … 127 */
    EYOT_VALUE_ARRAY,
    EYOT_VALUE_MAP,    /* string keys in the order they were added */
    EYOT_VALUE_REMOVED /* in an update: remove this key */
} eyot_value_kind;

/* ---- owning ---------------------------------------------------------------------------------------------------- */

/* One more owner of `v`; the same value is returned, to be given to eyot_value_unref. Never fails. */
EYOT_API eyot_value *eyot_value_ref(const eyot_value *v);
/* One owner less; the last one frees the value. */
EYOT_API void eyot_value_unref(eyot_value *v);

/* ---- making ---------------------------------------------------------------------------------------------------- */
/* Each returns a value that the caller owns, or NULL: see the top. Bytes are copied. */

EYOT_API eyot_value *eyot_value_new_null(void);
EYOT_API eyot_value *eyot_value_new_bool(bool b);
EYOT_API eyot_value *eyot_value_new_int(int64_t i);
EYOT_API eyot_value *eyot_value_new_uint(uint64_t u); /* the kind is INT when it fits */
EYOT_API eyot_value *eyot_value_new_float32(float f);
EYOT_API eyot_value *eyot_value_new_double(double d); /* NaN and infinities are values, but have no JSON form */
EYOT_API eyot_value *eyot_value_new_string(const char *text);
EYOT_API eyot_value *eyot_value_new_string_len(const char *text, size_t len);
EYOT_API eyot_value *eyot_value_new_bytes(const void *bytes, size_t len);
EYOT_API eyot_value *eyot_value_new_ext(int8_t type, const void *bytes, size_t len);
EYOT_API eyot_value *eyot_value_new_array(void);
EYOT_API eyot_value *eyot_value_new_map(void);
EYOT_API eyot_value *eyot_value_new_removed(void);

/* The map with `key` set: in its place when the map has the key, else at the end. */
EYOT_API eyot_value *eyot_value_set(eyot_value *map_take, const char *key, eyot_value *value_take);
EYOT_API eyot_value *eyot_value_set_len(eyot_value *map_take, const char *key, size_t key_len, eyot_value *value_take);
/* The map without `key`; the same map when it has none. */
EYOT_API eyot_value *eyot_value_remove(eyot_value *map_take, const char *key);
EYOT_API eyot_value *eyot_value_remove_len(eyot_value *map_take, const char *key, size_t key_len);
/* The array with one more item at its end; with item `i`, which it must have, replaced; without item `i`. */
EYOT_API eyot_value *eyot_value_append(eyot_value *array_take, eyot_value *value_take);
EYOT_API eyot_value *eyot_value_set_item(eyot_value *array_take, size_t i, eyot_value *value_take);
EYOT_API eyot_value *eyot_value_remove_item(eyot_value *array_take, size_t i);

/* ---- reading --------------------------------------------------------------------------------------------------- */
/* What is returned here is borrowed: it lives as long as the value it was read from. */

EYOT_API eyot_value_kind eyot_value_kind_of(const eyot_value *v);
EYOT_API const char *eyot_value_kind_name(eyot_value_kind kind); /* "string"; a constant */

/* The value of a key; NULL when `v` is no map or has no such key. */
EYOT_API const eyot_value *eyot_value_at(const eyot_value *v, const char *key);
EYOT_API const eyot_value *eyot_value_at_len(const eyot_value *v, const char *key, size_t key_len);
/* Item i; NULL when `v` is no array or shorter. */
EYOT_API const eyot_value *eyot_value_item(const eyot_value *v, size_t i);
/* The value a JSON pointer (RFC 6901) leads to: "" is v itself, "/a/0/b~1c" the key b/c of item 0 of key a. NULL when
 * there is none or the pointer is malformed. */
EYOT_API const eyot_value *eyot_value_pointer(const eyot_value *v, const char *pointer);
/* Items of an array, keys of a map, bytes of a string, bytes or ext; 0 of anything else. */
EYOT_API size_t eyot_value_count(const eyot_value *v);

/* The value as a C type; `otherwise` when it is none. Numbers convert between kinds only when nothing is lost, except
 * that eyot_value_double takes the nearest double of any number. */
EYOT_API bool eyot_value_bool(const eyot_value *v, bool otherwise);
EYOT_API int64_t eyot_value_int(const eyot_value *v, int64_t otherwise);
EYOT_API uint64_t eyot_value_uint(const eyot_value *v, uint64_t otherwise);
EYOT_API double eyot_value_double(const eyot_value *v, double otherwise);
/* NUL-terminated; a string that holds NUL bytes seems to end at the first, eyot_value_string_len tells its length. */
EYOT_API const char *eyot_value_string(const eyot_value *v, const char *otherwise);
/* NULL and *len 0 when `v` is not of the kind. `len` and `type` may be NULL. */
EYOT_API const char *eyot_value_string_len(const eyot_value *v, size_t *len);
EYOT_API const void *eyot_value_bytes(const eyot_value *v, size_t *len);
EYOT_API const void *eyot_value_ext(const eyot_value *v, int8_t *type, size_t *len);

/* Goes over an array or a map, in order; over anything else it ends at once:
 *     eyot_value_iter it = eyot_value_each(v);
 *     while (eyot_value_next(&it)) use(it.key, it.value);
 * Plain data: needs no cleanup. `v` must live as long. */
typedef struct eyot_value_iter {
    const char *key; /* NULL in an array */
    size_t key_len;
    size_t index; /* from 0 */
    const eyot_value *value;
    const void *place[3]; /* ours */
    uint64_t next;        /* ours */
} eyot_value_iter;
EYOT_API eyot_value_iter eyot_value_each(const eyot_value *v);
EYOT_API bool eyot_value_next(eyot_value_iter *it);

/* True when both have the same kind and content, in the same order, that is, the same bytes when written: 1 and 1.0
 * differ, and so do 0.0 and -0.0; a NaN equals a NaN of the same bits. NULL equals only NULL. */
EYOT_API bool eyot_value_equal(const eyot_value *a, const eyot_value *b);
/* Equal values have equal hashes, in every process. Not for keeping: may differ between versions of the library. */
EYOT_API uint64_t eyot_value_hash(const eyot_value *v);
/* Bytes of memory that `v` holds, about; what it holds twice counts twice. Goes over all of it. */
EYOT_API size_t eyot_value_measure(const eyot_value *v);

/* The operations that lead from one value to the other, in the order in which they are to be done: an array of RFC 6902's maps
 * {"op":"add","path":POINTER,"value":V}, {"op":"remove","path":POINTER}, {"op":"replace","path":POINTER,"value":V}, pointers as in
 * RFC 6901. The caller owns it. It is empty exactly when eyot_value_equal says that they are equal.
 * Maps are compared key by key, arrays item by item; of arrays of different length first what both begin and end with is left
 * out. The path of a removed or replaced value leads to it in `from` as well, that of a new one in `to`. Keys of two maps that stand in
 * another order are one operation, which replaces the map, if nothing else in these maps differs; otherwise their order is left
 * alone, so that what comes of the operations is `to` but for the order of keys in maps that they have changed.
 * What both share is passed over at once; the rest takes time as its size, times its depth where the lengths of arrays in arrays
 * differ. NULL: one of them is NULL, no memory, a limit is passed (a new value deeper than EYOT_VALUE_MAX_DEPTH - 2). */
EYOT_API eyot_value *eyot_value_diff(const eyot_value *from, const eyot_value *to);

/* ---- JSON ------------------------------------------------------------------------------------------------------ */
/* RFC 8259, strictly, in UTF-8. Integers that fit int64_t or uint64_t stay exact, every other number is the nearest
 * double; one that would be infinite is refused, and so are NaN and duplicate keys. Written: no spaces, the shortest
 * digits that read back as the same double, always with a point or an exponent. Equal values give equal texts.
 * What JSON lacks is a map of one key, so that every value comes back as it was:
 *     {"$bytes":"AQID"} in base64 · {"$ext":"-1:AQID"} · {"$float32":1.5} · {"$removed":true}
 * A user's own map of one such key is written with one more $ and read back with one less. A map that only looks similar
 * ({"$bytes":5}) is an ordinary map. */

/* Reads one JSON text; the caller owns the value. NULL: EPARSE ("line 1, column 5: …"), ELIMIT, ENOMEM, EINVAL (text is
 * NULL), in `e`. */
EYOT_API eyot_value *eyot_json_parse(const char *text, eyot_error *e);
EYOT_API eyot_value *eyot_json_parse_len(const char *text, size_t len, eyot_error *e);
/* Writes `v` as NUL-terminated text, freed by eyot_free. NULL: ENOMEM, ELIMIT, EINVAL (v is NULL, holds a NaN or an
 * infinity), in `e`. */
EYOT_API char *eyot_json_print(const eyot_value *v, eyot_error *e);

/* ---- msgpack --------------------------------------------------------------------------------------------------- */
/* https://github.com/msgpack/msgpack/blob/master/spec.md, all of it but maps whose keys are not strings. Every kind of
 * value has a form of its own, NaN and infinities too; a timestamp is an ext of type -1. A string that is no UTF-8, a key
 * that is no string or comes twice are refused. Read are all forms of a number or a length, written the shortest: equal
 * values give equal bytes.
 * The removal of a key, which msgpack lacks, is the ext of type 36 that holds the 8 bytes "$removed". A user's own ext of
 * that type that holds one $ or more and then "removed" is written with one more $ and read back with one less. */

/* Reads one value, which must be all of the bytes; the caller owns it. NULL: EPARSE ("offset 5: …"), ELIMIT, ENOMEM, EINVAL
 * (`bytes` is NULL), in `e`. It takes memory in proportion to `len`, whatever the bytes claim. */
EYOT_API eyot_value *eyot_msgpack_parse(const void *bytes, size_t len, eyot_error *e);
/* Writes `v` as *len bytes, freed by eyot_free. NULL and *len 0: ENOMEM, ELIMIT, EINVAL (v is NULL), in `e`. */
EYOT_API void *eyot_msgpack_print(const eyot_value *v, size_t *len, eyot_error *e);

/* ---- copiers --------------------------------------------------------------------------------------------------- */
/* States are values, kept as JSON or as msgpack. State and update are maps; eyot_graph_reduce says how each key of an update
 * comes into the state, EYOT_REPLACE by default; a key whose value is EYOT_VALUE_REMOVED is removed. What they print is JSON,
 * in which a NaN is shown as {"$double":"NaN"}. Constants. */
EYOT_API const eyot_copier *eyot_json(void);    /* readable anywhere; has no NaN and no infinity */
EYOT_API const eyot_copier *eyot_msgpack(void); /* shorter and quicker, above all with numbers and bytes */

/* States are plain bytes, an eyot_blob; an update takes their place, and two branches that both gave one conflict.
 * A constant. */
EYOT_API const eyot_copier *eyot_bytes_copier(void);

typedef struct eyot_blob eyot_blob;
/* A blob with a copy of `bytes` (NULL only with len 0), to be handed to a run or a task. NULL: no memory. */
EYOT_API eyot_blob *eyot_blob_new(const void *bytes, size_t len);
/* Its bytes, borrowed as long as the blob lives; *len (may be NULL) their number. Of NULL: NULL and 0. */
EYOT_API const void *eyot_blob_data(const eyot_blob *blob, size_t *len);
EYOT_API void eyot_blob_free(eyot_blob *blob);

/* ---- tasks of a graph with eyot_json() or eyot_msgpack() ------------------------------------------------------- */
/* Each adds one key to the task's update, after what it has already. On failure the update stays as it was.
 * EINVAL (`key` or the value is NULL or no UTF-8, the update is no map), ELIMIT, ENOMEM. Belong to the task's thread. */
EYOT_API eyot_status eyot_task_set_bool(eyot_task *task, const char *key, bool b);
EYOT_API eyot_status eyot_task_set_int(eyot_task *task, const char *key, int64_t i);
EYOT_API eyot_status eyot_task_set_uint(eyot_task *task, const char *key, uint64_t u);
EYOT_API eyot_status eyot_task_set_double(eyot_task *task, const char *key, double d);
EYOT_API eyot_status eyot_task_set_string(eyot_task *task, const char *key, const char *text);
EYOT_API eyot_status eyot_task_set_value(eyot_task *task, const char *key, eyot_value *value_take);
/* Makes the update remove the key from the state. */
EYOT_API eyot_status eyot_task_remove(eyot_task *task, const char *key);

#ifdef __cplusplus
}
#endif
#endif
