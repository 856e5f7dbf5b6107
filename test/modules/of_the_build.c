/* SPDX-License-Identifier: MIT */
/* Linked into programs that have the library's insides: their modules are those of the build. */
#include "stores/module.h"

static void use_modules_of_the_build(void) __attribute__((constructor));
static void use_modules_of_the_build(void)
{
    eyot__module_dir = EYOT_TEST_MODULES;
}
