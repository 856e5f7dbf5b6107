/* SPDX-License-Identifier: MIT */
/* Option structs begin with `size_t size`, grow at their end, and mean their defaults where they are zero. */
#ifndef EYOT_CORE_OPTIONS_H
#define EYOT_CORE_OPTIONS_H

#include <string.h>

#include <eyot/eyot.h>

/* Copies the caller's options (NULL: all defaults) into `to`, of `to_size` bytes, as this library knows them. EINVAL: a size
 * that no such struct has ever had (it would cut a pointer), or something is set in a tail that this library does not know. */
static inline eyot_status eyot__options_read(void *to, size_t to_size, const void *options)
{
    size_t size = to_size;
    memset(to, 0, to_size);
    if (options) memcpy(&size, options, sizeof size);
    if (size < sizeof size || size % sizeof size != 0) return EYOT_EINVAL;
    if (options) memcpy(to, options, size < to_size ? size : to_size);
    for (size_t i = to_size; i < size; i++)
        if (((const unsigned char *)options)[i] != 0) return EYOT_EINVAL;
    memcpy(to, &to_size, sizeof to_size);
    return EYOT_OK;
}

#endif
