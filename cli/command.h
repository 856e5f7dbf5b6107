/* SPDX-License-Identifier: MIT */
/* One command: a process in a session of its own, fed with a file, read through pipes, bounded in time and output. */
#ifndef EYOT_CLI_COMMAND_H
#define EYOT_CLI_COMMAND_H

#include "cli/loop.h"

typedef struct command command;

typedef struct command_spec {
    const char *const *argv; /* argv[0] is searched in the PATH of its environment */
    const char *const *env;  /* "NAME=value" …, NULL-terminated: added to ours, replacing equal names */
    const char *cwd;         /* NULL: ours */
    const void *input;       /* what it reads on stdin, to the end */
    size_t input_len;
    uint64_t grace_ms;   /* between SIGTERM and SIGKILL */
    uint64_t max_output; /* bytes of stdout; beyond it the command is killed */
} command_spec;

typedef enum command_end {
    COMMAND_EXITED,      /* `code` is its exit status */
    COMMAND_SIGNALLED,   /* `code` is the signal */
    COMMAND_NOT_STARTED, /* `code` is the errno; `what` could not be done: "find wc in PATH", "enter /nowhere" */
    COMMAND_GIVEN_UP,    /* it was killed because `what` could not be done ("keep its output"); `code` is the errno */
    COMMAND_TOO_MUCH,    /* it wrote more than max_output */
    COMMAND_STOPPED      /* command_stop was called before it ended */
} command_end;

typedef struct command_result {
    command_end end;
    int code;
    const char *what;      /* NULL where `code` is no errno */
    const char *out, *err; /* NUL-terminated, may hold NULs; err: the last 64 KiB. Borrowed for the callback */
    size_t out_len, err_len;
    bool err_cut;
} command_result;

/* Called once per command on a finisher thread; it may block. The command is freed after it. */
typedef void (*command_done_fn)(void *arg, const command_result *result);

enum { COMMAND_ERR_KEPT = 64 * 1024 };

/* Starts it on the calling thread, which takes as long as fork and exec. Nothing in the spec is needed afterwards. What
 * cannot be started is reported through `done` too, maybe before this returns. ENOMEM, ECANCELED (loop_stop has begun):
 * `done` will not be called. */
eyot_status command_start(command **out, loop *l, const command_spec *spec, command_done_fn done, void *arg);
/* SIGTERM to its group, SIGKILL after the grace. Any thread, never blocks; not after its `done` has begun to run. */
void command_stop(command *c);

#endif
