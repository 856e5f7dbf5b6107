/* SPDX-License-Identifier: MIT */
/* Which scheme opens what: bundled stores, modules, those that were registered. */
#include "core/store.h"
#include "stores/module.h"

#include <stdlib.h>
#include <string.h>

/* ---- schemes ---------------------------------------------------------------------------------------------------- */

typedef struct scheme {
    struct scheme *next;
    eyot_store_open_fn open;
    char name[17];
} scheme;

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static scheme *registry; /* guarded by registry_lock; only grows */

#if EYOT_HAVE_SQLITE
#define OPEN_SQLITE eyot__sqlite_open
#else
#define OPEN_SQLITE NULL
#endif

static const struct bundled {
    const char *scheme;
    eyot__open_fn open;          /* NULL: a module, or not in this build */
    const char *module, *client; /* the module, and the library it needs */
} bundled[] = {
    {"", OPEN_SQLITE, NULL, NULL},
    {"sqlite", OPEN_SQLITE, NULL, NULL},
    {"memory", eyot__memory_open, NULL, NULL},
    {"mysql", NULL, "mysql", "libmariadb or libmysqlclient (Debian: libmariadb-dev)"},
    {"redis", NULL, "redis", "hiredis (Debian: libhiredis-dev)"},
    {"rediss", NULL, "redis", "hiredis (Debian: libhiredis-dev)"},
    {"redis+unix", NULL, "redis", "hiredis (Debian: libhiredis-dev)"},
};

static const struct bundled *find_bundled(const char *name)
{
    for (size_t i = 0; i < sizeof bundled / sizeof *bundled; i++)
        if (strcmp(bundled[i].scheme, name) == 0) return &bundled[i];
    return NULL;
}

static scheme *find_registered(const char *name)
{
    pthread_mutex_lock(&registry_lock);
    scheme *s = registry;
    while (s && strcmp(s->name, name) != 0) s = s->next;
    pthread_mutex_unlock(&registry_lock);
    return s;
}

static bool scheme_valid(const char *name)
{
    size_t n = 0;
    for (; name[n]; n++) {
        char c = name[n];
        bool letter = c >= 'a' && c <= 'z', other = (c >= '0' && c <= '9') || c == '+' || c == '.' || c == '-';
        if (!letter && !(other && n > 0)) return false;
    }
    return n > 0 && n < sizeof((scheme *)NULL)->name;
}

/* Takes s; false: the name is known already. */
static bool registry_add(scheme *s)
{
    pthread_mutex_lock(&registry_lock);
    const scheme *other = registry;
    while (other && strcmp(other->name, s->name) != 0) other = other->next;
    bool fresh = !other && !find_bundled(s->name);
    if (fresh) {
        s->next = registry;
        registry = s;
    }
    pthread_mutex_unlock(&registry_lock);
    if (!fresh) free(s);
    return fresh;
}

eyot_status eyot_store_register(const char *name, eyot_store_open_fn open, eyot_error *e)
{
    if (!name || !open || !scheme_valid(name))
        return eyot_error_set(e, EYOT_EINVAL, "\"%.*s\" is no scheme for a store", 40, name ? name : "");
    scheme *s = calloc(1, sizeof *s);
    if (!s) return eyot_error_set(e, EYOT_ENOMEM, "no memory for a scheme");
    memcpy(s->name, name, strlen(name));
    s->open = open;
    if (registry_add(s)) return EYOT_OK;
    return eyot_error_set(e, EYOT_EEXIST, "the scheme \"%s\" is known already", name);
}

/* 0: the name of none. */
static eyot_store_class class_by_name(const char *name)
{
    for (int c = EYOT_CLASS_VOLATILE; c <= EYOT_CLASS_REPLICATED; c++)
        if (strcmp(eyot_store_class_name((eyot_store_class)c), name) == 0) return (eyot_store_class)c;
    return 0;
}

static eyot_status check_class(eyot_store *store, eyot_store_class least, eyot_error *e)
{
    eyot_store_info info;
    eyot_status r = eyot_store_inform(store, &info, e);
    if (!r && info.durability < least)
        r = eyot_error_set(e, EYOT_ENOTSUP, "min_class=%s is asked for, the store is %s: %s",
                           eyot_store_class_name(least), eyot_store_class_name(info.durability), info.reasons);
    return r;
}

static eyot_status open_module(eyot_store **out, const struct bundled *b, eyot__url *url, uint32_t flags, eyot_error *e)
{
    const eyot__store_module *module;
    const eyot_store_ops *ops;
    void *self;
    eyot_status r = eyot__module_load(&module, b->module, b->client, e);
    if (!r) r = module->open(&ops, &self, url, flags, e);
    return r ? r : eyot_store_new(out, ops, self, e);
}

static eyot_status open_bundled(eyot_store **out, const struct bundled *b, eyot__url *url, uint32_t flags,
                                eyot_error *e)
{
    const char *name = *url->scheme ? url->scheme : "sqlite";
    if (!b->open && !b->module)
        return eyot_error_set(e, EYOT_ENOTSUP,
                              "this build of eyot has no %s store: it was built without SQLite 3.37 or newer "
                              "(Debian: libsqlite3-dev)",
                              name);
    if (!b->module && url->authority && *url->authority)
        return eyot_error_set(e, EYOT_EINVAL, "a %s store is not on another host: write \"%s:%s\"", name, name,
                              url->path);
    const char *least_text = eyot__url_param_text(url, "min_class");
    eyot_store_class least = least_text ? class_by_name(least_text) : EYOT_CLASS_VOLATILE;
    if (!least)
        return eyot_error_set(e, EYOT_EINVAL, "min_class=%s: must be volatile, process, machine or replicated",
                              least_text);
    eyot_status r = b->open ? b->open(out, url, flags, e) : open_module(out, b, url, flags, e);
    if (!r) r = check_class(*out, least, e);
    if (r) {
        eyot_store_close(*out);
        *out = NULL;
    }
    return r;
}

eyot_status eyot_store_open_with(eyot_store **out, const char *text, uint32_t flags, eyot_error *e)
{
    eyot__url url;
    char shown[120];
    *out = NULL;
    if (!text) return eyot_error_set(e, EYOT_EINVAL, "the store's URL is NULL");
    if (flags & ~(uint32_t)EYOT_OPEN_EXISTING)
        return eyot_error_set(e, EYOT_EINVAL, "unknown flags 0x%x for opening a store", (unsigned)flags);
    eyot_status r = eyot__url_parse(&url, text, e);
    if (r) return r;
    const struct bundled *b = find_bundled(url.scheme);
    const scheme *s = b ? NULL : find_registered(url.scheme);
    if (b) {
        r = open_bundled(out, b, &url, flags, e);
    } else if (s) {
        r = s->open(out, text, flags, e);
    } else {
        eyot__url_redact(text, shown, sizeof shown);
        r = eyot_error_set(
            e, EYOT_EINVAL,
            "unknown scheme \"%s\" in \"%s\": it is sqlite, mysql, redis, rediss, redis+unix or memory; a path with a "
            "':' begins with ./",
            url.scheme, shown);
    }
    eyot__url_clear(&url);
    return r;
}

eyot_status eyot_store_open(eyot_store **out, const char *url, eyot_error *e)
{
    return eyot_store_open_with(out, url, 0, e);
}
