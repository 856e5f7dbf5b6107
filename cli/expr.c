/* SPDX-License-Identifier: MIT */
#include "cli/expr.h"

#include <string.h>

static const char *const functions[] = {
    "now", "input",   "inputs", "debug",      "stderr", "input_filename", "input_line_number",
    "env", "include", "import", "modulemeta", "halt",   "halt_error",     "get_search_list"};
static const char *const variables[] = {"$ENV", "$__prog_args"};

enum { MAX_NESTING = 1024 };

/* Reads the words of a program. The stack has a letter per open bracket: `"` is a string that an interpolation is in. */
typedef struct lexer {
    const char *p;
    char stack[MAX_NESTING];
    size_t depth;
    bool too_deep;
    char before; /* the last token: its first character, `a` for any word */
} lexer;

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void open_bracket(lexer *x, char c)
{
    if (x->depth < MAX_NESTING)
        x->stack[x->depth++] = c;
    else
        x->too_deep = true;
}

static char innermost(const lexer *x)
{
    return x->depth > 0 ? x->stack[x->depth - 1] : '\0';
}

/* From inside of a string to behind its end, or to the program that is interpolated into it. */
static void skip_string(lexer *x)
{
    for (; *x->p && *x->p != '"'; x->p++) {
        if (*x->p != '\\') continue;
        x->p++;
        if (*x->p == '(') {
            open_bracket(x, '"');
            x->before = '(';
            x->p++;
            return;
        }
        if (!*x->p) return;
    }
    if (*x->p) x->p++;
    x->before = '"';
}

static size_t word_length(const char *p)
{
    size_t n = 0;
    while (is_letter(p[n]) || (n > 0 && is_digit(p[n])) ||
           (n > 0 && p[n] == ':' && p[n + 1] == ':' && is_letter(p[n + 2])))
        n += p[n] == ':' ? 2 : 1;
    return n;
}

static const char *find_word(const char *const *list, size_t n, const char *word, size_t len, size_t skip)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(list[i]) == len + skip && memcmp(list[i] + skip, word, len) == 0) return list[i];
    return NULL;
}

/* {now: 1} and {now}: a key stands directly behind the brace or a comma of an object. */
static bool is_key(const lexer *x)
{
    return innermost(x) == '{' && (x->before == '{' || x->before == ',');
}

static const char *read_word(lexer *x)
{
    size_t len = word_length(x->p);
    const char *found = NULL;
    if (x->before == '$')
        found = find_word(variables, sizeof variables / sizeof *variables, x->p, len, 1);
    else if (!is_key(x))
        found = find_word(functions, sizeof functions / sizeof *functions, x->p, len, 0);
    x->p += len;
    x->before = 'a';
    return found;
}

static void read_number(lexer *x)
{
    while (is_digit(*x->p) || *x->p == '.') x->p++;
    if (*x->p == 'e' || *x->p == 'E') {
        const char *exponent = x->p + 1 + (x->p[1] == '+' || x->p[1] == '-');
        if (is_digit(*exponent)) x->p = exponent;
        while (is_digit(*x->p)) x->p++;
    }
    x->before = '0';
}

static void read_sign(lexer *x)
{
    char c = *x->p++;
    x->before = c;
    if (c == '.' && is_letter(*x->p)) {
        while (is_letter(*x->p) || is_digit(*x->p)) x->p++;
        x->before = 'a';
    } else if (c == '@') {
        while (is_letter(*x->p) || is_digit(*x->p)) x->p++;
    } else if (c == '(' || c == '[' || c == '{') {
        open_bracket(x, c);
    } else if ((c == ')' || c == ']' || c == '}') && x->depth > 0) {
        bool back_in_string = innermost(x) == '"';
        x->depth--;
        if (back_in_string) skip_string(x);
    }
}

const char *expr_forbidden(const char *program)
{
    lexer x = {.p = program};
    const char *found = NULL;
    while (*x.p && !found && !x.too_deep) {
        if (strchr(" \t\r\n", *x.p)) {
            x.p++;
        } else if (*x.p == '#') {
            x.p += strcspn(x.p, "\n");
        } else if (*x.p == '"') {
            x.p++;
            skip_string(&x);
        } else if (is_letter(*x.p)) {
            found = read_word(&x);
        } else if (is_digit(*x.p) || (*x.p == '.' && is_digit(x.p[1]))) {
            read_number(&x);
        } else if (*x.p == '.' && x.p[1] == '.') {
            x.p += 2;
            x.before = '.';
        } else {
            read_sign(&x);
        }
    }
    return x.too_deep ? "more than 1024 brackets inside each other" : found;
}

bool expr_ends_in_quotes(const char *command)
{
    char quote = '\0';
    for (const char *p = command; *p; p++) {
        if (*p == '\\' && quote != '\'') {
            if (!*++p) break;
        } else if (quote ? *p == quote : *p == '"' || *p == '\'' || *p == '`') {
            quote = quote ? '\0' : *p;
        }
    }
    return quote != '\0';
}
