/* SPDX-License-Identifier: MIT */
/* jq_helper_for_tests: the jq helper by itself, never sanitized, so that its limit of memory holds. */
#include <string.h>

#include "cli/jq.h"

int main(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[1], JQ_HELPER_ARG) == 0 ? jq_helper_main() : 2;
}
