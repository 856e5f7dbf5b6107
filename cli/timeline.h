/* SPDX-License-Identifier: MIT */
/* When which attempt of which task ran, drawn with letters: a row per attempt, over 80 columns. */
#ifndef EYOT_CLI_TIMELINE_H
#define EYOT_CLI_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct timeline timeline;

timeline *timeline_new(void); /* NULL: no memory */
/* An attempt that began so many microseconds after 1970. False: no memory. */
bool timeline_add(timeline *t, const char *task, uint32_t attempt, uint64_t began_us, uint64_t took_us, bool failed);
/* Draws it on stdout, in the order in which the attempts began. Times in which nothing ran are shortened, so that a
 * run that slept over night can still be read. False: no memory. */
bool timeline_draw(timeline *t);
void timeline_free(timeline *t);

#endif
