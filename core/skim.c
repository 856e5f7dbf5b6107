/* SPDX-License-Identifier: MIT */
#include "core/skim.h"

static void skip_varints(eyot__reader *in)
{
    for (size_t n = eyot__read_count(in, 1); n > 0 && !in->failed; n--) (void)eyot__read_varint(in);
}

static void skip_who(eyot__reader *in)
{
    size_t len;
    (void)eyot__read_bytes(in, &len);
    skip_varints(in);
    for (size_t parts = eyot__read_count(in, 2); parts > 0 && !in->failed; parts--) {
        (void)eyot__read_varint(in);
        skip_varints(in);
    }
}

static void skip_value(eyot__reader *in)
{
    uint32_t len = eyot__read_u32(in);
    in->failed |= len > (size_t)(in->end - in->p);
    if (!in->failed) in->p += len;
}

static void skip_route(eyot__reader *in)
{
    size_t len;
    for (size_t edges = eyot__read_count(in, 2); edges > 0 && !in->failed; edges--) {
        (void)eyot__read_bytes(in, &len);
        for (size_t items = eyot__read_count(in, 4); items > 0 && !in->failed; items--) skip_value(in);
    }
}

static int64_t read_end(eyot__reader *in)
{
    uint64_t started_ms = eyot__read_varint(in), took_ms = eyot__read_varint(in) / 1000;
    in->failed |= started_ms > INT64_MAX || took_ms > INT64_MAX - started_ms;
    return in->failed || started_ms == 0 ? 0 : (int64_t)(started_ms + took_ms);
}

bool eyot__record_skim(eyot__skim *out, const eyot__record *record)
{
    eyot__reader in = record->payload;
    *out = (eyot__skim){.attempt = 0};
    if (record->kind != EYOT_ENTRY_TASK && record->kind != EYOT_ENTRY_ATTEMPT) return false;
    skip_who(&in);
    out->attempt = eyot__read_varint(&in);
    if (record->kind == EYOT_ENTRY_TASK && record->version >= 2) {
        if (eyot__read_u8(&in)) skip_value(&in);
        skip_route(&in);
        out->ended_ms = read_end(&in);
    }
    return !in.failed;
}
