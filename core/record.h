/* SPDX-License-Identifier: MIT */
/* Records: the bytes of an entry as every store keeps them. Pure. docs/format.md is the description.
 *
 * A record is a fixed header, length-prefixed fields and a CRC32C over all of it, the run id and the seq: one that was moved, cut
 * or flipped is found. The CRC is taken over the body first and over (run id, seq) last, so that encoding needs no seq:
 * a task is encoded without any lock and sealed when its place in the log is known. */
#ifndef EYOT_CORE_RECORD_H
#define EYOT_CORE_RECORD_H

#include <eyot/store.h>

#include "core/buf.h"

#define EYOT__RECORD_VERSION 3 /* what is written; every version up to it is read */

/* Begins a record in buf (appended; several may share a buffer): header with version, kind, codec name. Returns its offset. */
size_t eyot__record_begin(eyot_buf *buf, eyot_entry_kind kind, const char *codec);
/* Payload fields follow, written with the eyot__buf calls. Then: */
void eyot__record_end(eyot_buf *buf, size_t at); /* patches the length, adds room for the CRC, takes it over the body */
/* Completes the CRC with the record's place. `record` is the finished record of `len` bytes in place. */
void eyot__record_seal(unsigned char *record, size_t len, eyot_bytes run, uint64_t seq);

/* Another place: the CRC is taken anew. The record is a good one. */
void eyot__record_reseal(unsigned char *record, size_t len, eyot_bytes run, uint64_t seq);

/* What was read: points into the record. */
typedef struct eyot__record {
    uint32_t version;
    eyot_entry_kind kind;
    eyot_bytes codec;
    eyot__reader payload;
} eyot__record;
/* Checks everything but the payload's fields. ECORRUPT (text: "run a17, entry 12: checksum differs"), EFORMAT (newer). */
eyot_status eyot__record_open(eyot__record *out, eyot_bytes bytes, eyot_bytes run, uint64_t seq, eyot_error *e);
/* The step of the entry whose record this is, behind one of step `before`. Of a snapshot it is what it says itself. */
uint64_t eyot__record_step(const eyot__record *record, uint64_t before);
/* That the store says the same of it. ECORRUPT, without run and entry. */
eyot_status eyot__record_check_kind(const eyot__record *record, eyot_entry_kind kind, eyot_error *e);
eyot_status eyot__record_check_step(const eyot__record *record, uint64_t before, uint64_t step, eyot_error *e);

#endif
