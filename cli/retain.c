/* SPDX-License-Identifier: MIT */
#include "cli/retain.h"

bool retain_read(eyot_retain *out, const args *a)
{
    *out = (eyot_retain){.size = sizeof *out,
                         .keep_last = args_number(a, "keep", 0),
                         .keep_every = args_number(a, "every", 0),
                         .younger_than_ms = args_ms(a, "younger-than", 0),
                         .flags = args_has(a, "dry-run") ? EYOT_RETAIN_DRY_RUN : 0};
    return args_has(a, "keep") || args_has(a, "every") || args_has(a, "younger-than");
}
