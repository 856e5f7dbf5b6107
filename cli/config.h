/* SPDX-License-Identifier: MIT */
/* Where the store is and what runs begin with: options, environment, configuration files.
 * In this order: --store, EYOT_STORE, ./eyot.yaml, $XDG_CONFIG_HOME/eyot/config.yaml (~/.config), eyot.db. */
#ifndef EYOT_CLI_CONFIG_H
#define EYOT_CLI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct config_store {
    char *name, *url;
    char *password_file; /* NULL: none */
} config_store;

/* What one file says. */
typedef struct config_file {
    char *path;
    char *store; /* a name or a URL; NULL: not said */
    config_store *stores;
    size_t n_stores;
    uint32_t jobs; /* 0: not said */
} config_file;

typedef struct config {
    char *url;        /* as it is opened, with its password */
    char *shown;      /* as it was given, for messages */
    const char *from; /* who said so: "--store", "EYOT_STORE", a file's path, "default" */
    uint32_t jobs;    /* 0: not said */
    config_file files[2];
    size_t n_files;
} config;

/* At the start of the program: keeps EYOT_STORE_PASSWORD, and an EYOT_STORE with a password in it, for later and takes them
 * out of the environment, so that no command of a graph gets to see them. */
void config_begin(void);

/* Reads what there is; `store` is the value of --store or NULL. Returns EXIT_DONE, or another code when something
 * has been said on stderr. config_clear in any case. */
int config_load(config *c, const char *store);
void config_clear(config *c);

/* Reads a configuration file's text. `say` is called for each of its mistakes, with "path:line:column: ..."; false
 * then. */
typedef void (*config_say_fn)(void *arg, const char *line);
bool config_read(config_file *f, const char *path, const char *text, size_t len, config_say_fn say, void *arg);
void config_file_clear(config_file *f);

/* The URL with the password put behind its user: scheme://user:password@host; for Redis also without one: redis://:password@host.
 * NULL: no memory. Any other URL that has no user, and one that has a password already, is only copied. */
char *config_with_password(const char *url, const char *password);

#endif
