/* SPDX-License-Identifier: MIT */
/* What the log tells of a live task beside who it is: its failed attempts, its questions, answers and sleeps. */
#include <stdlib.h>
#include <string.h>

#include "core/branch.h"

void eyot__memo_free(eyot__memo *m)
{
    if (!m) return;
    for (uint32_t i = 0; i < m->n; i++) {
        free(m->waits[i].question);
        free(m->waits[i].answer);
    }
    free(m->waits);
    eyot__outside_clear(&m->told);
    free(m);
}

static bool copy_wait(eyot__wait *to, const eyot__wait *from)
{
    *to = (eyot__wait){.due_ms = from->due_ms};
    if (from->question && !(to->question = strdup(from->question))) return false;
    return !from->answer || (to->answer = strdup(from->answer)) != NULL;
}

eyot__memo *eyot__memo_copy(const eyot__memo *m)
{
    eyot__memo *copy = calloc(1, sizeof *copy);
    size_t room = 1; /* as `append` makes it */
    if (!copy) return NULL;
    copy->failed = m->failed;
    copy->tried = m->tried;
    bool good = eyot__outside_copy(&copy->told, &m->told) == EYOT_OK;
    if (good && m->n == 0) return copy;
    while (room < m->n) room *= 2;
    if (good) good = (copy->waits = malloc(room * sizeof *copy->waits)) != NULL;
    while (good && copy->n < m->n) {
        good = copy_wait(&copy->waits[copy->n], &m->waits[copy->n]);
        copy->n++;
    }
    if (good) return copy;
    eyot__memo_free(copy);
    return NULL;
}

eyot__memo *eyot__memo_of(eyot__activation *a)
{
    if (!a->memo) a->memo = calloc(1, sizeof *a->memo);
    return a->memo;
}

eyot__wait *eyot__memo_wait(const eyot__activation *a, uint32_t n)
{
    return a->memo && n < a->memo->n ? &a->memo->waits[n] : NULL;
}

static bool open_question(const eyot__wait *w)
{
    return w->question && !w->answer;
}

eyot__wait *eyot__memo_question(const eyot__activation *a)
{
    eyot__wait *last = a->memo && a->memo->n ? &a->memo->waits[a->memo->n - 1] : NULL;
    return last && open_question(last) ? last : NULL;
}

/* NUL-terminated, since nodes and people read it; a text with a NUL inside is none. */
static eyot_status copy_text(char **out, const char *text, size_t len)
{
    if (len && memchr(text, 0, len)) return EYOT_ECORRUPT;
    char *copy = malloc(len + 1);
    if (!copy) return EYOT_ENOMEM;
    if (len) memcpy(copy, text, len);
    copy[len] = 0;
    *out = copy;
    return EYOT_OK;
}

/* Room doubles whenever the count is a power of two, so that the count tells the room too. */
static eyot_status append(eyot__activation *a, uint32_t n, eyot__wait **out)
{
    eyot__memo *m = eyot__memo_of(a);
    if (!m) return EYOT_ENOMEM;
    if (n != m->n || n == UINT32_MAX || (n > 0 && open_question(&m->waits[n - 1]))) return EYOT_ECORRUPT;
    if ((n & (n - 1)) == 0) {
        eyot__wait *waits = realloc(m->waits, (n ? 2 * (size_t)n : 1) * sizeof *waits);
        if (!waits) return EYOT_ENOMEM;
        m->waits = waits;
    }
    *out = &m->waits[n];
    **out = (eyot__wait){0};
    return EYOT_OK;
}

eyot_status eyot__memo_ask(eyot__activation *a, uint32_t n, const char *question, size_t len)
{
    eyot__wait *w;
    eyot_status status = append(a, n, &w);
    if (!status) status = copy_text(&w->question, question, len);
    if (!status) a->memo->n++;
    return status;
}

eyot_status eyot__memo_answer(eyot__activation *a, uint32_t n, const char *answer, size_t len)
{
    eyot__wait *w = eyot__memo_wait(a, n);
    return w && open_question(w) ? copy_text(&w->answer, answer, len) : EYOT_ECORRUPT;
}

eyot_status eyot__memo_sleep(eyot__activation *a, uint32_t n, int64_t due_ms)
{
    eyot__wait *w;
    eyot_status status = append(a, n, &w);
    if (status) return status;
    w->due_ms = due_ms;
    a->memo->n++;
    return EYOT_OK;
}
