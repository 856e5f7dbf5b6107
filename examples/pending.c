/* SPDX-License-Identifier: MIT */
/* Tasks that wait without holding a thread: the node starts a timer in the host's event loop (here: poll and timerfd) and
 * returns EYOT_PENDING; the loop completes the task when the time has come. A thousand of them wait at once. */
#define _GNU_SOURCE /* pipe2 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <eyot/copiers.h>
#include <eyot/eyot.h>

enum { WAITS = 1000 };

/* The event loop: one timer, and the tasks that wait for its next tick. Nodes hand their tasks over by a pipe. */
typedef struct loop {
    int timer, inbox[2];
    eyot_task *waiting[WAITS];
    int n;
} loop;

static eyot_status fan(eyot_task *task, void *user)
{
    (void)user;
    for (int i = 0; i < WAITS; i++) {
        eyot_status status = eyot_task_send(task, "wait", eyot_value_new_map());
        if (status) return status;
    }
    return EYOT_OK;
}

static eyot_status wait_for_tick(eyot_task *task, void *user)
{
    loop *l = user;
    if (write(l->inbox[1], &task, sizeof task) != sizeof task)
        return eyot_task_fail(task, "the loop's inbox is closed");
    return EYOT_PENDING; /* from here on the task is the loop's */
}

static eyot_status report(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_set_bool(task, "done", true);
}

static void tick(loop *l)
{
    for (int i = 0; i < l->n; i++) {
        eyot_status status = eyot_task_set_int(l->waiting[i], "waited", 1);
        eyot_task_complete(l->waiting[i], status);
    }
    l->n = 0;
}

/* Turns until the run has ended. The thread that loops runs no tasks: the engine's workers do. */
static void turn(loop *l, eyot_run *run)
{
    struct pollfd fds[] = {{.fd = l->timer, .events = POLLIN}, {.fd = l->inbox[0], .events = POLLIN}};
    while (eyot_run_status_of(run) == EYOT_RUN_RUNNING) {
        uint64_t ticks;
        if (poll(fds, 2, 10) < 0) return;
        if (fds[1].revents && read(l->inbox[0], &l->waiting[l->n], sizeof l->waiting[0]) > 0) l->n++;
        if (fds[0].revents && read(l->timer, &ticks, sizeof ticks) > 0) tick(l);
    }
}

int main(void)
{
    static loop l;
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_graph *graph = NULL;
    eyot_engine *engine = NULL;
    eyot_run *run = NULL;
    eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;
    struct itimerspec every = {.it_interval.tv_nsec = 20000000, .it_value.tv_nsec = 20000000};

    l.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (l.timer < 0 || timerfd_settime(l.timer, 0, &every, NULL) || pipe2(l.inbox, O_CLOEXEC)) return 1;
    if (eyot_graph_new(&graph, "pending", eyot_json())) return 1;
    eyot_graph_node(graph, "fan", fan, NULL);
    eyot_graph_node(graph, "wait", wait_for_tick, &l);
    eyot_graph_node(graph, "report", report, NULL);
    eyot_graph_edge_each(graph, "fan", "wait");
    eyot_graph_edge(graph, "wait", "report");
    eyot_graph_reduce(graph, "waited", EYOT_ADD);
    options.threads = 2;
    if (eyot_graph_freeze(graph, &e) || eyot_engine_new(&engine, &options, &e)) goto done;
    if (eyot_run_start(&run, engine, graph, eyot_value_new_map(), NULL, &e)) goto done;
    turn(&l, run);
    if (eyot_run_wait(run, &e)) goto done;
    char *text = eyot_json_print(eyot_run_state(run), &e);
    if (text) printf("%s\n", text);
    eyot_free(text);
done:
    if (e.status) fprintf(stderr, "pending: %s\n", e.text);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(graph);
    return e.status != EYOT_OK;
}
