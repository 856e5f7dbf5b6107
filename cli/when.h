/* SPDX-License-Identifier: MIT */
/* Times as text. */
#ifndef EYOT_CLI_WHEN_H
#define EYOT_CLI_WHEN_H

#include <stdint.h>

enum { WHEN_TEXT = 40 };

/* How long: "<1 ms", "12 ms", "0.4 s", "12.0 s", "3:07", "2:03:07". */
void when_took(char text[WHEN_TEXT], uint64_t ms);
/* Of milliseconds since 1970: "2026-01-31T12:00:00.123Z". */
void when_iso(char text[WHEN_TEXT], int64_t ms);
/* The same in local time, for people: "2026-01-31 13:00:00". */
void when_local(char text[WHEN_TEXT], int64_t ms);
/* How long before `now`: "5 s ago", "3 min ago", "2 h ago", "4 days ago". */
void when_ago(char text[WHEN_TEXT], int64_t ms, int64_t now_ms);

#endif
