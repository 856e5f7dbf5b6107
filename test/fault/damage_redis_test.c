/* SPDX-License-Identifier: MIT */
/* Runs that are damaged in a Redis, behind the store's back. */
#include "test/fault/damage.h"

#include <stdlib.h>

#include "test/eyot_test.h"
#include "test/redis_server.h"
#include "test/tally.h"

/* The key of a run whose name ends like this; one of two buffers. */
static const char *key_of(const char *what, const char *id)
{
    static char keys[2][200];
    static unsigned next;
    char command[100], *key = keys[next++ % 2];
    snprintf(command, sizeof command, "KEYS *%s:%s", what, id);
    const char *answer = redis_server_say(redis_server_socket(), command);
    if (sscanf(answer, "*1\r\n$%*d\r\n%199s", key) != 1) test_fail(__FILE__, __LINE__, "%s: %s", command, answer);
    return key;
}

/* RUN and LOG in the command are the keys of the run. */
static void change_run(const char *command, const char *id)
{
    char whole[600];
    size_t n = 0;
    for (const char *p = command; *p; p++) {
        const char *key = strncmp(p, "RUN", 3) == 0   ? key_of("run", id)
                          : strncmp(p, "LOG", 3) == 0 ? key_of("log", id)
                                                      : NULL;
        if (key)
            n += (size_t)snprintf(whole + n, sizeof whole - n, "%s", key), p += 2;
        else
            whole[n++] = *p;
    }
    whole[n] = '\0';
    const char *answer = redis_server_say(redis_server_socket(), whole);
    if (*answer == '-' || *answer == '\0') test_fail(__FILE__, __LINE__, "%s: %s", whole, answer);
}

TEST(damage_redis__behind_its_back_is_found_or_makes_no_difference)
{
    static const struct {
        const char *command;
        bool stays_held;
    } changes[] = {
        {"HINCRBY RUN head 1", false},
        {"HINCRBY RUN head -1", false},
        {"HSET RUN head 0", false},
        {"HSET RUN head -1", true},
        {"HSET RUN head 99999999999999999999", true},
        {"HSET RUN head x", true},
        {"HDEL RUN head", true},
        {"HDEL RUN status", false},
        {"HDEL RUN token", true},
        {"HSET RUN snap 0", false},
        {"HSET RUN snap 1", false},
        {"HSET RUN snap 2", false},
        {"HSET RUN snap 10000", false},
        {"HSET RUN snap x", false},
        {"HINCRBY RUN steps 1", false},
        {"HSET RUN crc 77", false},
        {"HSET RUN base 1", false},
        {"HSET RUN base x", false},
        {"LPOP LOG", false},
        {"RPOP LOG", false},
        {"DEL LOG", false},
        {"LSET LOG 3 x", false},
        {"LSET LOG 3 \"\"", false},
        {"LSET LOG -1 \"\"", false},
        {"LSET LOG -2 "
         "\"\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\xff\\xff\"",
         false},
        {"LMOVE LOG LOG LEFT RIGHT", false},
        {"LMOVE LOG LOG RIGHT LEFT", false},
        {"RPUSH LOG x", false},
        {"LTRIM LOG 0 5", false},
    };
    damage_scene s;
    char id[16], healthy[16];
    unsigned found = 0;
    damage none = {.kind = DAMAGE_NONE}, row = {.kind = DAMAGE_ROW};
    if (!getenv("EYOT_TEST_REDIS")) test_skip("no server of it");
    redis_server_start((const char *const[]){"--appendonly", "yes", "--appendfsync", "everysec", NULL});
    damage_open(&s, redis_server_url(""));
    for (unsigned i = 0; i < sizeof changes / sizeof *changes; i++) {
        row.what = changes[i].command;
        row.stays_held = changes[i].stays_held;
        snprintf(id, sizeof id, "d%u", i);
        snprintf(healthy, sizeof healthy, "h%u", i);
        damage_copy(&s, id, "q", &none);
        change_run(changes[i].command, id);
        damage_copy(&s, healthy, "q", &none);
        eyot_status latest = damage_look(&s, id, s.truth.n_steps / 2, &row);
        damage_work(&s, "q", id, latest, &row, healthy);
        found += latest != EYOT_OK;
    }
    printf("     %u changes, %u of them in what a worker reads\n", (unsigned)(sizeof changes / sizeof *changes), found);
    damage_close(&s);
}
