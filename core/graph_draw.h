/* SPDX-License-Identifier: MIT */
/* The JSON form of a graph: what it is fingerprinted by, what stores keep and people read. */
#ifndef EYOT_CORE_GRAPH_DRAW_H
#define EYOT_CORE_GRAPH_DRAW_H

#include "core/buf.h"
#include "core/graph.h"

/* Appends the JSON form. `name` NULL: without the graph's name, which the fingerprint leaves out. `rules` is the text of
 * the reducers, NULL if there are none. The graph needs its shape, but need not be frozen. Failures show in `out`. */
void eyot__graph_write(eyot_buf *out, const eyot_graph *g, const char *name, const char *rules);

#endif
