/* SPDX-License-Identifier: MIT */
/* A disk that can lose its power, as a VFS of SQLite in memory: test/power_support.c. It keeps apart what a file holds and what
 * of it is on the disk. Until a file is synced, each sector of each write, each cut and each new name may have reached the
 * disk or not, in any order. It promises what SQLite takes every disk to promise (SQLITE_IOCAP_POWERSAFE_OVERWRITE): a torn
 * write changes nothing beside itself. */
#ifndef EYOT_TEST_POWER_H
#define EYOT_TEST_POWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From which moment on calls that change the disk are counted. */
typedef enum power_from {
    POWER_NOW,
    POWER_CHECKPOINT, /* the first write of a checkpoint: to a database that has a WAL */
    POWER_CUT         /* the next time a WAL is cut to nothing */
} power_from;

/* An empty disk, the default of SQLite from now on; whoever opened files of the one before has closed them. */
void power_plug_in(uint64_t seed);
/* The default of SQLite is again what it was. */
void power_unplug(void);

/* The power fails in the `after`-th call (1: the next) that changes the disk. From then on every call fails. 0: it does not. */
void power_fail(power_from from, uint64_t after);
/* The same of a program that is killed: the disk goes on, and what was not synced is there for the next one. */
void power_kill(power_from from, uint64_t after);
bool power_failed(void); /* or the program was killed */
/* The power is back, or another program begins: files are what has survived. Nobody has one open. Whether the power was gone. */
bool power_return(void);

/* The `after`-th call that changes the disk fails, and with `full` all that come behind it; 0: none. A sync that fails has
 * lost what it was to write, as Linux does: later ones do not write it either. */
void power_refuse(uint64_t after, bool full);
bool power_refused(void);

typedef struct power_count {
    uint64_t calls; /* that change the disk */
    uint64_t syncs, checkpoints;
    uint64_t kills;
    uint64_t lost, lost_in_sync; /* power failures so far */
    uint64_t lost_in_checkpoint; /* between its first write and the cut, inclusive */
    uint64_t lost_after_cut;     /* between that and the next sync of the WAL */
    uint64_t unsynced, survived; /* sectors that were not synced then, and those that survived */
    uint64_t names;              /* created or deleted, not known to have been written */
} power_count;
power_count power_counted(void);

#endif
