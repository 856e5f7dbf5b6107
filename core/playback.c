/* SPDX-License-Identifier: MIT */
/* The steps of a run, from its log alone, with the states they led to. */
#include <string.h>

#include <eyot/replay.h>

#include "core/past.h"
#include "core/replay.h"

typedef struct playing {
    eyot__replay replay;
    eyot__rebuilt built;
    eyot__frontier frontier;
    eyot_buf key;
    eyot_played_fn fn;
    void *arg;
    bool ended; /* by fn */
} playing;

static eyot_status on_step(void *arg, const eyot__activation *a, const eyot__task_entry *t, eyot_error *e)
{
    playing *p = arg;
    const eyot_graph *g = p->frontier.graph;
    eyot__buf_reset(&p->key);
    eyot__key_print(&p->key, g, &a->who);
    if (p->key.failed) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    eyot_played_step step = {.size = sizeof step, .seq = p->built.seq, .step = p->built.steps};
    step.task = eyot_buf_data(&p->key, NULL);
    step.node = g->nodes[a->who.node].id;
    step.update = t->update;
    step.state = a->state->value;
    step.ended = t->n_taken == 0;
    eyot_status status = p->fn(p->arg, &step);
    p->ended = status != EYOT_OK;
    return status;
}

/* From the snapshot before the first step that is told; the steps between are replayed without a word. */
static eyot_status play(playing *p, eyot_store *store, uint64_t from, uint64_t head, eyot_error *e)
{
    uint64_t seq = 0;
    eyot_status status = eyot__past_find_beginning(store, p->replay.run, head, from, &seq, e);
    if (!status) status = eyot__replay_load(&p->replay, store, seq, e);
    if (status) return status;
    p->replay.lasts = true;
    p->replay.after = on_step;
    status = eyot__walk_entries(store, p->replay.run, p->built.seq + 1, head, eyot__replay_entry, &p->replay, e);
    if (status && p->replay.told.status && e && !p->ended) *e = p->replay.told;
    return status;
}

eyot_status eyot_store_play(eyot_store *store, const eyot_graph *g, const char *run_id, uint64_t from,
                            eyot_played_fn fn, void *arg, eyot_error *e)
{
    uint64_t head = 0;
    if (!fn) return eyot_error_set(e, EYOT_EINVAL, "a playback needs a function to be told to");
    eyot_status status = eyot__past_check(store, g, run_id, &head, e);
    if (status) return status;
    playing p = {.fn = fn, .arg = arg};
    p.replay = (eyot__replay){.f = &p.frontier, .out = &p.built, .run = eyot__bytes(run_id, strlen(run_id)), .arg = &p};
    p.replay.activation_size = sizeof(eyot__activation);
    eyot__frontier_init(&p.frontier, g, false, sizeof(eyot__activation), NULL, 0, NULL);
    eyot__history_release(&p.frontier.history, p.frontier.history.root);
    status = play(&p, store, from, head, e);
    (void)eyot__replay_end(&p.replay, NULL);
    eyot__frontier_clear(&p.frontier);
    eyot__buf_clear(&p.key);
    return status;
}
