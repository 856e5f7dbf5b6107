/* SPDX-License-Identifier: MIT */
/* Filling a task's update key by key: it is taken back, gets one key more and is given again. */
#include "copiers/value.h"

eyot_status eyot_task_set_value(eyot_task *task, const char *key, eyot_value *value_take)
{
    eyot__word value = eyot__word_of(value_take);
    void *given = eyot_task_update_withdraw(task);
    eyot__word update = given ? eyot__word_of(given) : EYOT__EMPTY_MAP;
    eyot_status status = key && value && eyot__is_map(update) ? EYOT_OK : EYOT_EINVAL;
    if (status)
        eyot__unref(value);
    else
        status = eyot__map_put(&update, key, strlen(key), value);
    if (status && !given) return status;
    eyot_status back = eyot_task_update(task, eyot__value_of(update));
    return status ? status : back;
}

/* A value that could not be made for want of memory is told apart from one that nobody gave. */
static eyot_status set_made(eyot_task *task, const char *key, eyot_value *made)
{
    return made ? eyot_task_set_value(task, key, made) : EYOT_ENOMEM;
}

eyot_status eyot_task_set_bool(eyot_task *task, const char *key, bool b)
{
    return eyot_task_set_value(task, key, eyot_value_new_bool(b));
}
eyot_status eyot_task_set_int(eyot_task *task, const char *key, int64_t i)
{
    return set_made(task, key, eyot_value_new_int(i));
}
eyot_status eyot_task_set_uint(eyot_task *task, const char *key, uint64_t u)
{
    return set_made(task, key, eyot_value_new_uint(u));
}
eyot_status eyot_task_set_double(eyot_task *task, const char *key, double d)
{
    return set_made(task, key, eyot_value_new_double(d));
}
eyot_status eyot_task_remove(eyot_task *task, const char *key)
{
    return eyot_task_set_value(task, key, eyot_value_new_removed());
}

eyot_status eyot_task_set_string(eyot_task *task, const char *key, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    if (!text || eyot__utf8_check(text, text + len) != text + len) return EYOT_EINVAL;
    if (len > EYOT_VALUE_MAX_BYTES) return EYOT_ELIMIT;
    return set_made(task, key, eyot_value_new_string_len(text, len));
}
