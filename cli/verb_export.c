/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* mkostemp */
#include "cli/verbs.h"

#include "cli/out.h"
#include "cli/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const args_option options[] = {
    {.name = "output", .letter = 'o', .value = "FILE", .help = "where to; without it, and with -, stdout"},
    {.name = NULL},
};

/* A file that is whole or not there: written beside its place, and put there at the end. */
typedef struct sink {
    FILE *to;
    char *temporary; /* NULL: written in place */
    const char *path;
} sink;

static int cannot(const char *path, const char *what)
{
    return out_error(EXIT_FAILED, "%s cannot be %s: %s", path, what, strerror(errno));
}

static int sink_open(sink *s, const char *path)
{
    struct stat st;
    *s = (sink){.path = path ? path : "stdout"};
    if (!path || strcmp(path, "-") == 0) {
        s->to = stdout;
        return EXIT_DONE;
    }
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* a pipe, a terminal */
        s->to = fopen(path, "we");
        return s->to ? EXIT_DONE : cannot(path, "opened");
    }
    size_t room = strlen(path) + 8;
    s->temporary = malloc(room);
    if (!s->temporary) return out_error(EXIT_FAILED, "out of memory");
    snprintf(s->temporary, room, "%s.XXXXXX", path);
    int fd = mkostemp(s->temporary, O_CLOEXEC); /* for nobody else: states may be secrets */
    s->to = fd < 0 ? NULL : fdopen(fd, "w");
    if (s->to) return EXIT_DONE;
    int code = cannot(path, "made");
    if (fd >= 0) {
        close(fd);
        unlink(s->temporary);
    }
    return code;
}

static int sink_close(sink *s, int code)
{
    if (s->to && s->to != stdout) {
        bool good = fflush(s->to) == 0 && (!s->temporary || fsync(fileno(s->to)) == 0);
        if (fclose(s->to) != 0) good = false;
        if (!good && code == EXIT_DONE) code = cannot(s->path, "written");
        if (s->temporary && code == EXIT_DONE && rename(s->temporary, s->path) != 0)
            code = cannot(s->path, "put there");
        if (s->temporary && code != EXIT_DONE) unlink(s->temporary);
    }
    free(s->temporary);
    return code;
}

static eyot_status write_to(void *arg, const void *bytes, size_t len, eyot_error *e)
{
    sink *s = arg;
    if (fwrite(bytes, 1, len, s->to) == len) return EYOT_OK;
    return eyot_error_set(e, EYOT_ECANCELED, "%s cannot be written: %s", s->path, strerror(errno));
}

/* The directory of its commands, and what they wrote on stderr, go along. */
static int export_run(place *p, sink *s, const run_row *row)
{
    eyot_error e;
    const char *const notes[] = {"cwd"};
    eyot_export_options how = {.size = sizeof how, .notes = notes, .n_notes = 1, .attempt_notes = "log"};
    eyot_status status = eyot_store_export(p->store, row->id, &how, write_to, s, &e);
    if (status == EYOT_ECANCELED && errno == EPIPE) return EXIT_DONE; /* its reader has left */
    if (status == EYOT_ECANCELED) return out_error(EXIT_FAILED, "%s", e.text);
    if (status != EYOT_OK) return out_failed(&e);
    return EXIT_DONE;
}

static int export_main(const args *a)
{
    place p;
    run_word word;
    run_row row;
    sink s = {.to = NULL};
    int code = place_open_run(&p, a, RUN_ALONE, &word, &row);
    if (code == EXIT_DONE) {
        code = sink_open(&s, args_text(a, "output", NULL));
        if (code == EXIT_DONE) code = export_run(&p, &s, &row);
        code = sink_close(&s, code);
    }
    place_close(&p);
    return code;
}

const verb verb_export = {.name = "export",
                          .words = "RUN",
                          .min_words = 1,
                          .max_words = 1,
                          .summary = "write a run as a stream that another store can import",
                          .about = "All that the store has of it: its steps, its graph, what its commands wrote on "
                                   "stderr, the events that nobody has "
                                   "acknowledged. Whoever works on it may go on meanwhile.\n\n"
                                   "  eyot export digest-k3f9q2xw | eyot import - --store redis://db/1",
                          .options = options,
                          .uses_store = true,
                          .main = export_main};
