/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* the size of the terminal */
#include "cli/progress.h"

#include "cli/out.h"
#include "cli/when.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    pthread_t thread;
    const eyot_run *run; /* NULL: nothing is drawn */
    bool stop;
} progress = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the first line --------------------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    char line[192]; /* empty: there is none, or it has been said */
} first = {.lock = PTHREAD_MUTEX_INITIALIZER};

void progress_announce(const char *format, const char *id)
{
    pthread_mutex_lock(&first.lock);
    snprintf(first.line, sizeof first.line, format, id);
    pthread_mutex_unlock(&first.lock);
}

void progress_begun(void)
{
    pthread_mutex_lock(&first.lock);
    if (first.line[0]) out_note("%s", first.line);
    first.line[0] = '\0';
    pthread_mutex_unlock(&first.lock);
}

/* ---- a line per attempt ----------------------------------------------------------------------------------------- */

void progress_observe(void *arg, const flow_event *ev)
{
    (void)arg;
    char attempt[32] = "", time[WHEN_TEXT];
    if (ev->attempt > 1) snprintf(attempt, sizeof attempt, ", attempt %" PRIu32, ev->attempt);
    when_took(time, ev->ms);
    progress_begun();
    switch (ev->kind) {
    case FLOW_STARTED: out_note("%s%s: started", ev->task, attempt); break;
    case FLOW_ENDED: out_note("%s%s: done in %s", ev->task, attempt, time); break;
    case FLOW_STOPPED: out_note("%s%s: stopped after %s", ev->task, attempt, time); break;
    case FLOW_FAILED: out_note("%s%s: failed in %s: %s", ev->task, attempt, time, ev->text ? ev->text : "?"); break;
    }
}

/* ---- the line at the bottom ------------------------------------------------------------------------------------- */

void progress_line(char text[256], const char *id, const eyot_run_metrics *m, uint64_t steps, unsigned columns)
{
    char time[WHEN_TEXT], failed[48] = "", line[200];
    double seconds = (double)m->elapsed_ns / 1e9;
    when_took(time, m->elapsed_ns / 1000000);
    if (m->failed) snprintf(failed, sizeof failed, ", %" PRIu64 " failed", m->failed);
    snprintf(line, sizeof line, "%" PRIu64 " done, %" PRIu64 " running, %" PRIu64 " branch%s%s, %.1f/s, %s", steps,
             m->running, m->branches, m->branches == 1 ? "" : "es", failed,
             seconds > 0 ? (double)m->tasks / seconds : 0.0, time);
    /* The numbers change, the name does not: of a line that is too long the name goes. */
    size_t n = strlen(line), room = columns < 255 ? columns : 255;
    if (n + strlen(id) + 2 <= room)
        snprintf(text, 256, "%.*s: %s", (int)(room - n - 2), id, line);
    else
        snprintf(text, 256, "%.*s", (int)room, line);
}

static void draw(const eyot_run *run)
{
    char text[256];
    struct winsize size = {0};
    eyot_run_metrics m = {.size = sizeof m};
    if (eyot_run_measure(run, &m) != EYOT_OK) return;
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
    progress_line(text, eyot_run_id(run), &m, eyot_run_steps(run),
                  known ? size.ws_col - 1u : 79); /* a full line would wrap */
    out_status(text);
}

static void *draw_on(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&progress.lock);
    while (!progress.stop) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += 100000000;
        if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
        /* A run that ends at once has no line. */
        pthread_cond_timedwait(&progress.stopped, &progress.lock, &until);
        if (!progress.stop) draw(progress.run);
    }
    pthread_mutex_unlock(&progress.lock);
    return NULL;
}

void progress_start(const eyot_run *run)
{
    pthread_condattr_t attributes;
    if (!out_has_terminal() || out_is_quiet()) return;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&progress.stopped, &attributes);
    pthread_condattr_destroy(&attributes);
    progress.stop = false;
    progress.run = run;
    if (pthread_create(&progress.thread, NULL, draw_on, NULL) != 0) progress.run = NULL;
}

void progress_stop(void)
{
    if (!progress.run) return;
    pthread_mutex_lock(&progress.lock);
    progress.stop = true;
    pthread_cond_signal(&progress.stopped);
    pthread_mutex_unlock(&progress.lock);
    pthread_join(progress.thread, NULL);
    progress.run = NULL;
    out_status(NULL);
}
