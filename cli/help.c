/* SPDX-License-Identifier: MIT */
/* Texts made of the table of verbs: help, and the completion for bash. */
#include "cli/verb.h"

#include "cli/out.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH = 80 };

/* The words of a text from column `at` on; further lines are indented by `indent`. Ends with a newline. */
static void put_words(size_t indent, size_t at, const char *text)
{
    bool first = true;
    while (*text) {
        size_t n = strcspn(text, " ");
        if (!first && at + 1 + n > WIDTH) {
            out_printf("\n%*s", (int)indent, "");
            at = indent;
            first = true;
        }
        out_printf("%s%.*s", first ? "" : " ", (int)n, text);
        at += n + !first;
        first = false;
        text += n + (text[n] == ' ');
    }
    out_printf("\n");
}

/* Paragraphs, one per line; those that begin with blanks are examples and stay as they are. */
static void put_paragraphs(const char *text)
{
    char line[1024];
    for (size_t n; *text; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)n, text);
        if (*line == ' ')
            out_printf("%s\n", line);
        else
            put_words(0, 0, line);
    }
}

void help_all(void)
{
    out_printf("eyot runs workflows written as graph files, and keeps every finished step.\n\n"
               "usage: eyot VERB [ARGUMENT] [OPTION]...\n\n");
    for (size_t i = 0; i < n_verbs; i++) {
        char head[48];
        snprintf(head, sizeof head, "%s %s", verbs[i]->name, verbs[i]->words);
        out_printf("  %-17s ", head);
        put_words(20, 20, verbs[i]->summary);
    }
    put_paragraphs(
        "\nRUN is an id, the beginning of one that fits no other, or `latest`. Runs are kept in eyot.db, or where "
        "--store, EYOT_STORE, ./eyot.yaml or ~/.config/eyot/config.yaml say: in a file, on a MySQL or a Redis.\n"
        "`eyot VERB --help` tells more, `man eyot` everything.");
}

static void help_options(const args_option *o)
{
    for (; o && o->name; o++) {
        char head[64], letter[8] = "    ";
        const char *value = o->choices ? o->choices : o->value;
        if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
        snprintf(head, sizeof head, "%s--%s%s%s", letter, o->name, value ? " " : "", value ? value : "");
        if (strlen(head) > 28)
            out_printf("  %s\n%31s", head, "");
        else
            out_printf("  %-28s ", head);
        put_words(31, 31, o->help);
    }
}

void help_verb(const verb *v)
{
    out_printf("usage: eyot %s%s%s [OPTION]...\n\n", v->name, *v->words ? " " : "", v->words);
    put_words(0, 0, v->summary);
    out_printf("\noptions:\n");
    help_options(v->options);
    if (v->uses_store) help_options(args_store);
    help_options(args_common);
    if (v->about) out_printf("\n"), put_paragraphs(v->about);
}

/* ---- bash ------------------------------------------------------------------------------------------------------- */

static void complete_names(const verb *v)
{
    const args_option *const tables[] = {v->options, v->uses_store ? args_store : NULL, args_common};
    for (size_t t = 0; t < 3; t++)
        for (const args_option *o = tables[t]; o && o->name; o++) {
            if (o->letter) out_printf(" -%c", o->letter);
            out_printf(" --%s", o->name);
        }
}

/* A case for every option of the table that has a value. */
static void complete_values(const char *verb_name, const args_option *o)
{
    for (; o && o->name; o++) {
        if ((!o->value && !o->choices) || o->optional) continue;
        out_printf("    %s:--%s", verb_name, o->name);
        if (o->letter) out_printf(" | %s:-%c", verb_name, o->letter);
        if (o->choices) {
            out_printf(") words='");
            for (const char *c = o->choices; *c; c++) out_printf("%c", *c == '|' ? ' ' : *c);
            out_printf("' ;;\n");
        } else {
            bool file = strstr(o->value, "FILE") || strstr(o->value, "PATH") || strcmp(o->value, "URL") == 0;
            out_printf(") %s ;;\n", file ? "files=1" : "return");
        }
    }
}

static void complete_verb(const verb *v)
{
    out_printf("    %s) options='", v->name);
    complete_names(v);
    out_printf("'");
    if (strstr(v->words, "RUN")) out_printf("; runs=1");
    if (strstr(v->words, "FILE")) out_printf("; files=1");
    if (strcmp(v->words, "[VERB]") == 0) out_printf("; words=$verbs");
    if (strcmp(v->words, "bash") == 0) out_printf("; words=bash");
    out_printf(" ;;\n");
}

/* Ids come from a store, which may be anybody's, and compgen -W expands what it is given: only what cannot be more than an
 * id is handed to it. */
static void complete_words(void)
{
    out_printf(
        "  if [[ $cur == -* ]]; then words=$options files='' runs=''; fi\n"
        "  [[ $runs ]] && words+=\" latest $(eyot list \"${store[@]}\" --color never --limit 50 --jsonl 2>/dev/null |\n"
        "    sed -n 's/^{\"schema\":1,\"run\":\"\\([A-Za-z0-9._:-]*\\)\".*/\\1/p')\"\n"
        "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
        "  [[ $files ]] && while IFS= read -r i; do COMPREPLY+=(\"$i\"); done < <(compgen -f -- \"$cur\")\n"
        "  return 0\n"
        "}\n"
        "complete -o filenames -F _eyot eyot\n");
}

void help_completion(void)
{
    out_printf("# bash completion for eyot; use it with:  source <(eyot completion bash)\n"
               "_eyot() {\n"
               "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb='' store=(-q) i\n"
               "  local options='' words='' files='' runs='' verbs='");
    for (size_t i = 0; i < n_verbs; i++) out_printf("%s%s", i > 0 ? " " : "", verbs[i]->name);
    out_printf("'\n"
               "  COMPREPLY=()\n"
               "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
               "    case ${COMP_WORDS[i]} in\n"
               "      --store) [[ ${COMP_WORDS[++i]} == = ]] && ((++i)); store=(--store \"${COMP_WORDS[i]}\") ;;\n"
               "      --color) [[ ${COMP_WORDS[++i]} == = ]] && ((++i)) ;;\n"
               "      -*) ;;\n"
               "      *) verb=${verb:-${COMP_WORDS[i]}} ;;\n"
               "    esac\n"
               "  done\n"
               "  case $verb:$prev in\n");
    for (size_t i = 0; i < n_verbs; i++) complete_values(verbs[i]->name, verbs[i]->options);
    complete_values("*", args_store);
    complete_values("*", args_common);
    out_printf("    *) case $verb in\n"
               "    '') words=$verbs; options='--store --color --help --version' ;;\n");
    for (size_t i = 0; i < n_verbs; i++) complete_verb(verbs[i]);
    out_printf("    *) return ;;\n"
               "    esac ;;\n"
               "  esac\n");
    complete_words();
}
