/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <eyot/eyot.h>

#define TEXT_OF(x) #x
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *eyot_version(void)
{
    return VERSION_TEXT(EYOT_VERSION_MAJOR, EYOT_VERSION_MINOR, EYOT_VERSION_PATCH);
}

void eyot_free(void *memory)
{
    free(memory);
}

const char *eyot_status_name(eyot_status status)
{
    switch (status) {
#define NAME(name, value, text) \
    case EYOT_##name: return #name;
        EYOT_STATUS_MAP(NAME)
#undef NAME
    }
    return "unknown";
}

const char *eyot_status_text(eyot_status status)
{
    switch (status) {
#define TEXT(name, value, text) \
    case EYOT_##name: return text;
        EYOT_STATUS_MAP(TEXT)
#undef TEXT
    }
    return "unknown";
}

const char *eyot_run_status_name(eyot_run_status status)
{
    switch (status) {
    case EYOT_RUN_READY: return "ready";
    case EYOT_RUN_RUNNING: return "running";
    case EYOT_RUN_SUSPENDED: return "suspended";
    case EYOT_RUN_FAILED: return "failed";
    case EYOT_RUN_CANCELLED: return "cancelled";
    case EYOT_RUN_DEAD: return "dead";
    case EYOT_RUN_DONE: return "done";
    }
    return "unknown";
}

/* Where the last whole UTF-8 character of text[0..n) ends. */
static size_t whole_characters(const char *text, size_t n)
{
    size_t lead = n;
    while (lead > 0 && n - lead < 4 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80) lead--;
    if (lead == 0) return n;
    unsigned char c = (unsigned char)text[lead - 1];
    size_t need = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
    return n - (lead - 1) < need ? lead - 1 : n;
}

/* An error text goes to terminals and logs: neither C0 nor C1 control characters (U+0080 to U+009F) may reach them. */
static void replace_controls(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i], next = i + 1 < n ? (unsigned char)text[i + 1] : 0;
        if (c < 0x20 || c == 0x7f) text[i] = '?';
        if (c == 0xC2 && next >= 0x80 && next < 0xA0) text[i] = text[i + 1] = '?';
    }
}

eyot_status eyot_error_set(eyot_error *e, eyot_status status, const char *fmt, ...)
{
    if (!e) return status;
    char text[sizeof e->text]; /* an argument may be e's own text */
    va_list args;
    va_start(args, fmt);
    int wrote = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    size_t n = wrote < 0 ? 0 : (size_t)wrote;
    if (n >= sizeof text) n = whole_characters(text, sizeof text - 1);
    replace_controls(text, n);
    memcpy(e->text, text, n);
    e->text[n] = '\0';
    e->status = status;
    e->os_errno = 0;
    return status;
}
