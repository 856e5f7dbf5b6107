/* SPDX-License-Identifier: MIT */
/* What tasks learn of the world outside: recorded with their commit and given back in every later life and in every replay, or
 * derived from who they are. */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "core/random.h"
#include "core/run.h"

/* ---- recorded values -------------------------------------------------------------------------------------------- */

static eyot_status refuse(eyot_task *t, eyot_status status, const char *why)
{
    (void)eyot_task_fail(t, "%s", why);
    t->failed = status;
    return status;
}

/* What the call that comes now was told before; NULL: nothing. First come those that the memo has, then, in a replay, those of the
 * task's entry. */
static const eyot__outside *known(const eyot_task *t, const eyot__said *said)
{
    const eyot__replayed *replayed = t->run->replayed;
    const eyot__outside_list *memo = t->a.memo ? &t->a.memo->told : NULL;
    uint32_t before = memo ? memo->n : 0;
    if (replayed && replayed->live) return NULL;
    if (said->n_told < before) return said->n_told == 0 ? memo->first : said->last->next;
    if (!replayed) return NULL;
    return said->n_told == before ? replayed->told->first : said->last->next;
}

/* It has been told the value. */
static eyot_status tell(eyot_task *t, eyot__said *said, const eyot__outside *o, const void **value, size_t *len)
{
    said->last = o;
    said->n_told++;
    if (value) *value = eyot__outside_value(o);
    if (len) *len = o->len;
    if (o->status) (void)eyot_task_fail(t, "%s", eyot__outside_value(o));
    return o->status;
}

static eyot_status other_name(eyot_task *t, const char *name, const eyot__outside *o)
{
    eyot_status status = t->run->replayed ? EYOT_ECHANGED : EYOT_EINVAL;
    (void)eyot_task_fail(t, "the task records \"%.60s\" where it recorded \"%.60s\" before", name, o->name);
    return t->failed = status;
}

eyot_status eyot_task_recall(eyot_task *task, const char *name, const void **value, size_t *len)
{
    if (value) *value = NULL;
    if (len) *len = 0;
    if (!eyot_topic_is_valid(name))
        return refuse(task, EYOT_EINVAL,
                      "a recorded value needs a name: 1 to 128 bytes of UTF-8 without control characters");
    eyot__said *said = eyot__said_of(task);
    if (!said) return EYOT_ENOMEM;
    const eyot__outside *o = known(task, said);
    if (o) return strcmp(o->name, name) == 0 ? tell(task, said, o, value, len) : other_name(task, name, o);
    if (!task->run->replayed || task->run->replayed->live) return EYOT_ENOTFOUND;
    (void)eyot_task_fail(task, "the task records \"%.60s\", which the log does not have", name);
    return task->failed = EYOT_ECHANGED;
}

static eyot_status keep(eyot_task *t, const char *name, eyot_status status, const void *bytes, size_t n,
                        const void **value, size_t *len)
{
    eyot__said *said = eyot__said_of(t);
    const eyot__outside *o = said ? eyot__outside_add(&said->told, name, strlen(name), status, bytes, n) : NULL;
    return o ? tell(t, said, o, value, len) : (eyot_status)(t->failed = EYOT_ENOMEM);
}

eyot_status eyot_task_keep(eyot_task *task, const char *name, const void *value, size_t len)
{
    if (!eyot_topic_is_valid(name) || (!value && len > 0))
        return refuse(task, EYOT_EINVAL, "a recorded value needs a name and bytes");
    if (eyot__said_of(task) && known(task, task->said))
        return refuse(task, EYOT_EINVAL, "a value is kept that is recorded already: recall it first");
    return keep(task, name, EYOT_OK, value, len, NULL, NULL);
}

eyot_status eyot_task_record(eyot_task *task, const char *name, eyot_record_fn fn, void *arg, const void **value,
                             size_t *len)
{
    uint32_t before = task->said ? task->said->n_told : 0;
    eyot_status status = eyot_task_recall(task, name, value, len);
    if (status != EYOT_ENOTFOUND || task->said->n_told > before) return status;
    eyot_buf out = EYOT__BUF_INIT;
    eyot_error e;
    out.max = task->run->engine->max_body;
    eyot__error_none(&e);
    status = fn(&out, arg, &e);
    if (!status) status = out.failed;
    if (status > 0)
        status = eyot_error_set(&e, EYOT_EFAILED, "recording returned %d, which is no failure", (int)status);
    if (status && !e.text[0]) eyot_error_set(&e, status, "%s", eyot_status_text(status));
    status = status ? keep(task, name, status, e.text, strlen(e.text), NULL, NULL)
                    : keep(task, name, EYOT_OK, out.data, out.len, value, len);
    eyot__buf_clear(&out);
    return status;
}

static eyot_status read_clock(eyot_buf *out, void *arg, eyot_error *e)
{
    (void)arg, (void)e;
    eyot__buf_u64(out, (uint64_t)eyot__wall_ms());
    return EYOT_OK;
}

int64_t eyot_task_now_ms(eyot_task *task)
{
    const void *value;
    size_t len;
    if (eyot_task_record(task, "now", read_clock, NULL, &value, &len) || len != 8) return 0;
    eyot__reader in = {value, (const unsigned char *)value + len, false};
    return (int64_t)eyot__read_u64(&in);
}

/* ---- derived values --------------------------------------------------------------------------------------------- */

eyot_status eyot__run_seed(eyot_run *r)
{
    eyot_status status = EYOT_OK;
    pthread_mutex_lock(&r->lock);
    if (!r->seeded) status = eyot__random_bytes(r->seed, sizeof r->seed);
    if (!status) r->seeded = true;
    pthread_mutex_unlock(&r->lock);
    return status;
}

/* The bytes of one draw: SHA-256 of the run's seed, the task's key and the number of the draw. Nothing is kept from one draw to the
 * next but that number. */
static void draw(const eyot_run *r, const char *key, uint64_t number, uint8_t out[32])
{
    eyot__sha256_state s;
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(number >> (8 * i));
    eyot__sha256_begin(&s);
    eyot__sha256_add(&s, r->seed, sizeof r->seed);
    eyot__sha256_add(&s, key, strlen(key) + 1);
    eyot__sha256_add(&s, bytes, sizeof bytes);
    eyot__sha256_end(&s, out);
}

eyot_status eyot_task_random(eyot_task *task, void *out, size_t len)
{
    const char *key = eyot_task_key(task);
    eyot__said *said = key ? eyot__said_of(task) : NULL;
    if (!said) return (eyot_status)(task->failed = EYOT_ENOMEM);
    eyot_status status = eyot__run_seed(task->run);
    if (status) return refuse(task, status, "no random bytes");
    for (size_t at = 0; at < len;) {
        uint8_t block[32];
        size_t n = len - at < sizeof block ? len - at : sizeof block;
        draw(task->run, key, said->draws++, block);
        memcpy((unsigned char *)out + at, block, n);
        at += n;
    }
    return EYOT_OK;
}

/* UUID version 4 (RFC 9562). */
eyot_status eyot_task_uuid(eyot_task *task, char out[37])
{
    uint8_t b[16];
    eyot_status status = eyot_task_random(task, b, sizeof b);
    out[0] = 0;
    if (status) return status;
    b[6] = (uint8_t)(0x40 | (b[6] & 0x0f));
    b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
    char *p = out;
    for (int i = 0; i < 16; i++) p += sprintf(p, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
    return EYOT_OK;
}
