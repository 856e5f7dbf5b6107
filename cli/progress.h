/* SPDX-License-Identifier: MIT */
/* What a run is doing, for people: one line at the bottom of the terminal, ten times a second; with -v a line for every
 * attempt that begins or ends, also where there is no terminal. */
#ifndef EYOT_CLI_PROGRESS_H
#define EYOT_CLI_PROGRESS_H

#include "cli/flow.h"

/* The line that comes before all others, with the id in the place of %s: it is said when the run has begun, or before the
 * first line of an attempt, which may be faster. */
void progress_announce(const char *format, const char *id) __attribute__((format(printf, 1, 0)));
void progress_begun(void);

/* For flow_options.observe. */
void progress_observe(void *arg, const flow_event *ev);

/* Begins to draw the line, if stderr is a terminal and nobody asked for quiet; without a thread to spare it does
 * without. The run is borrowed until progress_stop, which erases the line. One run at a time. */
void progress_start(const eyot_run *run);
void progress_stop(void);

/* The line, cut to so many columns; `steps` counts those of earlier lives too, the rate does not. */
void progress_line(char text[256], const char *id, const eyot_run_metrics *m, uint64_t steps, unsigned columns);

#endif
