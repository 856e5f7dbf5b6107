/* SPDX-License-Identifier: MIT */
#include "bench/engine_tbb.h"

#include <deque>

#include <tbb/flow_graph.h>
#include <tbb/global_control.h>

using tbb::flow::continue_msg;
using tbb::flow::continue_node;

struct tbb_yardstick {
    tbb::global_control alone{tbb::global_control::max_allowed_parallelism, 1};
    tbb::flow::graph graph;
    std::deque<continue_node<continue_msg>> nodes;
    size_t calls = 0;
};

tbb_yardstick *tbb_yardstick_new(size_t n_nodes)
{
    auto *y = new tbb_yardstick;
    for (size_t i = 0; i < n_nodes; i++) y->nodes.emplace_back(y->graph, [y](const continue_msg &) { y->calls++; });
    return y;
}

void tbb_yardstick_edge(tbb_yardstick *y, size_t from, size_t to)
{
    tbb::flow::make_edge(y->nodes[from], y->nodes[to]);
}

void tbb_yardstick_run(void *yardstick)
{
    auto *y = static_cast<tbb_yardstick *>(yardstick);
    y->nodes[0].try_put(continue_msg());
    y->graph.wait_for_all();
}

size_t tbb_yardstick_calls(const tbb_yardstick *y)
{
    return y->calls;
}

void tbb_yardstick_free(tbb_yardstick *y)
{
    delete y;
}
