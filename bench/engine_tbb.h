/* SPDX-License-Identifier: MIT */
/* The yardstick of the engine: the same graph as continue_nodes of a oneTBB flow graph, built once and run again, by the
 * calling thread alone. It has no state, no keys, no merge and no runs. */
#ifndef EYOT_BENCH_ENGINE_TBB_H
#define EYOT_BENCH_ENGINE_TBB_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tbb_yardstick tbb_yardstick;
tbb_yardstick *tbb_yardstick_new(size_t n_nodes); /* node 0 is the start */
void tbb_yardstick_edge(tbb_yardstick *y, size_t from, size_t to);
void tbb_yardstick_run(void *y);                    /* as bench_time wants it */
size_t tbb_yardstick_calls(const tbb_yardstick *y); /* of nodes so far */
void tbb_yardstick_free(tbb_yardstick *y);

#ifdef __cplusplus
}
#endif
#endif
