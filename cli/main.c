/* SPDX-License-Identifier: MIT */
#include "cli/config.h"
#include "cli/jq.h"
#include "cli/out.h"
#include "cli/verbs.h"

#include <string.h>

static int run_verb(const args *a)
{
    const char *color = args_text(a, "color", "auto");
    out_configure(strcmp(color, "auto") == 0     ? OUT_AUTO
                  : strcmp(color, "always") == 0 ? OUT_ALWAYS
                                                 : OUT_NEVER,
                  args_has(a, "quiet"));
    if (a->version) return verb_version.main(a);
    if (!a->help) return a->verb->main(a);
    if (a->verb)
        help_verb(a->verb);
    else
        help_all();
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    args a;
    char problem[ARGS_PROBLEM];
    if (argc > 1 && strcmp(argv[1], JQ_HELPER_ARG) == 0) return jq_helper_main();
    config_begin();
    out_begin();
    int code = args_parse(&a, argc, argv, problem) ? run_verb(&a) : out_error(EXIT_USAGE, "%s", problem);
    args_clear(&a);
    return out_end(code);
}
