/* SPDX-License-Identifier: MIT */
/* For writers of nodes that graph files call: `call: module:function` with `eyot run FILE --nodes ./module.so`.
 *
 * A module is a shared object that defines eyot_nodes_table. The module's name is its file's without ".so". Link it with
 * libeyot or leave its symbols undefined: the program that loads it has them. It is loaded before the run starts and stays
 * loaded. Its functions are node functions like any other (eyot.h); the state is the one of the graph's codec. */
#ifndef EYOT_NODES_H
#define EYOT_NODES_H

#include <eyot/copiers.h>
#include <eyot/eyot.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EYOT_NODES_ABI 1u /* a module with another number is refused */

typedef struct eyot_nodes_entry {
    const char *name; /* as after the colon of `call` */
    eyot_node_fn fn;
    void *user; /* handed to fn */
} eyot_nodes_entry;

typedef struct eyot_nodes {
    uint32_t abi; /* EYOT_NODES_ABI */
    uint32_t n;
    const eyot_nodes_entry *entries;
} eyot_nodes;

/* What a module defines: a constant table. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const eyot_nodes *
eyot_nodes_table(void);

#ifdef __cplusplus
}
#endif
#endif
