/* SPDX-License-Identifier: MIT */
#include "core/topology.h"

#include <pthread.h>
#include <stdlib.h>

#include "test/eyot_test.h"
#include "test/model/cases.h"

#define DEPTH 16 /* deeper than any loop of the graphs below, but for those that are made deep */

/* ---- making graphs --------------------------------------------------------------------------------------------- */

/* Edges as pairs, with room for `most`. */
typedef struct plan {
    uint32_t n_nodes, n_edges, n_starts;
    uint32_t *from, *to, *starts;
    bool *sends, *each;
} plan;

static plan plan_new(uint32_t n_nodes, uint32_t most)
{
    plan p = {.n_nodes = n_nodes, .n_starts = 1};
    p.from = calloc(most + 1u, sizeof *p.from);
    p.to = calloc(most + 1u, sizeof *p.to);
    p.sends = calloc(most + 1u, sizeof *p.sends);
    p.each = calloc(n_nodes, sizeof *p.each);
    p.starts = calloc(n_nodes, sizeof *p.starts);
    CHECK(p.from && p.to && p.sends && p.each && p.starts);
    return p;
}

static void plan_free(plan *p)
{
    free(p->from);
    free(p->to);
    free(p->sends);
    free(p->each);
    free(p->starts);
}

static void edge(plan *p, uint32_t from, uint32_t to)
{
    p->from[p->n_edges] = from;
    p->to[p->n_edges++] = to;
}

static eyot__topology_input input_of(const plan *p)
{
    return (eyot__topology_input){p->n_nodes, p->n_edges, p->n_starts, p->from, p->to, p->sends, p->each, p->starts};
}

static eyot__topology *make(const plan *p)
{
    eyot__topology_input in = input_of(p);
    eyot__topology *t;
    CHECK_STATUS(eyot__topology_new(&t, &in), EYOT_OK);
    return t;
}

static eyot__topology *made(plan p)
{
    eyot__topology *t = make(&p);
    plan_free(&p);
    return t;
}

static plan plan_of_model(const model_graph *g)
{
    plan p = plan_new(g->n_nodes, g->n_edges);
    for (uint32_t e = 0; e < g->n_edges; e++) {
        p.sends[p.n_edges] = g->edges[e].sends;
        edge(&p, g->edges[e].from, g->edges[e].to);
    }
    for (uint32_t v = 0; v < g->n_nodes; v++) p.each[v] = g->each[v];
    for (uint32_t i = 0; i < g->n_starts; i++) p.starts[i] = g->starts[i];
    p.n_starts = g->n_starts;
    return p;
}

static plan random_plan(uint64_t *seed, uint32_t most_nodes)
{
    uint32_t n = 2 + (uint32_t)(test_random(seed) % (most_nodes - 1)), extra = (uint32_t)(test_random(seed) % (2 * n));
    plan p = plan_new(n, n + extra);
    bool *there = calloc((size_t)n * n, sizeof *there);
    CHECK(there);
    for (uint32_t i = 0; i + 1 < n + extra; i++) {
        uint32_t to = i + 1 < n ? i + 1 : (uint32_t)(test_random(seed) % n);
        uint32_t from = (uint32_t)(test_random(seed) % (i + 1 < n ? to : n));
        if (there[from * n + to]) continue;
        there[from * n + to] = true;
        p.sends[p.n_edges] = test_random(seed) % 8 == 0;
        edge(&p, from, to);
    }
    for (uint32_t v = 0; v < n; v++) p.each[v] = test_random(seed) % 8 == 0;
    free(there);
    return p;
}

/* ---- the model ------------------------------------------------------------------------------------------------- */

/* "1.0.2" or "-" as numbers; how many. */
static uint32_t read_stamp(const char *text, uint64_t *stamp)
{
    uint32_t n = 0;
    char *end = (char *)text;
    if (*text == '-') return 0;
    do {
        CHECK(n < DEPTH);
        stamp[n++] = strtoull(*end == '.' ? end + 1 : end, &end, 10);
    } while (*end == '.');
    CHECK(*end == '\0');
    return n;
}

static uint32_t read_edge(const eyot__topology *t, const char *text, char **end)
{
    uint32_t from = (uint32_t)strtoul(text, end, 10), to = (uint32_t)strtoul(*end + 1, end, 10);
    for (uint32_t e = 0; e < t->n_edges; e++)
        if (t->edges[e].from == from && t->edges[e].to == to) return e;
    test_fail(__FILE__, __LINE__, "no edge %s", text);
}

/* Calls `check` for every line of shapes.txt that begins with `word`; returns how many. */
static uint32_t for_lines(const char *word, void (*check)(const eyot__topology *t, char **words))
{
    model_reader *m = model_open(MODEL_SHAPES);
    model_graph g;
    char **words;
    uint32_t n = 0;
    while (model_next_graph(m, &g)) {
        eyot__topology *t = made(plan_of_model(&g));
        while (model_next_line(m, &words))
            if (strcmp(words[0], word) == 0) {
                check(t, words + 1);
                n++;
            }
        eyot__topology_free(t);
    }
    model_close(m);
    return n;
}

/* Our loops are numbered in another order: each of the model's must be one of ours. */
static void check_chains(const eyot__topology *t, char **words)
{
    uint64_t chain[DEPTH], ours[64], loops = 0;
    for (uint32_t v = 0; v < t->n_nodes; v++) {
        CHECK_INT(read_stamp(words[v], chain), t->nodes[v].depth);
        for (uint32_t i = 0; i < t->nodes[v].depth; i++) {
            CHECK(chain[i] < 64);
            if (chain[i] == loops) ours[loops++] = t->nodes[v].chain[i];
            CHECK_INT(ours[chain[i]], t->nodes[v].chain[i]);
        }
    }
    CHECK_INT(loops, t->n_loops);
    for (uint64_t i = 0; i < loops; i++)
        for (uint64_t j = 0; j < i; j++) CHECK(ours[i] != ours[j]);
}

TEST(topology_loops__nest_as_the_model_nests_them)
{
    CHECK_INT(for_lines("chains", check_chains), 300);
}

static void check_back(const eyot__topology *t, char **words)
{
    uint32_t n = 0, found = 0;
    for (; words[n]; n++) {
        char *end;
        CHECK(t->edges[read_edge(t, words[n], &end)].back);
    }
    for (uint32_t e = 0; e < t->n_edges; e++) found += t->edges[e].back;
    CHECK_INT(found, n);
}

TEST(topology_loops__have_the_models_back_edges)
{
    CHECK(for_lines("back", check_back) > 200);
}

static void check_ways(const eyot__topology *t, char **words)
{
    for (uint32_t v = 0; v < t->n_nodes; v++) {
        char *at = words[v];
        for (uint32_t z = 0; z <= t->nodes[v].depth; z++) {
            const eyot__way *way = &t->nodes[v].ways[z];
            CHECK_INT(way->ways, strtoul(at, &at, 10));
            bool uncounted = *at == '*';
            CHECK_INT(way->expected, uncounted ? EYOT__UNCOUNTED : way->ways);
            CHECK_INT(way->meets, !t->nodes[v].one_by_one && (uncounted || way->ways != 1));
            at += uncounted;
            if (z < t->nodes[v].depth) CHECK(*at++ == ',');
        }
        CHECK(*at == '\0');
    }
}

TEST(topology_ways__count_as_the_model_counts)
{
    CHECK_INT(for_lines("ways", check_ways), 300);
}

static void check_step(const eyot__topology *t, char **words)
{
    uint64_t stamp[DEPTH], want[DEPTH], lost[DEPTH], got[DEPTH];
    char *end;
    uint32_t e = read_edge(t, words[0], &end), n = read_stamp(words[1], stamp), n_want = read_stamp(words[2], want);
    uint32_t n_lost = read_stamp(words[3], lost);
    eyot__topology_step(t, e, stamp, got);
    CHECK_INT(t->nodes[t->edges[e].to].depth, n_want);
    CHECK(memcmp(got, want, n_want * sizeof *got) == 0);
    CHECK_INT(n - t->edges[e].keep, n_lost);
    CHECK(memcmp(stamp + t->edges[e].keep, lost, n_lost * sizeof *lost) == 0);
    if (t->edges[e].same_stamp) CHECK(n == n_want && memcmp(stamp, got, n * sizeof *got) == 0);
}

TEST(topology_step__changes_stamps_as_the_model_does)
{
    CHECK(for_lines("step", check_step) > 1000);
}

static void check_reach(const eyot__topology *t, char **words, bool want)
{
    uint64_t ws[DEPTH], js[DEPTH];
    bool failed = false;
    uint32_t w = (uint32_t)strtoul(words[0], NULL, 10), j = (uint32_t)strtoul(words[2], NULL, 10);
    CHECK_INT(read_stamp(words[1], ws), t->nodes[w].depth);
    CHECK_INT(read_stamp(words[3], js), t->nodes[j].depth);
    CHECK_INT(eyot__topology_can_reach(t, w, ws, j, js, &failed), want);
    CHECK(!failed);
}

static void check_yes(const eyot__topology *t, char **words)
{
    check_reach(t, words, true);
}

static void check_no(const eyot__topology *t, char **words)
{
    check_reach(t, words, false);
}

TEST(topology_can_reach__finds_what_the_model_finds)
{
    CHECK(for_lines("yes", check_yes) > 4000);
}

TEST(topology_can_reach__denies_what_the_model_denies)
{
    CHECK(for_lines("no", check_no) > 4000);
}

/* ---- by brute force -------------------------------------------------------------------------------------------- */

/* Can a branch get from w to j on edges that count on this level: those inside the loop that the level is about, without
 * the edges that lead back to its entries? */
static bool path_on_level(const eyot__topology *t, uint32_t w, uint32_t j, uint32_t level, uint32_t loop)
{
    bool *seen = calloc(t->n_nodes, sizeof *seen);
    CHECK(seen);
    seen[w] = true;
    for (bool more = true; more;) {
        more = false;
        for (uint32_t e = 0; e < t->n_edges; e++) {
            const eyot__tedge *edge = &t->edges[e];
            bool counts = edge->keep > level || (edge->keep == level && !edge->back);
            if (level > 0) counts = counts && t->nodes[edge->from].chain[level - 1] == loop;
            if (!counts || !seen[edge->from] || seen[edge->to]) continue;
            seen[edge->to] = more = true;
        }
    }
    bool found = seen[j];
    free(seen);
    return found;
}

/* The rule as it is written down; what is in one inner loop, or the same node, has one place. */
static bool reach_by_rule(const eyot__topology *t, uint32_t w, const uint64_t *ws, uint32_t j, const uint64_t *js)
{
    const eyot__tnode *a = &t->nodes[w], *b = &t->nodes[j];
    uint32_t k = 0;
    while (k < a->depth && k < b->depth && a->chain[k] == b->chain[k]) {
        if (ws[k] != js[k]) return ws[k] < js[k];
        k++;
    }
    return w != j && path_on_level(t, w, j, k, k > 0 ? a->chain[k - 1] : 0);
}

static void random_stamp(uint64_t *seed, uint64_t *stamp)
{
    for (int i = 0; i < DEPTH; i++) stamp[i] = test_random(seed) % 2;
}

TEST(topology_can_reach__follows_its_rule_on_random_graphs)
{
    uint64_t seed = test_seed(), ws[DEPTH], js[DEPTH];
    for (unsigned round = 0; round < 300 * test_long(); round++) {
        eyot__topology *t = made(random_plan(&seed, 40));
        CHECK(t->max_depth < DEPTH);
        for (int i = 0; i < 200; i++) {
            uint32_t w = (uint32_t)(test_random(&seed) % t->n_nodes), j = (uint32_t)(test_random(&seed) % t->n_nodes);
            bool failed = false;
            random_stamp(&seed, ws);
            random_stamp(&seed, js);
            CHECK_INT(eyot__topology_can_reach(t, w, ws, j, js, &failed), reach_by_rule(t, w, ws, j, js));
            CHECK(!failed);
        }
        eyot__topology_free(t);
    }
}

/* The claim that watching one group rests on. */
TEST(topology_can_reach__never_grows_along_an_edge)
{
    uint64_t seed = test_seed(), ws[DEPTH], js[DEPTH], after[DEPTH];
    uint32_t asked = 0;
    for (unsigned round = 0; round < 300 * test_long(); round++) {
        eyot__topology *t = made(random_plan(&seed, 20));
        for (int i = 0; i < 300; i++) {
            uint32_t e = (uint32_t)(test_random(&seed) % t->n_edges), j = (uint32_t)(test_random(&seed) % t->n_nodes);
            uint32_t w = t->edges[e].from, to = t->edges[e].to;
            bool failed = false;
            random_stamp(&seed, ws);
            random_stamp(&seed, js);
            if (w == j && memcmp(ws, js, t->nodes[j].depth * sizeof *ws) == 0) continue;
            if (eyot__topology_can_reach(t, w, ws, j, js, &failed)) continue;
            eyot__topology_step(t, e, ws, after);
            CHECK(!eyot__topology_can_reach(t, to, after, j, js, &failed));
            CHECK(to != j || memcmp(after, js, t->nodes[j].depth * sizeof *js) != 0);
            asked++;
        }
        eyot__topology_free(t);
    }
    CHECK(asked > 1000);
}

TEST(topology_new__numbers_edges_in_the_order_they_were_added)
{
    uint64_t seed = test_seed();
    for (unsigned round = 0; round < 200 * test_long(); round++) {
        plan p = random_plan(&seed, 30);
        eyot__topology *t = make(&p);
        for (uint32_t v = 0; v < t->n_nodes; v++) {
            uint32_t n_in = 0, n_out = 0;
            for (uint32_t e = 0; e < p.n_edges; e++) {
                if (p.to[e] == v) CHECK(t->nodes[v].in[n_in] == e && t->edges[e].in_index == n_in);
                if (p.from[e] == v) CHECK_INT(t->nodes[v].out[n_out], e);
                n_in += p.to[e] == v;
                n_out += p.from[e] == v;
            }
            CHECK(t->nodes[v].n_in == n_in && t->nodes[v].n_out == n_out);
        }
        eyot__topology_free(t);
        plan_free(&p);
    }
}

/* ---- single shapes --------------------------------------------------------------------------------------------- */

TEST(topology_ways__of_a_fan_in_are_all_counted)
{
    plan p = plan_new(5, 6);
    for (uint32_t v = 1; v < 4; v++) edge(&p, 0, v);
    for (uint32_t v = 1; v < 4; v++) edge(&p, v, 4);
    eyot__topology *t = made(p);
    CHECK_INT(t->nodes[4].ways[0].ways, 3);
    CHECK_INT(t->nodes[4].ways[0].expected, 3);
    CHECK(t->nodes[4].ways[0].meets);
    CHECK(!t->nodes[1].ways[0].meets);
    CHECK(t->edges[5].same_stamp);
    eyot__topology_free(t);
}

TEST(topology_ways__behind_a_map_cannot_be_counted)
{
    plan p = plan_new(3, 2);
    edge(&p, 0, 1);
    edge(&p, 1, 2);
    p.sends[0] = true;
    eyot__topology *t = made(p);
    CHECK(t->nodes[1].one_by_one && !t->nodes[1].ways[0].meets);
    CHECK_INT(t->nodes[2].ways[0].ways, 1);
    CHECK_INT(t->nodes[2].ways[0].expected, EYOT__UNCOUNTED);
    CHECK(t->nodes[2].ways[0].meets);
    eyot__topology_free(t);
}

TEST(topology_ways__behind_a_loop_cannot_be_counted)
{
    plan p = plan_new(3, 3);
    edge(&p, 0, 1);
    edge(&p, 1, 1);
    edge(&p, 1, 2);
    eyot__topology *t = made(p);
    CHECK_INT(t->nodes[1].depth, 1);
    CHECK_INT(t->nodes[1].ways[0].expected, 1); /* the way in */
    CHECK_INT(t->nodes[1].ways[1].expected, 1); /* once more round */
    CHECK_INT(t->nodes[2].ways[0].expected, EYOT__UNCOUNTED);
    CHECK(!t->edges[2].same_stamp);
    eyot__topology_free(t);
}

TEST(topology_new__takes_a_cycle_that_no_start_leads_to)
{
    plan p = plan_new(4, 3);
    edge(&p, 1, 2);
    edge(&p, 2, 3);
    edge(&p, 3, 1);
    eyot__topology *t = made(p);
    CHECK_INT(t->n_loops, 1);
    CHECK(t->edges[2].back && !t->edges[0].back && !t->edges[1].back);
    eyot__topology_free(t);
}

/* There and back again: each node but the last opens a loop inside the one before. */
static plan ladder(uint32_t n)
{
    plan p = plan_new(n, 2 * n);
    for (uint32_t v = 0; v + 1 < n; v++) {
        edge(&p, v, v + 1);
        edge(&p, v + 1, v);
    }
    return p;
}

TEST(topology_new__takes_loops_nested_a_thousand_deep)
{
    eyot__topology *t = made(ladder(1001));
    CHECK_INT(t->max_depth, 1000);
    CHECK_INT(t->n_loops, 1000);
    CHECK_INT(t->nodes[500].depth, 501);
    eyot__topology_free(t);
}

TEST(topology_new__refuses_loops_nested_deeper)
{
    plan p = ladder(1002);
    eyot__topology_input in = input_of(&p);
    eyot__topology *t = (eyot__topology *)&in;
    CHECK_STATUS(eyot__topology_new(&t, &in), EYOT_ELIMIT);
    CHECK(t == NULL);
    plan_free(&p);
}

/* ---- cones ----------------------------------------------------------------------------------------------------- */

static eyot__topology *chain_of(uint32_t n)
{
    plan p = plan_new(n, n);
    for (uint32_t v = 0; v + 1 < n; v++) edge(&p, v, v + 1);
    return made(p);
}

TEST(topology_cone__lists_the_nearest_first)
{
    const uint32_t *places;
    eyot__topology *t = chain_of(50);
    CHECK_INT(eyot__topology_cone(t, 40, 64, &places), 40);
    for (uint32_t i = 0; i < 40; i++) CHECK_INT(places[i], 39 - i);
    CHECK_INT(eyot__topology_cone(t, 0, 64, &places), 0);
    eyot__topology_free(t);
}

TEST(topology_cone__tells_when_there_are_more_than_asked_for)
{
    const uint32_t *places = (const uint32_t *)"";
    eyot__topology *t = chain_of(50);
    CHECK_INT(eyot__topology_cone(t, 40, 39, &places), EYOT__UNCOUNTED);
    CHECK(places == NULL);
    CHECK_INT(eyot__topology_cone(t, 40, 10, &places), EYOT__UNCOUNTED);
    CHECK_INT(eyot__topology_cone(t, 40, 40, &places), 40); /* what it had given up is searched again */
    CHECK_INT(eyot__topology_cone(t, 40, 39, &places), EYOT__UNCOUNTED);
    eyot__topology_free(t);
}

TEST(topology_cone__of_a_giant_is_not_listed_but_known)
{
    const uint32_t *places;
    bool failed = false;
    eyot__topology *t = chain_of(200000);
    CHECK_INT(eyot__topology_cone(t, 1024, UINT32_MAX - 1, &places), 1024);
    CHECK_INT(eyot__topology_cone(t, 150000, UINT32_MAX - 1, &places), EYOT__UNCOUNTED);
    for (uint32_t v = 0; v < 200000; v += 1000)
        CHECK_INT(eyot__topology_can_reach(t, v, NULL, 150000, NULL, &failed), v < 150000);
    CHECK_INT(eyot__topology_cone(t, 150000, UINT32_MAX - 1, &places), EYOT__UNCOUNTED);
    CHECK(!failed);
    eyot__topology_free(t);
}

TEST(topology_cone__names_a_loop_as_one_place)
{
    const uint32_t *places;
    plan p = plan_new(4, 5);
    edge(&p, 0, 1);
    edge(&p, 1, 2);
    edge(&p, 2, 1);
    edge(&p, 1, 3);
    edge(&p, 2, 3);
    eyot__topology *t = made(p);
    CHECK_INT(eyot__topology_cone(t, 3, 10, &places), 2);
    CHECK_INT(places[0], 4 + t->nodes[1].chain[0]);
    CHECK_INT(places[1], 0);
    CHECK_INT(eyot__topology_cone(t, 2, 10, &places), EYOT__UNCOUNTED);
    eyot__topology_free(t);
}

/* Sets of every size between a list, a hash and bits. */
TEST(topology_can_reach__is_right_for_cones_of_every_size)
{
    const uint32_t n = 70000;
    plan p = plan_new(n, 3 * n);
    for (uint32_t v = 1; v < n; v++) edge(&p, v % 7 == 0 ? 0 : v - 1, v); /* pieces of seven */
    for (uint32_t i = 1; i < 4000; i++) edge(&p, i * 7 - 1, n - 1);       /* the last node joins many */
    eyot__topology *t = made(p);
    bool failed = false;
    for (uint32_t v = 1; v + 1 < n; v += 5)
        CHECK_INT(eyot__topology_can_reach(t, v, NULL, n - 1, NULL, &failed), v < 3999 * 7 || v >= (n - 1) / 7 * 7);
    for (uint32_t v = 1; v + 9 < n; v += 3)
        CHECK_INT(eyot__topology_can_reach(t, v, NULL, v + 2, NULL, &failed), v / 7 == (v + 2) / 7);
    CHECK(!failed);
    eyot__topology_free(t);

    for (uint32_t width = 1; width < 3000; width = width * 3 / 2 + 1) { /* two fans, of which one joins */
        p = plan_new(60000, 60000 + width);
        for (uint32_t v = 1; v < 59999; v++) edge(&p, 0, v);
        for (uint32_t v = 1; v <= width; v++) edge(&p, v, 59999);
        t = made(p);
        for (uint32_t v = 1; v < 59999; v += 1 + v / 8)
            CHECK_INT(eyot__topology_can_reach(t, v, NULL, 59999, NULL, &failed), v <= width);
        eyot__topology_free(t);
    }
}

/* Past what may be kept, answers are searched for each time. 2,400 joins behind one chain, each with a bit per place. */
TEST(topology_can_reach__stays_right_when_there_is_no_room_to_keep_more)
{
    const uint32_t links = 20000, joins = 2400, n = 1000000;
    plan p = plan_new(n, n);
    for (uint32_t v = 1; v < links; v++) edge(&p, v - 1, v);
    for (uint32_t v = links; v < n; v++) edge(&p, v < links + joins ? links - 1 : 0, v);
    eyot__topology *t = made(p);
    bool failed = false;
    for (uint32_t j = links; j < links + joins; j++) {
        CHECK(eyot__topology_can_reach(t, j * 7 % links, NULL, j, NULL, &failed));
        CHECK(!eyot__topology_can_reach(t, n - 1 - j, NULL, j, NULL, &failed));
    }
    CHECK(!failed);
    eyot__topology_free(t);
}

typedef struct asker {
    const eyot__topology *t;
    uint64_t seed;
    uint32_t wrong;
} asker;

/* Along a grid's edges everything to the right and below can be reached. */
static void *ask(void *arg)
{
    asker *a = arg;
    const uint32_t *places;
    bool failed = false;
    for (int i = 0; i < 20000; i++) {
        uint32_t w = (uint32_t)(test_random(&a->seed) % 1600), j = (uint32_t)(test_random(&a->seed) % 1600);
        bool want = w != j && w / 40 <= j / 40 && w % 40 <= j % 40;
        a->wrong += eyot__topology_can_reach(a->t, w, NULL, j, NULL, &failed) != want || failed;
        uint32_t size = (j / 40 + 1) * (j % 40 + 1) - 1;
        if (i % 4 == 0)
            a->wrong += eyot__topology_cone(a->t, j, 100, &places) != (size <= 100 ? size : EYOT__UNCOUNTED);
    }
    return NULL;
}

static plan grid(uint32_t side)
{
    plan p = plan_new(side * side, 2 * side * side);
    for (uint32_t v = 0; v < side * side; v++) {
        if (v % side + 1 < side) edge(&p, v, v + 1);
        if (v / side + 1 < side) edge(&p, v, v + side);
    }
    return p;
}

TEST(topology_can_reach__may_be_asked_by_many_threads_at_once)
{
    eyot__topology *t = made(grid(40));
    pthread_t threads[8];
    asker askers[8];
    uint64_t seed = test_seed();
    for (int i = 0; i < 8; i++) {
        askers[i] = (asker){t, test_random(&seed), 0};
        CHECK_INT(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
    }
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 8; i++) CHECK_INT(askers[i].wrong, 0);
    eyot__topology_free(t);
}

/* ---- size ------------------------------------------------------------------------------------------------------ */

TEST(topology_new__takes_a_chain_of_a_million)
{
    eyot__topology *t = chain_of(1000000);
    CHECK_INT(t->nodes[999999].first.expected, 1);
    CHECK_INT(t->n_loops, 0);
    eyot__topology_free(t);
}

TEST(topology_new__takes_a_ring_of_a_million)
{
    plan p = plan_new(1000000, 1000000);
    for (uint32_t v = 0; v < 1000000; v++) edge(&p, v, (v + 1) % 1000000);
    eyot__topology *t = made(p);
    CHECK_INT(t->n_loops, 1);
    CHECK(t->edges[999999].back);
    eyot__topology_free(t);
}

TEST(topology_new__takes_a_fan_of_a_million)
{
    const uint32_t last = 1000001;
    plan p = plan_new(last + 1, 2 * last);
    for (uint32_t v = 1; v < last; v++) edge(&p, 0, v);
    for (uint32_t v = 1; v < last; v++) edge(&p, v, last);
    eyot__topology *t = made(p);
    bool failed = false;
    CHECK_INT(t->nodes[last].ways[0].expected, 1000000);
    CHECK(eyot__topology_can_reach(t, 77, NULL, last, NULL, &failed));
    CHECK(!eyot__topology_can_reach(t, 77, NULL, 78, NULL, &failed));
    eyot__topology_free(t);
}

TEST(topology_new__takes_a_wavefront_of_a_million)
{
    eyot__topology *t = made(grid(1000));
    bool failed = false;
    for (uint32_t i = 0; i < 1000; i++) CHECK_INT(t->nodes[i * 1001].ways[0].expected, i == 0 ? 1 : 2);
    CHECK(eyot__topology_can_reach(t, 1001, NULL, 999999, NULL, &failed));
    CHECK(!eyot__topology_can_reach(t, 999, NULL, 999998, NULL, &failed));
    eyot__topology_free(t);
}
