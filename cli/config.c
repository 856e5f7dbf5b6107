/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* explicit_bzero */
#include "cli/config.h"

#include "cli/out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_NAME "EYOT_STORE"
#define PASSWORD_NAME "EYOT_STORE_PASSWORD"
enum { FILE_MOST = 1024 * 1024, PASSWORD_MOST = 4096 };

/* ---- secrets ---------------------------------------------------------------------------------------------------- */

/* Of scheme://user:password@host. */
static void hide_user_password(char *url)
{
    char *slashes = strstr(url, "://"), *user = slashes ? slashes + 3 : NULL;
    char *at = user ? memchr(user, '@', strcspn(user, "/?#")) : NULL;
    char *colon = at ? memchr(user, ':', (size_t)(at - user)) : NULL;
    if (colon) memmove(colon, at, strlen(at) + 1);
}

/* Of ?name=value&password=secret. */
static void hide_parameters(char *url)
{
    static const char *const secrets[] = {"password=", "token=", "secret="};
    for (char *p = strchr(url, '?'); p; p = strchr(p, '&')) {
        p++;
        for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
            size_t n = strlen(secrets[i]);
            if (strncmp(p, secrets[i], n) != 0) continue;
            const char *next = p + n + strcspn(p + n, "&");
            memmove(p + n, next, strlen(next) + 1);
        }
    }
}

/* The URL without the secrets in it, for messages. NULL: no memory. */
static char *hide_secrets(const char *url)
{
    char *shown = strdup(url);
    if (!shown) return NULL;
    hide_user_password(shown);
    hide_parameters(shown);
    return shown;
}

static char *env_password, *env_store;

/* Takes it out of the environment. /proc/PID/environ shows the memory that the program began with. */
static char *take_variable(const char *name)
{
    char *value = getenv(name), *copy = strdup(value);
    explicit_bzero(value, strlen(value));
    unsetenv(name);
    return copy;
}

void config_begin(void)
{
    const char *store = getenv(STORE_NAME);
    char *shown = store ? hide_secrets(store) : NULL;
    if (store && (!shown || strcmp(shown, store) != 0)) env_store = take_variable(STORE_NAME);
    free(shown);
    if (getenv(PASSWORD_NAME)) env_password = take_variable(PASSWORD_NAME);
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

typedef enum file_kind { FILE_CONFIG, FILE_PASSWORD } file_kind;

/* Who may have written or read it decides whether it is used. EXIT_DONE when it may be. */
static int check_owner(const char *path, const struct stat *st, file_kind kind)
{
    if (!S_ISREG(st->st_mode)) return out_error(EXIT_USAGE, "%s is no regular file", path);
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return out_error(EXIT_USAGE, "%s belongs to another user (%lu), and is not used", path,
                         (unsigned long)st->st_uid);
    if (st->st_mode & S_IWOTH) return out_error(EXIT_USAGE, "%s can be changed by everybody, and is not used", path);
    if (kind == FILE_PASSWORD && st->st_mode & (S_IRGRP | S_IROTH | S_IWGRP))
        return out_error(EXIT_USAGE, "%s can be read by others; `chmod 600 %s`", path, path);
    return EXIT_DONE;
}

/* *text stays NULL when there is no such file. */
static int read_file(const char *path, file_kind kind, size_t most, char **text, size_t *len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), code = EXIT_DONE;
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return EXIT_DONE;
    if (fd < 0) return out_error(EXIT_USAGE, "%s cannot be opened: %s", path, strerror(errno));
    char *buf = malloc(most + 1);
    if (fstat(fd, &st) != 0 || !buf)
        code = out_error(EXIT_FAILED, "%s cannot be read", path);
    else
        code = check_owner(path, &st, kind);
    size_t n = 0;
    ssize_t got = 1;
    while (code == EXIT_DONE && got > 0 && n < most) {
        got = read(fd, buf + n, most - n);
        if (got < 0 && errno != EINTR) code = out_error(EXIT_USAGE, "%s cannot be read: %s", path, strerror(errno));
        if (got > 0) n += (size_t)got;
        if (got < 0) got = 1;
    }
    close(fd);
    if (code == EXIT_DONE && n == most) code = out_error(EXIT_USAGE, "%s is too large", path);
    if (code == EXIT_DONE) {
        buf[n] = '\0';
        *text = buf;
        *len = n;
    } else {
        free(buf);
    }
    return code;
}

static void say_line(void *arg, const char *line)
{
    (void)arg;
    out_line(line);
}

static int load_file(config *c, const char *path)
{
    char *text = NULL;
    size_t len = 0;
    int code = read_file(path, FILE_CONFIG, FILE_MOST, &text, &len);
    if (code == EXIT_DONE && text && !config_read(&c->files[c->n_files++], path, text, len, say_line, NULL))
        code = EXIT_USAGE;
    free(text);
    return code;
}

static int load_files(config *c)
{
    char path[4096];
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int code = load_file(c, "eyot.yaml");
    if (code != EXIT_DONE) return code;
    if (base && base[0] == '/')
        snprintf(path, sizeof path, "%s/eyot/config.yaml", base);
    else if (home && home[0] == '/')
        snprintf(path, sizeof path, "%s/.config/eyot/config.yaml", home);
    else
        return EXIT_DONE;
    return load_file(c, path);
}

/* ---- passwords -------------------------------------------------------------------------------------------------- */

/* Where ":password" belongs in a URL; NULL: it has no place for one, or has one already. Redis has a password without a user:
 * "redis://:password@host". *at: what has to follow it. */
static const char *password_place(const char *url, const char **at)
{
    static const char *const without_user[] = {"redis", "rediss", "redis+unix"};
    const char *slashes = strstr(url, "://"), *user = slashes ? slashes + 3 : NULL;
    size_t user_len = user ? strcspn(user, "/?#") : 0;
    const char *end = user ? memchr(user, '@', user_len) : NULL;
    *at = "";
    if (end) return memchr(user, ':', (size_t)(end - user)) ? NULL : end;
    *at = "@";
    for (size_t i = 0; user && i < sizeof without_user / sizeof *without_user; i++) {
        size_t n = strlen(without_user[i]);
        if ((size_t)(slashes - url) == n && strncasecmp(url, without_user[i], n) == 0) return user;
    }
    return NULL;
}

char *config_with_password(const char *url, const char *password)
{
    const char *at, *place = password ? password_place(url, &at) : NULL;
    if (!place) return strdup(url);
    char *out = malloc(strlen(url) + 3 * strlen(password) + 3);
    if (!out) return NULL;
    size_t n = (size_t)(place - url);
    memcpy(out, url, n);
    out[n++] = ':';
    for (const char *p = password; *p; p++) {
        bool plain = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
        if (plain)
            out[n++] = *p;
        else
            n += (size_t)sprintf(out + n, "%%%02X", (unsigned char)*p);
    }
    sprintf(out + n, "%s%s", at, place);
    return out;
}

static int read_password(const char *path, char **password)
{
    size_t len = 0;
    int code = read_file(path, FILE_PASSWORD, PASSWORD_MOST, password, &len);
    if (code != EXIT_DONE) return code;
    if (!*password) return out_error(EXIT_USAGE, "the password file %s is not there", path);
    (*password)[strcspn(*password, "\r\n")] = '\0';
    return EXIT_DONE;
}

/* ---- which store ------------------------------------------------------------------------------------------------ */

static const config_store *find_store(const config *c, const char *name)
{
    for (size_t f = 0; f < c->n_files; f++)
        for (size_t i = 0; i < c->files[f].n_stores; i++)
            if (strcmp(c->files[f].stores[i].name, name) == 0) return &c->files[f].stores[i];
    return NULL;
}

/* `word` is a URL, or a name: @NAME anywhere, and a plain one in files, where a URL is what no store is called. */
static int choose(config *c, const char *word, bool may_be_name)
{
    const config_store *store = word[0] == '@' ? find_store(c, word + 1) : may_be_name ? find_store(c, word) : NULL;
    if (word[0] == '@' && !store) return out_error(EXIT_USAGE, "no configuration has a store named \"%s\"", word + 1);
    char *password = NULL;
    int code = store && store->password_file ? read_password(store->password_file, &password) : EXIT_DONE;
    if (code == EXIT_DONE) {
        const char *url = store ? store->url : word;
        c->url = config_with_password(url, password ? password : env_password);
        c->shown = hide_secrets(url);
        if (!c->url || !c->shown) code = out_error(EXIT_FAILED, "out of memory");
    }
    if (password) explicit_bzero(password, strlen(password));
    free(password);
    return code;
}

int config_load(config *c, const char *store)
{
    *c = (config){0};
    int code = load_files(c);
    if (code != EXIT_DONE) return code;
    for (size_t i = 0; i < c->n_files && c->jobs == 0; i++) c->jobs = c->files[i].jobs;
    const char *env = env_store ? env_store : getenv(STORE_NAME);
    if (store) {
        c->from = "--store";
        return choose(c, store, false);
    }
    if (env && *env) {
        c->from = "EYOT_STORE";
        return choose(c, env, false);
    }
    for (size_t i = 0; i < c->n_files; i++) {
        if (!c->files[i].store) continue;
        c->from = c->files[i].path;
        return choose(c, c->files[i].store, true);
    }
    c->from = "default";
    return choose(c, "eyot.db", false);
}

void config_clear(config *c)
{
    for (size_t i = 0; i < c->n_files; i++) config_file_clear(&c->files[i]);
    if (c->url) explicit_bzero(c->url, strlen(c->url));
    free(c->url);
    free(c->shown);
    *c = (config){0};
}
