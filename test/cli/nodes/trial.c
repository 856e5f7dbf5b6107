/* SPDX-License-Identifier: MIT */
/* Functions for call.sh: each does one thing that functions may do. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <eyot/nodes.h>

static eyot_status fails(eyot_task *task, void *user)
{
    return eyot_task_fail(task, "no %s today, attempt %u", (const char *)user, eyot_task_attempt(task));
}

static eyot_status forever(eyot_task *task, void *user)
{
    (void)task;
    (void)user;
    for (;;) pause();
    return EYOT_OK;
}

/* Looks now and then whether it is still wanted. */
static eyot_status polite(eyot_task *task, void *user)
{
    (void)user;
    while (!eyot_task_cancelled(task)) nanosleep(&(struct timespec){0, 5000000}, NULL);
    return EYOT_ECANCELED;
}

/* Is never completed by anybody. */
static eyot_status lost(eyot_task *task, void *user)
{
    (void)task;
    (void)user;
    return EYOT_PENDING;
}

static void *complete(void *arg)
{
    eyot_task *task = arg;
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    eyot_status status = eyot_task_set_string(task, "by", "a thread");
    (void)eyot_task_complete(task, status);
    return NULL;
}

static eyot_status later(eyot_task *task, void *user)
{
    pthread_t thread;
    (void)user;
    if (pthread_create(&thread, NULL, complete, task)) return eyot_task_fail(task, "no thread");
    pthread_detach(thread);
    return EYOT_PENDING;
}

static void *complete_badly(void *arg)
{
    eyot_status status = eyot_task_fail(arg, "the thread could not");
    (void)eyot_task_complete(arg, status);
    return NULL;
}

static eyot_status fails_later(eyot_task *task, void *user)
{
    pthread_t thread;
    (void)user;
    if (pthread_create(&thread, NULL, complete_badly, task)) return eyot_task_fail(task, "no thread");
    pthread_detach(thread);
    return EYOT_PENDING;
}

static eyot_status strange(eyot_task *task, void *user)
{
    (void)task;
    (void)user;
    return (eyot_status)77;
}

static eyot_status routes(eyot_task *task, void *user)
{
    return eyot_task_route(task, user);
}

static eyot_status sends(eyot_task *task, void *user)
{
    eyot_status status = EYOT_OK;
    (void)user;
    for (int i = 0; i < 3 && !status; i++) {
        eyot_value *item = eyot_value_set(eyot_value_new_map(), "item", eyot_value_new_int(i));
        status = item ? eyot_task_send(task, "b", item) : EYOT_ENOMEM;
    }
    return status;
}

static eyot_status asks(eyot_task *task, void *user)
{
    const char *answer;
    (void)user;
    eyot_status status = eyot_task_ask(task, "\"How many?\"", &answer);
    return status ? status : eyot_task_set_string(task, "answer", answer);
}

static eyot_status sets(eyot_task *task, void *user)
{
    return eyot_task_set_string(task, "set", user);
}

static eyot_status ends(eyot_task *task, void *user)
{
    (void)task;
    (void)user;
    exit(0);
}

static eyot_status emits(eyot_task *task, void *user)
{
    eyot_status status = eyot_task_emit(task, "word", user, strlen(user));
    return status ? status : eyot_task_set_string(task, "word", user);
}

static eyot_status edits(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_edit(task) ? EYOT_OK : EYOT_ENOMEM;
}

const eyot_nodes *eyot_nodes_table(void)
{
    static char word[] = "luck", to[] = "b";
    static const eyot_nodes_entry entries[] = {
        {"fails", fails, word},     {"forever", forever, NULL}, {"polite", polite, NULL},
        {"lost", lost, NULL},       {"later", later, NULL},     {"fails_later", fails_later, NULL},
        {"strange", strange, NULL}, {"routes", routes, to},     {"sends", sends, NULL},
        {"asks", asks, NULL},       {"sets", sets, word},       {"ends", ends, NULL},
        {"emits", emits, word},     {"edits", edits, NULL}};
    static const eyot_nodes table = {EYOT_NODES_ABI, sizeof entries / sizeof *entries, entries};
    return &table;
}
