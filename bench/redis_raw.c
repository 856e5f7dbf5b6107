/* SPDX-License-Identifier: MIT */
#include "bench/redis_raw.h"

#if HAVE_REDIS

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct redis_raw {
    redisContext *c;
    char sha[41], row[40], log[40];
    uint64_t head;
};

static const char script[] = "if redis.call('HGET',KEYS[1],'head')~=ARGV[1] then return 1 end "
                             "redis.call('RPUSH',KEYS[2],ARGV[3]) redis.call('HSET',KEYS[1],'head',ARGV[2]) return 0";

static redisReply *must(const redis_raw *r, redisReply *reply)
{
    if (reply && reply->type != REDIS_REPLY_ERROR) return reply;
    fprintf(stderr, "redis_raw: %s\n", reply ? reply->str : r->c->errstr);
    exit(1);
}

redis_raw *redis_raw_open(const char *url)
{
    static unsigned number;
    redis_raw *r = calloc(1, sizeof *r);
    const char *path = strstr(url, "://");
    char name[108];
    if (!r || !path) exit(1);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(path + 3, "?"), path + 3);
    r->c = redisConnectUnix(name);
    if (!r->c || r->c->err) {
        fprintf(stderr, "redis_raw: no server at %s\n", name);
        exit(1);
    }
    snprintf(r->row, sizeof r->row, "raw%d.%u:row", (int)getpid(), ++number);
    snprintf(r->log, sizeof r->log, "raw%d.%u:log", (int)getpid(), number);
    redisReply *reply = must(r, redisCommand(r->c, "SCRIPT LOAD %s", script));
    snprintf(r->sha, sizeof r->sha, "%s", reply->str);
    freeReplyObject(reply);
    freeReplyObject(must(r, redisCommand(r->c, "HSET %s head 0", r->row)));
    return r;
}

void redis_raw_close(redis_raw *r)
{
    freeReplyObject(must(r, redisCommand(r->c, "DEL %s %s", r->row, r->log)));
    redisFree(r->c);
    free(r);
}

void redis_raw_steps(redis_raw *r, size_t n, const void *body, size_t len)
{
    for (size_t i = 0; i < n; i++, r->head++) {
        redisReply *reply = must(r, redisCommand(r->c, "EVALSHA %s 2 %s %s %" PRIu64 " %" PRIu64 " %b", r->sha, r->row,
                                                 r->log, r->head, r->head + 1, body, len));
        if (reply->integer) exit(1);
        freeReplyObject(reply);
    }
}

uint64_t redis_raw_load(redis_raw *r, size_t entries)
{
    uint64_t bytes = 0;
    void *reply = NULL;
    redisAppendCommand(r->c, "HGET %s head", r->row);
    redisAppendCommand(r->c, "LRANGE %s -%u -1", r->log, (unsigned)entries);
    redisGetReply(r->c, &reply);
    freeReplyObject(must(r, reply));
    redisGetReply(r->c, &reply);
    redisReply *list = must(r, reply);
    for (size_t i = 0; i < list->elements; i++) bytes += (uint64_t)list->element[i]->len;
    freeReplyObject(list);
    return bytes;
}

#endif
