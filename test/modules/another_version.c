/* SPDX-License-Identifier: MIT */
/* A module of stores that another eyot was built with. */
#include "stores/module.h"

extern const eyot__store_module eyot_store_module;
const eyot__store_module eyot_store_module = {
    .size = sizeof(eyot__store_module), .abi = EYOT_STORE_ABI, .version = "0.0.9"};
