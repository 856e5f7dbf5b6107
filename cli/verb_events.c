/* SPDX-License-Identifier: MIT */
/* Events that nobody has acknowledged. A page is copied out of the store, printed, flushed, and only then acknowledged. */
#include "cli/verbs.h"

#include "cli/arena.h"
#include "cli/out.h"
#include "cli/place.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

static const args_option options[] = {
    {.name = "follow", .letter = 'f', .help = "wait for further ones, until a signal comes"},
    {.name = "ack", .help = "acknowledge what was printed: it does not come again"},
    {.name = "topic", .value = "TOPIC", .help = "only events of this topic"},
    {.name = "run", .value = "RUN", .help = "only events of this run"},
    {.name = "jsonl", .help = "a JSON object per event and line"},
    {.name = "json", .help = "the same"},
    {.name = NULL},
};

enum { PAGE = 256, PAGE_BYTES = 4 << 20, POLL_MS = 500 };

typedef struct copied {
    char *id, *run, *topic, *payload; /* one piece of memory, the id's */
    size_t payload_len;
} copied;

typedef struct page {
    copied events[PAGE];
    size_t n, bytes;
} page;

static char *put(char **to, eyot_bytes from)
{
    char *at = *to;
    if (from.n > 0) memcpy(at, from.p, from.n);
    at[from.n] = '\0';
    *to += from.n + 1;
    return at;
}

static eyot_status on_event(void *arg, eyot_bytes run, const eyot_event *event)
{
    page *p = arg;
    size_t room = event->id.n + run.n + event->topic.n + event->payload.n + 4;
    char *to = p->n < PAGE ? malloc(room) : NULL;
    if (!to) return EYOT_ENOMEM;
    copied *c = &p->events[p->n++];
    c->id = put(&to, event->id);
    c->run = put(&to, run);
    c->topic = put(&to, event->topic);
    c->payload = put(&to, event->payload);
    c->payload_len = event->payload.n;
    p->bytes += room;
    return EYOT_OK;
}

static void page_clear(page *p)
{
    for (size_t i = 0; i < p->n; i++) free(p->events[i].id);
    p->n = p->bytes = 0;
}

/* ---- printing --------------------------------------------------------------------------------------------------- */

static bool print_json(const copied *c)
{
    eyot_value *payload = eyot_json_parse_len(c->payload, c->payload_len, NULL);
    if (!payload) payload = eyot_value_new_bytes(c->payload, c->payload_len);
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "id", eyot_value_new_string(c->id));
    v = eyot_value_set(v, "run", eyot_value_new_string(c->run));
    v = eyot_value_set(v, "topic", eyot_value_new_string(c->topic));
    return out_json(eyot_value_set(v, "payload", payload));
}

static bool print_line(const copied *c)
{
    char *payload = out_escape(c->payload, c->payload_len, OUT_ONE_LINE);
    if (!payload) return out_error(EXIT_FAILED, "out of memory"), false;
    out_styled(OUT_FAINT, c->id);
    out_printf("  ");
    out_text(c->topic);
    out_printf("  %s\n", payload);
    free(payload);
    return true;
}

typedef struct walk {
    const args *a;
    place *place;
    const char *topic, *run; /* NULL: any */
    bool json, ack, follow;
    arena mem; /* of the ids below */
    names printed;
} walk;

/* What was acknowledged is gone from the store; what was only printed is remembered by whoever looks again. */
static bool is_wanted(walk *w, const copied *c)
{
    if ((w->topic && strcmp(w->topic, c->topic) != 0) || (w->run && strcmp(w->run, c->run) != 0)) return false;
    return !w->follow || w->ack || names_find(&w->printed, c->id) == NAMES_NONE;
}

/* Only what has left this process is acknowledged. */
static int print_page(walk *w, const page *p)
{
    eyot_error e;
    bool is_new;
    size_t n = 0;
    eyot_bytes ids[PAGE];
    for (size_t i = 0; i < p->n && !out_is_gone(); i++) {
        const copied *c = &p->events[i];
        if (!is_wanted(w, c)) continue;
        if (!(w->json ? print_json(c) : print_line(c))) return EXIT_FAILED;
        ids[n++] = (eyot_bytes){c->id, strlen(c->id)};
        if (w->follow && !w->ack) names_add(&w->printed, arena_text(&w->mem, c->id, strlen(c->id)), &is_new);
    }
    if (n == 0) return EXIT_DONE;
    out_flush();
    if (!w->ack || out_is_gone()) return EXIT_DONE;
    return eyot_store_ack_events(w->place->store, ids, n, &e) == EYOT_OK ? EXIT_DONE : out_failed(&e);
}

/* ---- signals ---------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t caught;

static void on_signal(int signo)
{
    caught = signo;
}

/* Without SA_RESTART: a write that nobody takes ends too. */
static void catch_signals(sigset_t *ours)
{
    const int signals[] = {SIGINT, SIGTERM};
    sigemptyset(ours);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction action;
        if (sigaction(signals[i], NULL, &action) != 0 || action.sa_handler == SIG_IGN) continue;
        action = (struct sigaction){.sa_handler = on_signal};
        sigaction(signals[i], &action, NULL);
        sigaddset(ours, signals[i]);
    }
}

/* For a moment, or until a signal comes: none is missed between the look and the sleep. */
static void wait_a_moment(const sigset_t *ours)
{
    sigset_t before;
    struct timespec moment = {.tv_nsec = POLL_MS * 1000000L};
    sigprocmask(SIG_BLOCK, ours, &before);
    if (!caught) (void)pselect(0, NULL, NULL, NULL, &moment, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* ---- the walk --------------------------------------------------------------------------------------------------- */

/* From the beginning to the end of what there is. Pages of large payloads become shorter. */
static int walk_once(walk *w)
{
    static page p;
    eyot_error e = {.text = ""};
    uint32_t limit = PAGE;
    int code = EXIT_DONE;
    size_t left = 1;
    eyot_buf *cursor = eyot_buf_new(), *next = eyot_buf_new();
    if (!cursor || !next) code = out_error(EXIT_FAILED, "out of memory");
    while (code == EXIT_DONE && left > 0 && !out_is_gone() && !caught) {
        eyot_bytes from;
        from.p = eyot_buf_data(cursor, &from.n);
        eyot_buf_reset(next);
        eyot_status s = eyot_store_read_events(w->place->store, from, limit, on_event, &p, next, &e);
        if (s == EYOT_ENOMEM) eyot_error_set(&e, s, "out of memory");
        if (s == EYOT_OK) code = print_page(w, &p);
        if (s != EYOT_OK && !caught) code = out_failed(&e);
        if (s != EYOT_OK) left = 0;
        limit = p.bytes > PAGE_BYTES && limit > 1          ? limit / 2
                : p.bytes < PAGE_BYTES / 4 && limit < PAGE ? limit * 2
                                                           : limit;
        page_clear(&p);
        eyot_buf *swap = cursor;
        cursor = next;
        next = swap;
        if (left > 0) eyot_buf_data(cursor, &left);
    }
    eyot_buf_free(cursor);
    eyot_buf_free(next);
    return code;
}

static int walk_all(walk *w)
{
    sigset_t ours;
    if (!w->follow) return walk_once(w);
    catch_signals(&ours);
    for (;;) {
        int code = walk_once(w);
        if (caught) return EXIT_SIGNAL + caught;
        if (code != EXIT_DONE || out_is_gone()) return code;
        wait_a_moment(&ours);
        if (caught) return EXIT_SIGNAL + caught;
    }
}

static int events_main(const args *a)
{
    place p;
    run_word word;
    run_row row;
    walk w = {.a = a, .place = &p, .topic = args_text(a, "topic", NULL)};
    const char *run = args_text(a, "run", NULL);
    w.json = args_has(a, "json") || args_has(a, "jsonl");
    w.ack = args_has(a, "ack");
    w.follow = args_has(a, "follow");
    int code = run ? run_word_read(&word, run, RUN_ALONE) : EXIT_DONE;
    if (code != EXIT_DONE) return code;
    code = place_open(&p, a, PLACE_LOOK);
    if (code == EXIT_DONE && run) code = place_find(&p, word.run, &row);
    if (run) w.run = row.id;
    if (code == EXIT_DONE) code = walk_all(&w);
    names_clear(&w.printed);
    arena_clear(&w.mem);
    place_close(&p);
    return code;
}

const verb verb_events = {
    .name = "events",
    .words = "",
    .summary = "print what tasks have emitted and nobody has acknowledged",
    .about = "An event is here once its task is committed, and stays until it is acknowledged. --ack acknowledges only "
             "what was "
             "written and flushed: whoever reads it gets everything at least once, those of one run in their order.\n\n"
             "  eyot events --follow --ack --jsonl | while read -r event; do ...; done",
    .options = options,
    .uses_store = true,
    .main = events_main};
