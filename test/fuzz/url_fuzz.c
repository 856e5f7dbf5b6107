/* SPDX-License-Identifier: MIT */
/* Any text as the URL of a store: it is taken or refused, what is taken lies in its own memory, a known secret is never
 * shown, and any bytes are a cursor or none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stores/url.h"
#include "test/fuzz/fuzz.h"

static void parse(const char *text)
{
    eyot__url url;
    eyot_error e;
    fuzz_memory_begin();
    eyot_status r = eyot__url_parse(&url, text, &e);
    fuzz_memory_end(strlen(text), 4);
    DEMAND(r == EYOT_OK || r == EYOT_EINVAL);
    if (r) return;
    const char *end = url.text + strlen(text) + 1;
    DEMAND(url.path >= url.text && url.path < end && strlen(url.scheme) <= 16);
    DEMAND(!url.authority || (url.authority > url.text && url.authority < url.path));
    for (size_t i = 0; i < url.n_params; i++) {
        DEMAND(url.params[i].name > url.path && url.params[i].value > url.params[i].name && url.params[i].value < end);
        DEMAND(strcmp(eyot__url_param_text(&url, url.params[i].name), url.params[i].value) == 0);
    }
    DEMAND(eyot__url_check_params(&url, &e) == EYOT_OK);
    eyot__url_clear(&url);
}

/* The text may hold anything but the secret, which is then put where secrets are. */
static void redact(const char *text)
{
    static const char secret[] = "\x01geheim\x01";
    char shown[4096], with[2048];
    if (strstr(text, secret) || strlen(text) > 1000) return;
    snprintf(with, sizeof with, "x:a?%.*s&password=%s", (int)strcspn(text, "?"), text, secret);
    eyot__url_redact(with, shown, sizeof shown);
    DEMAND(!strstr(shown, secret));
    if (strpbrk(text, ":/?@")) return;
    snprintf(with, sizeof with, "mysql://%s:%s@host/%s", text, secret, text);
    eyot__url_redact(with, shown, sizeof shown);
    DEMAND(!strstr(shown, secret));
    eyot__url_redact(text, shown, 5);
    DEMAND(strlen(shown) <= 4);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    int64_t number;
    eyot_bytes id;
    char *text = malloc(size + 1);
    if (!text) return;
    if (size) memcpy(text, data, size);
    text[size] = '\0';
    parse(text);
    redact(text);
    if (eyot__cursor_parse((eyot_bytes){data, size}, &number, &id)) {
        DEMAND(number >= 0 && (const uint8_t *)id.p >= data && (const uint8_t *)id.p + id.n == data + size);
    }
    free(text);
}
