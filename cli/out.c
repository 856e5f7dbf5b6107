/* SPDX-License-Identifier: MIT */
#include "cli/out.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <eyot/store.h>

static struct {
    pthread_mutex_t lock; /* stderr and `status` */
    char status[256];     /* what is drawn at the bottom */
    bool quiet, terminal;
    bool colored, colored_errors; /* stdout, stderr */
    int failed;                   /* errno of the first failed write to stdout */
} out = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- setting up ------------------------------------------------------------------------------------------------- */

int out_exit_code(eyot_status status)
{
    switch (status) {
    case EYOT_OK: return EXIT_DONE;
    case EYOT_SUSPENDED:
    case EYOT_ESUSPENDED: return EXIT_SUSPENDED;
    case EYOT_EINVAL:
    case EYOT_EPARSE:
    case EYOT_EEXIST:
    case EYOT_EGRAPH: return EXIT_USAGE;
    case EYOT_EIO:
    case EYOT_ENOTSUP: return EXIT_STORE;
    case EYOT_ENOTFOUND:
    case EYOT_EGONE: return EXIT_MISSING;
    case EYOT_EBUSY:
    case EYOT_EFENCED:
    case EYOT_ESTALE: return EXIT_HELD;
    case EYOT_ECORRUPT:
    case EYOT_EFORMAT:
    case EYOT_ECHANGED: return EXIT_STORED;
    case EYOT_ECANCELED: return EXIT_CANCELLED;
    default: return EXIT_FAILED;
    }
}

void out_begin(void)
{
    signal(SIGPIPE, SIG_IGN);
    out_configure(OUT_AUTO, false);
}

static bool wants_color(out_color color, int fd)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (color != OUT_AUTO) return color == OUT_ALWAYS;
    if ((no_color && *no_color) || !term || strcmp(term, "dumb") == 0) return false;
    return isatty(fd);
}

void out_configure(out_color color, bool quiet)
{
    const char *term = getenv("TERM");
    out.quiet = quiet;
    out.terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    out.colored = wants_color(color, STDOUT_FILENO);
    out.colored_errors = wants_color(color, STDERR_FILENO);
}

bool out_is_quiet(void)
{
    return out.quiet;
}

bool out_has_terminal(void)
{
    return out.terminal;
}

static const char *style_begins(out_style style)
{
    static const char *const begins[] = {"", "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[2m"};
    return begins[style];
}

/* ---- stderr ----------------------------------------------------------------------------------------------------- */

/* With the lock. The text after the carriage return is blank, for terminals that cannot clear a line. */
static void erase_status(void)
{
    if (!out.status[0]) return;
    fprintf(stderr, "\r%*s\r", (int)out_width(out.status), "");
    out.status[0] = '\0';
}

/* A line that was drawn stands again below the new one at the next out_status. */
static void print_line(const char *prefix, const char *text)
{
    char *safe = out_escape(text, strlen(text), OUT_ONE_LINE);
    pthread_mutex_lock(&out.lock);
    erase_status();
    bool red = *prefix && out.colored_errors;
    fprintf(stderr, "%s%s%s%s\n", red ? style_begins(OUT_BAD) : "", prefix, red ? "\x1b[0m" : "",
            safe ? safe : "out of memory");
    fflush(stderr);
    pthread_mutex_unlock(&out.lock);
    free(safe);
}

static void print_format(const char *prefix, const char *fmt, va_list args)
{
    char short_text[512], *long_text = NULL;
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(short_text, sizeof short_text, fmt, args);
    if (n >= (int)sizeof short_text && (long_text = malloc((size_t)n + 1)))
        vsnprintf(long_text, (size_t)n + 1, fmt, again);
    va_end(again);
    print_line(prefix, long_text ? long_text : short_text);
    free(long_text);
}

int out_error(int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    print_format("eyot: ", fmt, args);
    va_end(args);
    return code;
}

int out_failed(const eyot_error *e)
{
    return out_error(out_exit_code(e->status), "%s", e->text);
}

void out_note(const char *fmt, ...)
{
    if (out.quiet) return;
    va_list args;
    va_start(args, fmt);
    print_format("", fmt, args);
    va_end(args);
}

void out_line(const char *line)
{
    print_line("", line);
}

void out_status(const char *line)
{
    pthread_mutex_lock(&out.lock);
    if (!line) {
        erase_status();
    } else {
        /* Blanks over what the new line is too short to cover: no flicker, as erasing first would make. */
        size_t before = out_width(out.status), now = out_width(line);
        fprintf(stderr, "\r%s%*s", line, before > now ? (int)(before - now) : 0, "");
        snprintf(out.status, sizeof out.status, "%s", line);
    }
    fflush(stderr);
    pthread_mutex_unlock(&out.lock);
}

/* ---- stdout ----------------------------------------------------------------------------------------------------- */

static void put(const char *text, size_t len)
{
    if (out.failed) return;
    if (fwrite(text, 1, len, stdout) < len) out.failed = errno ? errno : EIO;
}

static void put_escaped(const char *text, size_t len, out_form form)
{
    char *safe = out_escape(text, len, form);
    if (safe)
        put(safe, strlen(safe));
    else if (!out.failed)
        out.failed = ENOMEM;
    free(safe);
}

void out_printf(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (!out.failed && vfprintf(stdout, fmt, args) < 0) out.failed = errno ? errno : EIO;
    va_end(args);
}

void out_text(const char *text)
{
    put_escaped(text, strlen(text), OUT_ONE_LINE);
}

void out_lines(const char *text, size_t len)
{
    put_escaped(text, len, OUT_MANY_LINES);
}

void out_styled(out_style style, const char *text)
{
    bool styled = out.colored && style != OUT_PLAIN;
    if (styled) out_printf("%s", style_begins(style));
    out_text(text);
    if (styled) out_printf("\x1b[0m");
}

/* As copiers print: a state may hold numbers that JSON lacks. */
static bool put_json(const eyot_value *value)
{
    size_t len = 0;
    eyot_buf *buf = value ? eyot_buf_new() : NULL;
    eyot_status status = buf ? eyot_json()->print(value, buf, NULL) : EYOT_ENOMEM;
    const char *text = status ? NULL : eyot_buf_data(buf, &len);
    if (text)
        put_escaped(text, len, OUT_AS_JSON);
    else
        out_error(EXIT_FAILED, "%s", eyot_status_text(status));
    eyot_buf_free(buf);
    return !status;
}

bool out_json(eyot_value *value_take)
{
    bool good = put_json(value_take);
    if (good) put("\n", 1);
    eyot_value_unref(value_take);
    return good;
}

static bool put_key(const char *key, size_t len)
{
    eyot_value *text = eyot_value_new_string_len(key, len);
    bool good = put_json(text);
    eyot_value_unref(text);
    put(": ", 2);
    return good;
}

bool out_json_indented(const eyot_value *value, unsigned indent)
{
    eyot_value_kind kind = eyot_value_kind_of(value);
    bool map = kind == EYOT_VALUE_MAP, good = true;
    if (!(map || kind == EYOT_VALUE_ARRAY) || eyot_value_count(value) == 0) return put_json(value);
    put(map ? "{" : "[", 1);
    eyot_value_iter it = eyot_value_each(value);
    for (bool first = true; good && eyot_value_next(&it); first = false) {
        out_printf("%s\n%*s", first ? "" : ",", (int)indent + 2, "");
        if (map) good = put_key(it.key, it.key_len);
        good = good && out_json_indented(it.value, indent + 2);
    }
    out_printf("\n%*s%s", (int)indent, "", map ? "}" : "]");
    return good;
}

bool out_is_gone(void)
{
    return out.failed != 0;
}

void out_flush(void)
{
    if (fflush(stdout) != 0 && !out.failed) out.failed = errno;
}

int out_end(int code)
{
    out_status(NULL);
    out_flush();
    if (!out.failed || out.failed == EPIPE) return code;
    int said = out_error(EXIT_FAILED, "the output could not be written: %s", strerror(out.failed));
    return code ? code : said;
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

typedef struct cell {
    char *text;
    out_style style;
} cell;

struct out_table {
    const char *const *headings;
    size_t columns, n, cap;
    cell *cells;
    bool failed;
};

out_table *out_table_new(const char *const *headings, size_t n)
{
    out_table *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->headings = headings;
    t->columns = n;
    return t;
}

void out_table_cell(out_table *t, out_style style, const char *text)
{
    if (!t || t->failed) return;
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        cell *more = realloc(t->cells, cap * sizeof *more);
        t->failed = !more;
        if (!more) return;
        t->cells = more;
        t->cap = cap;
    }
    char *safe = out_escape(text, strlen(text), OUT_ONE_LINE);
    t->failed = !safe;
    if (safe) t->cells[t->n++] = (cell){safe, style};
}

static const char *heading_text(const char *heading)
{
    return *heading == '>' || *heading == '?' ? heading + 1 : heading;
}

/* 0: it is left out. */
static size_t column_width(const out_table *t, size_t column)
{
    size_t widest = 0, heading = out_width(heading_text(t->headings[column]));
    for (size_t i = column; i < t->n; i += t->columns) {
        size_t width = out_width(t->cells[i].text);
        if (width > widest) widest = width;
    }
    if (widest == 0 && t->headings[column][0] == '?') return 0;
    return widest > heading ? widest : heading;
}

/* Nothing follows the last column, not even blanks. */
static void put_cell(const out_table *t, size_t column, size_t width, out_style style, const char *text)
{
    bool right = t->headings[column][0] == '>', last = column + 1 == t->columns;
    if (width == 0) return;
    int pad = (int)(width - out_width(text));
    bool styled = out.colored && style != OUT_PLAIN;
    out_printf("%*s%s%s%s", right ? pad : 0, "", styled ? style_begins(style) : "", text, styled ? "\x1b[0m" : "");
    if (last)
        put("\n", 1);
    else
        out_printf("%*s", (right ? 0 : pad) + 2, "");
}

bool out_table_end(out_table *t_take)
{
    out_table *t = t_take;
    size_t *widths = t ? malloc(t->columns * sizeof *widths) : NULL;
    bool good = widths && !t->failed;
    if (good) {
        for (size_t c = 0; c < t->columns; c++) widths[c] = column_width(t, c);
        for (size_t c = 0; c < t->columns; c++) put_cell(t, c, widths[c], OUT_FAINT, heading_text(t->headings[c]));
        for (size_t i = 0; i < t->n && !out.failed; i++)
            put_cell(t, i % t->columns, widths[i % t->columns], t->cells[i].style, t->cells[i].text);
    } else {
        out_error(EXIT_FAILED, "out of memory");
    }
    free(widths);
    for (size_t i = 0; t && i < t->n; i++) free(t->cells[i].text);
    if (t) free(t->cells);
    free(t);
    return good;
}
