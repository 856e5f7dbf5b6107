/* SPDX-License-Identifier: MIT */
/* What a configuration file says:
 *     store: prod                  # a name of `stores`, or a URL
 *     stores:
 *       prod: { url: "mysql://eyot@db/eyot", password_file: /etc/eyot/password }
 *       here: runs.db
 *     run: { jobs: 4 } */
#include "cli/config.h"

#include "cli/doc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    config_file *f;
    config_say_fn say;
    void *arg;
    bool good;
} reader;

static void mistake(reader *r, unsigned line, unsigned column, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void mistake(reader *r, unsigned line, unsigned column, const char *fmt, ...)
{
    char text[400], whole[700];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    snprintf(whole, sizeof whole, "%s:%u:%u: %s", r->f->path, line, column, text);
    r->say(r->arg, whole);
    r->good = false;
}

static const char *flaw_text(doc_flaw flaw)
{
    switch (flaw) {
    case DOC_FINE: return NULL;
    case DOC_TAG: return "a tag (!) has no meaning here; quote the text if it begins with !";
    case DOC_ANCHOR: return "an anchor (&) has no meaning here; quote the text if it begins with &";
    case DOC_ALIAS: return "an alias (*) has no meaning here; quote the text if it begins with *";
    case DOC_EMPTY: return "there is nothing here";
    case DOC_MERGE: return "the key << has no meaning here";
    case DOC_NO_TEXT: return "a key must be a text";
    case DOC_TWICE: return "this key is there twice";
    case DOC_FOLDED: return "this text goes over several lines; quote it";
    }
    return "this is written in a way that is not understood";
}

static bool is_fine(reader *r, const doc_node *node)
{
    const char *text = flaw_text((doc_flaw)node->flaw);
    if (text) mistake(r, node->line, node->column, "%s", text);
    return !text;
}

/* A text that is a value of `key`; a copy. NULL: it is none, which has been said. */
static char *read_text(reader *r, const doc_node *key, const doc_node *value)
{
    if (!is_fine(r, value)) return NULL;
    if (value->kind == DOC_SCALAR && value->n > 0 && strlen(value->text) == value->n) return strdup(value->text);
    mistake(r, value->line, value->column, "\"%s\" must be a text", key->text);
    return NULL;
}

/* Each key of a map is handed to `take`, which knows what it means. */
typedef bool (*take_fn)(reader *r, const doc_node *key, const doc_node *value, void *arg);

static void read_map(reader *r, const char *what, const doc_node *map, take_fn take, void *arg)
{
    if (!is_fine(r, map)) return;
    if (map->kind != DOC_MAP) mistake(r, map->line, map->column, "%s must be a map", what);
    if (map->kind != DOC_MAP) return;
    for (const doc_node *key = map->first; key && key->next; key = key->next->next) {
        if (!is_fine(r, key)) continue;
        if (!take(r, key, key->next, arg))
            mistake(r, key->line, key->column, "unknown key \"%s\" in %s", key->text, what);
    }
}

static bool take_store_key(reader *r, const doc_node *key, const doc_node *value, void *arg)
{
    config_store *store = arg;
    bool url = strcmp(key->text, "url") == 0;
    if (!url && strcmp(key->text, "password_file") != 0) return false;
    char **text = url ? &store->url : &store->password_file;
    free(*text);
    *text = read_text(r, key, value);
    return true;
}

static bool take_store(reader *r, const doc_node *key, const doc_node *value, void *arg)
{
    (void)arg;
    config_file *f = r->f;
    config_store *more = cli_realloc(f->stores, (f->n_stores + 1) * sizeof *more);
    f->stores = more;
    config_store *store = &more[f->n_stores++];
    *store = (config_store){.name = strdup(key->text)};
    if (value->kind == DOC_SCALAR)
        store->url = read_text(r, key, value);
    else
        read_map(r, "a store", value, take_store_key, store);
    if (value->kind == DOC_MAP && !doc_get(value, "url"))
        mistake(r, value->line, value->column, "store \"%s\" has no url", key->text);
    return true;
}

static bool take_run_key(reader *r, const doc_node *key, const doc_node *value, void *arg)
{
    (void)arg;
    if (strcmp(key->text, "jobs") != 0) return false;
    char *end = NULL;
    bool number =
        value->kind == DOC_SCALAR && value->style == DOC_PLAIN && value->text[0] >= '0' && value->text[0] <= '9';
    unsigned long n = number ? strtoul(value->text, &end, 10) : 0;
    if (is_fine(r, value) && (!number || *end || n > 65535))
        mistake(r, value->line, value->column, "\"jobs\" must be a number from 0 to 65535");
    r->f->jobs = (uint32_t)n;
    return true;
}

static bool take_top_key(reader *r, const doc_node *key, const doc_node *value, void *arg)
{
    (void)arg;
    if (strcmp(key->text, "store") == 0) {
        free(r->f->store);
        r->f->store = read_text(r, key, value);
    } else if (strcmp(key->text, "stores") == 0) {
        read_map(r, "\"stores\"", value, take_store, NULL);
    } else if (strcmp(key->text, "run") == 0) {
        read_map(r, "\"run\"", value, take_run_key, NULL);
    } else {
        return false;
    }
    return true;
}

bool config_read(config_file *f, const char *path, const char *text, size_t len, config_say_fn say, void *arg)
{
    static const char *const no_expressions[] = {NULL};
    arena mem = {0};
    doc d = {0};
    reader r = {f, say, arg, true};
    *f = (config_file){.path = strdup(path)};
    doc_read(&d, &mem, text, len, no_expressions);
    if (d.mistake)
        mistake(&r, d.line, d.column, "%s", d.mistake);
    else if (d.root)
        read_map(&r, "a configuration", d.root, take_top_key, NULL);
    arena_clear(&mem);
    return r.good;
}

void config_file_clear(config_file *f)
{
    for (size_t i = 0; i < f->n_stores; i++) {
        free(f->stores[i].name);
        free(f->stores[i].url);
        free(f->stores[i].password_file);
    }
    free(f->stores);
    free(f->store);
    free(f->path);
    *f = (config_file){0};
}
