/* SPDX-License-Identifier: MIT */
/* Names for steps. */
#include <pthread.h>
#include <stdlib.h>

#include "core/run.h"
#include "test/eyot_test.h"
#include "test/lives.h"
#include "test/retained.h"

static eyot_error err;

static eyot_status put_label(void *arg, uint64_t step, const char *name)
{
    eyot__buf_format(arg, "%llu=%s ", (unsigned long long)step, name);
    return EYOT_OK;
}

static eyot_buf labels_of(eyot_store *store, const char *id)
{
    eyot_buf out = EYOT__BUF_INIT;
    CHECK_OK(eyot_store_list_labels(store, id, put_label, &out, &err));
    eyot__buf_u8(&out, 0);
    return out;
}

/* ---- labels ----------------------------------------------------------------------------------------------------------- */

static void labels_are(eyot_store *store, const char *id, const char *want)
{
    eyot_buf l = labels_of(store, id);
    CHECK_STR((const char *)l.data, want);
    eyot__buf_clear(&l);
}

TEST(label__names_a_step_moves_and_goes)
{
    uint64_t step = 0;
    retained_place p = retained_begin(true);
    labels_are(p.store, "r", "");
    CHECK_OK(eyot_store_label(p.store, "r", 12, "b", &err));
    CHECK_OK(eyot_store_label(p.store, "r", 0, "the-start", &err));
    CHECK_OK(eyot_store_label(p.store, "r", 12, "a.1", &err));
    CHECK_OK(eyot_store_label(p.store, "r", 9, "ab", &err));
    labels_are(p.store, "r", "0=the-start 9=ab 12=a.1 12=b ");
    CHECK_OK(eyot_store_find_label(p.store, "r", "a.1", &step, &err));
    CHECK_INT(step, 12);
    CHECK_OK(eyot_store_label(p.store, "r", 3, "b", &err));
    labels_are(p.store, "r", "0=the-start 3=b 9=ab 12=a.1 ");
    CHECK_OK(eyot_store_unlabel(p.store, "r", "ab", &err));
    labels_are(p.store, "r", "0=the-start 3=b 12=a.1 ");
    CHECK_STATUS(eyot_store_unlabel(p.store, "r", "ab", &err), EYOT_ENOTFOUND);
    CHECK_STATUS(eyot_store_find_label(p.store, "r", "ab", &step, &err), EYOT_ENOTFOUND);
    CHECK_STR(err.text, "run r has no label \"ab\"");
    CHECK_OK(eyot_store_label(p.store, "r", EYOT_LATEST, "end", &err));
    CHECK_OK(eyot_store_find_label(p.store, "r", "end", &step, &err));
    CHECK_INT(step, tally_row_of(p.store, "r").steps);
    CHECK_OK(eyot_store_delete(p.store, "r", &err));
    labels_are(p.store, "r", "");
    retained_end(&p);
}

TEST(label__that_is_none_or_of_no_step_is_refused)
{
    static const char *const wrong[] = {"", "-a", "a b", "a@b", "a/b", "12", "latest", "a\nb"};
    retained_place p = retained_begin(true);
    char name[70];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_STATUS(eyot_store_label(p.store, "r", 1, wrong[i], &err), EYOT_EINVAL);
    memset(name, 'x', sizeof name);
    name[65] = 0;
    CHECK_STATUS(eyot_store_label(p.store, "r", 1, name, &err), EYOT_EINVAL);
    name[64] = 0;
    CHECK_OK(eyot_store_label(p.store, "r", 1, name, &err));
    CHECK_STATUS(eyot_store_label(p.store, "r", 1000, "a", &err), EYOT_ENOTFOUND);
    CHECK_STATUS(eyot_store_label(p.store, "nobody", 0, "a", &err), EYOT_ENOTFOUND);
    CHECK_OK(eyot_store_prune(p.store, "r", NULL, NULL, &err));
    CHECK_STATUS(eyot_store_label(p.store, "r", 2, "a", &err), EYOT_ENOTFOUND);
    CHECK_STR(err.text, "run r no longer has step 2: it was pruned");
    retained_end(&p);
}

static void *label_many(void *arg)
{
    char name[32];
    eyot_error e;
    const void *const *with = arg;
    long failed = 0;
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "%s%d", (const char *)with[1], i);
        failed += eyot_store_label((eyot_store *)(uintptr_t)with[0], "r", (uint64_t)i, name, &e) != EYOT_OK;
    }
    return (void *)failed;
}

static eyot_status count_label(void *arg, uint64_t step, const char *name)
{
    (void)step, (void)name;
    ++*(size_t *)arg;
    return EYOT_OK;
}

TEST(label__of_several_at_once_all_stand)
{
    retained_place p = retained_begin(true);
    const void *with[2][2] = {{p.store, "a"}, {p.store, "b"}};
    pthread_t threads[2];
    size_t n = 0;
    for (int i = 0; i < 2; i++) CHECK_INT(pthread_create(&threads[i], NULL, label_many, with[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        CHECK(!failed);
    }
    CHECK_OK(eyot_store_list_labels(p.store, "r", count_label, &n, &err));
    CHECK_INT(n, 100);
    retained_end(&p);
}
