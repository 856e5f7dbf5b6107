/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/out.h"

#include <dlfcn.h>
#include <yaml.h>

static const args_option options[] = {
    {.name = "json", .help = "one JSON object"},
    {.name = NULL},
};

/* SQLite comes with libeyot.so, if it was built with it; what counts is the one that is loaded. */
static const char *sqlite_version(void)
{
    union {
        void *symbol;
        const char *(*fn)(void);
    } version;
    void *self = dlopen(NULL, RTLD_NOW);
    version.symbol = self ? dlsym(self, "sqlite3_libversion") : NULL;
    const char *text = version.symbol ? version.fn() : NULL;
    if (self) dlclose(self);
    return text;
}

static int version_main(const args *a)
{
    const char *sqlite = sqlite_version();
    if (!args_has(a, "json")) {
        out_printf("eyot %s\n", eyot_version());
        if (sqlite) out_printf("SQLite %s\n", sqlite);
        out_printf("libyaml %s\n", yaml_get_version_string());
        return EXIT_DONE;
    }
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "eyot", eyot_value_new_string(eyot_version()));
    v = eyot_value_set(v, "sqlite", sqlite ? eyot_value_new_string(sqlite) : eyot_value_new_null());
    v = eyot_value_set(v, "libyaml", eyot_value_new_string(yaml_get_version_string()));
    return out_json(v) ? EXIT_DONE : EXIT_FAILED;
}

const verb verb_version = {.name = "version",
                           .words = "",
                           .summary = "print the versions of eyot and of what it is linked with",
                           .options = options,
                           .main = version_main};
