/* SPDX-License-Identifier: MIT */
/* A run that is written by hand, so that its times are the same whenever it is made: what befalls tasks before they are
 * done, and a snapshot that tells of it. */
#include <stdlib.h>
#include <string.h>

#include "core/record.h"
#include "core/run.h"
#include "test/golden.h"

enum { ENTRIES = 20 };
#define BEGAN_MS INT64_C(1700000000000)

static eyot_status nothing(eyot_task *task, void *user)
{
    (void)task, (void)user;
    return EYOT_OK;
}

eyot_graph *golden_waits(const char *name)
{
    static const char *const middle[] = {"ask", "nap", "try", "quick", "leaf"};
    eyot_graph *g = NULL;
    eyot_error e;
    if (eyot_graph_new(&g, name, eyot_json())) return NULL;
    eyot_graph_node(g, "begin", nothing, NULL);
    for (size_t i = 0; i < 5; i++) {
        eyot_graph_node(g, middle[i], nothing, NULL);
        eyot_graph_edge(g, "begin", middle[i]);
        if (i < 4) eyot_graph_edge(g, middle[i], "both");
    }
    eyot_graph_node(g, "both", nothing, NULL);
    eyot_graph_reduce(g, "n", EYOT_ADD);
    if (!eyot_graph_freeze(g, &e)) return g;
    eyot_graph_free(g);
    return NULL;
}

typedef struct hand {
    const eyot_graph *g;
    eyot__frontier f;
    eyot_buf bodies[ENTRIES];
    eyot_entry entries[ENTRIES];
    size_t n;
    uint64_t step, snapshot_seq;
    eyot_status failed;
    eyot__outside_list told; /* what the entry that comes next tells of; always empty in waits-2 */
} hand;

static eyot_buf *begin_entry(hand *h, eyot_entry_kind kind)
{
    h->entries[h->n].kind = kind;
    (void)eyot__record_begin(&h->bodies[h->n], kind, "json/1");
    return &h->bodies[h->n];
}

static void end_entry(hand *h)
{
    eyot_buf *body = &h->bodies[h->n];
    eyot__record_end(body, 0);
    if (body->failed || h->n + 1 == ENTRIES) {
        h->failed = EYOT_ENOMEM;
        return;
    }
    eyot_entry *e = &h->entries[h->n++];
    const char *name = eyot_graph_name(h->g);
    e->seq = h->n;
    e->step = h->step;
    eyot__record_seal(body->data, body->len, (eyot_bytes){name, strlen(name)}, e->seq);
    e->body = (eyot_bytes){body->data, body->len};
    if (e->kind == EYOT_ENTRY_SNAPSHOT) h->snapshot_seq = e->seq;
}

static eyot__activation *live_at(const hand *h, const char *node)
{
    eyot__activation *a = h->f.live;
    while (a && strcmp(h->g->nodes[a->who.node].id, node) != 0) a = a->next;
    return a;
}

static void snapshot(hand *h)
{
    eyot__entry_put_snapshot(begin_entry(h, EYOT_ENTRY_SNAPSHOT), &h->f,
                             &(eyot__snapshot){.steps = h->step, .seed = "fifteen letters"});
    end_entry(h);
}

static void status(hand *h, eyot_run_status s)
{
    eyot_error none = {.status = EYOT_OK};
    eyot__entry_put_status(begin_entry(h, EYOT_ENTRY_STATUS), s, &none);
    end_entry(h);
}

/* The task adds n, and its branch goes along all its edges. */
static void task(hand *h, const char *node, uint64_t attempt, const char *json)
{
    eyot_error e = {.status = EYOT_OK};
    eyot__activation *a = live_at(h, node);
    eyot_value *update = eyot_json_parse(json, &e);
    if (h->failed || !a || !update || eyot__state_update(&a->state, update, &h->f.history, &e)) {
        eyot_value_unref(update);
        h->failed = EYOT_EFAILED;
        return;
    }
    size_t out = h->f.shape->nodes[a->who.node].n_out;
    h->step++;
    eyot__entry_put_task(begin_entry(h, EYOT_ENTRY_TASK), h->g, &a->who, attempt, update, NULL, out,
                         BEGAN_MS + (int64_t)h->n, 10 * h->step, &h->told);
    eyot__outside_clear(&h->told);
    end_entry(h);
    h->failed = eyot__frontier_commit(&h->f, a, update, NULL, out, &e);
}

static void attempt(hand *h, const char *node, const char *text)
{
    eyot__activation *a = live_at(h, node);
    if (!a || !eyot__memo_of(a)) {
        h->failed = EYOT_EFAILED;
        return;
    }
    eyot__entry_put_attempt(begin_entry(h, EYOT_ENTRY_ATTEMPT), h->g, &a->who, ++a->memo->failed, EYOT_EFAILED, text,
                            BEGAN_MS + (int64_t)h->n, 7);
    end_entry(h);
}

static void say(hand *h, eyot_entry_kind kind, const char *node, uint32_t n, const char *text)
{
    eyot__activation *a = live_at(h, node);
    if (!a || (kind == EYOT_ENTRY_ASKED ? eyot__memo_ask(a, n, text, strlen(text))
                                        : eyot__memo_answer(a, n, text, strlen(text)))) {
        h->failed = EYOT_EFAILED;
        return;
    }
    if (kind == EYOT_ENTRY_ASKED)
        eyot__entry_put_asked(begin_entry(h, kind), h->g, &a->who, n, text, &h->told);
    else
        eyot__entry_put_answered(begin_entry(h, kind), h->g, &a->who, n, text);
    if (kind == EYOT_ENTRY_ASKED) eyot__outside_move(&a->memo->told, &h->told);
    end_entry(h);
}

static void nap(hand *h, const char *node, uint32_t n, int64_t due_ms)
{
    eyot__activation *a = live_at(h, node);
    if (!a || eyot__memo_sleep(a, n, due_ms)) {
        h->failed = EYOT_EFAILED;
        return;
    }
    eyot__entry_put_timer(begin_entry(h, EYOT_ENTRY_TIMER), h->g, &a->who, n, due_ms, &h->told);
    eyot__outside_move(&a->memo->told, &h->told);
    end_entry(h);
}

/* What the task was told that the next entry is of. */
static void tell(hand *h, const char *name, eyot_status status, const char *value)
{
    bool since_3 = strcmp(eyot_graph_name(h->g), "waits-2") != 0;
    if (since_3 && !eyot__outside_add(&h->told, name, strlen(name), status, value, strlen(value)))
        h->failed = EYOT_ENOMEM;
}

static void write_all(hand *h)
{
    snapshot(h);
    task(h, "begin", 1, "{\"n\":1}");
    tell(h, "price", EYOT_OK, "12.50");
    tell(h, "stock", EYOT_EIO, "the line is dead");
    say(h, EYOT_ENTRY_ASKED, "ask", 0, "who are you?");
    tell(h, "now", EYOT_OK, "");
    nap(h, "nap", 0, BEGAN_MS + 60000);
    attempt(h, "try", "kein Papier \xe2\x80\x93 tray 2 is empty");
    tell(h, "reply", EYOT_OK, "200 OK");
    task(h, "quick", 1, "{\"n\":10}");
    task(h, "leaf", 1, "{\"n\":100}");
    status(h, EYOT_RUN_SUSPENDED);
    say(h, EYOT_ENTRY_ANSWERED, "ask", 0, "Ada \xe2\x80\x93 L.");
    say(h, EYOT_ENTRY_ASKED, "ask", 1, "");
    attempt(h, "try", "");
    snapshot(h);
    say(h, EYOT_ENTRY_ANSWERED, "ask", 1, "");
    nap(h, "ask", 2, BEGAN_MS + 120000);
    task(h, "ask", 1, "{\"n\":1000}");
    task(h, "nap", 1, "{\"n\":10000}");
    task(h, "try", 3, "{\"n\":100000}");
    task(h, "both", 1, "{\"n\":1000000}");
    status(h, EYOT_RUN_DONE);
}

bool golden_waits_life(eyot_engine *engine, const eyot_graph *g)
{
    eyot_error e = {.status = EYOT_OK};
    hand *h = calloc(1, sizeof *h);
    if (!h) return false;
    h->g = g;
    eyot__frontier_init(&h->f, g, true, sizeof(eyot__activation), NULL, 0, NULL);
    eyot__state *state = eyot__state_new(eyot_value_new_map(), &h->f.history);
    h->failed = eyot__frontier_start(&h->f, state, &e);
    if (!h->failed) write_all(h);
    const char *name = eyot_graph_name(g);
    eyot_bytes run = {name, strlen(name)};
    eyot_run_row row = {.run = run, .graph = run, .fingerprint = {eyot_graph_fingerprint(g), 64}, .epoch = 1};
    eyot_commit first = {.run = run,
                         .epoch = 1,
                         .entries = h->entries,
                         .n_entries = h->n,
                         .due_in_ms = INT64_MAX,
                         .status = EYOT_RUN_DONE,
                         .snapshot_seq = h->snapshot_seq};
    if (!h->failed) h->failed = eyot__store_create_run(engine->store, &row, (eyot_bytes){"{}", 2}, &first, &e);
    bool good = !h->failed;
    eyot__frontier_clear(&h->f);
    for (size_t i = 0; i < ENTRIES; i++) eyot__buf_clear(&h->bodies[i]);
    free(h);
    return good;
}
