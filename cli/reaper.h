/* SPDX-License-Identifier: MIT */
/* A small process that kills all commands when eyot dies, however it dies. It looks at eyot through a pidfd, and at the
 * groups of its commands in memory that both share: to tell it costs no system call and wakes nobody. */
#ifndef EYOT_CLI_REAPER_H
#define EYOT_CLI_REAPER_H

#include <sys/types.h>

typedef struct reaper reaper;

enum { REAPER_TOKEN = 256 };

/* Forks it; before any thread exists. NULL: errno says why. `token` becomes "EYOT_REAP=…", to be put into the environment of
 * every command: what is in none of the groups is found by it. It holds the tokens of an eyot that we are a command of. */
reaper *reaper_start(char token[REAPER_TOKEN]);
/* Any thread. A group is removed while its leader is still a zombie, so that its number cannot be somebody else's. */
void reaper_add(reaper *r, pid_t group);
void reaper_remove(reaper *r, pid_t group);
/* It goes without killing anybody. NULL is nothing. */
void reaper_dismiss(reaper *r);

#endif
