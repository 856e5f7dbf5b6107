/* SPDX-License-Identifier: MIT */
/* What differs between two values, for people: a line for what went and one for what came. */
#ifndef EYOT_CLI_PATCH_H
#define EYOT_CLI_PATCH_H

#include <eyot/copiers.h>

#include "cli/out.h"

/* The value as text, cut to about so many bytes, with its length behind it then; 0: whole. Freed by the caller. NULL: no
 * memory. */
char *patch_value_text(const eyot_value *v, size_t most);
/* One line, in a style that says what it is: OUT_GOOD "+ /words: 4", OUT_BAD "- /words: 4", OUT_WAITS "~ /words: the same keys …".
 * `pointer` "" is the whole; `v` may be NULL. */
void patch_line(const char *indent, out_style style, const char *pointer, const eyot_value *v);
/* The operations of eyot_value_diff, which began at `from`. */
void patch_print(const char *indent, const eyot_value *from, const eyot_value *patch);
/* What an update writes: a line for each key. */
void patch_update(const char *indent, const eyot_value *update);

#endif
