/* SPDX-License-Identifier: MIT */
/* What a person or a program gets to see. Data goes to stdout, everything else to stderr; text of others never
 * reaches either with control bytes, escape sequences, invalid UTF-8 or marks that turn the direction of writing:
 * these are shown as \x1b or \u202e, on a terminal or not. Everything about stderr may be called from any thread;
 * everything about stdout belongs to the main one. */
#ifndef EYOT_CLI_OUT_H
#define EYOT_CLI_OUT_H

#include <eyot/copiers.h>

/* ---- exit codes ------------------------------------------------------------------------------------------------ */

enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,    /* the run has failed or is parked, or a difference was found */
    EXIT_USAGE = 2,     /* also: a mistake in a graph file, a configuration or an input */
    EXIT_STORE = 3,     /* the store cannot be reached or opened */
    EXIT_MISSING = 4,   /* no such run, step or file */
    EXIT_HELD = 5,      /* another process holds the run */
    EXIT_STORED = 6,    /* what is stored is damaged, or belongs to another graph or version */
    EXIT_SUSPENDED = 7, /* waits for an answer or a time */
    EXIT_CANCELLED = 8,
    EXIT_SIGNAL = 128 /* plus the number of the signal that stopped it */
};
int out_exit_code(eyot_status status);

/* ---- stderr ---------------------------------------------------------------------------------------------------- */

typedef enum out_color { OUT_AUTO, OUT_ALWAYS, OUT_NEVER } out_color;
/* At the start of the program. Ignores SIGPIPE: whoever reads our output may leave when he likes. */
void out_begin(void);
void out_configure(out_color color, bool quiet);
bool out_is_quiet(void);

/* "eyot: …": one line. Returns `code`, so that a verb can end with it. */
int out_error(int code, const char *fmt, ...) EYOT_PRINTF(2, 3);
/* The same for a failed call of the library. */
int out_failed(const eyot_error *e);
/* A line for people; nothing when quiet. */
void out_note(const char *fmt, ...) EYOT_PRINTF(1, 2);
/* A line that is to be read even when quiet, as it stands but escaped. */
void out_line(const char *line);
/* The line at the bottom of a terminal that is drawn over again and again; NULL takes it away. Every other line goes
 * above it. */
void out_status(const char *line);
bool out_has_terminal(void); /* stderr is one on which a line can be drawn again */

/* ---- stdout ---------------------------------------------------------------------------------------------------- */

typedef enum out_style { OUT_PLAIN, OUT_GOOD, OUT_BAD, OUT_WAITS, OUT_FAINT } out_style;

void out_printf(const char *fmt, ...) EYOT_PRINTF(1, 2); /* our own text, as it stands */
void out_text(const char *text);                         /* somebody's text, in one line */
void out_lines(const char *text, size_t len);            /* somebody's text, whose lines and tabs stay */
void out_styled(out_style style, const char *text);
/* One line of JSON; consumes the value. False when it could not be written as JSON, which has then been said. */
bool out_json(eyot_value *value_take);
/* Over several lines, all but the first indented by `indent`. */
bool out_json_indented(const eyot_value *value, unsigned indent);
/* Nobody reads any more: what is still to come can be left out. */
bool out_is_gone(void);
/* Writes what is buffered. */
void out_flush(void);
/* At the end of the program. Returns `code`, or EXIT_FAILED if the output could not be written, which it says; a
 * reader that has left is no failure. */
int out_end(int code);

/* ---- tables ---------------------------------------------------------------------------------------------------- */

/* Rows of n cells under n headings; a heading that begins with '>' is a column of numbers, one
 * that begins with '?' a column that is left out when all its cells are empty. */
typedef struct out_table out_table;
out_table *out_table_new(const char *const *headings, size_t n);
void out_table_cell(out_table *t, out_style style, const char *text);
/* Prints and frees it. False: there was no memory for it, which has been said. */
bool out_table_end(out_table *t_take);

/* ---- escaping -------------------------------------------------------------------------------------------------- */

typedef enum out_form {
    OUT_ONE_LINE,   /* newlines and tabs are escaped too */
    OUT_MANY_LINES, /* they stay */
    OUT_AS_JSON     /* of a JSON text: what JSON does not escape itself, as \u009b */
} out_form;
/* The text with all that is dangerous made visible; freed by the caller. NULL: no memory. */
char *out_escape(const char *text, size_t len, out_form form);
/* How many columns a line of UTF-8 takes, about: one per character. */
size_t out_width(const char *text);

#endif
