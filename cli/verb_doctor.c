/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/out.h"
#include "cli/place.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const args_option options[] = {
    {.name = "json", .help = "one JSON object"},
    {.name = NULL},
};

enum { WRITES = 5 };

typedef struct findings {
    eyot_store_info info;
    bool writable;
    double write_ms; /* one small write, acknowledged; 0: not measured */
    char problem[248];
} findings;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Writes a small value that nobody else uses, as a commit would. */
static void try_writing(place *p, findings *f)
{
    eyot_error e = {0};
    void *self;
    const eyot_store_ops *ops = eyot_store_table(p->store, &self);
    eyot_bytes ns = {"doctor", 6}, key = {"probe", 5}, value = {"1", 1};
    eyot_status s = ops->kv_get && ops->kv_cas ? EYOT_OK : EYOT_ENOTSUP;
    double began = now_ms();
    for (int i = 0; i < WRITES && s == EYOT_OK; i++) {
        uint64_t version = 0;
        eyot_buf *old = eyot_buf_new();
        s = old ? ops->kv_get(self, ns, key, &version, old, &e) : EYOT_ENOMEM;
        eyot_buf_free(old);
        if (s == EYOT_OK) s = ops->kv_cas(self, ns, key, version, value, 60000, &e);
    }
    f->writable = s == EYOT_OK;
    if (s == EYOT_OK) f->write_ms = (now_ms() - began) / WRITES;
    snprintf(f->problem, sizeof f->problem, "%s", s == EYOT_OK ? "" : e.text[0] ? e.text : eyot_status_text(s));
}

static bool print_json(const place *p, const findings *f)
{
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "store", eyot_value_new_string(p->conf.shown));
    v = eyot_value_set(v, "from", eyot_value_new_string(p->conf.from));
    v = eyot_value_set(v, "backend", eyot_value_new_string(f->info.backend));
    v = eyot_value_set(v, "version", eyot_value_new_string(f->info.version));
    v = eyot_value_set(v, "class", eyot_value_new_string(eyot_store_class_name(f->info.durability)));
    v = eyot_value_set(v, "reasons", eyot_value_new_string(f->info.reasons));
    v = eyot_value_set(v, "advice", eyot_value_new_string(f->info.advice));
    v = eyot_value_set(v, "max_body", eyot_value_new_uint(f->info.max_body));
    v = eyot_value_set(v, "writable", eyot_value_new_bool(f->writable));
    v = eyot_value_set(v, "write_ms", f->writable ? eyot_value_new_double(f->write_ms) : eyot_value_new_null());
    return out_json(
        eyot_value_set(v, "problem", f->writable ? eyot_value_new_null() : eyot_value_new_string(f->problem)));
}

static const char *class_meaning(eyot_store_class c)
{
    switch (c) {
    case EYOT_CLASS_VOLATILE: return "nothing survives the end of the program that holds it, or of the machine";
    case EYOT_CLASS_PROCESS: return "finished steps survive when a program is killed";
    case EYOT_CLASS_MACHINE: return "finished steps survive a power loss";
    case EYOT_CLASS_REPLICATED: return "finished steps survive the loss of a machine";
    }
    return "";
}

static void print_text(const place *p, const findings *f)
{
    out_printf("store    ");
    out_text(p->conf.shown);
    out_printf(" (%s%s)\nbackend  ", strcmp(p->conf.from, "default") == 0 ? "the " : "from ", p->conf.from);
    out_text(f->info.version[0] ? f->info.version : f->info.backend);
    out_printf("\nclass    ");
    out_styled(f->info.durability >= EYOT_CLASS_MACHINE ? OUT_GOOD : OUT_WAITS,
               eyot_store_class_name(f->info.durability));
    out_printf(": %s\nbecause  ", class_meaning(f->info.durability));
    out_text(f->info.reasons);
    if (f->info.advice[0]) {
        out_printf("\nstronger ");
        out_text(f->info.advice);
    }
    out_printf("\nbodies   up to %" PRIu64 " bytes\nwriting  ", f->info.max_body);
    if (f->writable)
        out_printf("%.2f ms for one small write\n", f->write_ms);
    else
        out_styled(OUT_BAD, "is not possible: "), out_text(f->problem), out_printf("\n");
}

static int doctor_main(const args *a)
{
    eyot_error e;
    place p;
    findings f = {.writable = false};
    int code = place_open(&p, a, PLACE_LOOK);
    if (code == EXIT_DONE && eyot_store_inform(p.store, &f.info, &e) != EYOT_OK) code = out_failed(&e);
    if (code == EXIT_DONE) {
        try_writing(&p, &f);
        bool good = true;
        if (args_has(a, "json"))
            good = print_json(&p, &f);
        else
            print_text(&p, &f);
        code = !good ? EXIT_FAILED : f.writable ? EXIT_DONE : EXIT_STORE;
    }
    place_close(&p);
    return code;
}

const verb verb_doctor = {.name = "doctor",
                          .words = "",
                          .summary = "test the store: what it promises, why, and how fast it is",
                          .options = options,
                          .uses_store = true,
                          .main = doctor_main};
