/* SPDX-License-Identifier: MIT */
/* The attempts of a run that took longest, and their share of the time of all. */
#ifndef EYOT_CLI_SLOWEST_H
#define EYOT_CLI_SLOWEST_H

#include <eyot/copiers.h>
#include <eyot/store.h>

typedef struct slowest slowest;

slowest *slowest_new(uint32_t most); /* NULL: no memory */
/* An entry of a task or of a failed attempt. False: no memory. */
bool slowest_add(slowest *s, const eyot_history_entry *entry);
/* As a table; as an array, owned by the caller; as a line of JSON each. False: no memory, which has been said. */
bool slowest_print(slowest *s);
eyot_value *slowest_value(slowest *s);
bool slowest_lines(slowest *s);
void slowest_free(slowest *s);

#endif
