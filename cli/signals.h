/* SPDX-License-Identifier: MIT */
/* SIGINT and SIGTERM while something is going on: who watches is told of each, and decides when the program ends. */
#ifndef EYOT_CLI_SIGNALS_H
#define EYOT_CLI_SIGNALS_H

#include <eyot/eyot.h>

/* Before any thread exists: from now on they wait until somebody listens. Signals that are ignored stay so. */
void signals_block(void);
/* Begins to listen, on a thread of its own. A signal that comes while nobody watches ends the program at once. */
eyot_status signals_listen(eyot_error *e);
/* The n-th signal, from 1: false ends the program at once. On the thread that listens; must not call signals_watch. */
typedef bool (*signals_fn)(void *arg, int n);
/* fn NULL: nobody watches any more, and `arg` is not touched after this. */
void signals_watch(signals_fn fn, void *arg);
/* The last signal that came; 0: none. */
int signals_caught(void);

#endif
