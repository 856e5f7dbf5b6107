/* SPDX-License-Identifier: MIT */
/* The history of a run: its log from the first entry on, decoded. No node runs and no state is made; what is kept is who is
 * alive and which branches wait where, as the recorded routes say. */
#include "core/past.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/record.h"
#include "core/replay.h"

/* A live task, or a join with the branches that wait at it. */
typedef struct spot {
    eyot__who who;
    struct spot *prev, *next;
    eyot__arrival *arrivals, *last;
} spot;

typedef struct past {
    const eyot_graph *graph;
    eyot_bytes run;
    eyot_history_fn fn;
    void *arg;
    eyot__who_table table;
    spot *spots;
    bool begun;
    uint64_t seq, step; /* of the entry before */
    uint64_t n_pruned;  /* entries that are missing since the one that was told last */
    eyot_buf text;      /* of the entry that is told: its strings, each with a NUL */
    eyot_history_hop *hops;
    const char **joined;
    eyot_recorded *recorded;
    size_t cap_hops, cap_joined, cap_recorded;
    bool ended;      /* by fn */
    eyot_error told; /* what is wrong, with run and entry */
} past;

static eyot_status no_memory(eyot_error *e)
{
    return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
}

/* ---- spots --------------------------------------------------------------------------------------------------------- */

static spot *of_who(eyot__who *who)
{
    return who ? (spot *)(void *)((char *)who - offsetof(spot, who)) : NULL;
}

static void spot_free(past *p, spot *s)
{
    while (s->arrivals) {
        eyot__arrival *a = s->arrivals;
        s->arrivals = a->next;
        eyot__stamp_unref(a->stamp);
        eyot__path_unref(a->path);
        free(a);
    }
    if (s->next) s->next->prev = s->prev;
    if (s->prev)
        s->prev->next = s->next;
    else
        p->spots = s->next;
    eyot__who_clear(&s->who);
    free(s);
}

static void forget_spots(past *p)
{
    while (p->spots) spot_free(p, p->spots);
    eyot__who_table_clear(&p->table);
}

/* The spot there, made when there is none; NULL: no memory. Takes what `who` holds. */
static spot *need_spot(past *p, eyot__who who)
{
    spot *s = of_who(eyot__who_table_find(&p->table, &who));
    if (s) {
        eyot__who_clear(&who);
        return s;
    }
    s = calloc(1, sizeof *s);
    if (!s) {
        eyot__who_clear(&who);
        return NULL;
    }
    s->who = who;
    s->next = p->spots;
    if (s->next) s->next->prev = s;
    p->spots = s;
    if (eyot__who_table_add(&p->table, &s->who) == EYOT_OK) return s;
    spot_free(p, s);
    return NULL;
}

static eyot_status wait_at(spot *s, const eyot__arrival *from)
{
    eyot__arrival *a = calloc(1, sizeof *a);
    if (!a) return EYOT_ENOMEM;
    a->edge = from->edge;
    a->index = from->index;
    a->stamp = eyot__stamp_ref(from->stamp);
    a->path = eyot__path_ref(from->path);
    if (s->last)
        s->last->next = a;
    else
        s->arrivals = a;
    s->last = a;
    return EYOT_OK;
}

static eyot__who copy_who(uint32_t node, eyot__stamp *stamp, eyot__path *path)
{
    return (eyot__who){node, eyot__stamp_ref(stamp), eyot__path_ref(path)};
}

/* All that is alive is as a snapshot says. */
static eyot_status begin_at(past *p, eyot__record *record, eyot_error *e)
{
    eyot__frontier f;
    eyot__snapshot head;
    eyot__frontier_init(&f, p->graph, false, sizeof(eyot__activation), NULL, 0, NULL);
    eyot__history_release(&f.history, f.history.root);
    eyot_status status = eyot__entry_get_snapshot(&f, &record->payload, record->version, &head, e);
    bool failed = false;
    forget_spots(p);
    for (eyot__activation *a = f.live; a && !status && !failed; a = a->next)
        failed = !need_spot(p, copy_who(a->who.node, a->who.stamp, a->who.path));
    for (eyot__place *at = f.groups; at && !status; at = at->next) {
        for (eyot__arrival *a = at->waiting; a && !failed; a = a->next) {
            spot *s = need_spot(p, copy_who(at->node, at->stamp, NULL));
            failed = !s || wait_at(s, a) != EYOT_OK;
        }
    }
    eyot__frontier_clear(&f);
    p->begun = true;
    return failed ? no_memory(e) : status;
}

/* ---- strings ------------------------------------------------------------------------------------------------------- */

static void put_key(past *p, const eyot__who *who)
{
    eyot__key_print(&p->text, p->graph, who);
    eyot__buf_u8(&p->text, 0);
}

static void put_text(past *p, const char *text, size_t len)
{
    eyot__buf_put(&p->text, text, len);
    eyot__buf_u8(&p->text, 0);
}

/* The string at *at, which goes on to the next. */
static const char *next_text(const char **at)
{
    const char *text = *at;
    *at += strlen(text) + 1;
    return text;
}

/* Room for n items of `size` in *items. */
static bool room(void *items, size_t *cap, size_t n, size_t size)
{
    void **array = items, *bigger;
    if (n <= *cap) return true;
    if (!(bigger = realloc(*array, n * size))) return false;
    *array = bigger;
    *cap = n;
    return true;
}

/* ---- entries ------------------------------------------------------------------------------------------------------- */

static eyot_status tell(past *p, eyot_history_entry *h)
{
    h->size = sizeof *h;
    h->n_pruned = p->n_pruned;
    p->n_pruned = 0;
    eyot_status status = p->fn(p->arg, h);
    p->ended = status != EYOT_OK;
    return status;
}

/* Where the branches of a task went, as the engine lets them go; their keys become text. */
static eyot_status follow_route(past *p, const eyot__task_entry *t)
{
    const eyot__topology *shape = p->graph->shape;
    eyot__arrival from = {.stamp = t->who.stamp, .path = t->who.path};
    for (size_t i = 0; i < t->n_taken; i++) {
        uint32_t number = t->taken[i].edge;
        const eyot__tedge *edge = &shape->edges[number];
        eyot__who who;
        const eyot__way *way;
        from.edge = edge->in_index;
        from.index = i > 0 && t->taken[i - 1].edge == number ? from.index + 1 : 0;
        if (eyot__target(shape, number, edge->to, t->taken[i].item != NULL, &from, &who, &way)) return EYOT_ENOMEM;
        put_key(p, &who);
        p->hops[i].node = p->graph->nodes[edge->to].id;
        spot *s = need_spot(p, who);
        if (!s || (eyot__target_joins(shape, edge->to, way) && wait_at(s, &from))) return EYOT_ENOMEM;
    }
    return EYOT_OK;
}

/* The keys of the tasks whose branches met, as text; their number. */
static size_t put_joined(past *p, spot *s)
{
    const eyot__topology *shape = p->graph->shape;
    size_t n = 0;
    if (s->arrivals) s->arrivals = eyot__arrivals_sort(s->arrivals);
    for (eyot__arrival *a = s->arrivals; a; a = a->next) {
        if (a->edge < 0) continue; /* came as a start, from no task */
        uint32_t edge = shape->nodes[s->who.node].in[a->edge];
        put_key(p, &(eyot__who){shape->edges[edge].from, a->stamp, a->path});
        n++;
    }
    return n;
}

static eyot_status unknown(const past *p, const eyot__who *who, eyot_error *e)
{
    return eyot_error_set(e, EYOT_ECORRUPT, "the task at \"%s\" follows from nothing before it",
                          p->graph->nodes[who->node].id);
}

static bool put_recorded(past *p, eyot_history_entry *h, const eyot__outside_list *told)
{
    if (!room(&p->recorded, &p->cap_recorded, told->n, sizeof *p->recorded)) return false;
    for (const eyot__outside *o = told->first; o; o = o->next)
        p->recorded[h->n_recorded++] = (eyot_recorded){o->name, o->status, eyot__outside_value(o), o->len};
    h->recorded = p->recorded;
    return true;
}

static eyot_status tell_task(past *p, eyot_history_entry *h, const eyot__task_entry *t, spot *s, eyot_error *e)
{
    eyot__buf_reset(&p->text);
    put_key(p, &t->who);
    if (!room(&p->hops, &p->cap_hops, t->n_taken, sizeof *p->hops) || follow_route(p, t)) return no_memory(e);
    size_t n_joined = put_joined(p, s);
    if (p->text.failed || !room(&p->joined, &p->cap_joined, n_joined, sizeof *p->joined)) return no_memory(e);
    const char *at = (const char *)p->text.data;
    h->task = next_text(&at);
    for (size_t i = 0; i < t->n_taken; i++) p->hops[i].task = next_text(&at);
    for (size_t i = 0; i < n_joined; i++) p->joined[i] = next_text(&at);
    h->node = p->graph->nodes[t->who.node].id;
    h->attempt = (uint32_t)t->attempt;
    h->started_ms = t->started_ms;
    h->took_us = t->took_us;
    h->update = t->update;
    h->route = p->hops;
    h->n_route = t->n_taken;
    h->joined = p->joined;
    h->n_joined = n_joined;
    return put_recorded(p, h, &t->told) ? tell(p, h) : no_memory(e);
}

static eyot_status see_task(past *p, eyot_history_entry *h, eyot__record *record, eyot_error *e)
{
    eyot__task_entry t;
    eyot_status status = eyot__entry_get_task(&t, &record->payload, record->version, p->graph, e);
    if (status) return status;
    spot *s = of_who(eyot__who_table_take(&p->table, &t.who));
    status = s ? tell_task(p, h, &t, s, e) : unknown(p, &t.who, e);
    if (s) spot_free(p, s);
    eyot__task_entry_clear(&t, p->graph);
    return status;
}

static eyot_status see_incident(past *p, eyot_history_entry *h, eyot__record *record, eyot_error *e)
{
    eyot__incident in;
    eyot_status status = eyot__entry_get_incident(&in, &record->payload, record->version, record->kind, p->graph, e);
    if (status) return status;
    eyot__buf_reset(&p->text);
    put_key(p, &in.who);
    put_text(p, in.text, in.text_len);
    if (!eyot__who_table_find(&p->table, &in.who)) {
        status = unknown(p, &in.who, e);
    } else if (p->text.failed) {
        status = no_memory(e);
    } else {
        const char *at = (const char *)p->text.data;
        h->task = next_text(&at);
        h->node = p->graph->nodes[in.who.node].id;
        if (record->kind == EYOT_ENTRY_ATTEMPT) h->attempt = in.n;
        h->started_ms = in.started_ms;
        h->took_us = in.took_us;
        h->status = in.status;
        h->due_ms = in.due_ms;
        h->text = record->kind == EYOT_ENTRY_TIMER ? NULL : at;
        status = put_recorded(p, h, &in.told) ? tell(p, h) : no_memory(e);
    }
    eyot__incident_clear(&in);
    return status;
}

static eyot_status see_status(past *p, eyot_history_entry *h, eyot__record *record, eyot_error *e)
{
    eyot_error error;
    eyot__error_none(&error);
    eyot_status status = eyot__entry_get_status(&record->payload, &h->run_status, &error, e);
    if (status) return status;
    h->status = error.status;
    h->text = error.status ? error.text : NULL;
    return tell(p, h);
}

/* A snapshot is looked into only when it tells what no entry before it does: the first one, one behind pruned entries, and
 * that of a life that wrote only its end. */
static eyot_status see_entry(past *p, const eyot_entry *entry, eyot__record *record, eyot_error *e)
{
    bool follows = p->begun && entry->seq == p->seq + 1;
    bool told = follows && entry->step == p->step;
    eyot_history_entry h = {.seq = entry->seq, .step = entry->step, .kind = record->kind};
    if (record->kind != EYOT_ENTRY_SNAPSHOT && !follows)
        return p->begun ? eyot_error_set(e, EYOT_ECORRUPT, "entry %llu is missing", (unsigned long long)p->seq + 1)
                        : eyot_error_set(e, EYOT_ECORRUPT, "there is no snapshot before it");
    eyot_status fits = eyot__record_check_step(record, p->step, entry->step, e);
    if (fits) return fits;
    if (entry->seq <= p->seq)
        return eyot_error_set(e, EYOT_ECORRUPT, "it comes behind entry %llu", (unsigned long long)p->seq);
    p->n_pruned += entry->seq - p->seq - 1;
    p->seq = entry->seq;
    p->step = entry->step;
    switch (record->kind) {
    case EYOT_ENTRY_SNAPSHOT: return told ? EYOT_OK : begin_at(p, record, e);
    case EYOT_ENTRY_TASK: return see_task(p, &h, record, e);
    case EYOT_ENTRY_STATUS: return see_status(p, &h, record, e);
    default: return see_incident(p, &h, record, e);
    }
}

/* ---- the walk ------------------------------------------------------------------------------------------------------ */

static eyot_status look_at(void *arg, const eyot_entry *entry)
{
    past *p = arg;
    eyot__record record;
    eyot_error own;
    eyot__error_none(&own);
    eyot_status status = eyot__entry_open(&record, entry, p->run, p->graph, &p->told);
    if (status) return status;
    status = see_entry(p, entry, &record, &own);
    if (status && !p->ended) eyot__entry_blame(&p->told, status, p->run, entry->seq, &own);
    return status;
}

eyot_status eyot_store_read_history(eyot_store *store, const eyot_graph *g, const char *run_id, eyot_history_fn fn,
                                    void *arg, eyot_error *e)
{
    uint64_t head = 0;
    if (!fn) return eyot_error_set(e, EYOT_EINVAL, "a history needs a function to be told to");
    eyot_status status = eyot__past_check(store, g, run_id, &head, e);
    if (status) return status;
    past *p = calloc(1, sizeof *p);
    if (!p) return no_memory(e);
    p->graph = g;
    p->run = eyot__bytes(run_id, strlen(run_id));
    p->fn = fn;
    p->arg = arg;
    eyot__error_none(&p->told);
    status = eyot__walk_entries(store, p->run, 1, head, look_at, p, e);
    if (p->told.status && e) *e = p->told;
    forget_spots(p);
    eyot__buf_clear(&p->text);
    free(p->hops);
    free(p->joined);
    free(p->recorded);
    free(p);
    return status;
}
