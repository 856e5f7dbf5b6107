/* SPDX-License-Identifier: MIT */
/* Nodes in C for graph files: a module, which words.yaml calls. It needs no library: the program that loads it has it.
 *
 *     cc -shared -fPIC examples/words.c -o words.so
 *     eyot run examples/words.yaml --nodes ./words.so --set-file text=README.md */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <eyot/nodes.h>

typedef struct word {
    const char *text;
    size_t len, times;
} word;

/* Whatever is not ASCII is a letter; an apostrophe is part of a word that has begun. */
static bool is_part(unsigned char byte, bool inside)
{
    return isalnum(byte) || byte >= 0x80 || (inside && byte == '\'');
}

/* The words of `text`, in order, for free(); NULL without memory. */
static word *split(const char *text, size_t len, size_t *n)
{
    word *words = malloc((len / 2 + 1) * sizeof *words);
    *n = 0;
    for (size_t i = 0, from; words && i < len; i++) {
        for (from = i; i < len && is_part((unsigned char)text[i], i > from); i++) {}
        if (i > from) words[(*n)++] = (word){text + from, i - from, 1};
    }
    return words;
}

/* Fails the attempt when the state has no text: nothing that the graph can go on with. */
static const char *text_of(eyot_task *task, size_t *len, eyot_status *status)
{
    const char *text = eyot_value_string_len(eyot_value_at(eyot_task_state(task), "text"), len);
    if (!text) *status = eyot_task_fail(task, "the state has no text");
    return text;
}

/* {"words": 7, "lines": 2, "longest": "elephants"} */
static eyot_status count(eyot_task *task, void *user)
{
    size_t len, n;
    int64_t lines = 0;
    eyot_status status = EYOT_OK;
    word longest = {"", 0, 0};
    (void)user;
    const char *text = text_of(task, &len, &status);
    if (!text) return status;
    word *words = split(text, len, &n);
    if (!words) return EYOT_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (words[i].len > longest.len) longest = words[i];
    }
    for (size_t i = 0; i < len; i++) lines += text[i] == '\n';
    free(words);
    status = eyot_task_set_int(task, "words", (int64_t)n);
    if (!status) status = eyot_task_set_int(task, "lines", lines);
    if (!status) status = eyot_task_set_value(task, "longest", eyot_value_new_string_len(longest.text, longest.len));
    return status;
}

static int by_text(const void *x, const void *y)
{
    const word *a = x, *b = y;
    int order = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

static int by_times(const void *x, const void *y)
{
    const word *a = x, *b = y;
    return a->times != b->times ? (a->times < b->times) - (a->times > b->times) : by_text(x, y);
}

/* {"top": [{"word": "the", "times": 12}, …]}: as many as `most` says, the most frequent ones first. */
static eyot_status top(eyot_task *task, void *user)
{
    size_t len, n, kept = 0;
    eyot_status status = EYOT_OK;
    int64_t most = eyot_value_int(eyot_value_at(eyot_task_state(task), "most"), 3);
    (void)user;
    const char *text = text_of(task, &len, &status);
    if (!text) return status;
    word *words = split(text, len, &n);
    if (!words) return EYOT_ENOMEM;
    qsort(words, n, sizeof *words, by_text);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && by_text(&words[kept - 1], &words[i]) == 0)
            words[kept - 1].times++;
        else
            words[kept++] = words[i];
    }
    qsort(words, kept, sizeof *words, by_times);
    eyot_value *list = eyot_value_new_array();
    for (size_t i = 0; i < kept && (int64_t)i < most; i++) {
        eyot_value *one = eyot_value_new_map();
        one = eyot_value_set(one, "word", eyot_value_new_string_len(words[i].text, words[i].len));
        one = eyot_value_set(one, "times", eyot_value_new_int((int64_t)words[i].times));
        list = eyot_value_append(list, one);
    }
    free(words);
    return list ? eyot_task_set_value(task, "top", list) : EYOT_ENOMEM; /* any of them without memory: all is NULL */
}

const eyot_nodes *eyot_nodes_table(void)
{
    static const eyot_nodes_entry entries[] = {{"count", count, NULL}, {"top", top, NULL}};
    static const eyot_nodes table = {EYOT_NODES_ABI, sizeof entries / sizeof *entries, entries};
    return &table;
}
