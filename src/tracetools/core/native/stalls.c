/* What has kept the loops from running, as far as the thread of the sampler can see: see
   sampling/stalls.py, which says what it was. */

#include "sampler.h"

#ifdef HAVE_SAMPLER

#include <dirent.h>
#include <stdlib.h>

#define LEAST_STOP 100000000
#define PART 20 /* who holds the GIL computes for such a part of the time, however busy it is */
#define MOST_CALM 3 /* who holds the GIL may have no processor for a while */
#define CHECK 5000000 /* nanoseconds between two readings of CPU clocks */

/* Read how long each thread of the process has computed. */
static void
read_threads(Stall *stall)
{
    stall->threads = 0;
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    while (folder != NULL && stall->threads < MOST_THREADS && (entry = readdir(folder)) != NULL) {
        int number = atoi(entry->d_name);
        if (number > 0) {
            stall->numbers[stall->threads] = number;
            stall->computed[stall->threads++] = cpu_of(number);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

/* Let the reporter know of a stall, unless it has not taken the one before yet. */
static void
report(Sampler *self, const Stall *stall)
{
    if (self->stall.took == 0) {
        self->stall = *stall;
        __atomic_fetch_or(&self->bits, STALL, __ATOMIC_RELAXED);
    }
}

static void
end_contention(Sampler *self)
{
    Stall *stall = &self->contended;
    stall->took = stall->end - stall->begin;
    if (stall->took > self->threshold && read_usage(self->main_thread, &stall->after) == 0 &&
        stall->after.switches - stall->before.switches >= FEWEST_SWITCHES) {
        report(self, stall);
    }
    stall->begin = 0;
}

/* Tell a thread that waits for the GIL by this: it does not compute, others do, and no step goes
   on. One that waits for events is like that as well, but it does not wake to ask for the GIL. */
static void
look_for_contention(Sampler *self, int64_t now, int steps)
{
    Contention then = self->contention;
    Contention read = {now, cpu_of(self->main_thread), cpu_of(self->own_thread), process_cpu()};
    int64_t passed = now - then.moment;
    int64_t computed = read.main - then.main;
    int64_t others = read.process - then.process - computed - read.own + then.own;
    Stall *stall = &self->contended;
    self->contention = read;
    if (then.moment && !steps && read.main >= 0 && PART * others >= passed &&
        4 * computed <= passed) {
        if (stall->begin == 0 && read_usage(self->main_thread, &stall->before) == 0) {
            stall->begin = then.moment;
            read_threads(stall);
        }
        stall->end = now;
        stall->calm = 0;
    } else if (stall->begin != 0 && (steps || ++stall->calm == MOST_CALM)) {
        end_contention(self);
    }
}

/* The thread itself needs no GIL: if it wakes late, it had no processor, or was stopped. */
static void
look_at_delay(Sampler *self, int64_t now)
{
    int64_t late = now - self->due;
    Usage after;
    if (late < LEAST_STALL || self->own.moment == 0 || read_usage(self->own_thread, &after) < 0) {
        return;
    }
    Stall stall = {.begin = self->due, .end = now, .took = late, .before = self->own};
    stall.after = after;
    self->own = after;
    int64_t stopped = late - (after.delay - stall.before.delay);
    if (late > self->threshold || stopped > LEAST_STOP) { /* nothing is told of others */
        report(self, &stall);
    }
}

/* The system may have slept: that is no time for the clock of the recording. */
static void
look_for_suspension(Sampler *self)
{
    int64_t suspended = suspended_time();
    if (self->suspended && suspended - self->suspended >= LEAST_STALL) {
        self->slept += suspended - self->suspended;
        __atomic_fetch_or(&self->bits, STALL, __ATOMIC_RELAXED);
    }
    self->suspended = suspended > self->suspended ? suspended : self->suspended;
}

void
look_for_stalls(Sampler *self, int64_t now, int steps)
{
    look_at_delay(self, now);
    if (now - self->contention.moment >= CHECK) {
        look_for_contention(self, now, steps);
    }
    if (now >= self->next_reading) {
        self->next_reading = now + READING;
        look_for_suspension(self);
        if (read_usage(self->own_thread, &self->own) < 0) {
            self->own.moment = 0;
        }
    }
}

/* The times that threads had computed, by their numbers. */
static PyObject *
threads_of(const Stall *stall)
{
    PyObject *found = PyDict_New();
    for (int index = 0; found != NULL && index < stall->threads; index++) {
        PyObject *number = PyLong_FromLong(stall->numbers[index]);
        PyObject *computed = PyLong_FromLongLong(stall->computed[index]);
        if (number == NULL || computed == NULL || PyDict_SetItem(found, number, computed) < 0) {
            Py_CLEAR(found);
        }
        Py_XDECREF(number);
        Py_XDECREF(computed);
    }
    return found;
}

PyObject *
take_stall(Sampler *self)
{
    pthread_mutex_lock(&self->lock);
    Stall stall = self->stall;
    int64_t slept = self->slept;
    self->stall.took = self->slept = 0;
    pthread_mutex_unlock(&self->lock);
    if (stall.took == 0) {
        return Py_BuildValue("LO", (long long)slept, Py_None);
    }
    PyObject *threads = threads_of(&stall);
    if (threads == NULL) {
        return NULL;
    }
    return Py_BuildValue("L(LLNNN)", (long long)slept, (long long)stall.end,
                         (long long)stall.took, usage_as_tuple(&stall.before),
                         usage_as_tuple(&stall.after), threads);
}

#endif
