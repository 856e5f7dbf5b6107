/* SPDX-License-Identifier: MIT */
/* Loads backends from the directory `eyot` beside libeyot.so, or of the installation for programs that have the library in
 * them: nowhere else, and nothing that the environment names. */
#define _GNU_SOURCE /* dladdr */
#include "stores/module.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *eyot__module_dir;

enum { MODULES = 4 };
static struct {
    pthread_mutex_t lock; /* over everything here */
    const char *names[MODULES];
    const eyot__store_module *modules[MODULES];
} loaded = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void find_dir(char *out, size_t size)
{
    Dl_info here;
    const char *slash = NULL;
    if (eyot__module_dir) {
        snprintf(out, size, "%s", eyot__module_dir);
        return;
    }
    if (dladdr(&loaded, &here) && here.dli_fname) slash = strrchr(here.dli_fname, '/');
    if (slash && strncmp(slash, "/libeyot.so", 11) == 0)
        snprintf(out, size, "%.*s/eyot", (int)(slash - here.dli_fname), here.dli_fname);
    else
        snprintf(out, size, "%s", EYOT_MODULE_DIR);
}

static eyot_status load(const eyot__store_module **out, const char *name, const char *client, eyot_error *e)
{
    char dir[4000], path[4096];
    find_dir(dir, sizeof dir);
    snprintf(path, sizeof path, "%s/%s.so", dir, name);
    if (access(path, F_OK) != 0)
        return eyot_error_set(e, EYOT_ENOTSUP,
                              "this eyot has no %s store: there is no %.100s; it is built where there is %s", name,
                              path, client);
    /* Clients have threads and handlers of their own: a module is never unloaded. */
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!handle) return eyot_error_set(e, EYOT_ENOTSUP, "the %s store cannot be loaded: %.150s", name, dlerror());
    const eyot__store_module *m = dlsym(handle, "eyot_store_module");
    if (!m || m->size != sizeof *m || m->abi != EYOT_STORE_ABI || strcmp(m->version, eyot_version()) != 0)
        return eyot_error_set(e, EYOT_ENOTSUP, "%.150s does not belong to eyot %s", path, eyot_version());
    *out = m;
    return EYOT_OK;
}

eyot_status eyot__module_load(const eyot__store_module **out, const char *name, const char *client, eyot_error *e)
{
    eyot_status r = EYOT_OK;
    size_t i = 0;
    pthread_mutex_lock(&loaded.lock);
    while (i < MODULES - 1 && loaded.names[i] && strcmp(loaded.names[i], name) != 0) i++;
    if (!loaded.names[i]) r = load(&loaded.modules[i], name, client, e);
    if (!r) loaded.names[i] = name;
    *out = loaded.modules[i];
    pthread_mutex_unlock(&loaded.lock);
    return r;
}
