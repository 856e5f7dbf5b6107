/* SPDX-License-Identifier: MIT */
/* A Redis of a test's own, on a socket in the test's directory; test/redis_server_support.c. It ends with the test's program. */
#ifndef EYOT_TEST_REDIS_SERVER_H
#define EYOT_TEST_REDIS_SERVER_H

#include <stdbool.h>
#include <stddef.h>

/* Starts one, with `args` (NULL-terminated; may be NULL) after those that every one has, and waits until it answers; the one
 * before is ended. Data of an earlier start in the same test is found again. Skips the test when there is no Redis here. */
void redis_server_start(const char *const *args);
/* SIGKILL. */
void redis_server_kill(void);
/* SIGSTOP, SIGCONT. */
void redis_server_signal(int number);
const char *redis_server_socket(void);
/* "redis+unix:///path?prefix=t&" and `params`; one of four buffers. */
const char *redis_server_url(const char *params);
/* The next one is started with this library before all others, and this variable ("NAME=value"). */
void redis_server_preload(const char *library, const char *variable);
/* One command, its words separated by blanks, to the server at a socket or, if it is no path, a port of 127.0.0.1: its answer as it came, up to 4 KiB; borrowed until the
 * next. */
const char *redis_server_say(const char *socket, const char *command);

#endif
