/* The thread of the sampler: it has no Python state, and never takes the GIL.

   It sleeps to the next moment of a grid. Then it looks at the loops as plain memory, and asks for
   a pending call, which the main thread runs at its next check: see answer.c. What takes long is
   done by another thread of Python, the reporter, which sleeps until there is something to do. */

#include "sampler.h"

#ifdef HAVE_SAMPLER

#include <signal.h>
#include <time.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

/* ---- waiting */

void
init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
#ifdef __linux__
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

void
wait_for(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t nanoseconds)
{
    struct timespec until = {0};
#ifdef __linux__
    clock_gettime(CLOCK_MONOTONIC, &until);
#elif !defined(__APPLE__)
    clock_gettime(CLOCK_REALTIME, &until);
#endif
    int64_t end = until.tv_nsec + (nanoseconds < 0 ? 0 : nanoseconds);
    until.tv_sec += (time_t)(end / 1000000000);
    until.tv_nsec = (long)(end % 1000000000);
#ifdef __APPLE__
    pthread_cond_timedwait_relative_np(condition, lock, &until); /* whoever sets the clock */
#else
    pthread_cond_timedwait(condition, lock, &until);
#endif
}

void
call_reporter(Sampler *self, int bits)
{
    __atomic_fetch_or(&self->bits, bits, __ATOMIC_RELAXED);
    if (pthread_mutex_trylock(&self->lock) == 0) { /* else the thread wakes it a little later */
        pthread_cond_signal(&self->to_reporter);
        pthread_mutex_unlock(&self->lock);
    }
}

/* ---- the thread; it has the lock while it looks, but not the GIL */

static int
is_stepping(const LoopSteps *loop)
{
    return loop != NULL && __atomic_load_n(&loop->current, __ATOMIC_RELAXED) != NULL;
}

/* Look at the step of a loop; return whether it takes long. */
static int
look_at_step(Sampler *self, Watched *watched, int64_t now)
{
    LoopSteps *loop = watched->loop;
    int64_t began = __atomic_load_n(&loop->began, __ATOMIC_RELAXED);
    int64_t took = is_stepping(loop) ? now - began : 0;
    int is_early = took > self->part && 2 * took < self->threshold;
    int is_due = took < LEAST_STALL && now >= self->next_reading;
    if ((is_early && watched->used_in != began) || is_due) {
        if (read_usage(self->main_thread, &watched->used) < 0) {
            watched->used.moment = 0;
        }
        watched->used_in = is_early ? began : 0;
    }
    if (took > self->threshold && watched->reported != began) {
        watched->reported = began;
        __atomic_fetch_or(&self->bits, BLOCKS, __ATOMIC_RELAXED);
    }
    return took > self->part;
}

/* Note that the thread woke. A sample is of the moment at which it is asked for. It would be wrong to
   give it to the moment that fell due, a little before: what steps begin with would never be seen. */
static void
add_wake(Sampler *self, int64_t before, int64_t now)
{
    int64_t moments = moments_until(&self->grid, now) - moments_until(&self->grid, before);
    Wake *wake = &self->wakes[self->wake_count % WAKES];
    __atomic_store_n(&wake->moment, now, __ATOMIC_RELAXED);
    __atomic_store_n(&wake->weight, moments * self->grid.interval, __ATOMIC_RELAXED);
    __atomic_store_n(&self->wake_count, self->wake_count + 1, __ATOMIC_RELEASE);
}

int64_t
weight_since(const Sampler *self, int64_t since)
{
    uint64_t count = __atomic_load_n(&self->wake_count, __ATOMIC_ACQUIRE);
    int64_t weight = 0, moment = since;
    for (uint64_t back = 1; back <= count && back <= WAKES_READ; back++) {
        const Wake *wake = &self->wakes[(count - back) % WAKES];
        moment = __atomic_load_n(&wake->moment, __ATOMIC_RELAXED);
        if (moment <= since) {
            return weight;
        }
        weight += __atomic_load_n(&wake->weight, __ATOMIC_RELAXED);
    }
    return count <= WAKES_READ ? weight : weight + moment - since; /* that long ago, time will do */
}

/* Ask the main thread for a sample, unless it was asked before. If it may have the GIL, it is to look
   at once. Else it looks as it takes the GIL, and whatever has the GIL is left alone. */
static void
ask(Sampler *self, int may_have_gil)
{
    int is_asked = __atomic_load_n(&self->is_asked, __ATOMIC_ACQUIRE);
    if (!is_asked) {
        __atomic_store_n(&self->cpu_then, cpu_of(self->main_thread), __ATOMIC_RELAXED);
        __atomic_store_n(&self->is_asked, 1, __ATOMIC_RELEASE);
    }
    int64_t now = monotonic(); /* as late as can be, for what runs then is what is seen */
    add_wake(self, self->noted, now);
    self->noted = now;
    if (!is_asked) {
        __atomic_store_n(&self->asked_at, now, __ATOMIC_RELAXED);
        if (add_pending_call(answer, (void *)self->id) < 0) { /* there is no room for it just now */
            __atomic_store_n(&self->is_asked, 0, __ATOMIC_RELEASE);
            return;
        }
    }
    if (may_have_gil) { /* if it was asked before as well: it may not have had it then */
        look_at_pending_calls();
    }
}

/* Tell the reporter once if the main thread has computed nothing for long, though no step goes on:
   a callback may wait. The GIL is free then. */
static void
look_for_stillness(Sampler *self, int64_t now, int steps)
{
    int64_t cpu = cpu_of(self->main_thread);
    if (steps || cpu - self->still_cpu > PROMPT) {
        self->still_cpu = cpu;
        self->still_since = now;
        self->still_reported = 0;
    } else if (cpu >= 0 && !self->still_reported && now - self->still_since > self->threshold) {
        self->still_reported = 1;
        __atomic_fetch_or(&self->bits, STILL, __ATOMIC_RELAXED);
    }
}

static void
look(Sampler *self, int64_t now)
{
    int wants_sample = self->wants_functions || self->has_callbacks;
    int steps = 0;
    for (int place = 0; place < MOST_LOOPS; place++) {
        if (self->watched[place].loop != NULL) {
            wants_sample |= look_at_step(self, &self->watched[place], now);
            steps |= is_stepping(self->watched[place].loop);
        }
    }
    if (wants_sample) {
        ask(self, steps || self->has_callbacks);
    } else {
        self->noted = now;
    }
    look_for_stalls(self, now, steps);
    if (self->has_callbacks) {
        look_for_stillness(self, now, steps);
    }
    if (__atomic_load_n(&self->bits, __ATOMIC_RELAXED)) {
        pthread_cond_signal(&self->to_reporter);
    }
}

static void *
run(void *sampler)
{
    Sampler *self = sampler;
#ifdef __linux__
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
#endif
    pthread_mutex_lock(&self->lock);
    __atomic_store_n(&self->own_thread, own_number(), __ATOMIC_RELAXED);
    while (!self->is_over) {
        int64_t now = monotonic();
        self->due = next_moment(&self->grid, now);
        while (!self->is_over && now < self->due) {
            wait_for(&self->to_thread, &self->lock, self->due - now);
            now = monotonic();
        }
        if (!self->is_over) {
            self->woke = now;
            look(self, now);
        }
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* No signal is handled in it: the program's are for its own threads. */
int
start_thread(Sampler *self)
{
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) {
        return -1;
    }
    int failed = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? -1 : 0;
}

#endif
