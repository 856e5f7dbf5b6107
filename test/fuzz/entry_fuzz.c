/* SPDX-License-Identifier: MIT */
/* Any bytes as the payload of an entry: refused with a one-line text, or read; what was read is written as a payload that says the
 * same, byte for byte so when it is written again. The first three bytes choose graph, kind and version. */
#include "core/key.h"
#include "test/fuzz/entries.h"

enum { SEQ = 7 };

/* What costs most is a version of a snapshot: two bytes, and in memory itself, its state and its changes. The states of many
 * versions may all have one large update: those of `n` branches that went apart take what they took in the run. */
static unsigned factor_of(eyot_entry_kind kind, size_t size)
{
    return 128 + (kind == EYOT_ENTRY_SNAPSHOT ? (unsigned)(size / 4) : 0);
}

static const eyot_graph *graph;

static eyot_bytes run_id(void)
{
    return (eyot_bytes){graph->name, strlen(graph->name)};
}

static void check_error(eyot_status status, const eyot_error *e)
{
    DEMAND(status == e->status && e->text[0] && !strchr(e->text, '\n'));
    DEMAND(status != EYOT_ENOMEM && status != EYOT_EINVAL && status != EYOT_EFORMAT);
}

/* A task by itself: the same bytes again, and a key that can be printed. */
static void check_who(const uint8_t *data, size_t size)
{
    eyot_error e = {.status = EYOT_OK};
    eyot__reader in = {data, data + size, false};
    eyot_buf again = EYOT__BUF_INIT, key = EYOT__BUF_INIT;
    eyot__who who;
    eyot_status status = eyot__who_decode(&who, &in, graph, &e);
    if (status) {
        check_error(status, &e);
        return;
    }
    eyot__who_encode(&again, graph, &who);
    DEMAND(!again.failed && again.len == (size_t)(in.p - data) && memcmp(again.data, data, again.len) == 0);
    eyot__key_print(&key, graph, &who);
    DEMAND(!key.failed && key.len > 0 && key.len <= EYOT__KEY_MAX);
    for (size_t i = 0; i < key.len; i++) DEMAND(key.data[i] > 0x20 && key.data[i] < 0x7f);
    DEMAND(eyot__who_compare(&who, &who) == 0);
    eyot__buf_clear(&again);
    eyot__buf_clear(&key);
    eyot__who_clear(&who);
}

static bool write_again(eyot_buf *out, eyot_entry_kind kind, eyot_bytes record)
{
    eyot_error e = {.status = EYOT_OK};
    eyot_entry entry = {.seq = SEQ, .kind = kind, .body = record};
    fuzz_memory_begin();
    eyot_status status = golden_write_again(out, graph, run_id(), &entry, 0, &e);
    fuzz_memory_end(record.n, factor_of(kind, record.n));
    if (status) check_error(status, &e);
    return !status;
}

static eyot_buf text_of(eyot_entry_kind kind, eyot_bytes record)
{
    eyot_error e = {.status = EYOT_OK};
    eyot_entry entry = {.seq = SEQ, .kind = kind, .body = record};
    eyot_buf text = EYOT__BUF_INIT;
    DEMAND(golden_describe(&text, graph, run_id(), &entry, &e) == EYOT_OK);
    return text;
}

static bool has_nul(eyot_bytes b)
{
    return b.n && memchr(b.p, 0, b.n);
}

/* There is one form of everything but what copiers write, lists of a snapshot, the text of an error, which has an end, and
 * what belongs to an error that there is none of. */
static bool has_one_form(eyot_entry_kind kind, eyot_bytes record)
{
    if (kind == EYOT_ENTRY_TASK && graph->copier == eyot_bytes_copier()) return true;
    if (kind == EYOT_ENTRY_TASK || kind == EYOT_ENTRY_SNAPSHOT || kind == EYOT_ENTRY_STATUS) return false;
    return !has_nul((eyot_bytes){(const char *)record.p + 13, record.n - 13});
}

static void check_record(eyot_entry_kind kind, uint8_t version, eyot_bytes record)
{
    eyot_buf once = EYOT__BUF_INIT, twice = EYOT__BUF_INIT;
    if (write_again(&once, kind, record)) {
        eyot_bytes first = {once.data, once.len};
        DEMAND(write_again(&twice, kind, first));
        DEMAND(twice.len == once.len && memcmp(once.data, twice.data, once.len) == 0);
        if (version == EYOT__RECORD_VERSION) {
            eyot_buf before = text_of(kind, record), after = text_of(kind, first);
            if (kind != EYOT_ENTRY_SNAPSHOT)
                DEMAND(before.len == after.len && memcmp(before.data, after.data, before.len) == 0);
            if (has_one_form(kind, record)) DEMAND(record.n == once.len && memcmp(record.p, once.data, once.len) == 0);
            eyot__buf_clear(&before);
            eyot__buf_clear(&after);
        }
    }
    eyot__buf_clear(&once);
    eyot__buf_clear(&twice);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    eyot_buf record = EYOT__BUF_INIT;
    if (size < 3 || size > 1 << 20) return;
    graph = entries_graph(data[0]);
    check_who(data + 3, size - 3);
    eyot_entry_kind kind = entries_kind(data[1]);
    uint8_t version = entries_version(data[2]);
    entries_put(&record, graph, kind, version, SEQ, data + 3, size - 3);
    uint8_t *copy = fuzz_copy(record.data, record.len);
    check_record(kind, version, (eyot_bytes){copy, record.len});
    free(copy);
    eyot__buf_clear(&record);
}
