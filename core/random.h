/* SPDX-License-Identifier: MIT */
#ifndef EYOT_CORE_RANDOM_H
#define EYOT_CORE_RANDOM_H

#include <errno.h>
#include <sys/random.h>

#include <eyot/eyot.h>

/* From the system, for what nobody may guess or meet by chance. EIO. */
static inline eyot_status eyot__random_bytes(void *out, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = getrandom((unsigned char *)out + done, n - done, 0);
        if (got < 0 && errno != EINTR) return EYOT_EIO;
        if (got > 0) done += (size_t)got;
    }
    return EYOT_OK;
}

#endif
