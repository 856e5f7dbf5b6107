/* SPDX-License-Identifier: MIT */
/* Reads the texts of a directory, one branch per file, and joins what was counted into a report. The run is kept in a
 * store: kill the program at any moment, and --resume goes on without counting a file again.
 *
 *     digest [--delay-ms N] [--resume] STORE RUN_ID [DIRECTORY]    prints the report
 *     digest --count STORE RUN_ID                                  prints how many tasks are committed */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <eyot/copiers.h>
#include <eyot/eyot.h>
#include <eyot/stores.h>

enum { PATH_BYTES = 4096 };

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

static const char *text_at(eyot_task *task, const char *key)
{
    return eyot_value_string(eyot_value_at(eyot_task_state(task), key), "");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Sends one item per regular file; links are other names for the same texts. */
static eyot_status list(eyot_task *task, void *user)
{
    (void)user;
    const char *dir = text_at(task, "dir");
    struct dirent **entries = NULL;
    eyot_status status = EYOT_OK;
    int n = scandir(dir, &entries, NULL, by_name);
    if (n < 0) return eyot_task_fail(task, "%s: %s", dir, strerror(errno));
    for (int i = 0; i < n; i++) {
        char path[PATH_BYTES];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", dir, entries[i]->d_name);
        if (!status && lstat(path, &st) == 0 && S_ISREG(st.st_mode)) {
            eyot_value *item = eyot_value_set(eyot_value_new_map(), "file", eyot_value_new_string(entries[i]->d_name));
            status = item ? eyot_task_send(task, "count", item) : EYOT_ENOMEM;
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

typedef struct counts {
    int64_t words, lines;
    size_t len, longest;
    char word[64];
} counts;

static void count_byte(counts *c, int byte)
{
    static const char joining[] = "-'"; /* inside a word */
    bool part = isalpha(byte) || (c->len > 0 && byte && strchr(joining, byte));
    c->lines += byte == '\n';
    if (!part) {
        c->words += c->len > 0;
        c->len = 0;
        return;
    }
    if (c->len < sizeof c->word - 1) c->word[c->len] = (char)byte;
    c->len++;
}

static eyot_status count(eyot_task *task, void *user)
{
    const struct timespec *delay = user;
    char path[PATH_BYTES], longest[64] = "";
    counts c = {0};
    snprintf(path, sizeof path, "%s/%s", text_at(task, "dir"), text_at(task, "file"));
    FILE *f = fopen(path, "re");
    if (!f) return eyot_task_fail(task, "%s: %s", path, strerror(errno));
    for (int byte; (byte = getc(f)) != EOF;) {
        count_byte(&c, byte);
        if (c.len > c.longest && c.len < sizeof c.word) {
            c.longest = c.len;
            memcpy(longest, c.word, c.len);
        }
    }
    c.words += c.len > 0;
    bool failed = ferror(f);
    fclose(f);
    if (failed) return eyot_task_fail(task, "%s could not be read", path);
    nanosleep(delay, NULL);

    eyot_value *row =
        eyot_value_set(eyot_value_new_map(), "file", eyot_value_ref(eyot_value_at(eyot_task_state(task), "file")));
    row = eyot_value_set(row, "words", eyot_value_new_int(c.words));
    row = eyot_value_set(row, "lines", eyot_value_new_int(c.lines));
    row = eyot_value_set(row, "longest", eyot_value_new_string(longest));
    eyot_value *texts = eyot_value_append(eyot_value_new_array(), row);
    if (!texts) return EYOT_ENOMEM; /* somewhere above */
    eyot_status status = eyot_task_set_value(task, "texts", texts);
    if (!status) status = eyot_task_set_int(task, "words", c.words);
    return status ? status : eyot_task_set_int(task, "lines", c.lines);
}

static eyot_status report(eyot_task *task, void *user)
{
    (void)user;
    const char *longest = "";
    eyot_value_iter it = eyot_value_each(eyot_value_at(eyot_task_state(task), "texts"));
    while (eyot_value_next(&it)) {
        const char *word = eyot_value_string(eyot_value_at(it.value, "longest"), "");
        if (strlen(word) > strlen(longest)) longest = word;
    }
    return eyot_task_set_string(task, "longest", longest);
}

/* ---- the graph ------------------------------------------------------------------------------------------------- */

static eyot_graph *build(struct timespec *delay, eyot_error *e)
{
    eyot_graph *g = NULL;
    if (eyot_graph_new(&g, "digest", eyot_json())) return NULL;
    eyot_graph_node(g, "list", list, NULL);
    eyot_graph_node(g, "count", count, delay);
    eyot_graph_node(g, "report", report, NULL);
    eyot_graph_edge_each(g, "list", "count");
    eyot_graph_edge_otherwise(g, "list", "report"); /* no files */
    eyot_graph_edge(g, "count", "report");
    eyot_graph_reduce(g, "file", EYOT_LOCAL);
    eyot_graph_reduce(g, "texts", EYOT_APPEND);
    eyot_graph_reduce(g, "words", EYOT_ADD);
    eyot_graph_reduce(g, "lines", EYOT_ADD);
    if (!eyot_graph_freeze(g, e)) return g;
    eyot_graph_free(g);
    return NULL;
}

static void print_report(const eyot_value *state)
{
    eyot_value_iter it = eyot_value_each(eyot_value_at(state, "texts"));
    while (eyot_value_next(&it))
        printf("%8lld words %7lld lines  %-14s longest: %s\n",
               (long long)eyot_value_int(eyot_value_at(it.value, "words"), 0),
               (long long)eyot_value_int(eyot_value_at(it.value, "lines"), 0),
               eyot_value_string(eyot_value_at(it.value, "file"), "?"),
               eyot_value_string(eyot_value_at(it.value, "longest"), "?"));
    printf("%8lld words %7lld lines  in all         longest: %s\n",
           (long long)eyot_value_int(eyot_value_at(state, "words"), 0),
           (long long)eyot_value_int(eyot_value_at(state, "lines"), 0),
           eyot_value_string(eyot_value_at(state, "longest"), "?"));
}

/* ---- the program ----------------------------------------------------------------------------------------------- */

typedef struct arguments {
    bool resume, count;
    long delay_ms;
    const char *store, *run_id, *dir;
} arguments;

static bool read_arguments(arguments *a, int argc, char **argv)
{
    const char *words[3] = {NULL, NULL, "/usr/share/common-licenses"};
    int n = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--resume") == 0)
            a->resume = true;
        else if (strcmp(argv[i], "--count") == 0)
            a->count = true;
        else if (strcmp(argv[i], "--delay-ms") == 0 && i + 1 < argc)
            a->delay_ms = strtol(argv[++i], NULL, 10);
        else if (argv[i][0] == '-' || n == 3)
            return false;
        else
            words[n++] = argv[i];
    }
    a->store = words[0];
    a->run_id = words[1];
    a->dir = words[2];
    return n >= 2 && a->delay_ms >= 0;
}

static int print_count(const arguments *a, const eyot_graph *g, eyot_error *e)
{
    eyot_store *store = NULL;
    eyot_checkpoint *c = NULL;
    unsigned long long steps = 0;
    eyot_status status = eyot_store_open_with(&store, a->store, EYOT_OPEN_EXISTING, e);
    if (!status) status = eyot_store_load_latest_checkpoint(&c, store, g, a->run_id, e);
    if (!status) steps = (unsigned long long)eyot_checkpoint_step(c);
    if (status == EYOT_ENOTFOUND) e->status = EYOT_OK; /* not begun yet */
    if (!e->status) printf("%llu\n", steps);
    eyot_checkpoint_free(c);
    eyot_store_close(store);
    return e->status != EYOT_OK;
}

static eyot_status digest(const arguments *a, const eyot_graph *g, eyot_error *e)
{
    eyot_store *store = NULL;
    eyot_engine *engine = NULL;
    eyot_run *run = NULL;
    eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.run_id = a->run_id;
    eyot_status status = eyot_store_open(&store, a->store, e);
    options.store = store;
    if (!status) status = eyot_engine_new(&engine, &options, e);
    if (!status && a->resume) {
        status = eyot_run_resume(&run, engine, g, a->run_id, NULL, e);
    } else if (!status) {
        eyot_value *state = eyot_value_set(eyot_value_new_map(), "dir", eyot_value_new_string(a->dir));
        status = eyot_run_start(&run, engine, g, state, &o, e);
    }
    if (!status) status = eyot_run_wait(run, e);
    if (!status) print_report(eyot_run_state(run));
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    return status;
}

int main(int argc, char **argv)
{
    arguments a = {0};
    eyot_error e = {EYOT_OK, 0, ""};
    if (!read_arguments(&a, argc, argv)) {
        fprintf(stderr, "usage: digest [--delay-ms N] [--resume | --count] STORE RUN_ID [DIRECTORY]\n");
        return 2;
    }
    struct timespec delay = {.tv_sec = a.delay_ms / 1000, .tv_nsec = a.delay_ms % 1000 * 1000000};
    eyot_graph *g = build(&delay, &e);
    if (g && a.count) print_count(&a, g, &e);
    if (g && !a.count) digest(&a, g, &e);
    if (e.status) fprintf(stderr, "digest: %s\n", e.text);
    eyot_graph_free(g);
    return !g || e.status != EYOT_OK;
}
