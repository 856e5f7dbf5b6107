/* SPDX-License-Identifier: MIT */
#include "copiers/writing.h"

char *eyot__room_slow(eyot__writer *s, char *to, size_t n)
{
    eyot_buf *b = s->buf;
    if (to) eyot_buf_advance(b, (size_t)((unsigned char *)to - (b->data + b->len)));
    s->tight = b->max && n + EYOT__ROOM > b->max - b->len;
    if (s->tight || b->len - s->begin > s->max)
        s->status = EYOT_ELIMIT;
    else if (!eyot_buf_reserve(b, n + EYOT__ROOM))
        s->status = b->failed;
    if (s->status) return NULL;
    s->end = (char *)b->data + (b->max && b->cap > b->max ? b->max : b->cap);
    return (char *)b->data + b->len;
}

static eyot_status write_once(eyot__word w, eyot_buf *buf, size_t max, eyot__write_fn write, bool *tight)
{
    eyot__writer s = {.buf = buf, .begin = buf->len, .max = max};
    char *to = eyot__room_slow(&s, NULL, EYOT__ROOM);
    if (to) to = write(&s, to, w);
    if (to) eyot_buf_advance(buf, (size_t)((unsigned char *)to - (buf->data + buf->len)));
    if (to && buf->len - s.begin > max) s.status = EYOT_ELIMIT;
    if (s.status) buf->len = s.begin;
    *tight = s.tight;
    return s.status;
}

/* Near the end of a limited buffer: elsewhere first, where there is room for more than is written. */
static eyot_status write_aside(eyot__word w, eyot_buf *buf, size_t max, eyot__write_fn write)
{
    eyot_buf aside = EYOT__BUF_INIT;
    bool tight;
    aside.max = buf->max - buf->len + 8 * EYOT__ROOM;
    eyot_status status = write_once(w, &aside, max, write, &tight);
    if (status == EYOT_ELIMIT) eyot_buf_reserve(buf, buf->max - buf->len + 1); /* a full buffer says so from now on */
    if (!status) status = eyot_buf_add(buf, aside.data, aside.len);
    eyot__buf_clear(&aside);
    return status;
}

eyot_status eyot__write(eyot__word w, eyot_buf *buf, size_t max, eyot__write_fn write)
{
    bool tight = false;
    eyot_status status = buf->failed ? buf->failed : write_once(w, buf, max, write, &tight);
    return status == EYOT_ELIMIT && tight ? write_aside(w, buf, max, write) : status;
}
