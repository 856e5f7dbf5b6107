/* SPDX-License-Identifier: MIT */
/* The yardstick of the MySQL store: a plain loop with the client library. Only where that is (HAVE_MYSQL). */
#ifndef EYOT_BENCH_MYSQL_RAW_H
#define EYOT_BENCH_MYSQL_RAW_H

#include <stddef.h>
#include <stdint.h>

typedef struct mysql_raw mysql_raw;

/* The server of a URL as test/services.sh gives it: mysql://user:password@localhost/database?socket=/path. The tables are
 * its own, and new. The program ends when anything fails. */
mysql_raw *mysql_raw_open(const char *url);
void mysql_raw_close(mysql_raw *r);
/* n transactions of one run: an update of its row if head and epoch are what they were, an entry of so many bytes, COMMIT. */
void mysql_raw_steps(mysql_raw *r, size_t n, const void *body, size_t len);
/* The row and the last so many entries, in one statement; returns their bytes. */
uint64_t mysql_raw_load(mysql_raw *r, size_t entries);

#endif
