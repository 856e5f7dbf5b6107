/* SPDX-License-Identifier: MIT */
/* What the verbs share that go on with a stored run, or from one: its graph, whether it is trusted, its directory. */
#include "cli/life.h"

#include "cli/input.h"
#include "cli/out.h"
#include "cli/stored.h"

#include <string.h>

/* ---- the graph -------------------------------------------------------------------------------------------------- */

int life_choose_graph(life *l, const run_row *row)
{
    stored s;
    const char *path = args_text(l->a, "graph", NULL);
    int code = stored_read(&s, &l->place, row);
    if (code == EXIT_DONE && !s.file)
        code = out_error(EXIT_STORED, "run %s belongs to a program; only that can go on with it", row->id);
    if (code == EXIT_DONE && path) {
        l->file = input_graph(path, l->loop, &code);
    } else if (code == EXIT_DONE) {
        l->file = s.file;
        s.file = NULL;
    }
    stored_clear(&s);
    return code;
}

static eyot_status keep_change(void *arg, const eyot_change *change)
{
    gf_problems *lines = arg;
    gf_problems_add(&lines[!change->harmless], "%s", change->text);
    return EYOT_OK;
}

int life_compare(const life *l, const run_row *row)
{
    eyot_error e;
    gf_problems lines[2] = {{0}, {0}}; /* harmless ones, the others */
    int code = EXIT_DONE;
    if (!args_has(l->a, "graph")) return code;
    if (eyot_store_compare_graph(l->place.store, row->id, flow_graph(l->flow), keep_change, lines, &e)) {
        code = out_failed(&e);
    } else if (lines[1].n > 0 && !args_has(l->a, "accept-changes")) {
        code = EXIT_STORED;
        out_error(code, "%s is not the graph that run %s was made with; to go on all the same: --accept-changes",
                  args_text(l->a, "graph", NULL), row->id);
        for (size_t i = 0; i < lines[1].n; i++) out_line(lines[1].lines[i]);
    } else {
        for (size_t k = 0; k < 2; k++)
            for (size_t i = 0; i < lines[k].n; i++) out_note("%s", lines[k].lines[i]);
    }
    gf_problems_clear(&lines[0]);
    gf_problems_clear(&lines[1]);
    return code;
}

/* ---- trust ------------------------------------------------------------------------------------------------------ */

int life_trust(life *l, const run_row *row, bool commands)
{
    eyot_error e;
    eyot_buf *buf = eyot_buf_new();
    if (!buf) return out_error(EXIT_FAILED, "out of memory");
    eyot_status s = eyot_store_get_note(l->place.store, row->id, EYOT_NOTE_IMPORTED, buf, &e);
    eyot_buf_free(buf);
    l->imported = s == EYOT_OK;
    if (s != EYOT_OK && s != EYOT_ENOTFOUND && s != EYOT_ENOTSUP) return out_failed(&e);
    if (!l->imported || !commands || args_has(l->a, "graph") || args_has(l->a, "trust-store")) return EXIT_DONE;
    return out_error(EXIT_USAGE,
                     "run %s was imported, and whoever wrote it chose its commands: name the graph to go on with by "
                     "--graph FILE, or trust them by --trust-store",
                     row->id);
}

char *life_directory(const life *l, const char *id)
{
    if (l->imported && !args_has(l->a, "trust-store")) return NULL;
    eyot_buf *buf = eyot_buf_new();
    char *cwd = NULL;
    if (buf && eyot_store_get_note(l->place.store, id, "cwd", buf, NULL) == EYOT_OK)
        cwd = strdup(eyot_buf_data(buf, NULL));
    eyot_buf_free(buf);
    return cwd;
}

void life_keep_directory(const life *l, const char *id)
{
    eyot_error e;
    eyot_status s = eyot_store_put_note(l->place.store, id, "cwd", l->cwd, strlen(l->cwd), &e);
    if (s != EYOT_OK && s != EYOT_ENOTSUP) out_note("the directory of run %s could not be kept: %s", id, e.text);
}
