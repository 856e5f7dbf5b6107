/* SPDX-License-Identifier: MIT */
#include "test/fault/damage.h"

#include <stdlib.h>

#include <eyot/replay.h>
#include <eyot/stores.h>
#include <eyot/worker.h>

#include "core/hash.h"
#include "core/record.h"
#include "core/store.h"
#include "test/eyot_test.h"
#include "test/tally.h"

const char *damage_name(damage_kind kind)
{
    static const char *const names[DAMAGE_COUNT] = {
        "none",  "flip", "cut",   "extend", "zero", "noise", "swap",   "foreign",
        "stale", "step", "kinds", "key",    "lost", "twice", "source",
    };
    return names[kind];
}

static eyot_bytes text(const char *s)
{
    return eyot__bytes(s, strlen(s));
}

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
    return (h ^ (h >> 29)) * 0x9E3779B97F4A7C15u + eyot__crc32c((uint32_t)h, p, n);
}

static uint64_t mix_number(uint64_t h, uint64_t n)
{
    return mix(h, &n, sizeof n);
}

static uint64_t mix_text(uint64_t h, const char *s)
{
    return s ? mix(h, s, strlen(s) + 1) : mix(h, "\1", 1);
}

static uint64_t mix_state(uint64_t h, const void *state)
{
    eyot_buf bytes = tally_bytes(state);
    h = mix(h, bytes.data, bytes.len);
    eyot__buf_clear(&bytes);
    return h;
}

/* ---- images ------------------------------------------------------------------------------------------------------ */

static eyot_bytes copy_bytes(eyot_bytes b)
{
    void *p = malloc(b.n + 1);
    if (!p) abort();
    if (b.n) memcpy(p, b.p, b.n);
    return eyot__bytes(p, b.n);
}

static eyot_status keep_entry(void *arg, const eyot_entry *entry)
{
    damage_image *m = arg;
    m->entries = realloc(m->entries, (m->n + 1) * sizeof *m->entries);
    if (!m->entries) abort();
    eyot_entry *to = &m->entries[m->n++];
    *to = *entry;
    to->key = copy_bytes(entry->key);
    to->body = copy_bytes(entry->body);
    if (entry->kind == EYOT_ENTRY_SNAPSHOT) m->snapshot_seq = entry->seq;
    return EYOT_OK;
}

static damage_image read_image(eyot_store *store, const char *id)
{
    damage_image m = {.n = 0};
    CHECK_OK(eyot__store_list_entries(store, text(id), 1, UINT32_MAX, true, keep_entry, &m, NULL));
    return m;
}

static void image_clear(damage_image *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free((void *)(uintptr_t)m->entries[i].key.p);
        free((void *)(uintptr_t)m->entries[i].body.p);
    }
    free(m->entries);
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

static void flip(eyot_buf *b, uint64_t *random)
{
    for (uint64_t n = 1 + test_random(random) % 8; n > 0 && b->len > 0; n--)
        b->data[test_random(random) % b->len] ^= (unsigned char)(1u << test_random(random) % 8);
}

static void overwrite(eyot_buf *b, bool zeros, uint64_t *random)
{
    size_t from = test_random(random) % b->len, n = 1 + test_random(random) % 600;
    for (size_t i = from; i < b->len && i < from + n; i++) b->data[i] = zeros ? 0 : (unsigned char)test_random(random);
}

/* The body of an entry in place of what is in `b`. */
static void put_body(eyot_buf *b, const damage_image *m, uint64_t seq)
{
    eyot__buf_reset(b);
    eyot__buf_put(b, m->entries[seq - 1].body.p, m->entries[seq - 1].body.n);
}

static void damage_body(const damage_scene *s, const damage *d, uint64_t seq, eyot_buf *b)
{
    uint64_t random = d->random;
    switch (d->kind) {
    case DAMAGE_FLIP: flip(b, &random); break;
    case DAMAGE_CUT: b->len = test_random(&random) % b->len; break;
    case DAMAGE_EXTEND:
        for (uint64_t n = 1 + test_random(&random) % 40; n > 0; n--)
            eyot__buf_u8(b, (uint8_t)(random % 3 ? 0 : test_random(&random)));
        break;
    case DAMAGE_ZERO: overwrite(b, true, &random); break;
    case DAMAGE_NOISE: overwrite(b, false, &random); break;
    case DAMAGE_SWAP: put_body(b, &s->a, seq == d->seq ? d->other : d->seq); break;
    case DAMAGE_FOREIGN: put_body(b, &s->b, seq); break;
    case DAMAGE_STALE: put_body(b, &s->a, d->other); break;
    default: break;
    }
}

/* What is beside the body. */
static void damage_labels(const damage *d, eyot_entry *entry, char key[260])
{
    uint64_t random = d->random;
    if (d->kind == DAMAGE_STEP)
        entry->step ^= test_random(&random) % 2 ? (uint64_t)1 << test_random(&random) % 63 : 1 + entry->step / 2;
    if (d->kind == DAMAGE_KINDS) entry->kind = (eyot_entry_kind)((entry->kind + 1 + test_random(&random) % 6) % 8);
    if (d->kind != DAMAGE_KEY) return;
    snprintf(key, 260, "x%.*s", (int)entry->key.n, (const char *)entry->key.p);
    entry->key = text(key);
}

static bool concerns(const damage *d, uint64_t seq)
{
    return d->kind != DAMAGE_NONE && (seq == d->seq || (d->kind == DAMAGE_SWAP && seq == d->other));
}

/* The entry as it is with its damage, its body in `b`; how often it is there. */
static unsigned damage_entry(const damage_scene *s, const damage *d, eyot_entry *entry, eyot_buf *b, char key[260])
{
    if (!concerns(d, entry->seq)) return 1;
    if (d->kind == DAMAGE_LOST) return 0;
    if (d->kind == DAMAGE_TWICE) return 2;
    eyot__buf_reset(b);
    eyot__buf_put(b, entry->body.p, entry->body.n);
    if (entry->body.n) damage_body(s, d, entry->seq, b); /* none when only heads are listed */
    if (b->failed) abort();
    entry->body = eyot__bytes(b->data, b->len);
    damage_labels(d, entry, key);
    return 1;
}

damage damage_draw(const damage_scene *s, uint64_t *random)
{
    damage d = {.kind = (damage_kind)(1 + test_random(random) % (DAMAGE_COUNT - 1)),
                .seq = 1 + test_random(random) % s->a.n,
                .random = test_random(random)};
    d.other = 1 + test_random(random) % s->a.n;
    if (d.kind == DAMAGE_SWAP && d.other == d.seq) d.other = d.seq % s->a.n + 1;
    if (d.kind == DAMAGE_STALE) {
        if (d.seq == 1) d.seq = s->a.n;
        d.other = d.seq - 1;
        while (d.other > 1 && s->a.entries[d.other - 1].kind != s->a.entries[d.seq - 1].kind) d.other--;
    }
    return d;
}

/* ---- the veil ---------------------------------------------------------------------------------------------------- */

static struct {
    damage_scene *scene;
    damage d;
    eyot_store_ops real, ops;
    void *self;
    const char *ready[3]; /* what a worker may claim, one after the other */
    size_t n_ready;
    eyot_run_status let_go[2]; /* of "a" and "c", by the last release */
} veil;

typedef struct veiled_entries {
    eyot_bytes run;
    eyot_entry_fn fn;
    void *arg;
    uint32_t left; /* so many are told at most */
    eyot_buf buf;
} veiled_entries;

static eyot_status veil_entry(void *arg, const eyot_entry *entry)
{
    veiled_entries *v = arg;
    char key[260];
    eyot_entry seen = *entry;
    unsigned times = 1;
    if (eyot__bytes_equal(v->run, text("a"))) times = damage_entry(veil.scene, &veil.d, &seen, &v->buf, key);
    eyot_status status = EYOT_OK;
    for (; times > 0 && v->left > 0 && !status; times--, v->left--) status = v->fn(v->arg, &seen);
    return status;
}

static eyot_status veil_load(void *s, eyot_bytes run, uint64_t seq, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    veiled_entries v = {run, fn, arg, UINT32_MAX, EYOT__BUF_INIT};
    eyot_status status = veil.real.load(s, run, seq, veil_entry, &v, e);
    eyot__buf_clear(&v.buf);
    return status;
}

static eyot_status veil_list_entries(void *s, eyot_bytes run, uint64_t from, uint32_t limit, bool with_bodies,
                                     eyot_entry_fn fn, void *arg, eyot_error *e)
{
    veiled_entries v = {run, fn, arg, limit, EYOT__BUF_INIT};
    if (limit < UINT32_MAX) limit++; /* one may be hidden */
    eyot_status status = veil.real.list_entries(s, run, from, limit, with_bodies, veil_entry, &v, e);
    eyot__buf_clear(&v.buf);
    return status;
}

static eyot_status veil_get_graph(void *s, eyot_bytes fingerprint, eyot_buf *source, eyot_error *e)
{
    uint64_t random = veil.d.random;
    eyot_status status = veil.real.get_graph(s, fingerprint, source, e);
    if (!status && veil.d.kind == DAMAGE_SOURCE) flip(source, &random);
    return status;
}

typedef struct claimed {
    const eyot_claim *claim;
    eyot_row_fn fn;
    void *arg;
} claimed;

static eyot_status claim_row(void *arg, const eyot_run_row *row)
{
    const claimed *c = arg;
    eyot_run_row taken = *row;
    taken.owner = c->claim->owner;
    memcpy(taken.token, c->claim->token, sizeof taken.token);
    taken.epoch++;
    taken.attempts = 1;
    taken.status = EYOT_RUN_RUNNING;
    taken.due_ms = row->now_ms + (int64_t)c->claim->lease_ms;
    return c->fn(c->arg, &taken);
}

/* Nothing is written: it looks as if. */
static eyot_status veil_claim(void *s, const eyot_claim *c, eyot_row_fn fn, void *arg, eyot_error *e)
{
    claimed k = {c, fn, arg};
    if (c->run.n) return veil.real.get_run(s, c->run, claim_row, &k, e);
    if (veil.n_ready == 0) return eyot_error_set(e, EYOT_ENOTFOUND, "nothing is due");
    return veil.real.get_run(s, text(veil.ready[--veil.n_ready]), claim_row, &k, e);
}

static eyot_status veil_commit(void *s, eyot_commit *commits, size_t n, eyot_error *e)
{
    (void)s, (void)e;
    for (size_t i = 0; i < n; i++) {
        commits[i].result = EYOT_OK;
        if (!commits[i].lease_ms)
            veil.let_go[eyot__bytes_equal(commits[i].run, text("c"))] = (eyot_run_status)commits[i].status;
    }
    return EYOT_OK;
}

static void close_nothing(void *s)
{
    (void)s;
}

void damage_veil(damage_scene *s, const damage *d)
{
    veil.scene = s;
    veil.d = *d;
}

static void hang_veil(damage_scene *s)
{
    eyot_error e;
    damage none = {.kind = DAMAGE_NONE};
    memset(&veil, 0, sizeof veil);
    veil.real = veil.ops = *eyot_store_table(s->store, &veil.self);
    veil.ops.load = veil_load;
    veil.ops.list_entries = veil_list_entries;
    veil.ops.get_graph = veil_get_graph;
    veil.ops.claim = veil_claim;
    veil.ops.commit = veil_commit;
    veil.ops.close = close_nothing;
    damage_veil(s, &none);
    CHECK_OK(eyot_store_new(&s->veiled, &veil.ops, veil.self, &e));
}

/* ---- looking ------------------------------------------------------------------------------------------------------ */

/* The seq is not in it: a step whose first entry is hidden is told by the next one. */
static uint64_t hash_checkpoint(const eyot_checkpoint *c)
{
    uint64_t h = mix_number(1, eyot_checkpoint_step(c));
    h = mix_number(h, (uint64_t)eyot_checkpoint_status(c));
    h = mix_text(h, eyot_checkpoint_error(c));
    h = mix_state(h, eyot_checkpoint_state(c));
    for (size_t i = 0; i < eyot_checkpoint_branch_count(c); i++) {
        h = mix_text(mix_text(h, eyot_checkpoint_branch_node(c, i)), eyot_checkpoint_branch_task(c, i));
        h = mix_text(mix_state(h, eyot_checkpoint_branch_state(c, i)), eyot_checkpoint_branch_question(c, i));
        h = mix_number(mix_number(h, eyot_checkpoint_branch_waiting(c, i)),
                       (uint64_t)eyot_checkpoint_branch_due_ms(c, i));
    }
    return h;
}

static eyot_status see_checkpoint(eyot_store *store, const eyot_graph *g, const char *id, uint64_t step, uint64_t *h,
                                  eyot_error *e)
{
    eyot_checkpoint *c;
    eyot_status status = eyot_store_load_checkpoint(&c, store, g, id, step, e);
    if (!status) *h = hash_checkpoint(c);
    eyot_checkpoint_free(c);
    return status;
}

typedef struct telling {
    uint64_t h, *kept; /* after each entry; NULL: they are compared with `truth` */
    const damage_truth *truth;
    size_t n;
    bool differs;
} telling;

static eyot_status hear(void *arg, const eyot_history_entry *t)
{
    telling *k = arg;
    uint64_t h = mix_number(mix_number(mix_number(k->h, t->seq), t->step), (uint64_t)t->kind);
    h = mix_number(mix_text(mix_text(h, t->task), t->node), t->attempt);
    h = mix_number(mix_number(h, (uint64_t)t->started_ms), t->took_us);
    if (t->update) h = mix_state(h, t->update);
    for (size_t i = 0; i < t->n_route; i++) h = mix_text(mix_text(h, t->route[i].node), t->route[i].task);
    for (size_t i = 0; i < t->n_joined; i++) h = mix_text(h, t->joined[i]);
    h = mix_text(mix_number(h, (uint64_t)(int64_t)t->status), t->text);
    k->h = mix_number(mix_number(h, t->run_status), (uint64_t)t->due_ms);
    if (k->kept)
        k->kept[k->n] = k->h;
    else
        k->differs |= k->n >= k->truth->n_told || k->truth->histories[k->n] != k->h;
    k->n++;
    return EYOT_OK;
}

static eyot_status hear_step(void *arg, const eyot_played_step *t)
{
    telling *k = arg;
    k->h = mix_text(mix_number(mix_number(k->h, t->seq), t->step), t->task);
    k->h = mix_state(mix_number(k->h, t->ended), t->state);
    if (k->kept)
        k->kept[k->n] = k->h;
    else
        k->differs |= k->n >= k->truth->n_played || k->truth->plays[k->n] != k->h;
    k->n++;
    return EYOT_OK;
}

static eyot_status hash_stream(void *arg, const void *bytes, size_t len, eyot_error *e)
{
    (void)e;
    *(uint64_t *)arg = mix(*(uint64_t *)arg, bytes, len);
    return EYOT_OK;
}

static eyot_status see_end(eyot_engine *engine, const eyot_graph *g, const char *id, uint64_t *h, eyot_error *e)
{
    eyot_run *run;
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.strategy = EYOT_SEQUENTIAL;
    eyot_status status = eyot_run_resume(&run, engine, g, id, &o, e);
    if (!status) status = eyot_run_wait(run, e);
    if (!status) *h = mix_state(1, eyot_run_state(run));
    eyot_run_free(run);
    return status;
}

static void find_truth(damage_scene *s)
{
    damage_truth *t = &s->truth;
    eyot_error e;
    t->n_steps = s->a.entries[s->a.n - 1].step;
    t->steps = calloc(t->n_steps + 1, sizeof *t->steps);
    t->histories = calloc(s->a.n, sizeof *t->histories);
    t->plays = calloc(s->a.n, sizeof *t->plays);
    if (!t->steps || !t->histories || !t->plays) abort();
    for (uint64_t i = 0; i <= t->n_steps; i++) CHECK_OK(see_checkpoint(s->store, s->graph, "a", i, &t->steps[i], &e));
    CHECK_OK(see_checkpoint(s->store, s->graph, "a", EYOT_LATEST, &t->latest, &e));
    telling k = {.h = 1, .kept = t->histories};
    CHECK_OK(eyot_store_read_history(s->store, s->graph, "a", hear, &k, &e));
    t->n_told = k.n;
    k = (telling){.h = 1, .kept = t->plays};
    CHECK_OK(eyot_store_play(s->store, s->graph, "a", 0, hear_step, &k, &e));
    t->n_played = k.n;
    CHECK_OK(eyot_run_verify(s->engine, s->graph, "a", NULL, NULL, &e));
    CHECK_OK(eyot_store_export(s->store, "a", NULL, hash_stream, &t->stream, &e));
    CHECK_OK(see_end(s->engine, s->graph, "a", &t->state, &e));
}

void damage_open(damage_scene *s, const char *url)
{
    memset(s, 0, sizeof *s);
    s->store = tally_store(url);
    s->graph = damage_graph();
    damage_run(s->store, s->graph, "a", 1);
    damage_run(s->store, s->graph, "b", 2);
    damage_run(s->store, s->graph, "c", 3);
    s->a = read_image(s->store, "a");
    s->b = read_image(s->store, "b");
    CHECK(s->a.n == s->b.n && s->a.snapshot_seq > 1 && s->a.snapshot_seq < s->a.n);
    hang_veil(s);
    s->engine = tally_engine(1, s->veiled);
    find_truth(s);
}

void damage_pack(damage_scene *s)
{
    eyot_engine_free(s->engine);
    eyot_store_close(s->veiled);
    eyot_store_close(s->store);
}

void damage_unpack(damage_scene *s, const char *url)
{
    s->store = tally_store(url);
    hang_veil(s);
    s->engine = tally_engine(1, s->veiled);
}

void damage_close(damage_scene *s)
{
    damage_pack(s);
    eyot_graph_free(s->graph);
    image_clear(&s->a);
    image_clear(&s->b);
    free(s->truth.steps);
    free(s->truth.histories);
    free(s->truth.plays);
}

/* ---- judging ------------------------------------------------------------------------------------------------------ */

static void complain(const damage *d, const char *what, const char *wrong, const eyot_error *e)
{
    if (d->what)
        test_fail(__FILE__, __LINE__, "damage %s, random 0x%llx: %s: %s%s%s", d->what, (unsigned long long)d->random,
                  what, wrong, e ? ": " : "", e ? e->text : "");
    test_fail(__FILE__, __LINE__, "damage %s of entry %llu (%llu), random 0x%llx: %s: %s%s%s", damage_name(d->kind),
              (unsigned long long)d->seq, (unsigned long long)d->other, (unsigned long long)d->random, what, wrong,
              e ? ": " : "", e ? e->text : "");
}

/* Lost entries before the newest snapshot may have been pruned. */
static bool may_be_pruned(const damage_scene *s, const damage *d)
{
    return d->kind == DAMAGE_LOST && d->seq < s->a.snapshot_seq;
}

/* The error is one of damage, and names the run and an entry that it is about. */
static eyot_status judge(const damage_scene *s, const damage *d, const char *what, const char *id, eyot_status status,
                         bool same, const eyot_error *e)
{
    char names[2][160];
    unsigned long long seq = 0;
    if (!status && !same) complain(d, what, "another result", NULL);
    if (!status) return status;
    bool corrupt = status == EYOT_ECORRUPT || status == EYOT_EFORMAT || status == EYOT_ECHANGED;
    bool like_pruned = d->kind == DAMAGE_ROW && strstr(e->text, "no longer there");
    bool pruned = (like_pruned || may_be_pruned(s, d)) && (status == EYOT_ENOTFOUND || status == EYOT_EGONE);
    /* To an export the snapshot that was the newest one may have been pruned meanwhile. */
    if (status == EYOT_EGONE && d->kind == DAMAGE_LOST && d->seq == s->a.snapshot_seq) pruned = true;
    if (pruned) return status;
    if (d->kind == DAMAGE_FILE && (corrupt || status == EYOT_EIO || status == EYOT_ENOTFOUND)) return status;
    if (!corrupt) complain(d, what, eyot_status_name(status), e);
    snprintf(names[0], sizeof names[0], "run %s", id);
    if (!strstr(e->text, names[0])) complain(d, what, "an error that does not name the run", e);
    if (d->kind == DAMAGE_ROW) return status;
    snprintf(names[0], sizeof names[0], "run %s, entry %%llu", id);
    snprintf(names[1], sizeof names[1], "run %s: entry %%llu", id);
    if (sscanf(e->text, names[0], &seq) != 1 && sscanf(e->text, names[1], &seq) != 1)
        complain(d, what, "an error that names no entry", e);
    bool named = seq == d->seq || seq == d->seq + 1 || (d->kind == DAMAGE_SWAP && seq == d->other);
    if (!named) complain(d, what, "an error that names another entry", e);
    return status;
}

static eyot_status probe_checkpoint(damage_scene *s, eyot_store *store, const char *id, uint64_t step, const damage *d)
{
    uint64_t h = 0, want = step == EYOT_LATEST ? s->truth.latest : s->truth.steps[step];
    eyot_error e = {.text = ""};
    eyot_status status = see_checkpoint(store, s->graph, id, step, &h, &e);
    return judge(s, d, step == EYOT_LATEST ? "latest" : "step", id, status, h == want, &e);
}

static eyot_status probe_history(damage_scene *s, eyot_store *store, const char *id, const damage *d)
{
    telling k = {.h = 1, .truth = &s->truth};
    eyot_error e = {.text = ""};
    eyot_status status = eyot_store_read_history(store, s->graph, id, hear, &k, &e);
    if (may_be_pruned(s, d)) return status; /* then it begins at a snapshot */
    if (k.differs) complain(d, "history", "it tells what never was", NULL);
    return judge(s, d, "history", id, status, k.n == s->truth.n_told, &e);
}

static eyot_status probe_play(damage_scene *s, eyot_store *store, const char *id, const damage *d)
{
    telling k = {.h = 1, .truth = &s->truth};
    eyot_error e = {.text = ""};
    eyot_status status = eyot_store_play(store, s->graph, id, 0, hear_step, &k, &e);
    if (may_be_pruned(s, d)) return status;
    if (k.differs) complain(d, "playback", "it tells what never was", NULL);
    return judge(s, d, "playback", id, status, k.n == s->truth.n_played, &e);
}

static eyot_status probe_verify(damage_scene *s, const damage *d)
{
    eyot_error e = {.text = ""};
    return judge(s, d, "verify", "a", eyot_run_verify(s->engine, s->graph, "a", NULL, NULL, &e), true, &e);
}

/* The source of a graph is judged by who makes a graph of it, by the fingerprint; a key is only a label. */
static eyot_status probe_stream(damage_scene *s, const damage *d)
{
    uint64_t h = 0;
    eyot_error e = {.text = ""};
    eyot_status status = eyot_store_export(s->veiled, "a", NULL, hash_stream, &h, &e);
    bool same = h == s->truth.stream || d->kind == DAMAGE_SOURCE || d->kind == DAMAGE_KEY || may_be_pruned(s, d);
    return judge(s, d, "export", "a", status, same, &e);
}

static eyot_status probe_resume(damage_scene *s, const damage *d)
{
    uint64_t h = 0;
    eyot_error e = {.text = ""};
    eyot_status status = see_end(s->engine, s->graph, "a", &h, &e);
    return judge(s, d, "resume", "a", status, h == s->truth.state, &e);
}

/* ---- workers ------------------------------------------------------------------------------------------------------ */

typedef struct heard {
    const char *id, *other;
    bool parked, done, other_done, trouble;
    eyot_error why;
} heard;

static void on_news(void *arg, const eyot_worker_report *r)
{
    heard *h = arg;
    bool is_done = r->news == EYOT_WORKER_LEFT && eyot_run_status_of(r->run) == EYOT_RUN_DONE;
    h->trouble |= r->news == EYOT_WORKER_TROUBLE;
    if (r->news == EYOT_WORKER_PARKED || r->news == EYOT_WORKER_TROUBLE)
        eyot_error_set(&h->why, r->error, "%s", r->text);
    if (!r->run_id) return;
    if (strcmp(r->run_id, h->id) == 0) {
        h->parked |= r->news == EYOT_WORKER_PARKED;
        h->done |= is_done;
    } else if (strcmp(r->run_id, h->other) == 0) {
        h->other_done |= is_done;
    }
}

static void work(eyot_engine *engine, const eyot_graph *g, const char *queue, heard *h)
{
    eyot_worker *worker;
    eyot_error e;
    eyot_worker_options o = EYOT_WORKER_OPTIONS_INIT;
    o.queues = &queue;
    o.n_queues = 1;
    o.poll_ms = 10;
    o.flags = EYOT_WORKER_UNTIL_IDLE;
    o.told = on_news;
    o.arg = h;
    CHECK_OK(eyot_worker_new(&worker, engine, &o, &e));
    CHECK_OK(eyot_worker_add(worker, g, NULL, &e));
    CHECK_OK(eyot_worker_run(worker, &e));
    eyot_worker_free(worker);
}

static eyot_status judge_work(const damage_scene *s, const damage *d, const heard *h, eyot_status latest)
{
    if (!h->other_done) complain(d, "worker", "the other run did not end", NULL);
    if (h->trouble && d->stays_held && latest && !h->parked && !h->done) return EYOT_ECORRUPT;
    if (h->trouble) complain(d, "worker", "trouble", &h->why);
    if (h->parked == h->done) complain(d, "worker", "the run was neither parked nor done", NULL);
    /* A claim may mend a row. */
    if (h->parked != (latest != EYOT_OK) && !(d->kind == DAMAGE_ROW && h->done))
        complain(d, "worker", "it judges otherwise than a look at it", &h->why);
    return h->parked ? judge(s, d, "worker", h->id, h->why.status, false, &h->why) : EYOT_OK;
}

static eyot_status probe_worker(damage_scene *s, const damage *d, eyot_status latest)
{
    heard h = {.id = "a", .other = "c"};
    veil.ready[0] = "c";
    veil.ready[1] = "a";
    veil.n_ready = 2;
    veil.let_go[0] = veil.let_go[1] = (eyot_run_status)0;
    work(s->engine, s->graph, "", &h);
    eyot_status status = judge_work(s, d, &h, latest);
    if (veil.let_go[0] != (status ? EYOT_RUN_DEAD : EYOT_RUN_DONE)) complain(d, "worker", "another status", NULL);
    if (veil.let_go[1] != EYOT_RUN_DONE) complain(d, "worker", "another status of the other run", NULL);
    return status;
}

damage_found damage_probe(damage_scene *s, const damage *d, uint64_t step, bool with_worker)
{
    damage_found f = {.worker = EYOT_OK};
    damage_veil(s, d);
    f.latest = probe_checkpoint(s, s->veiled, "a", EYOT_LATEST, d);
    f.step = probe_checkpoint(s, s->veiled, "a", step, d);
    f.history = probe_history(s, s->veiled, "a", d);
    f.stream = probe_stream(s, d);
    f.play = probe_play(s, s->veiled, "a", d);
    f.verify = probe_verify(s, d);
    f.resume = probe_resume(s, d);
    if (f.resume != f.latest) complain(d, "resume", "it judges otherwise than a look at it", NULL);
    if (with_worker) f.worker = probe_worker(s, d, f.latest);
    return f;
}

/* ---- at rest ------------------------------------------------------------------------------------------------------ */

/* The entry as it would be in a run of that id, and then its damage. */
static unsigned copy_entry(const damage_scene *s, const char *id, const damage *d, eyot_entry *entry, eyot_buf *b,
                           char key[260])
{
    eyot_buf sealed = EYOT__BUF_INIT;
    eyot__buf_put(&sealed, entry->body.p, entry->body.n);
    eyot__record_reseal(sealed.data, sealed.len, text(id), entry->seq);
    eyot_entry own = *entry;
    own.body = eyot__bytes(sealed.data, sealed.len);
    unsigned times = damage_entry(s, d, &own, b, key);
    /* Entries of this run that have changed places are sealed for it, too. */
    bool moved = concerns(d, entry->seq) && (d->kind == DAMAGE_SWAP || d->kind == DAMAGE_STALE);
    if (moved) eyot__record_reseal(b->data, b->len, text(id), entry->seq == d->seq ? d->other : d->seq);
    if (own.body.p == sealed.data) {
        eyot__buf_reset(b);
        eyot__buf_put(b, sealed.data, sealed.len);
        own.body = eyot__bytes(b->data, b->len);
    }
    *entry = own;
    eyot__buf_clear(&sealed);
    return times;
}

void damage_copy(damage_scene *s, const char *id, const char *queue, const damage *d)
{
    eyot_entry *entries = calloc(s->a.n, sizeof *entries);
    eyot_buf *bodies = calloc(s->a.n, sizeof *bodies);
    char key[260];
    eyot_error e = {.text = ""};
    eyot_run_row row = {.run = text(id), .graph = text(eyot_graph_name(s->graph)), .queue = text(queue)};
    eyot_commit c = {.run = text(id), .entries = entries, .n_entries = s->a.n, .status = EYOT_RUN_READY, .crc = 1};
    if (!entries || !bodies) abort();
    row.fingerprint = text(eyot_graph_fingerprint(s->graph));
    for (size_t i = 0; i < s->a.n; i++) {
        entries[i] = s->a.entries[i];
        (void)copy_entry(s, id, d, &entries[i], &bodies[i], key);
    }
    c.snapshot_seq = s->a.snapshot_seq;
    if (eyot__store_create_run(s->store, &row, text("{}"), &c, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    for (size_t i = 0; i < s->a.n; i++) eyot__buf_clear(&bodies[i]);
    free(bodies);
    free(entries);
}

eyot_status damage_look(damage_scene *s, const char *id, uint64_t step, const damage *d)
{
    (void)probe_checkpoint(s, s->store, id, step, d);
    (void)probe_history(s, s->store, id, d);
    (void)probe_play(s, s->store, id, d);
    return probe_checkpoint(s, s->store, id, EYOT_LATEST, d);
}

void damage_work(damage_scene *s, const char *queue, const char *id, eyot_status latest, const damage *d,
                 const char *other)
{
    heard h = {.id = id, .other = other};
    eyot_engine *engine = tally_engine(1, s->store);
    eyot_error e = {.text = ""};
    uint64_t state = 0;
    work(engine, s->graph, queue, &h);
    (void)judge_work(s, d, &h, latest);
    if (!h.trouble) CHECK_INT(tally_row_of(s->store, id).status, h.parked ? EYOT_RUN_DEAD : EYOT_RUN_DONE);
    CHECK_INT(tally_row_of(s->store, other).status, EYOT_RUN_DONE);
    eyot_status status = see_end(engine, s->graph, id, &state, &e);
    if (!h.trouble) (void)judge(s, d, "resume at rest", id, status, state == s->truth.state, &e);
    CHECK((status == EYOT_OK) == h.done);
    eyot_engine_free(engine);
}
