/* SPDX-License-Identifier: MIT */
/* The initialisers of the option structs, without a warning in C and in C++; compiled only. */
#include <eyot/eyot.h>
#include <eyot/worker.h>

size_t sizes_of_options(void);

size_t sizes_of_options(void)
{
    eyot_node_options node = EYOT_NODE_OPTIONS_INIT;
    eyot_engine_options engine = EYOT_ENGINE_OPTIONS_INIT;
    eyot_run_options run = EYOT_RUN_OPTIONS_INIT;
    eyot_submit_options submit = EYOT_SUBMIT_OPTIONS_INIT;
    eyot_worker_options worker = EYOT_WORKER_OPTIONS_INIT;
    node.version = "2";
    engine.threads = 1;
    run.run_id = "a17";
    return node.size + engine.size + run.size + submit.size + worker.size;
}
