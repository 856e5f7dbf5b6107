/* SPDX-License-Identifier: MIT */
/* What `prune` and `gc` share: the rules of what is kept. */
#ifndef EYOT_CLI_RETAIN_H
#define EYOT_CLI_RETAIN_H

#include <eyot/store.h>

#include "cli/args.h"

#define RETAIN_OPTIONS                                                                                            \
    {.name = "keep", .value = "N", .most = INT64_MAX, .help = "keep the last N steps"},                           \
        {.name = "every", .value = "K", .most = INT64_MAX, .help = "keep every K-th step, and the start"},        \
        {.name = "younger-than", .value = "TIME", .duration = true, .help = "keep steps of the last 5m, 2h, 3d"}, \
    {                                                                                                             \
        .name = "dry-run", .help = "only tell what would go"                                                      \
    }

/* False: none of --keep, --every and --younger-than was given. */
bool retain_read(eyot_retain *out, const args *a);

#endif
