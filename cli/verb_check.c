/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/input.h"
#include "cli/life.h"
#include "cli/out.h"

static const args_option options[] = {
    {.name = "nodes", .value = "PATH", .repeats = true, .help = "a shared object with functions for `call`"},
    {.name = NULL},
};

static int check_main(const args *a)
{
    life l;
    int code = life_begin(&l, a);
    if (code == EXIT_DONE) l.file = input_graph(a->words[0], l.loop, &code);
    loop *own = l.loop;
    if (!args_has(a, "nodes")) l.loop = NULL; /* then modules are not looked for */
    if (code == EXIT_DONE) code = life_make_flow(&l);
    l.loop = own;
    if (code == EXIT_DONE)
        out_note("%s: graph %s, %zu node%s, no mistakes", a->words[0], l.file->name, l.file->n_nodes,
                 l.file->n_nodes == 1 ? "" : "s");
    return life_end(&l, code);
}

const verb verb_check = {.name = "check",
                         .words = "FILE",
                         .min_words = 1,
                         .max_words = 1,
                         .summary = "check a graph file; all its mistakes, with line and column",
                         .about = "Exits with 0 when there are none, with 2 when there are some. Functions of `call` "
                                  "are looked for with --nodes.",
                         .options = options,
                         .main = check_main};
