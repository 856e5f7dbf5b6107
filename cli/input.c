/* SPDX-License-Identifier: MIT */
#include "cli/input.h"

#include "cli/jq.h"
#include "cli/out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files ------------------------------------------------------------------------------------------------------ */

static char *read_all(int fd, const char *path, size_t most, size_t *len, eyot_error *e)
{
    size_t cap = 65536, n = 0;
    char *text = malloc(cap + 1);
    while (text) {
        ssize_t got = read(fd, text + n, cap - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            eyot_error_set(e, EYOT_EIO, "%s cannot be read: %s", path, strerror(errno));
            break;
        }
        n += (size_t)got;
        if (n > most) {
            eyot_error_set(e, EYOT_ELIMIT, "%s is larger than %zu bytes", path, most);
            break;
        }
        if (got == 0) {
            text[n] = '\0';
            *len = n;
            return text;
        }
        if (n < cap) continue;
        char *more = realloc(text, (cap *= 2) + 1);
        if (!more) free(text);
        text = more;
    }
    if (!text) eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    free(text);
    return NULL;
}

char *input_read_file(const char *path, size_t most, size_t *len, eyot_error *e)
{
    struct stat st;
    if (!*path) {
        eyot_error_set(e, EYOT_ENOTFOUND, "the name of the file is empty");
        return NULL;
    }
    if (strcmp(path, "-") == 0) return read_all(STDIN_FILENO, "stdin", most, len, e);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        eyot_status s = errno == ENOENT || errno == ENOTDIR ? EYOT_ENOTFOUND : EYOT_EIO;
        eyot_error_set(e, s, "%s cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    char *text = NULL;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        eyot_error_set(e, EYOT_ENOTFOUND, "%s is a directory", path);
    else
        text = read_all(fd, path, most, len, e);
    close(fd);
    return text;
}

/* ---- graph files ------------------------------------------------------------------------------------------------ */

enum { GRAPH_MOST = 4 * 1024 * 1024 };

static char *compile(void *arg, const char *program)
{
    char *problem = NULL;
    if (jq_check(arg, &program, 1, &problem) == EYOT_OK) return problem;
    free(problem);
    return strdup("the expression could not be compiled: its helper failed");
}

graphfile *input_graph(const char *path, loop *l, int *code)
{
    eyot_error e;
    size_t len;
    gf_problems problems = {0};
    char *text = input_read_file(path, GRAPH_MOST, &len, &e);
    if (!text) {
        *code = e.status == EYOT_ENOTFOUND ? EXIT_MISSING : EXIT_USAGE;
        out_error(*code, "%s", e.text);
        return NULL;
    }
    graphfile *file = graphfile_read(path, text, len, l ? compile : NULL, l, &problems);
    if (!file) {
        *code = problems.n > 0 ? EXIT_USAGE : EXIT_FAILED;
        for (size_t i = 0; i < problems.n; i++) out_line(problems.lines[i]);
        if (problems.n == 0) out_error(*code, "out of memory");
    }
    gf_problems_clear(&problems);
    free(text);
    return file;
}

/* ---- the first state -------------------------------------------------------------------------------------------- */

/* The value that an option's text means; NULL: a mistake, said as one of `where`. */
static eyot_value *read_json(const char *where, const char *text, size_t len)
{
    eyot_error e;
    eyot_value *value = eyot_json_parse_len(text, len, &e);
    if (!value) out_error(EXIT_USAGE, "%s: not JSON: %s", where, e.text);
    return value;
}

static eyot_value *read_input(const char *option)
{
    eyot_error e;
    size_t len;
    bool file = option[0] == '@', in = strcmp(option, "-") == 0;
    if (!file && !in) return read_json("--input", option, strlen(option));
    char where[300];
    const char *path = file ? option + 1 : option;
    char *text = input_read_file(path, EYOT_JSON_MAX_BYTES, &len, &e);
    snprintf(where, sizeof where, "--input: %s", in ? "stdin" : path);
    eyot_value *value = text ? read_json(where, text, len) : NULL;
    if (!text) out_error(EXIT_USAGE, "--input: %s", e.text);
    free(text);
    return value;
}

/* The state with all keys of `over` in place of its own. Consumes the state. */
static eyot_value * override(eyot_value *state, const eyot_value *over)
{
    eyot_value_iter it = eyot_value_each(over);
    while (eyot_value_next(&it)) state = eyot_value_set_len(state, it.key, it.key_len, eyot_value_ref(it.value));
    return state;
}

static eyot_value *read_setting(const args_given *given, size_t key_len)
{
    eyot_error e;
    const char *name = given->option->name, *text = given->value + key_len + 1;
    char where[160];
    size_t len;
    snprintf(where, sizeof where, "--%s %.*s", name, key_len > 100 ? 100 : (int)key_len, given->value);
    if (strcmp(name, "set") == 0) {
        eyot_value *value = eyot_json_parse(text, &e);
        if (!value) out_error(EXIT_USAGE, "%s: not JSON: %s (--set-str takes plain text)", where, e.text);
        return value;
    }
    char *bytes = NULL;
    if (strcmp(name, "set-file") == 0) {
        bytes = input_read_file(text, EYOT_VALUE_MAX_BYTES, &len, &e);
        if (!bytes) return out_error(EXIT_USAGE, "%s: %s", where, e.text), NULL;
    }
    eyot_value *value = eyot_value_new_string_len(bytes ? bytes : text, bytes ? len : strlen(text));
    if (!value) out_error(EXIT_USAGE, "%s: not UTF-8", where);
    free(bytes);
    return value;
}

/* Consumes the state. */
static eyot_value *apply_setting(eyot_value *state, const args_given *given)
{
    const char *equals = strchr(given->value, '=');
    eyot_value *value = NULL;
    if (!equals || equals == given->value)
        out_error(EXIT_USAGE, "--%s takes %s, not \"%s\"", given->option->name, given->option->value, given->value);
    else
        value = read_setting(given, (size_t)(equals - given->value));
    if (!value) {
        eyot_value_unref(state);
        return NULL;
    }
    eyot_value *changed = eyot_value_set_len(state, given->value, (size_t)(equals - given->value), value);
    if (!changed) out_error(EXIT_USAGE, "--%s: the key is no UTF-8", given->option->name);
    return changed;
}

eyot_value *input_settings(const args *a, eyot_value *state_take)
{
    eyot_value *state = state_take;
    for (size_t i = 0; state && i < a->n_given; i++)
        if (strncmp(a->given[i].option->name, "set", 3) == 0) state = apply_setting(state, &a->given[i]);
    return state;
}

eyot_value *input_state(const args *a, const graphfile *file)
{
    eyot_value *state = eyot_value_ref(file->state);
    const char *option = args_text(a, "input", NULL);
    eyot_value *input = option ? read_input(option) : NULL;
    bool good = !option || eyot_value_kind_of(input) == EYOT_VALUE_MAP;
    if (input && !good)
        out_error(EXIT_USAGE, "--input must be a JSON object, not %s", eyot_value_kind_name(eyot_value_kind_of(input)));
    if (good) state = override(state, input);
    eyot_value_unref(input);
    if (!good) {
        eyot_value_unref(state);
        return NULL;
    }
    return input_settings(a, state);
}
