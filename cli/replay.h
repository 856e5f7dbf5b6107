/* SPDX-License-Identifier: MIT */
/* The two halves of `eyot replay`: verb_replay.c has the options and the playback. */
#ifndef EYOT_CLI_REPLAY_H
#define EYOT_CLI_REPLAY_H

#include "cli/args.h"

/* replay_verify.c: `--verify`. Returns the exit code. */
int replay_verify(const args *a);

#endif
