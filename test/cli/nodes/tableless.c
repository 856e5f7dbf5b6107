/* SPDX-License-Identifier: MIT */
/* A shared object that is no module; the name eyot_nodes_table is only in this comment. */
int eyot_test_nothing(void);

int eyot_test_nothing(void)
{
    return 0;
}
