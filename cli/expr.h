/* SPDX-License-Identifier: MIT */
/* What can be said about jq programs and shell commands by looking at their words. */
#ifndef EYOT_CLI_EXPR_H
#define EYOT_CLI_EXPR_H

#include <stdbool.h>
#include <stddef.h>

/* A jq program may see nothing but its input: no clock, no environment, no files, no way to end the process. What
 * breaks this first, as a constant: "an expression may not use %s"; NULL: nothing does. Names of fields, keys, strings and comments are no words. */
const char *expr_forbidden(const char *program);

/* Would a ` #` behind this text of a shell command lie inside of quotes? */
bool expr_ends_in_quotes(const char *command);

#endif
