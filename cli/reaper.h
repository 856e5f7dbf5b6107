/* SPDX-License-Identifier: MIT */
/* A small process that kills all commands when eyot dies, however it dies. It learns their groups by a pipe. */
#ifndef EYOT_CLI_REAPER_H
#define EYOT_CLI_REAPER_H

#include <sys/types.h>

/* Forks it; before any thread exists. Returns the pipe's end, close-on-exec, or -1. `token` is "EYOT_REAP=…", to be put into
 * the environment of every command: what is not in a group that the reaper knows is found by it. */
int reaper_start(char token[64]);
void reaper_add(int reaper, pid_t group);
void reaper_remove(int reaper, pid_t group);
/* It goes without killing anybody. */
void reaper_dismiss(int reaper);

#endif
