/* SPDX-License-Identifier: MIT */
/* What comes in from outside: files, and the first state of a run. */
#ifndef EYOT_CLI_INPUT_H
#define EYOT_CLI_INPUT_H

#include <eyot/copiers.h>

#include "cli/args.h"
#include "cli/graphfile.h"
#include "cli/loop.h"

/* Reads a whole file, or stdin for "-". NUL-terminated, freed by the caller. NULL: not done; `e` says why
 * (ENOTFOUND, EIO, ELIMIT beyond `most` bytes, ENOMEM). */
char *input_read_file(const char *path, size_t most, size_t *len, eyot_error *e);

/* Reads and checks a graph file; its expressions are compiled by the loop's helpers unless `l` is NULL. Mistakes are
 * said, one per line. NULL: there were some, and *code is what to exit with. */
graphfile *input_graph(const char *path, loop *l, int *code);

/* The graph's defaults, overridden by --input and then, in their order, by --set, --set-str and --set-file. NULL: a
 * mistake, which has been said. Owned by the caller. */
eyot_value *input_state(const args *a, const graphfile *file);
/* The state with what --set, --set-str and --set-file say. Consumes it. NULL: as above. */
eyot_value *input_settings(const args *a, eyot_value *state_take);

#endif
