/* SPDX-License-Identifier: MIT */
/* The way of a task through a node of a graph file, without holding a thread: expressions on its state (env, the node's own),
 * its command or function, its update, expressions on its new state (`when`, `each`), its route.
 *
 * Steps run on the thread that has started the node, then on finishers of the loop, one after the other, never two at
 * once. Only `stop` comes from elsewhere: the lock is for what it looks at. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/flow_own.h"
#include "cli/jq.h"

typedef struct way {
    eyot_task *task;
    const flow_node *node;
    uint64_t began_ms;
    pthread_mutex_t lock; /* for the three below */
    bool stopped;         /* the result is no longer wanted */
    command *command;     /* what is under way, to be stopped */
    jq_call *call;
} way;

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- the beginning and the end ---------------------------------------------------------------------------------- */

static void tell(const flow_node *n, eyot_task *task, flow_event_kind kind, const char *text, uint64_t ms)
{
    if (!n->flow->observe) return;
    const char *key = eyot_task_key(task);
    flow_event ev = {.kind = kind,
                     .task = key ? key : n->gf->id,
                     .node = n->gf->id,
                     .attempt = eyot_task_attempt(task),
                     .text = text,
                     .ms = ms};
    n->flow->observe(n->flow->arg, &ev);
}

/* Any thread, the run's lock held: only asks. */
static void stop(void *arg)
{
    way *w = arg;
    pthread_mutex_lock(&w->lock);
    w->stopped = true;
    if (w->command) command_stop(w->command);
    if (w->call) jq_call_stop(w->call);
    pthread_mutex_unlock(&w->lock);
}

/* What was under way has called back. */
static void came_back(way *w)
{
    pthread_mutex_lock(&w->lock);
    w->command = NULL;
    w->call = NULL;
    pthread_mutex_unlock(&w->lock);
}

static bool is_stopped(way *w)
{
    pthread_mutex_lock(&w->lock);
    bool stopped = w->stopped;
    pthread_mutex_unlock(&w->lock);
    return stopped;
}

/* The attempt ends; the way is gone afterwards. */
static void finish(way *w, eyot_status status, const char *text)
{
    eyot_task *task = w->task;
    if (is_stopped(w) && status) status = EYOT_ECANCELED;
    if (status < 0 && status != EYOT_ECANCELED && text) {
        eyot_status said = eyot_task_fail(task, "%s", text);
        if (status == EYOT_EFAILED) status = said;
    }
    if (status != EYOT_SUSPENDED)
        tell(w->node, task,
             status == EYOT_ECANCELED ? FLOW_STOPPED
             : status                 ? FLOW_FAILED
                                      : FLOW_ENDED,
             status == EYOT_ECANCELED ? "stopped" : (status ? (text ? text : eyot_status_text(status)) : NULL),
             now_ms() - w->began_ms);
    eyot_task_on_cancel(task, NULL, NULL);
    pthread_mutex_destroy(&w->lock);
    free(w);
    (void)eyot_task_complete(task, status); /* one that is not wanted any more is dropped */
}

#define FINISH(w, status, ...)                                  \
    do {                                                        \
        char finish_text[480];                                  \
        snprintf(finish_text, sizeof finish_text, __VA_ARGS__); \
        finish(w, status, finish_text);                         \
    } while (0)

/* Starts the evaluation of programs; `done` goes on. They may take as long as their node, or as the loop allows: the node's
 * own clock ends them, and the one of the call only if that fails, so that of two ends at once the same is always told. */
static void evaluate(way *w, const char *const *programs, size_t n, const eyot_value *state, jq_done_fn done)
{
    uint64_t node_ms = w->node->gf->timeout_ms, timeout_ms = node_ms ? node_ms + 2000 : 0;
    pthread_mutex_lock(&w->lock);
    jq_call *call = NULL;
    eyot_status status = w->stopped
                             ? EYOT_ECANCELED
                             : jq_call_start(&call, w->node->flow->loop, programs, n, state, timeout_ms, done, w);
    if (!status) w->call = call; /* `done` waits for the lock before it looks at the way */
    pthread_mutex_unlock(&w->lock);
    if (status) finish(w, status, NULL);
}

/* ---- the route -------------------------------------------------------------------------------------------------- */

/* "an array", "null". */
static const char *a_kind(const eyot_value *v)
{
    switch (eyot_value_kind_of(v)) {
    case EYOT_VALUE_NULL: return "null";
    case EYOT_VALUE_BOOL: return "a boolean";
    case EYOT_VALUE_INT:
    case EYOT_VALUE_UINT:
    case EYOT_VALUE_FLOAT32:
    case EYOT_VALUE_DOUBLE: return "a number";
    case EYOT_VALUE_STRING: return "a string";
    case EYOT_VALUE_ARRAY: return "an array";
    case EYOT_VALUE_MAP: return "an object";
    default: return "nothing that JSON has";
    }
}

/* jq's notion: everything but null and false. */
static bool is_true(const eyot_value *v)
{
    eyot_value_kind kind = eyot_value_kind_of(v);
    return kind != EYOT_VALUE_NULL && kind != EYOT_VALUE_NONE && eyot_value_bool(v, true);
}

static eyot_status send_items(way *w, const gf_edge *edge, const eyot_value *items)
{
    eyot_value_iter it = eyot_value_each(items);
    while (eyot_value_next(&it)) {
        eyot_value *item = eyot_value_set(eyot_value_new_map(), edge->as, eyot_value_ref(it.value));
        eyot_status status = item ? eyot_task_send(w->task, edge->to, item) : EYOT_ENOMEM;
        if (status) return status;
    }
    return EYOT_OK;
}

/* `results` are those of the edges' expressions, in order. */
static void choose_edges(way *w, const jq_result *results)
{
    const gf_node *gf = w->node->gf;
    const gf_edge *otherwise = NULL;
    bool conditional = false, taken = false, ended = false;
    for (size_t i = 0, k = 0; i < gf->n_edges; i++) {
        const gf_edge *edge = &gf->edges[i];
        const char *to = edge->to ? edge->to : "end";
        bool holds = true;
        if (edge->otherwise) {
            otherwise = edge;
            continue;
        }
        if (edge->when != GF_NO_EXPR) {
            const jq_result *r = &results[k++];
            if (!r->value) {
                FINISH(w, EYOT_EFAILED, "`when` of the edge to %s: %s", to, r->error);
                return;
            }
            holds = is_true(r->value);
        }
        if (edge->each != GF_NO_EXPR) {
            const jq_result *r = &results[k++];
            if (!r->value || eyot_value_kind_of(r->value) != EYOT_VALUE_ARRAY) {
                FINISH(w, EYOT_EFAILED, "`each` of the edge to %s: %s%s%s", to, r->value ? "it gave " : r->error,
                       r->value ? a_kind(r->value) : "", r->value ? ", not an array" : "");
                return;
            }
            if (!holds || eyot_value_count(r->value) == 0) continue;
            if (send_items(w, edge, r->value)) {
                finish(w, EYOT_ENOMEM, "out of memory");
                return;
            }
            conditional = taken = true;
            continue;
        }
        if (!holds) continue;
        conditional |= edge->when != GF_NO_EXPR;
        if (edge->to) {
            eyot_task_route(w->task, edge->to);
            taken = true;
        } else {
            ended = true;
        }
    }
    if (otherwise && !conditional) {
        if (otherwise->to) {
            eyot_task_route(w->task, otherwise->to);
            taken = true;
        } else {
            ended = true;
        }
    }
    if (!taken && gf->n_edges > 0 && !ended) {
        finish(w, EYOT_ENOROUTE, "no route: no edge of `next` was taken");
        return;
    }
    if (!taken) eyot_task_end(w->task);
    finish(w, EYOT_OK, NULL);
}

static void edges_known(void *arg, const jq_result *results, size_t n, eyot_status status, const char *failure)
{
    way *w = arg;
    (void)n;
    came_back(w);
    if (failure)
        FINISH(w, status, "`next`: %s", failure);
    else
        choose_edges(w, results);
}

/* The update becomes an event, which is there once the task is committed. What went wrong is the task's text then. */
static eyot_status emit_update(const flow_node *n, eyot_task *task)
{
    eyot_error e = {.status = EYOT_OK};
    if (!n->gf->emit) return EYOT_OK;
    eyot_value *update = eyot_task_update_withdraw(task);
    char *json = update ? eyot_json_print(update, &e) : NULL;
    const char *payload = json ? json : "null";
    void *state = NULL; /* a function that has edited it gives an update that is not known yet */
    if (!update && n->gf->kind == GF_CALL) (void)eyot_task_preview(task, &state, &e);
    eyot_value_unref(state);
    if (update) (void)eyot_task_update(task, update);
    eyot_status status = e.status ? e.status : eyot_task_emit(task, n->gf->emit, payload, strlen(payload));
    if (e.status) (void)eyot_task_fail(task, "emit: %s", e.text);
    eyot_free(json);
    return status;
}

/* The update is given: what remains is the way on. */
static void go_on(way *w)
{
    const flow_node *n = w->node;
    for (char **key = n->gf->drop; key && *key; key++)
        if (eyot_task_remove(w->task, *key)) {
            FINISH(w, EYOT_EFAILED, "drop: key %s could not be removed", *key);
            return;
        }
    eyot_status emitted = emit_update(n, w->task);
    if (emitted) {
        finish(w, emitted, NULL);
        return;
    }
    if (!n->routes) {
        finish(w, EYOT_OK, NULL);
        return;
    }
    if (n->n_after == 0) {
        choose_edges(w, NULL);
        return;
    }
    void *state;
    eyot_error e = {.status = EYOT_OK};
    eyot_status status = eyot_task_preview(w->task, &state, &e);
    if (status) {
        finish(w, status, e.text[0] ? e.text : eyot_status_text(status));
        return;
    }
    evaluate(w, n->after, n->n_after, state, edges_known);
    eyot_value_unref(state);
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

/* The offset of the first byte that is no UTF-8; `len` if there is none. Well-formed sequences as in table 3-7 of the Unicode
 * standard. */
static size_t utf8_fault(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i], low = 0x80, high = 0xBF;
        size_t more = c < 0x80                ? 0
                      : c >= 0xC2 && c < 0xE0 ? 1
                      : c >= 0xE0 && c < 0xF0 ? 2
                      : c >= 0xF0 && c < 0xF5 ? 3
                                              : 9;
        if (more == 9) return i;
        if (c == 0xE0) low = 0xA0;
        if (c == 0xED) high = 0x9F;
        if (c == 0xF0) low = 0x90;
        if (c == 0xF4) high = 0x8F;
        for (size_t k = 1; k <= more; k++, low = 0x80, high = 0xBF)
            if (i + k >= len || (unsigned char)text[i + k] < low || (unsigned char)text[i + k] > high) return i;
        i += more + 1;
    }
    return len;
}

static bool take_text(way *w, const char *out, size_t len)
{
    size_t fault = utf8_fault(out, len);
    if (fault < len) {
        FINISH(w, EYOT_EFAILED, "stdout is not UTF-8: byte %zu", fault);
        return false;
    }
    if (len > 0 && out[len - 1] == '\n') len--;
    if (!eyot_task_set_value(w->task, w->node->gf->output_key, eyot_value_new_string_len(out, len))) return true;
    finish(w, EYOT_ENOMEM, "out of memory");
    return false;
}

static bool take_lines(way *w, const char *out, size_t len)
{
    size_t fault = utf8_fault(out, len);
    if (fault < len) {
        FINISH(w, EYOT_EFAILED, "stdout is not UTF-8: byte %zu", fault);
        return false;
    }
    eyot_value *lines = eyot_value_new_array();
    for (const char *p = out, *end = out + len; p < end;) {
        const char *stop_at = memchr(p, '\n', (size_t)(end - p));
        if (!stop_at) stop_at = end;
        lines = eyot_value_append(lines, eyot_value_new_string_len(p, (size_t)(stop_at - p)));
        p = stop_at + 1;
    }
    if (lines && !eyot_task_set_value(w->task, w->node->gf->output_key, lines)) return true;
    finish(w, EYOT_EFAILED, "stdout has too many lines, or there is no memory for them");
    return false;
}

static bool take_json(way *w, const char *out, size_t len)
{
    static const char others[] = "for other output say `output: text KEY`, `lines KEY` or `none`";
    eyot_error e;
    if (len == 0) {
        FINISH(w, EYOT_EFAILED, "stdout is empty, not a JSON object; %s", others);
        return false;
    }
    eyot_value *v = eyot_json_parse_len(out, len, &e);
    if (!v) {
        FINISH(w, e.status == EYOT_ENOMEM ? EYOT_ENOMEM : EYOT_EFAILED, "stdout is no JSON: %s; %s", e.text, others);
        return false;
    }
    if (eyot_value_kind_of(v) != EYOT_VALUE_MAP) {
        FINISH(w, EYOT_EFAILED, "stdout is %s, not an object; %s", a_kind(v), others);
        eyot_value_unref(v);
        return false;
    }
    (void)eyot_task_update(w->task, v); /* the first one of this attempt */
    return true;
}

static void take_output(way *w, const char *out, size_t len)
{
    bool good = true;
    switch (w->node->gf->output) {
    case GF_OUTPUT_JSON: good = take_json(w, out, len); break;
    case GF_OUTPUT_TEXT: good = take_text(w, out, len); break;
    case GF_OUTPUT_LINES: good = take_lines(w, out, len); break;
    case GF_OUTPUT_NONE: break;
    }
    if (good) go_on(w);
}

/* The last lines of stderr, as far as they fit, joined by " / ". Of a last line that is too long, its end. */
static void last_lines(char *to, size_t room, const command_result *r)
{
    size_t len = r->err_len, n = 0;
    while (len > 0 && strchr("\n\r \t", r->err[len - 1])) len--; /* NULs too */
    size_t from = len, needs = 1;
    for (; from > 0 && needs < room; from--) needs += r->err[from - 1] == '\n' ? 3 : 1;
    if (needs > room) from++;
    if (from > 0 && r->err[from - 1] != '\n') { /* from the beginning of a line, or at least of a character */
        const char *line = memchr(r->err + from, '\n', len - from);
        if (line) from = (size_t)(line - r->err) + 1;
        while (from < len && ((unsigned char)r->err[from] & 0xC0) == 0x80) from++;
    }
    for (size_t i = from; i < len; i++) {
        if (r->err[i] == '\n')
            n += (size_t)snprintf(to + n, room - n, " / ");
        else
            to[n++] = r->err[i] ? r->err[i] : ' ';
    }
    to[n] = 0;
}

static void command_failed(way *w, const command_result *r)
{
    char tail[200], said[64];
    const char *key = eyot_task_key(w->task);
    if (r->end == COMMAND_SIGNALLED)
        snprintf(said, sizeof said, "killed by signal %d (%s)", r->code, strsignal(r->code));
    else
        snprintf(said, sizeof said, "exit status %d", r->code);
    /* The run's error is "KEY: SAID: TAIL": its end, which tells most, is not to be cut. */
    size_t before = (key ? strlen(key) : 0) + strlen(said) + 4, all = sizeof(((eyot_error *)0)->text);
    size_t room = before + 64 < all ? all - before : 64;
    last_lines(tail, room < sizeof tail ? room : sizeof tail, r);
    const char *colon = tail[0] ? ": " : "";
    switch (r->end) {
    case COMMAND_EXITED:
    case COMMAND_SIGNALLED: FINISH(w, EYOT_EFAILED, "%s%s%s", said, colon, tail); break;
    case COMMAND_NOT_STARTED:
    case COMMAND_GIVEN_UP: FINISH(w, EYOT_EFAILED, "could not %s: %s", r->what, strerror(r->code)); break;
    case COMMAND_TOO_MUCH:
        FINISH(w, EYOT_EFAILED, "it wrote more than %llu bytes to stdout (max_output)",
               (unsigned long long)w->node->gf->max_output);
        break;
    case COMMAND_STOPPED: finish(w, EYOT_ECANCELED, NULL); break;
    }
}

/* What it wrote on stderr is kept before the attempt ends, so that whoever sees the end finds it. It is there for people: a
 * store without notes, or one that fails now, costs them the text and the run nothing. */
static void keep_stderr(way *w, const command_result *r)
{
    char key[300];
    const char *task = eyot_task_key(w->task);
    if (r->err_len == 0 || !w->node->flow->store || !task) return;
    snprintf(key, sizeof key, FLOW_LOG_KEY, task, eyot_task_attempt(w->task));
    (void)eyot_store_put_note(w->node->flow->store, eyot_task_run_id(w->task), key, r->err, r->err_len, NULL);
}

/* What a command has written is recorded, so that a replay needs no command. Its exit status was 0. */
#define RECORDED_AS "stdout"

static void command_ended(void *arg, const command_result *r)
{
    way *w = arg;
    came_back(w);
    keep_stderr(w, r);
    if (r->end != COMMAND_EXITED || r->code != 0) {
        command_failed(w, r);
        return;
    }
    /* What nobody reads need not be kept: that it has run is enough. */
    size_t len = w->node->gf->output == GF_OUTPUT_NONE ? 0 : r->out_len;
    eyot_status kept = eyot_task_keep(w->task, RECORDED_AS, r->out, len);
    if (kept)
        finish(w, kept, NULL);
    else
        take_output(w, r->out, r->out_len);
}

enum { OWN_ENV = 5 };

/* Value of a variable: a string as it is, anything else but null as JSON. NULL, and `why`. */
static char *env_text(const jq_result *r, const char *name, char why[480])
{
    size_t len = 0;
    eyot_error e;
    const char *text = eyot_value_string_len(r->value, &len);
    char *json = NULL, *out = NULL;
    if (!r->value)
        snprintf(why, 480, "env %s: %s", name, r->error);
    else if (eyot_value_kind_of(r->value) == EYOT_VALUE_NULL)
        snprintf(why, 480, "env %s: it gave null; say `// \"\"` behind it if it may be empty", name);
    else if (text && memchr(text, 0, len))
        snprintf(why, 480, "env %s: it gave a text with a NUL inside", name);
    else if (!text && !(json = eyot_json_print(r->value, &e)))
        snprintf(why, 480, "env %s: %s", name, e.text);
    else {
        const char *value = text ? text : json;
        size_t room = strlen(name) + strlen(value) + 2;
        out = malloc(room);
        if (out)
            snprintf(out, room, "%s=%s", name, value);
        else
            snprintf(why, 480, "env %s: out of memory", name);
    }
    eyot_free(json);
    return out;
}

static char *format(const char *fmt, const char *a, const char *b)
{
    size_t room = strlen(fmt) + strlen(a) + strlen(b) + 1;
    char *text = malloc(room);
    if (text) snprintf(text, room, fmt, a, b);
    return text;
}

/* The variables of a command, NULL-terminated, each owned; NULL, and `why`. */
static char **make_env(way *w, const jq_result *results, char why[480])
{
    const gf_node *gf = w->node->gf;
    const char *run = eyot_task_run_id(w->task), *key = eyot_task_key(w->task);
    char attempt[16], fence[24];
    char **env = calloc(OWN_ENV + gf->n_env + 1, sizeof *env);
    size_t n = 0;
    bool good = env && key;
    snprintf(why, 480, "out of memory");
    snprintf(attempt, sizeof attempt, "%u", eyot_task_attempt(w->task));
    snprintf(fence, sizeof fence, "%llu", (unsigned long long)eyot_task_fence(w->task));
    if (good) {
        env[n++] = format("EYOT_RUN=%s%s", run, "");
        env[n++] = format("EYOT_TASK=%s%s", key, "");
        env[n++] = format("EYOT_ATTEMPT=%s%s", attempt, "");
        env[n++] = format("EYOT_IDEMPOTENCY_KEY=%s/%s", run, key);
        env[n++] = format("EYOT_FENCE=%s%s", fence, "");
        for (size_t i = 0; i < n; i++) good &= env[i] != NULL;
    }
    for (size_t i = 0; i < gf->n_env && good; i++)
        good = (env[n++] = env_text(&results[i], gf->env[i].name, why)) != NULL;
    if (good) return env;
    for (size_t i = 0; env && i < n; i++) free(env[i]);
    free(env);
    return NULL;
}

/* The state as one line of JSON, for its stdin. */
static char *make_input(way *w, size_t *len, eyot_error *e)
{
    char *json = eyot_json_print(eyot_task_state(w->task), e);
    if (!json) return NULL;
    *len = strlen(json);
    char *line = malloc(*len + 2);
    if (line) {
        memcpy(line, json, *len);
        line[(*len)++] = '\n';
        line[*len] = 0;
    } else {
        eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    }
    eyot_free(json);
    return line;
}

static void start_command(way *w, const jq_result *results)
{
    const gf_node *gf = w->node->gf;
    char why[480];
    eyot_error e;
    size_t len = 0;
    char **env = make_env(w, results, why);
    if (!env) {
        finish(w, EYOT_EFAILED, why);
        return;
    }
    char *input = make_input(w, &len, &e);
    const char *shell[] = {w->node->flow->file->shell, "-c", gf->command, NULL};
    command_spec spec = {.argv = gf->kind == GF_RUN ? shell : (const char *const *)gf->argv,
                         .env = (const char *const *)env,
                         .cwd = w->node->cwd,
                         .input = input,
                         .input_len = len,
                         .grace_ms = gf->grace_ms,
                         .max_output = gf->max_output};
    pthread_mutex_lock(&w->lock);
    eyot_status status = !input ? e.status : w->stopped ? EYOT_ECANCELED : EYOT_OK;
    if (!status) status = command_start(&w->command, w->node->flow->loop, &spec, command_ended, w);
    pthread_mutex_unlock(&w->lock);
    for (char **p = env; *p; p++) free(*p);
    free(env);
    free(input);
    if (status) finish(w, status, status == EYOT_ECANCELED ? NULL : eyot_status_text(status));
}

/* A replay is told what the command wrote then. */
static void run_command(way *w, const jq_result *results)
{
    const void *out;
    size_t len;
    eyot_status status = eyot_task_recall(w->task, RECORDED_AS, &out, &len);
    if (status == EYOT_ENOTFOUND)
        start_command(w, results);
    else if (status)
        finish(w, status, NULL);
    else
        take_output(w, out, len);
}

/* ---- the node's own ---------------------------------------------------------------------------------------------- */

static void take_jq(way *w, const jq_result *r)
{
    if (!r->value) {
        finish(w, EYOT_EFAILED, r->error);
    } else if (eyot_value_kind_of(r->value) != EYOT_VALUE_MAP) {
        FINISH(w, EYOT_EFAILED, "it gave %s; an update is an object", a_kind(r->value));
    } else {
        (void)eyot_task_update(w->task, eyot_value_ref(r->value));
        go_on(w);
    }
}

static void take_answer(way *w, const char *answer)
{
    eyot_error e;
    eyot_value *v = eyot_json_parse(answer, &e);
    if (!v)
        FINISH(w, EYOT_EFAILED, "the answer is no JSON: %s", e.text);
    else if (eyot_task_set_value(w->task, w->node->gf->into, v))
        finish(w, EYOT_ENOMEM, "out of memory");
    else
        go_on(w);
}

/* Questions and answers are JSON: whoever shows them knows what they are. */
static void ask(way *w, const jq_result *r)
{
    eyot_error e;
    const char *answer;
    if (!r->value) {
        finish(w, EYOT_EFAILED, r->error);
        return;
    }
    char *question = eyot_json_print(r->value, &e);
    eyot_status status = question ? eyot_task_ask(w->task, question, &answer) : e.status;
    eyot_free(question);
    if (!status)
        take_answer(w, answer);
    else
        finish(w, status, eyot_status_text(status));
}

static void doze(way *w, const jq_result *r)
{
    uint64_t ms = w->node->gf->sleep_ms;
    if (w->node->gf->expr != GF_NO_EXPR) {
        eyot_value_kind kind = r->value ? eyot_value_kind_of(r->value) : EYOT_VALUE_NONE;
        double s = eyot_value_double(r->value, -1);
        if (!r->value || (kind != EYOT_VALUE_INT && kind != EYOT_VALUE_DOUBLE) || !(s >= 0 && s <= 3650 * 86400.0)) {
            FINISH(w, EYOT_EFAILED, "%s", r->value ? "`sleep` wants seconds, from 0 to ten years" : r->error);
            return;
        }
        ms = (uint64_t)(s * 1000);
    }
    eyot_status status = eyot_task_sleep(w->task, ms);
    if (status)
        finish(w, status, eyot_status_text(status));
    else
        go_on(w);
}

static void begin(way *w, const jq_result *results)
{
    const flow_node *n = w->node;
    const jq_result *own = results ? &results[n->gf->n_env] : NULL;
    switch (n->gf->kind) {
    case GF_RUN:
    case GF_EXEC: run_command(w, results); return;
    case GF_JQ: take_jq(w, own); return;
    case GF_SET: (void)eyot_task_update(w->task, eyot_value_ref(n->gf->set)); break;
    case GF_ASK: ask(w, own); return;
    case GF_SLEEP: doze(w, own); return;
    case GF_DROP:
    case GF_CALL: break;
    }
    go_on(w);
}

static void state_known(void *arg, const jq_result *results, size_t n, eyot_status status, const char *failure)
{
    way *w = arg;
    (void)n;
    came_back(w);
    if (failure)
        finish(w, status, failure);
    else
        begin(w, results);
}

static way *way_new(eyot_task *task, const flow_node *n)
{
    way *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    w->task = task;
    w->node = n;
    w->began_ms = now_ms();
    pthread_mutex_init(&w->lock, NULL);
    if (!eyot_task_on_cancel(task, stop, w)) return w;
    pthread_mutex_destroy(&w->lock);
    free(w);
    return NULL;
}

/* A module's function has the task itself, may listen and wait as it likes, and may leave it pending; then it completes it
 * too, and the library looks at the edges. False: the task's way ends here, with *status. */
static bool call(const flow_node *n, eyot_task *task, eyot_status *status)
{
    uint64_t began = now_ms();
    atomic_fetch_add(&n->flow->inside, 1);
    *status = n->fn(task, n->user);
    atomic_fetch_sub(&n->flow->inside, 1);
    if (!*status && (n->routes || n->gf->drop) && !eyot_task_routed(task)) return true;
    if (!*status) *status = emit_update(n, task);
    if (*status != EYOT_PENDING && *status != EYOT_SUSPENDED)
        tell(n, task, *status ? FLOW_FAILED : FLOW_ENDED, *status ? eyot_status_text(*status) : NULL, now_ms() - began);
    return false;
}

eyot_status flow_run_node(eyot_task *task, void *user)
{
    const flow_node *n = user;
    eyot_status status;
    if (!n->flow->loop) return eyot_task_fail(task, "this graph is only looked at");
    tell(n, task, FLOW_STARTED, NULL, 0);
    if (n->gf->kind == GF_CALL && !call(n, task, &status)) return status;
    way *w = way_new(task, n);
    if (!w) return EYOT_ENOMEM;
    if (n->n_before > 0)
        evaluate(w, n->before, n->n_before, eyot_task_state(task), state_known);
    else
        begin(w, NULL);
    return EYOT_PENDING;
}

/* ---- failures and conditions ------------------------------------------------------------------------------------- */

eyot_status flow_rescue(eyot_task *task, eyot_status status, const char *text, void *user)
{
    const gf_node *gf = ((const flow_node *)user)->gf;
    if (gf->on_error == GF_IGNORE) return eyot_task_end(task);
    eyot_value *error = eyot_value_new_map();
    error = eyot_value_set(error, "task", eyot_value_new_string(eyot_task_key(task)));
    error = eyot_value_set(error, "node", eyot_value_new_string(gf->id));
    error = eyot_value_set(error, "attempt", eyot_value_new_int((int64_t)eyot_task_attempt(task)));
    error = eyot_value_set(error, "status", eyot_value_new_string(eyot_status_name(status)));
    error = eyot_value_set(error, "text", eyot_value_new_string(text));
    eyot_status given = error ? eyot_task_set_value(task, "error", error) : EYOT_ENOMEM;
    return given ? given : eyot_task_route(task, gf->catch_to);
}

typedef struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t came;
    bool done, taken;
    eyot_status status;
    eyot_error e;
} waiting;

static void condition_known(void *arg, const jq_result *results, size_t n, eyot_status status, const char *failure)
{
    waiting *w = arg;
    (void)n;
    pthread_mutex_lock(&w->lock);
    if (failure)
        w->status = eyot_error_set(&w->e, status, "%s", failure);
    else if (!results[0].value)
        w->status = eyot_error_set(&w->e, EYOT_EFAILED, "%s", results[0].error);
    else
        w->taken = is_true(results[0].value);
    w->done = true;
    pthread_cond_signal(&w->came);
    pthread_mutex_unlock(&w->lock);
}

eyot_status flow_condition_holds(const void *state, bool *taken, void *user, eyot_error *e)
{
    const flow_condition *c = user;
    jq_call *call;
    waiting w = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
    if (!c->flow->loop) return eyot_error_set(e, EYOT_EINVAL, "this graph is only looked at");
    eyot_status status = jq_call_start(&call, c->flow->loop, &c->program, 1, state, 0, condition_known, &w);
    if (status) return eyot_error_set(e, status, "%s", eyot_status_text(status));
    pthread_mutex_lock(&w.lock);
    while (!w.done) pthread_cond_wait(&w.came, &w.lock);
    pthread_mutex_unlock(&w.lock);
    if (w.status) return eyot_error_set(e, w.status, "%s", w.e.text);
    *taken = w.taken;
    return EYOT_OK;
}
