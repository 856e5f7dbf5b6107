/* SPDX-License-Identifier: MIT */
#include "cli/patch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <eyot/store.h>

enum { VALUE_MOST = 500 };

char *patch_value_text(const eyot_value *v, size_t most)
{
    size_t len = 0, keep;
    char *out = NULL;
    eyot_buf *buf = v ? eyot_buf_new() : NULL;
    if (buf && eyot_json()->print(v, buf, NULL) == EYOT_OK) {
        const char *text = eyot_buf_data(buf, &len);
        keep = most && len > most ? most : len;
        while (keep > 0 && keep < len && ((unsigned char)text[keep] & 0xC0) == 0x80) keep--;
        out = malloc(keep + 48);
        if (out) memcpy(out, text, keep);
        if (out) snprintf(out + keep, 48, keep < len ? "... (%zu bytes)" : "", len);
    }
    eyot_buf_free(buf);
    return out;
}

void patch_line(const char *indent, out_style style, const char *pointer, const eyot_value *v)
{
    static const char *const signs[] = {[OUT_GOOD] = "+ ", [OUT_BAD] = "- ", [OUT_WAITS] = "~ "};
    char *text = patch_value_text(v, VALUE_MOST);
    out_printf("%s", indent);
    out_styled(style, signs[style]);
    out_styled(style, *pointer ? pointer : "(all)");
    if (v) out_styled(style, ": ");
    if (v) out_styled(style, text ? text : "?");
    if (style == OUT_WAITS) out_styled(style, ": the same keys in another order");
    out_printf("\n");
    free(text);
}

/* Maps that take each other's place differ in nothing but the order of their keys. */
static bool reordered(const eyot_value *from, const eyot_value *to)
{
    return eyot_value_kind_of(from) == EYOT_VALUE_MAP && eyot_value_kind_of(to) == EYOT_VALUE_MAP;
}

void patch_print(const char *indent, const eyot_value *from, const eyot_value *patch)
{
    eyot_value_iter it = eyot_value_each(patch);
    while (!out_is_gone() && eyot_value_next(&it)) {
        const char *pointer = eyot_value_string(eyot_value_at(it.value, "path"), "");
        const char *op = eyot_value_string(eyot_value_at(it.value, "op"), "");
        const eyot_value *to = eyot_value_at(it.value, "value");
        const eyot_value *old = strcmp(op, "add") == 0 ? NULL : eyot_value_pointer(from, pointer);
        if (reordered(old, to)) {
            patch_line(indent, OUT_WAITS, pointer, NULL);
            continue;
        }
        if (strcmp(op, "add") != 0) patch_line(indent, OUT_BAD, pointer, old);
        if (to) patch_line(indent, OUT_GOOD, pointer, to);
    }
}

/* The pointer to a key of the top, to be shown. */
static void key_pointer(char *to, size_t room, const char *key)
{
    size_t n = 0;
    to[n++] = '/';
    for (; *key && n + 3 < room; key++) {
        if (*key == '~' || *key == '/') to[n++] = '~';
        to[n++] = *key == '~' ? '0' : *key == '/' ? '1' : *key;
    }
    to[n] = '\0';
}

void patch_update(const char *indent, const eyot_value *update)
{
    char pointer[256];
    eyot_value_iter it = eyot_value_each(update);
    if (eyot_value_kind_of(update) != EYOT_VALUE_MAP) {
        if (update) patch_line(indent, OUT_GOOD, "", update);
        return;
    }
    while (!out_is_gone() && eyot_value_next(&it)) {
        bool removed = eyot_value_kind_of(it.value) == EYOT_VALUE_REMOVED;
        key_pointer(pointer, sizeof pointer, it.key);
        patch_line(indent, removed ? OUT_BAD : OUT_GOOD, pointer, removed ? NULL : it.value);
    }
}
