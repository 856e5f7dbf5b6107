/* SPDX-License-Identifier: MIT */
/* What tools do with stored runs from outside: cancel, delete, notes. */
#include <stdio.h>
#include <string.h>

#include "core/hash.h"
#include "core/random.h"
#include "core/record.h"
#include "core/run.h"
#include "core/transfer.h"

enum {
    LEASE_MS = 10000, /* of the claim under which a run is cancelled */
    TRIES = 100       /* against others who write at the same moment; each failure means that one of them got on */
};

typedef struct seen_row {
    uint64_t epoch, head, steps;
    eyot_run_status status;
    bool held, gone; /* by somebody; who is gone */
    bool imports;    /* half a run */
} seen_row;

static eyot_status see_row(void *arg, const eyot_run_row *row)
{
    seen_row *r = arg;
    *r = (seen_row){row->epoch, row->head, row->steps, (eyot_run_status)row->status, false, false, false};
    r->imports = eyot_owner_imports(row->owner);
    r->held = row->owner.n > 0 && row->due_ms > row->now_ms;
    r->gone = r->held && eyot_owner_is_gone(row->owner);
    return EYOT_OK;
}

static eyot_status find_run(eyot_store *store, const char *run_id, seen_row *row, eyot_error *e)
{
    *row = (seen_row){0};
    if (!store || !run_id) return eyot_error_set(e, EYOT_EINVAL, "a store and a run id are needed");
    return eyot__store_get_run(store, eyot__bytes(run_id, strlen(run_id)), see_row, row, e);
}

/* ---- cancelling ---------------------------------------------------------------------------------------------------- */

typedef struct codec_of {
    eyot_bytes run;
    bool seen;
    char name[33];
    eyot_error e;
} codec_of;

static eyot_status see_codec(void *arg, const eyot_entry *entry)
{
    codec_of *c = arg;
    eyot__record record;
    eyot_status status = eyot__record_open(&record, entry->body, c->run, entry->seq, &c->e);
    if (!status) memcpy(c->name, record.codec.p, record.codec.n);
    c->seen = true;
    return status;
}

/* Every entry of a run bears the codec's name, so the newest one tells it. */
static eyot_status find_codec(eyot_store *store, eyot_bytes run, uint64_t head, codec_of *c, eyot_error *e)
{
    *c = (codec_of){.run = run};
    eyot_error own;
    eyot__error_none(&own);
    eyot_status status = eyot__store_list_entries(store, run, head, 1, true, see_codec, c, &own);
    if (status && e) *e = c->e.status ? c->e : own;
    if (!status && !c->seen)
        status = eyot_error_set(e, EYOT_ECORRUPT, "run " EYOT__ID ": entry %llu is lost", EYOT__ID_ARGS(run),
                                (unsigned long long)head);
    return status;
}

/* The last entry and the release, under the claim that the row is of. */
static eyot_status commit_end(eyot_store *store, const eyot_claim *claim, const seen_row *row, const char *codec,
                              eyot_run_status end, const eyot_error *why, eyot_error *e)
{
    eyot_buf record = EYOT__BUF_INIT;
    size_t at = eyot__record_begin(&record, EYOT_ENTRY_STATUS, codec);
    eyot__entry_put_status(&record, end, why);
    eyot__record_end(&record, at);
    if (record.failed) {
        eyot__buf_clear(&record);
        return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    }
    eyot_entry entry = {.seq = row->head + 1, .step = row->steps, .kind = EYOT_ENTRY_STATUS};
    eyot__record_seal(record.data, record.len, claim->run, entry.seq);
    entry.body = eyot__bytes(record.data, record.len);
    eyot_commit c = {.run = claim->run,
                     .epoch = row->epoch,
                     .head = row->head,
                     .entries = &entry,
                     .n_entries = 1,
                     .status = (uint32_t)end,
                     .due_in_ms = INT64_MAX};
    memcpy(c.token, claim->token, sizeof c.token);
    c.crc = eyot__crc32c(0, record.data, record.len);
    eyot_status status = eyot__store_commit(store, &c, 1, e);
    eyot__buf_clear(&record);
    return status                      ? status
           : c.result == EYOT_EALREADY ? EYOT_OK
           : c.result
               ? eyot_error_set(e, c.result, "run " EYOT__ID ": %s", EYOT__ID_ARGS(c.run), eyot_status_text(c.result))
               : EYOT_OK;
}

/* Claims the run, from an owner that is gone if there is one, and ends it. */
static eyot_status cancel_here(eyot_store *store, eyot_bytes run, seen_row *row, eyot_error *e)
{
    char owner[EYOT__OWNER_BYTES];
    codec_of codec;
    eyot_status status = find_codec(store, run, row->head, &codec, e); /* before anything is changed */
    if (status) return status;
    eyot__owner_of_process(owner);
    eyot_claim claim = {.run = run, .owner = eyot__bytes(owner, strlen(owner)), .lease_ms = LEASE_MS};
    if (row->gone) claim.steal_epoch = row->epoch;
    if (eyot__random_bytes(claim.token, sizeof claim.token)) return eyot_error_set(e, EYOT_EIO, "no random bytes");
    status = eyot__store_claim(store, &claim, see_row, row, e);
    if (status) return status;
    eyot_error why;
    eyot_error_set(&why, EYOT_ECANCELED, "the run was cancelled");
    return commit_end(store, &claim, row, codec.name, EYOT_RUN_CANCELLED, &why, e);
}

eyot_status eyot__run_park(eyot_engine *engine, const eyot__claimed *row, const eyot_error *why, eyot_error *e)
{
    codec_of codec;
    eyot_error own;
    eyot_claim claim = {.run = eyot__bytes(row->id, strlen(row->id))};
    seen_row seen = {.epoch = row->epoch, .head = row->head, .steps = row->steps};
    memcpy(claim.token, row->token, sizeof claim.token);
    eyot_status status = find_codec(engine->store, claim.run, row->head, &codec, &own);
    bool unreadable = status == EYOT_ECORRUPT || status == EYOT_EFORMAT;
    if (status && !unreadable) return eyot_error_set(e, own.status, "%s", own.text);
    if (!status) status = commit_end(engine->store, &claim, &seen, codec.name, EYOT_RUN_DEAD, why, e);
    /* What cannot be read, or where no entry can be added, is left as it is: only the row tells that the run is dead. */
    if (status && (unreadable || why->status == EYOT_ECORRUPT))
        status = eyot__run_release(engine, row, EYOT_RUN_DEAD, INT64_MAX, e);
    return status;
}

static eyot_status cancel_there(eyot_store *store, eyot_bytes run, uint64_t epoch, eyot_error *e)
{
    char id[40];
    int n = snprintf(id, sizeof id, "cancel/%llu", (unsigned long long)epoch);
    return eyot__store_post(store, run, eyot__bytes(id, (size_t)n), EYOT_MESSAGE_CANCEL, eyot__bytes(NULL, 0),
                            eyot__bytes(NULL, 0), e);
}

eyot_status eyot_store_cancel(eyot_store *store, const char *run_id, bool *held, eyot_error *e)
{
    eyot_status status = EYOT_ESTALE;
    for (int i = 0; i < TRIES && (status == EYOT_ESTALE || status == EYOT_EFENCED || status == EYOT_EBUSY); i++) {
        seen_row row;
        status = find_run(store, run_id, &row, e);
        if (status) return status;
        if (row.imports)
            return eyot_error_set(e, EYOT_EALREADY, "run %s is not there yet: it is being imported", run_id);
        bool there = row.held && !row.gone;
        if (held) *held = there;
        if (!there &&
            (row.status == EYOT_RUN_DONE || row.status == EYOT_RUN_FAILED || row.status == EYOT_RUN_CANCELLED))
            return eyot_error_set(e, EYOT_EALREADY, "run %s is %s already", run_id, eyot_run_status_name(row.status));
        eyot_bytes run = eyot__bytes(run_id, strlen(run_id));
        status = there ? cancel_there(store, run, row.epoch, e) : cancel_here(store, run, &row, e);
    }
    return status;
}

/* ---- deleting ------------------------------------------------------------------------------------------------------ */

eyot_status eyot_store_delete(eyot_store *store, const char *run_id, eyot_error *e)
{
    seen_row row;
    eyot_status status = find_run(store, run_id, &row, e);
    if (status) return status;
    eyot_bytes run = eyot__bytes(run_id, strlen(run_id));
    if (row.imports) return eyot__import_discard(store, run, e);
    return eyot__store_delete_run(store, run, row.gone ? row.epoch : 0, e);
}

/* ---- notes --------------------------------------------------------------------------------------------------------- */

typedef struct note_place {
    char text[4 + 128 + 1]; /* "run/" and the id */
    eyot_bytes ns, key;
} note_place;

static eyot_status find_place(note_place *p, eyot_store *store, const char *run_id, const char *key, eyot_error *e)
{
    if (!store || !key || !run_id || !eyot__run_id_valid(eyot__bytes(run_id, strlen(run_id))))
        return eyot_error_set(e, EYOT_EINVAL, "a note needs a store, a run id and a key");
    int n = snprintf(p->text, sizeof p->text, "run/%s", run_id);
    p->ns = eyot__bytes(p->text, (size_t)n);
    p->key = eyot__bytes(key, strlen(key));
    return EYOT_OK;
}

eyot_status eyot__note_get(eyot_store *store, const char *run_id, const char *key, uint64_t *version, eyot_buf *out,
                           eyot_error *e)
{
    note_place at;
    *version = 0;
    eyot_status status = find_place(&at, store, run_id, key, e);
    return status ? status : eyot__store_kv_get(store, at.ns, at.key, version, out, e);
}

eyot_status eyot__note_cas(eyot_store *store, const char *run_id, const char *key, uint64_t version, const void *bytes,
                           size_t len, eyot_error *e)
{
    note_place at;
    eyot_status status = find_place(&at, store, run_id, key, e);
    return status ? status : eyot__store_kv_cas(store, at.ns, at.key, version, eyot__bytes(bytes, len), 0, e);
}

eyot_status eyot_store_put_note(eyot_store *store, const char *run_id, const char *key, const void *bytes, size_t len,
                                eyot_error *e)
{
    eyot_buf old = EYOT__BUF_INIT;
    eyot_status status = EYOT_ESTALE;
    for (int i = 0; i < TRIES && status == EYOT_ESTALE; i++) {
        uint64_t version;
        eyot__buf_reset(&old);
        status = eyot__note_get(store, run_id, key, &version, &old, e);
        if (!status) status = eyot__note_cas(store, run_id, key, version, bytes, len, e);
    }
    eyot__buf_clear(&old);
    return status;
}

eyot_status eyot_store_get_note(eyot_store *store, const char *run_id, const char *key, eyot_buf *out, eyot_error *e)
{
    uint64_t version;
    eyot_status status = eyot__note_get(store, run_id, key, &version, out, e);
    if (!status && version == 0)
        status = eyot_error_set(e, EYOT_ENOTFOUND, "run %s has no note \"%.64s\"", run_id, key);
    return status;
}
