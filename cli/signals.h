/* SPDX-License-Identifier: MIT */
/* SIGINT and SIGTERM while a run is going on: the first one cancels the run, the second one ends the program. */
#ifndef EYOT_CLI_SIGNALS_H
#define EYOT_CLI_SIGNALS_H

#include <eyot/eyot.h>

/* Before any thread exists: from now on they wait until somebody listens. Signals that are ignored stay so. */
void signals_block(void);
/* Begins to listen, on a thread of its own. A signal that came before there is a run ends the program at once. */
eyot_status signals_listen(eyot_error *e);
/* The run to be cancelled; NULL: none any more, and it is not touched after this. */
void signals_watch(eyot_run *run);
/* The signal that has cancelled the run; 0: none. */
int signals_caught(void);

#endif
