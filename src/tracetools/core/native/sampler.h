/* What the files of the sampler share: thread.c asks for samples, answer.c takes them, samples.c
   keeps them, stalls.c finds what keeps loops from running, usage.c reads what threads have used. */

#ifndef TRACETOOLS_SAMPLER_H
#define TRACETOOLS_SAMPLER_H

#include "native.h"

#ifndef MS_WINDOWS
#define HAVE_SAMPLER 1
#include <pthread.h>

#define MOST_FRAMES 2000
#define MOST_LOOPS 8
#define PROMPT 100000 /* nanoseconds: what is answered sooner was asked while Python code ran */

/* ---- usage.c */

/* What a thread has used up to a moment: as `Usage` in recording/usage.py. */
typedef struct Usage {
    int64_t moment, cpu, delay, switches, process;
} Usage;

int64_t monotonic(void);

/* For how long a thread has computed, by the system's number for it; -1 if that is not known. */
int64_t cpu_of(int thread);

/* Return -1 if nothing is known. No GIL is needed. */
int read_usage(int thread, Usage *usage);

/* The system's number for the thread that calls. */
int own_number(void);

int64_t process_cpu(void);

/* For how long the system has slept, from any zero; 0 if that is not known. */
int64_t suspended_time(void);

PyObject *usage_as_tuple(const Usage *usage);

/* ---- samples.c */

/* What ran at one moment: functions, innermost first, below the stack that has the time. All
   pointers are strong. */
typedef struct Sample {
    Stack *base, *own;      /* NULL between steps */
    LoopSteps *loop;
    int is_cut;             /* whether they end with the function that the loop has resumed */
    Py_ssize_t count;       /* of functions */
    PyCodeObject *codes[MOST_FRAMES];
    int lines[MOST_FRAMES]; /* only if they were asked for */
} Sample;

typedef struct Entry {
    struct Entry *next;     /* in the same bucket, or in the same list */
    Stack *base, *own;
    LoopSteps *loop;
    uint64_t hash;
    int64_t weight, computed, times, began;
    int *lines;             /* NULL if they are not known */
    int is_cut;
    Py_ssize_t count;
    PyCodeObject *codes[];
} Entry;

#define BUCKETS 4096
#define MOST_ENTRIES 8192
#define MOST_CODES 200000

/* Weighted samples; those of the same functions below the same stack are one. */
typedef struct Samples {
    Entry *buckets[BUCKETS];
    Py_ssize_t entries, codes;
} Samples;

/* Add a sample, and take its references. It is dropped if there is no room or no memory. Nothing
   of the program's runs meanwhile. */
void add_sample(Samples *samples, Sample *sample, int64_t weight, int64_t computed);

/* Keep a sample with its lines: a new entry, or NULL. The sample keeps its references. */
Entry *copy_sample(const Sample *sample, int64_t began);

/* Drop the references of a sample; of those, none is the last one. */
void clear_sample(Sample *sample);

int is_nearly_full(const Samples *samples);

/* Entries as a list of tuples; frees them all, whether it fails or not. */
PyObject *list_of_samples(Samples *samples);
PyObject *list_of_entries(Entry *first);
void free_entries(Entry *first);

/* ---- grid.c: sampling/grid.py */

/* One moment in each cell of a grid, at random within it. So every moment is equally likely, and
   how many fell due is known without a walk over them. */
typedef struct Grid {
    int64_t start, interval;
    uint64_t seed;
} Grid;

int64_t moments_until(const Grid *grid, int64_t moment);
int64_t next_moment(const Grid *grid, int64_t now);

/* ---- stalls.c */

#define LEAST_STALL 20000000
#define READING 100000000   /* nanoseconds between two readings of what threads have used */
#define MOST_THREADS 64
#define FEWEST_SWITCHES 4

/* A time in which the loops could not run, as far as that is known. */
typedef struct Stall {
    int64_t begin, end, took;
    Usage before, after;
    int calm;               /* how many readings have not confirmed it since */
    int threads;
    int numbers[MOST_THREADS];
    int64_t computed[MOST_THREADS];
} Stall;

/* What threads had computed at a moment. */
typedef struct Contention {
    int64_t moment, main, own, process;
} Contention;

/* ---- breaker.c */

/* Both are called from any thread, without the GIL. */

/* As `Py_AddPendingCall`, for the main interpreter; -1 as well if that ends. */
int add_pending_call(int (*function)(void *), void *argument);

/* Have the main thread look for pending calls soon. */
void look_at_pending_calls(void);

/* ---- thread.c, sampler.c and answer.c */

#define WAKES 64
#define WAKES_READ 48 /* the thread may write to the others meanwhile */

/* When the thread woke, and for how long that stands, in nanoseconds: for the moments that fell due
   since it woke before. */
typedef struct Wake {
    int64_t moment, weight;
} Wake;

/* A loop, and what is known of its step. Changed with the GIL and the lock. */
typedef struct Watched {
    LoopSteps *loop;        /* NULL for a free place */
    int has_callbacks;      /* whether what it calls between steps is sampled */
    int64_t reported;       /* `began` of the last step that was found to block */
    int64_t used_in;        /* `began` of the step in which `used` was read; 0 before one */
    Usage used;             /* its moment is 0 if nothing is known */
} Watched;

typedef struct Sampler {
    PyObject_HEAD
    uintptr_t id;           /* never given twice: pending calls have it */
    int64_t threshold, part, base_interval;
    int wants_functions, has_callbacks;
    unsigned long main_identity;
    int main_thread;        /* the system's number */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t to_thread, to_reporter;
    int has_thread, is_over, is_asked;
    int bits;               /* what the reporter is to do */
    Grid grid;              /* changed with the GIL and the lock */
    Watched watched[MOST_LOOPS];
    Wake wakes[WAKES];      /* the last ones; the thread writes, the main thread reads */
    uint64_t wake_count;
    int64_t asked_at, cpu_then; /* when it asked for a sample, and what had been computed */
    /* only used with the GIL */
    int64_t answered, walks, walk_time, answers;
    uint64_t wakes_before;  /* as the costs were summed last; and what the thread had computed */
    int64_t own_before;
    int64_t collecting;     /* when a collection of garbage has begun; 0 while there is none */
    int64_t collected_since, left_out; /* the weight in collections since the last answer */
    Samples *samples;
    Entry *long_step;       /* samples of a step that takes long, the last one first */
    Py_ssize_t long_samples;
    Entry *blocked;         /* callbacks that have blocked */
    Entry *outworn;         /* what is to be freed where the program's code may run */
    Py_ssize_t outworn_samples;
    /* of the thread */
    int own_thread;
    int64_t woke, due, noted, next_reading;
    Usage own;              /* as it was read last */
    Contention contention;
    Stall contended;        /* that goes on; its begin is 0 if none does */
    int64_t suspended;
    int64_t still_since, still_cpu; /* since when the main thread computes nothing */
    int still_reported;
    /* for the reporter, with the lock */
    Stall stall;            /* `took` is 0 if there is none */
    int64_t slept;
} Sampler;

/* What the reporter is to do. */
enum { BLOCKS = 1, IS_FULL = 2, WAKE = 4, STALL = 8, OVER = 16, STILL = 32 };

void init_condition(pthread_cond_t *condition);

/* Wait for a condition, with the lock, for so many nanoseconds at most. */
void wait_for(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t nanoseconds);

/* Return -1 if it cannot be started. */
int start_thread(Sampler *self);

/* The weight of all wakes after a moment, up to now. */
int64_t weight_since(const Sampler *self, int64_t since);

/* Let the reporter do something soon. From any thread. */
void call_reporter(Sampler *self, int bits);

/* The pending call: `id` is that of the sampler. */
int answer(void *id);

/* The sampler that has an id and runs; NULL if it has ended. */
Sampler *sampler_of(uintptr_t id);

/* Called in the thread, with the lock; `steps` is whether a loop is in a step. */
void look_for_stalls(Sampler *self, int64_t now, int steps);

/* How long the system has slept, and the last stall as a tuple, or None. */
PyObject *take_stall(Sampler *self);

int add_step_code(PyObject *code);

#endif
#endif
