/* SPDX-License-Identifier: MIT */
/* What a jq helper and its client say to each other on a socket. Numbers are uint32_t in the machine's order: both ends
 * are the same program.
 *
 * A request: its length, then
 *   kind · jq_memory in MiB (0: no limit) · n · n programs · the input as JSON text, to the end.
 *   A program is its number and its length with the text, or JQ_WIRE_KNOWN instead of a length.
 * A reply comes per program, as soon as it is known: its length, then one byte, an eyot_jq_reply, and the text. */
#ifndef EYOT_CLI_JQ_WIRE_H
#define EYOT_CLI_JQ_WIRE_H

#include <stdint.h>

enum { JQ_WIRE_FD = 3, JQ_WIRE_EVALUATE = 1, JQ_WIRE_CHECK = 2 };
#define JQ_WIRE_KNOWN UINT32_MAX

enum {
    JQ_REPLY_VALUE = 1,  /* JSON text */
    JQ_REPLY_ERROR = 2,  /* one line */
    JQ_REPLY_LAST = 0x80 /* and the helper has grown so that it wants to be replaced */
};

#endif
