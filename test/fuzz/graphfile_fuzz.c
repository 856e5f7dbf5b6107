/* SPDX-License-Identifier: MIT */
/* Any bytes as a graph file: complained about in one-line texts that have a place, in order, or read; then its canonical
 * text is read as the same graph, and says the same of itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/graphfile.h"
#include "test/fuzz/fuzz.h"

static eyot_status no_change(void *arg, const eyot_change *change)
{
    (void)arg, (void)change;
    return EYOT_ECHANGED;
}

/* Refuses programs with a question mark. */
static char *compile(void *arg, const char *program)
{
    (void)arg;
    if (!strchr(program, '?')) return NULL;
    char *said = malloc(16);
    return said ? strcpy(said, "syntax error") : NULL;
}

static void check_problems(const gf_problems *p)
{
    unsigned long before = 0;
    for (size_t i = 0; i < p->n && i < 200; i++) {
        unsigned line = 0, column = 0;
        int end = 0;
        DEMAND(sscanf(p->lines[i], "f:%u:%u: %n", &line, &column, &end) == 2 && end > 0);
        DEMAND(line > 0 && column > 0 && line >= before);
        for (const char *c = p->lines[i]; *c; c++) DEMAND((unsigned char)*c >= 0x20 && *c != 0x7F);
        before = line;
    }
}

/* Nodes of documents are what costs: of an empty map in a map 45 times its text. */
enum { FACTOR = 64 };

static graphfile *read_file(const char *text, size_t len)
{
    gf_problems p = {0};
    fuzz_memory_begin();
    graphfile *g = graphfile_read("f", text, len, compile, NULL, &p);
    fuzz_memory_end(len, FACTOR);
    DEMAND((g != NULL) == (p.n == 0));
    check_problems(&p);
    gf_problems_clear(&p);
    return g;
}

void fuzz_one(const uint8_t *data, size_t size)
{
    graphfile *g = read_file((const char *)data, size);
    if (!g) return;
    graphfile *again = read_file(g->canonical, strlen(g->canonical));
    DEMAND(again && strcmp(again->canonical, g->canonical) == 0);
    DEMAND(graphfile_compare(g, again, no_change, NULL) == EYOT_OK);
    graphfile_free(again);
    graphfile_free(g);
}
