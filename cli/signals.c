/* SPDX-License-Identifier: MIT */
#include "cli/signals.h"

#include "cli/out.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    sigset_t set;
    signals_fn fn; /* NULL: nobody watches */
    void *arg;
    int caught, n;
} signals = {.lock = PTHREAD_MUTEX_INITIALIZER};

void signals_block(void)
{
    const int ours[] = {SIGINT, SIGTERM};
    struct sigaction action;
    sigemptyset(&signals.set);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (sigaction(ours[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN) sigaddset(&signals.set, ours[i]);
    pthread_sigmask(SIG_BLOCK, &signals.set, NULL);
}

static void *listen(void *arg)
{
    (void)arg;
    for (;;) {
        int signo = 0;
        if (sigwait(&signals.set, &signo) != 0) return NULL;
        pthread_mutex_lock(&signals.lock);
        signals.caught = signo;
        bool go_on = signals.fn && signals.fn(signals.arg, ++signals.n);
        pthread_mutex_unlock(&signals.lock);
        /* Not through exit(): other threads are at work, and what they use must stay. The reaper kills the commands. */
        if (!go_on) _exit(EXIT_SIGNAL + signo);
    }
}

eyot_status signals_listen(eyot_error *e)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&thread, &attributes, listen, NULL);
    pthread_attr_destroy(&attributes);
    if (failed) return eyot_error_set(e, EYOT_EIO, "no thread for signals: %s", strerror(failed));
    return EYOT_OK;
}

void signals_watch(signals_fn fn, void *arg)
{
    pthread_mutex_lock(&signals.lock);
    signals.fn = fn;
    signals.arg = arg;
    pthread_mutex_unlock(&signals.lock);
}

int signals_caught(void)
{
    pthread_mutex_lock(&signals.lock);
    int caught = signals.caught;
    pthread_mutex_unlock(&signals.lock);
    return caught;
}
