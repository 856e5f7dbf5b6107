/* SPDX-License-Identifier: MIT */
/* Text of others, made safe to look at. */
#include "cli/out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 10 }; /* "\u{10ffff}" */

/* The character at s: its length, *c its number; 0 when these bytes are no UTF-8. */
static size_t decode(const unsigned char *s, size_t len, unsigned *c)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xC0 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF8 ? 4 : 0;
    if (n == 0 || n > len) return 0;
    *c = n == 1 ? s[0] : s[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0;
        *c = *c << 6 | (s[i] & 0x3F);
    }
    if (*c < least[n] || *c > 0x10FFFF || (*c >= 0xD800 && *c < 0xE000)) return 0;
    return n;
}

/* Characters that act on a terminal or on what stands around them instead of being seen. */
static bool is_dangerous(unsigned c)
{
    if (c < 0x20 || (c >= 0x7F && c < 0xA0)) return true;
    if (c == 0x061C || c == 0x200E || c == 0x200F) return true;            /* direction marks */
    if (c >= 0x2028 && c <= 0x202E) return true;                           /* line separators, embeddings, overrides */
    return (c >= 0x2066 && c <= 0x2069) || (c >= 0xE0000 && c <= 0xE007F); /* isolates; invisible tags */
}

static size_t show(char *to, unsigned c, out_form form)
{
    int n;
    if (form == OUT_AS_JSON && c > 0xFFFF)
        n = sprintf(to, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + (c & 0x3FF));
    else if (form == OUT_AS_JSON)
        n = sprintf(to, "\\u%04x", c);
    else if (c == '\n' || c == '\t' || c == '\r')
        n = sprintf(to, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
    else if (c < 0x100)
        n = sprintf(to, "\\x%02x", c);
    else
        n = sprintf(to, c > 0xFFFF ? "\\u{%x}" : "\\u%04x", c);
    return (size_t)n;
}

char *out_escape(const char *text, size_t len, out_form form)
{
    /* An invalid byte becomes 4, a dangerous character of 1 byte 6 at most, of 4 bytes 12. */
    char *out = len < SIZE_MAX / 8 ? malloc(len * 6 + LONGEST + 1) : NULL;
    if (!out) return NULL;
    size_t at = 0;
    for (size_t i = 0; i < len;) {
        unsigned c = 0;
        size_t n = decode((const unsigned char *)text + i, len - i, &c);
        bool stays = (c == '\n' && form != OUT_ONE_LINE) || (c == '\t' && form == OUT_MANY_LINES);
        if (n == 0) {
            at += (size_t)sprintf(out + at, "\\x%02x", (unsigned char)text[i]);
            n = 1;
        } else if (is_dangerous(c) && !stays) {
            at += show(out + at, c, form);
        } else {
            memcpy(out + at, text + i, n);
            at += n;
        }
        i += n;
    }
    out[at] = '\0';
    return out;
}

size_t out_width(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}
