/* SPDX-License-Identifier: MIT */
/* What the blocks of docs/guide.md take for granted. */
#include <eyot/replay.h>
#include <eyot/worker.h>
void log_news(void *arg, const eyot_worker_report *report);
typedef struct my_state {
    bool renamed;
} my_state;
bool pay(const char *run_id, const char *key);
void hand_to_event_loop(void *loop, eyot_task *task);
const char *ask_the_market(void *market);
int my_socket(void *user);
int wait_for_either(int fd, int other);
eyot_status charge(eyot_task *task, void *user);
eyot_status pack(eyot_task *task, void *user);
eyot_status ship(eyot_task *task, void *user);
eyot_status count(eyot_task *task, void *user);
eyot_status check(eyot_task *task, void *user);
eyot_status report(eyot_task *task, void *user);
