/* SPDX-License-Identifier: MIT */
/* Events: what a task emits is kept with its attempt, goes with the entry of its commit, and is dropped with a failed one. */
#include <stdlib.h>
#include <string.h>

#include "core/run.h"

/* ---- topics ----------------------------------------------------------------------------------------------------- */

/* The bytes of the character at s, which is NUL-terminated; 0: they are no UTF-8, or a control character. Well-formed
 * sequences as in table 3-7 of the Unicode standard. */
static size_t printable(const unsigned char *s)
{
    unsigned char c = s[0], low = 0x80, high = 0xBF;
    size_t n = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
    if (c < 0x20 || c == 0x7F || (c == 0xC2 && s[1] < 0xA0)) return 0;
    if (c == 0xE0) low = 0xA0;
    if (c == 0xED) high = 0x9F;
    if (c == 0xF0) low = 0x90;
    if (c == 0xF4) high = 0x8F;
    for (size_t i = 1; i < n; i++, low = 0x80, high = 0xBF)
        if (s[i] < low || s[i] > high) return 0;
    return n;
}

bool eyot_topic_is_valid(const char *topic)
{
    const unsigned char *s = (const unsigned char *)topic;
    size_t len = topic ? strnlen(topic, EYOT_TOPIC_MAX + 1) : 0;
    if (len == 0 || len > EYOT_TOPIC_MAX) return false;
    for (size_t at = 0, n; at < len; at += n)
        if (!(n = printable(s + at))) return false;
    return true;
}

/* ---- of an attempt ---------------------------------------------------------------------------------------------- */

static eyot_status refuse(eyot_task *t, eyot_status status, const char *why)
{
    (void)eyot_task_fail(t, "%s", why);
    return status;
}

eyot_status eyot_task_emit(eyot_task *task, const char *topic, const void *payload, size_t len)
{
    eyot_run *r = task->run;
    if (!eyot_topic_is_valid(topic))
        return refuse(task, EYOT_EINVAL, "an event needs a topic: 1 to 128 bytes of UTF-8 without control characters");
    if (len > 0 && !payload) return refuse(task, EYOT_EINVAL, "the payload of an event is NULL");
    if (r->max_events == 0)
        return refuse(task, EYOT_ENOTSUP,
                      r->stored ? "the store keeps no events" : "events need an engine with a store that keeps them");
    eyot__said *said = eyot__said_of(task);
    if (!said) return EYOT_ENOMEM;
    eyot_buf *bytes = &said->events;
    bytes->max = r->max_events;
    size_t before = bytes->len;
    eyot__buf_bytes(bytes, topic, strlen(topic));
    eyot__buf_bytes(bytes, payload, len);
    eyot_status status = bytes->failed;
    if (!status) {
        said->n_events++;
        return EYOT_OK;
    }
    bytes->len = before;
    bytes->failed = EYOT_OK;
    return refuse(task, status, status == EYOT_ELIMIT ? "its events are larger than the store takes" : "out of memory");
}

/* ---- of a commit ------------------------------------------------------------------------------------------------ */

void eyot__outbox_free(eyot__outbox *b)
{
    if (!b) return;
    eyot__buf_clear(&b->bytes);
    free(b->events);
    free(b);
}

void eyot__outbox_reset(eyot__outbox *b)
{
    b->n = 0;
    eyot__buf_reset(&b->bytes);
}

bool eyot__outbox_reserve(eyot__outbox *b, size_t n)
{
    if (b->cap - b->n >= n) return true;
    size_t cap = b->cap * 2 > b->n + n ? b->cap * 2 : b->n + n;
    eyot_event *events = realloc(b->events, cap * sizeof *events);
    if (!events) return false;
    b->events = events;
    b->cap = cap;
    return true;
}

/* What was added, as an offset. */
static eyot_bytes since(const eyot_buf *buf, size_t at)
{
    return eyot__bytes((const void *)(uintptr_t)at, buf->len - at);
}

static eyot_bytes appended(eyot_buf *to, eyot_bytes bytes)
{
    size_t at = to->len;
    eyot__buf_put(to, bytes.p, bytes.n);
    return since(to, at);
}

eyot_status eyot__outbox_add(eyot__outbox *b, const eyot_event *event)
{
    if (!eyot__outbox_reserve(b, 1)) return EYOT_ENOMEM;
    eyot_event *to = &b->events[b->n++];
    to->id = appended(&b->bytes, event->id);
    to->topic = appended(&b->bytes, event->topic);
    to->payload = appended(&b->bytes, event->payload);
    return b->bytes.failed;
}

static eyot_bytes copied(eyot_buf *to, eyot__reader *from)
{
    size_t len;
    const unsigned char *bytes = eyot__read_bytes(from, &len);
    return appended(to, eyot__bytes(bytes, len));
}

eyot_status eyot__emit_append(eyot_run *r, const eyot_task *t)
{
    const eyot__said *from = t->said;
    eyot__outbox *b = r->out.outbox;
    if (!b) b = r->out.outbox = calloc(1, sizeof *b);
    if (!b || !eyot__outbox_reserve(b, from->n_events)) return EYOT_ENOMEM;
    size_t before = b->n;
    eyot__reader in = {from->events.data, from->events.data + from->events.len, false};
    for (uint32_t i = 0; i < from->n_events; i++) {
        eyot_event *event = &b->events[b->n];
        size_t at = b->bytes.len;
        eyot__buf_put(&b->bytes, r->id, r->id_len);
        eyot__buf_u8(&b->bytes, '/');
        eyot__key_print(&b->bytes, r->graph, &t->a.who);
        eyot__buf_format(&b->bytes, "/%u", i);
        event->id = since(&b->bytes, at);
        event->topic = copied(&b->bytes, &in);
        event->payload = copied(&b->bytes, &in);
        b->n++;
    }
    eyot_status status = b->bytes.failed;
    if (status) {
        b->bytes.failed = EYOT_OK;
        eyot__emit_rewind(r, before);
    }
    return status;
}

size_t eyot__emit_count(const eyot_run *r)
{
    return r->out.outbox ? r->out.outbox->n : 0;
}

void eyot__emit_rewind(eyot_run *r, size_t count)
{
    eyot__outbox *b = r->out.outbox;
    if (!b || b->n <= count) return;
    b->bytes.len = (size_t)(uintptr_t)b->events[count].id.p;
    b->n = count;
}

void eyot__outbox_make(eyot__outbox *b, eyot_commit *c)
{
    for (size_t i = 0; i < b->n; i++) {
        eyot_event *event = &b->events[i];
        event->id.p = b->bytes.data + (uintptr_t)event->id.p;
        event->topic.p = b->bytes.data + (uintptr_t)event->topic.p;
        event->payload.p = b->bytes.data + (uintptr_t)event->payload.p;
    }
    c->events = b->events;
    c->n_events = b->n;
}
