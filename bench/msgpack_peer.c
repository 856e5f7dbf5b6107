/* SPDX-License-Identifier: MIT */
#include "bench/msgpack_peer.h"

#if defined(HAVE_MSGPACK)
#include <stdlib.h>
#include <string.h>

static void put_string(msgpack_packer *to, const char *text, size_t len)
{
    msgpack_pack_str(to, len);
    msgpack_pack_str_body(to, text, len);
}

static void put_leaf(msgpack_packer *to, const eyot_value *v)
{
    size_t len;
    const char *text;
    switch (eyot_value_kind_of(v)) {
    case EYOT_VALUE_NULL: msgpack_pack_nil(to); break;
    case EYOT_VALUE_BOOL: eyot_value_bool(v, false) ? msgpack_pack_true(to) : msgpack_pack_false(to); break;
    case EYOT_VALUE_INT: msgpack_pack_int64(to, eyot_value_int(v, 0)); break;
    case EYOT_VALUE_DOUBLE: msgpack_pack_double(to, eyot_value_double(v, 0)); break;
    case EYOT_VALUE_STRING:
        text = eyot_value_string_len(v, &len);
        put_string(to, text, len);
        break;
    default: abort(); /* no document of ours holds it */
    }
}

/* Our own documents are 4 deep: recursion will do. */
static void put(msgpack_packer *to, const eyot_value *v)
{
    eyot_value_kind kind = eyot_value_kind_of(v);
    if (kind != EYOT_VALUE_MAP && kind != EYOT_VALUE_ARRAY) {
        put_leaf(to, v);
        return;
    }
    if (kind == EYOT_VALUE_MAP) msgpack_pack_map(to, eyot_value_count(v));
    if (kind == EYOT_VALUE_ARRAY) msgpack_pack_array(to, eyot_value_count(v));
    for (eyot_value_iter it = eyot_value_each(v); eyot_value_next(&it);) {
        if (kind == EYOT_VALUE_MAP) put_string(to, it.key, it.key_len);
        put(to, it.value);
    }
}

msgpack_object msgpack_peer_unpack(const char *bytes, size_t len, msgpack_zone *zone)
{
    msgpack_object tree;
    size_t at = 0;
    if (msgpack_unpack(bytes, len, &at, zone, &tree) != MSGPACK_UNPACK_SUCCESS || at != len) abort();
    return tree;
}

void msgpack_peer_init(msgpack_peer *p, const eyot_value *document)
{
    msgpack_packer to;
    msgpack_sbuffer_init(&p->bytes);
    msgpack_packer_init(&to, &p->bytes, msgpack_sbuffer_write);
    put(&to, document);
    if (!msgpack_zone_init(&p->zone, MSGPACK_ZONE_CHUNK_SIZE)) abort();
    p->tree = msgpack_peer_unpack(p->bytes.data, p->bytes.size, &p->zone);
}

void msgpack_peer_clear(msgpack_peer *p)
{
    msgpack_zone_destroy(&p->zone);
    msgpack_sbuffer_destroy(&p->bytes);
}
#endif
