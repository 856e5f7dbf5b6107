/* SPDX-License-Identifier: MIT */
/* Coroutines: each begins on its own stack by makecontext(3), once; from then on _setjmp and _longjmp change between them,
 * which need no system call. One that is dropped is begun anew by a jump to the bottom of its stack. */
#undef _FORTIFY_SOURCE /* its longjmp takes a jump to another stack for a mistake */
#define _DEFAULT_SOURCE
#define _XOPEN_SOURCE 700
#include "test/sim/sim.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifdef SIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
enum { STACK_BYTES = 256 * 1024 };
#else
enum { STACK_BYTES = 64 * 1024 };
#endif

static jmp_buf home;
static sim_thread *now;
static sim_thread threads[SIM_THREADS];
static sim_thread *used[SIM_THREADS], *unused;
static size_t n_used;

sim_thread *sim_self(void)
{
    return now;
}

sim_thread **sim_thread_list(size_t *n)
{
    *n = n_used;
    return used;
}

/* ---- changing stacks ---------------------------------------------------------------------------------------------- */

#ifdef SIM_ASAN
static const void *home_stack;
static size_t home_bytes;
static void *home_fake;
#endif

static void leaves_home(sim_thread *t)
{
#ifdef SIM_ASAN
    if (t->fresh) __asan_unpoison_memory_region(t->stack, STACK_BYTES);
    __sanitizer_start_switch_fiber(&home_fake, t->stack, STACK_BYTES);
#endif
    now = t;
}

static void is_home(void)
{
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(home_fake, NULL, NULL);
#endif
    now = NULL;
}

static void arrives(sim_thread *t)
{
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(t->fake_stack, &home_stack, &home_bytes);
#endif
    (void)t;
}

static void goes_home(sim_thread *t, bool for_good)
{
#ifdef SIM_ASAN
    __sanitizer_start_switch_fiber(for_good ? NULL : &t->fake_stack, home_stack, home_bytes);
#endif
    (void)t, (void)for_good;
}

_Noreturn void sim_thread_leave(void)
{
    sim_thread *t = now;
    t->state = SIM_ENDED;
    goes_home(t, true);
    _longjmp(home, 1);
}

/* The bottom of a stack: never returned from. */
static void bottom(void)
{
    sim_thread *t = now;
    arrives(t);
    if (!_setjmp(t->base)) {
        goes_home(t, true);
        _longjmp(home, 1);
    }
    t = now;
    t->fake_stack = NULL;
    arrives(t);
    (void)t->fn(t->arg);
    sim_thread_leave();
}

static void make_stack(sim_thread *t)
{
    static ucontext_t begin;
    char *memory = mmap(NULL, STACK_BYTES + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, 4096, PROT_NONE) || getcontext(&begin)) abort();
    t->stack = memory + 4096; /* below it whoever overflows is caught */
    begin.uc_stack.ss_sp = t->stack;
    begin.uc_stack.ss_size = STACK_BYTES;
    begin.uc_link = NULL;
    makecontext(&begin, bottom, 0);
    if (!_setjmp(home)) {
        leaves_home(t);
        setcontext(&begin);
        abort();
    }
    is_home();
}

void sim_thread_go(sim_thread *t)
{
    sim.heap = &t->process->heap;
    if (!_setjmp(home)) {
        leaves_home(t);
        if (!t->fresh) _longjmp(t->at, 1);
        t->fresh = false;
        _longjmp(t->base, 1);
    }
    is_home();
}

void sim_give_way(sim_thread_state state)
{
    sim_thread *t = now;
    t->state = state;
    if (!_setjmp(t->at)) {
        goes_home(t, false);
        _longjmp(home, 1);
    }
    arrives(now);
    now->state = SIM_RUNNABLE;
}

/* ---- which there are ---------------------------------------------------------------------------------------------- */

void sim_threads_make(void)
{
    for (sim_thread *t = threads + SIM_THREADS; t-- > threads && !t->stack;) {
        make_stack(t);
        t->free = unused;
        unused = t;
    }
}

sim_thread *sim_thread_start(sim_process *p, void *(*fn)(void *), void *arg, bool detached)
{
    sim_thread *t = unused;
    if (!t) abort();
    unused = t->free;
    t->process = p;
    t->fn = fn;
    t->arg = arg;
    t->state = SIM_RUNNABLE;
    t->fresh = true;
    t->detached = detached;
    t->timed = t->timed_out = t->sent = t->ghost = false;
    t->on = NULL;
    t->creates = 0;
    t->number = p->n_ever++;
    t->index = n_used;
    used[n_used++] = t;
    p->n_threads++;
    return t;
}

void sim_thread_drop(sim_thread *t)
{
    used[t->index] = used[--n_used];
    used[t->index]->index = t->index;
    t->process->n_threads--;
    t->free = unused;
    unused = t;
}

void sim_sleep_ns(uint64_t ns)
{
    now->timed = true;
    now->until = sim_mono_ns(now->process) + ns;
    sim_give_way(SIM_ASLEEP);
    now->timed = now->timed_out = false;
}
