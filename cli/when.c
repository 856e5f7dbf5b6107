/* SPDX-License-Identifier: MIT */
#include "cli/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

void when_took(char text[WHEN_TEXT], uint64_t ms)
{
    uint64_t s = ms / 1000, m = s / 60;
    if (ms == 0)
        snprintf(text, WHEN_TEXT, "<1 ms");
    else if (ms < 100)
        snprintf(text, WHEN_TEXT, "%" PRIu64 " ms", ms);
    else if (s < 60)
        snprintf(text, WHEN_TEXT, "%" PRIu64 ".%" PRIu64 " s", s, ms % 1000 / 100);
    else if (m < 60)
        snprintf(text, WHEN_TEXT, "%" PRIu64 ":%02" PRIu64, m, s % 60);
    else
        snprintf(text, WHEN_TEXT, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, m / 60, m % 60, s % 60);
}

void when_iso(char text[WHEN_TEXT], int64_t ms)
{
    struct tm tm;
    time_t t = (time_t)(ms / 1000);
    char to_seconds[24];
    if (!gmtime_r(&t, &tm) || strftime(to_seconds, sizeof to_seconds, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        snprintf(text, WHEN_TEXT, "?");
    else
        snprintf(text, WHEN_TEXT, "%s.%03dZ", to_seconds, (int)(ms % 1000));
}

void when_local(char text[WHEN_TEXT], int64_t ms)
{
    struct tm tm;
    time_t t = (time_t)(ms / 1000);
    if (!localtime_r(&t, &tm) || strftime(text, WHEN_TEXT, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(text, WHEN_TEXT, "?");
}

void when_ago(char text[WHEN_TEXT], int64_t ms, int64_t now_ms)
{
    int64_t s = now_ms > ms ? (now_ms - ms) / 1000 : 0, days = s / 86400;
    if (s < 60)
        snprintf(text, WHEN_TEXT, "%" PRId64 " s ago", s);
    else if (s < 3600)
        snprintf(text, WHEN_TEXT, "%" PRId64 " min ago", s / 60);
    else if (days < 2)
        snprintf(text, WHEN_TEXT, "%" PRId64 " h ago", s / 3600);
    else
        snprintf(text, WHEN_TEXT, "%" PRId64 " days ago", days);
}
