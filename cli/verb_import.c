/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/out.h"
#include "cli/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const args_option options[] = {
    {.name = "as", .value = "ID", .help = "the id of the run here; without it the one it had"},
    {.name = NULL},
};

typedef struct input {
    int fd;
    const char *name;
    bool failed; /* to be read: that is no fault of the store */
} input;

static eyot_status read_input(void *arg, void *to, size_t room, size_t *got, eyot_error *e)
{
    input *in = arg;
    ssize_t n;
    do n = read(in->fd, to, room);
    while (n < 0 && errno == EINTR);
    *got = n > 0 ? (size_t)n : 0;
    in->failed = n < 0;
    return n < 0 ? eyot_error_set(e, EYOT_EIO, "%s cannot be read: %s", in->name, strerror(errno)) : EYOT_OK;
}

/* A stream that cannot be read twice goes into a file without a name first. */
static int spool(input *in)
{
    static char bytes[64 * 1024];
    eyot_error e;
    size_t n;
    FILE *file = tmpfile();
    if (!file) return out_error(EXIT_FAILED, "no temporary file: %s", strerror(errno));
    for (;;) {
        if (read_input(in, bytes, sizeof bytes, &n, &e) != EYOT_OK) return out_error(EXIT_FAILED, "%s", e.text);
        if (n == 0) break;
        if (fwrite(bytes, 1, n, file) < n) return out_error(EXIT_FAILED, "the temporary file: %s", strerror(errno));
    }
    if (fflush(file) != 0) return out_error(EXIT_FAILED, "the temporary file: %s", strerror(errno));
    in->fd = fileno(file); /* until the program ends */
    return EXIT_DONE;
}

static int input_open(input *in, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    *in = (input){.fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), .name = is_stdin ? "stdin" : path};
    if (in->fd < 0)
        return out_error(errno == ENOENT || errno == ENOTDIR ? EXIT_MISSING : EXIT_USAGE, "%s cannot be opened: %s",
                         path, strerror(errno));
    return lseek(in->fd, 0, SEEK_SET) == 0 ? EXIT_DONE : spool(in);
}

/* Twice: what is wrong with the stream is found before the store is touched, or even made. */
static int take(const args *a, input *in, eyot_store *store, char id[129])
{
    eyot_error e;
    eyot_import_options how = {.size = sizeof how, .run_id = args_text(a, "as", NULL)};
    if (lseek(in->fd, 0, SEEK_SET) != 0) return out_error(EXIT_FAILED, "%s: %s", in->name, strerror(errno));
    eyot_status status = eyot_store_import(store, &how, read_input, in, id, &e);
    if (status == EYOT_OK) return EXIT_DONE;
    if (in->failed) return out_error(EXIT_FAILED, "%s", e.text);
    if (status == EYOT_EEXIST) return out_error(EXIT_USAGE, "%s; --as ID gives it another id", e.text);
    if (status == EYOT_ECORRUPT || status == EYOT_EFORMAT) return out_error(EXIT_STORED, "%s: %s", in->name, e.text);
    return out_failed(&e);
}

static int import_main(const args *a)
{
    place p = {.store = NULL};
    input in;
    char id[129];
    const char *as = args_text(a, "as", NULL);
    if (as && (!run_id_is_good(as) || strcmp(as, "latest") == 0))
        return out_error(EXIT_USAGE, "--as: \"%s\" cannot be an id: letters, digits and . _ : - after the first", as);
    int code = input_open(&in, a->words[0]);
    if (code == EXIT_DONE) code = take(a, &in, NULL, id);
    if (code != EXIT_DONE) return code;
    code = place_open(&p, a, PLACE_CREATE);
    if (code == EXIT_DONE) code = take(a, &in, p.store, id);
    if (code == EXIT_DONE) out_note("run %s is imported", id);
    place_close(&p);
    return code;
}

const verb verb_import = {
    .name = "import",
    .words = "FILE",
    .min_words = 1,
    .max_words = 1,
    .summary = "take in a run that `eyot export` has written",
    .about =
        "FILE may be - for stdin. A stream that was cut or changed is refused with the line where it was, and nothing "
        "of it is "
        "kept. Whoever wrote it has chosen the commands: to go on with the run, `eyot resume` wants --graph FILE or "
        "--trust-store.",
    .options = options,
    .uses_store = true,
    .main = import_main};
