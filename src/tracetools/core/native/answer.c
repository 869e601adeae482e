/* The pending call: takes a sample of the main thread, in that thread and with the GIL.

   It walks the frames, adds a sample, and does nothing else: nothing of the program's runs within
   it, and no garbage is collected. What it cannot do it leaves out. */

#include "sampler.h"

#ifdef HAVE_SAMPLER

#include <frameobject.h>
#include <string.h>

#define MOST_STEP_CODES 64
#define MOST_LONG_SAMPLES 100
#define MOST_OUTWORN 1000
#define PART_OF_TIME 50 /* samples take at most such a part of the time */
#define CHEAP_INTERVAL 1000000 /* nanoseconds: wakes that are as rare cost little anywhere */
#define LONGEST_WALK (MOST_FRAMES * 100) /* nanoseconds: else the thread had no processor */

/* The functions that step tasks: those of the task lie below them. */
static PyObject *step_codes[MOST_STEP_CODES];
static int step_code_count;

int
add_step_code(PyObject *code)
{
    if (step_code_count == MOST_STEP_CODES) {
        PyErr_SetString(PyExc_RuntimeError, "too many functions step tasks");
        return -1;
    }
    Py_INCREF(code);
    step_codes[step_code_count++] = code;
    return 0;
}

static int
is_step_code(PyCodeObject *code)
{
    for (int index = 0; index < step_code_count; index++) {
        if (step_codes[index] == (PyObject *)code) {
            return 1;
        }
    }
    return 0;
}

/* Whether a function has only just been entered. What fell due before that was the caller's. */
static int
is_at_entry(PyFrameObject *frame, PyCodeObject *code)
{
#if PY_VERSION_HEX >= 0x030B0000
    return PyFrame_GetLasti(frame) <= 2 * code->_co_firsttraceable; /* in bytes */
#else
    (void)code;
    return frame->f_lasti < 0;
#endif
}

/* Whether a frame is that of a coroutine or generator. It asks for no attribute: audit hooks of the
   program's would be told of that, in the midst of anything, and an error of theirs be lost. */
static int
is_frame_of(PyFrameObject *frame, PyObject *coroutine)
{
    if (coroutine == NULL) {
        return 0;
    }
#if PY_VERSION_HEX >= 0x030B0000
    PyObject *owner = PyFrame_GetGenerator(frame);
    Py_XDECREF(owner); /* it runs, so this is not the last reference */
    return owner == coroutine;
#else
    return (PyCoro_CheckExact(coroutine) || PyGen_CheckExact(coroutine)) &&
           ((PyGenObject *)coroutine)->gi_frame == frame;
#endif
}

/* The frames of a thread, and where the functions of each loop's step end. */
typedef struct Walk {
    PyCodeObject *codes[MOST_FRAMES];
    int lines[MOST_FRAMES];
    Py_ssize_t count;
    Py_ssize_t first_step, last_step;   /* indices of functions that step tasks; -1 for none */
    PyObject *roots[MOST_LOOPS];        /* the coroutines that loops have resumed; borrowed */
    Py_ssize_t ends[MOST_LOOPS];        /* how many functions lie in them; 0 if that is not known */
} Walk;

static void
note_frame(Walk *walk, PyFrameObject *frame, PyCodeObject *code, int with_lines)
{
    Py_ssize_t index = walk->count++;
    walk->codes[index] = code;
    walk->lines[index] = with_lines ? PyFrame_GetLineNumber(frame) : 0;
    for (int place = 0; place < MOST_LOOPS; place++) {
        if (is_frame_of(frame, walk->roots[place])) {
            walk->ends[place] = index + 1;
        }
    }
    if (is_step_code(code)) {
        walk->first_step = walk->first_step < 0 ? index : walk->first_step;
        walk->last_step = index;
    }
}

/* Walk from the innermost frame outwards. Return -1 if there was no memory for it. */
static int
walk_frames(Walk *walk, int with_lines, int to_the_first)
{
    PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
    int is_innermost = 1;
    while (frame != NULL && walk->count < MOST_FRAMES) {
        PyCodeObject *code = PyFrame_GetCode(frame);
        if (is_innermost && is_at_entry(frame, code)) {
            Py_DECREF(code);
        } else {
            note_frame(walk, frame, code, with_lines);
        }
        is_innermost = 0;
        if (to_the_first && (walk->first_step >= 0 || walk->ends[0] > 0)) {
            break;
        }
        PyFrameObject *outer = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = outer;
    }
    Py_XDECREF(frame);
    return PyErr_Occurred() ? -1 : 0;
}

/* Make a sample of the part of a walk that is a loop's. It borrows all that it has. */
static void
sample_of(Sample *sample, const Walk *walk, const Watched *watched, int place, int is_outer)
{
    TaskSteps *task = watched->loop->current;
    Py_ssize_t end = is_outer ? walk->last_step : walk->first_step;
    end = walk->ends[place] > 0 ? walk->ends[place] : end;
    sample->loop = watched->loop;
    sample->base = task == NULL ? NULL : task->base;
    sample->own = task == NULL ? NULL : task->stack;
    sample->is_cut = end >= 0;
    sample->count = end >= 0 ? end : walk->count;
    memcpy(sample->codes, walk->codes, sizeof(walk->codes[0]) * sample->count);
    memcpy(sample->lines, walk->lines, sizeof(walk->lines[0]) * sample->count);
}

/* Keep a sample of a step that takes long, with its lines; only those of one step are kept. Those of
   earlier steps wait for the reporter to free them. If there are many of them, none is kept. */
static void
keep_of_long_step(Sampler *self, const Sample *sample, int64_t began, int64_t weight)
{
    if (self->long_step != NULL && self->long_step->began != began) {
        Entry *last = self->long_step;
        while (last->next != NULL) {
            last = last->next;
        }
        last->next = self->outworn;
        self->outworn = self->long_step;
        self->outworn_samples += self->long_samples;
        self->long_step = NULL;
        self->long_samples = 0;
        if (self->outworn_samples > MOST_OUTWORN / 2) {
            call_reporter(self, IS_FULL);
        }
    }
    if (self->long_samples < MOST_LONG_SAMPLES && self->outworn_samples < MOST_OUTWORN) {
        Entry *entry = copy_sample(sample, began);
        if (entry != NULL) {
            entry->weight = weight > 0 ? weight : 1;
            entry->next = self->long_step;
            self->long_step = entry;
            self->long_samples += 1;
        }
    }
}

/* Keep a callback that has waited for longer than the threshold. */
static void
keep_blocked(Sampler *self, const Sample *sample, int64_t began, int64_t took)
{
    Entry *entry = copy_sample(sample, began);
    if (entry != NULL) {
        entry->weight = took;
        entry->next = self->blocked;
        self->blocked = entry;
    }
}

/* How much of a time, up to now, the thread has computed. */
static int64_t
computed_in(Sampler *self, int64_t weight, int64_t now)
{
    int64_t asked = __atomic_load_n(&self->asked_at, __ATOMIC_RELAXED);
    if (now - asked < PROMPT) {
        return weight;
    }
    int64_t cpu = cpu_of(self->main_thread);
    if (cpu < 0) {
        return weight;
    }
    int64_t computed = cpu - __atomic_load_n(&self->cpu_then, __ATOMIC_RELAXED);
    double part = (double)computed / (double)(now - asked);
    return part >= 1 ? weight : part <= 0 ? 0 : (int64_t)(part * (double)weight);
}

/* How many loops step, and whether one of them steps for long. */
static int
look_at_loops(Sampler *self, int64_t now, Walk *walk, int *is_long)
{
    int stepping = 0;
    for (int place = 0; place < MOST_LOOPS; place++) {
        LoopSteps *loop = self->watched[place].loop;
        if (loop == NULL || loop->current == NULL) {
            continue;
        }
        stepping += 1;
        *is_long |= now - loop->began > self->part;
        walk->roots[place] = loop->coroutine == NULL ? NULL : coroutine_within(loop->coroutine);
    }
    return stepping;
}

/* Whether another loop runs within a step of this one. */
static int
is_outer(Sampler *self, int place)
{
    LoopSteps *loop = self->watched[place].loop;
    for (int other = 0; other < MOST_LOOPS; other++) {
        LoopSteps *inner = self->watched[other].loop;
        if (other != place && inner != NULL && inner->current != NULL &&
            inner->began >= loop->began) {
            return 1;
        }
    }
    return 0;
}

/* What has fallen due since the last answer, and since a step began, in nanoseconds. */
static int64_t
weight_in_step(Sampler *self, int64_t began, int64_t now)
{
    int64_t since = self->answered < began ? began : self->answered;
    int64_t weight = weight_since(self, since);
    if (since <= self->collected_since) {
        weight -= self->left_out;
    }
    /* The thread may have woken late, as on a busy machine, for what fell due long before. */
    int64_t most = now - since + 2 * self->grid.interval;
    return weight < 0 ? 0 : weight < most ? weight : most;
}

/* Add the sample of one loop, if moments have fallen due in what it does. */
static void
sample_loop(Sampler *self, const Walk *walk, int place, int64_t now)
{
    Watched *watched = &self->watched[place];
    LoopSteps *loop = watched->loop;
    int steps = loop->current != NULL;
    int64_t weight = weight_in_step(self, loop->began, now);
    static Sample sample; /* large; there is one main thread */
    if (!steps && (!watched->has_callbacks || weight == 0)) {
        return;
    }
    sample_of(&sample, walk, watched, place, is_outer(self, place));
    if (steps && now - loop->began > self->part) {
        keep_of_long_step(self, &sample, loop->began, weight);
    }
    if (weight > 0 && (!steps || self->wants_functions)) {
        int has_waited = 2 * computed_in(self, weight, now) < weight;
        add_sample(self->samples, &sample, weight, has_waited ? 0 : weight);
        if (!steps && has_waited && weight > self->threshold && sample.count > 0) {
            keep_blocked(self, &sample, now - weight, weight);
            call_reporter(self, BLOCKS);
        }
    }
}

/* What it costs that the thread wakes, since this was called last; 0 if that is not known. */
static int64_t
cost_of_wake(Sampler *self)
{
    int64_t cpu = cpu_of(__atomic_load_n(&self->own_thread, __ATOMIC_RELAXED));
    uint64_t count = __atomic_load_n(&self->wake_count, __ATOMIC_ACQUIRE);
    int64_t wakes = (int64_t)(count - self->wakes_before);
    int64_t cost = cpu < 0 || wakes <= 0 ? 0 : (cpu - self->own_before) / wakes;
    self->wakes_before = count;
    self->own_before = cpu < 0 ? 0 : cpu;
    return cost < 0 ? 0 : cost;
}

/* Take samples less often if they cost much: those of deep stacks do, and wakes on some machines. */
static void
pace(Sampler *self, int64_t now)
{
    int64_t took = monotonic() - now;
    self->walks += 1;
    self->walk_time += took < LONGEST_WALK ? took : LONGEST_WALK;
    if (self->walks < 64) {
        return;
    }
    int64_t affordable = self->walk_time / self->walks * PART_OF_TIME;
    int64_t with_wakes = affordable + cost_of_wake(self) * PART_OF_TIME;
    with_wakes = with_wakes < CHEAP_INTERVAL ? with_wakes : CHEAP_INTERVAL;
    affordable = affordable > with_wakes ? affordable : with_wakes;
    self->walks = self->walk_time = 0;
    int64_t wanted = affordable > self->base_interval ? affordable : self->base_interval;
    if (wanted * 4 > self->grid.interval * 5 || wanted * 5 < self->grid.interval * 4) {
        if (pthread_mutex_trylock(&self->lock) == 0) {
            self->grid.interval = wanted;
            self->grid.start = now;
            pthread_mutex_unlock(&self->lock);
        }
    }
}

static void
take_sample(Sampler *self)
{
    static Walk walk; /* large; there is one main thread */
    int64_t now = monotonic();
    int is_long = 0;
    walk.count = 0;
    walk.first_step = walk.last_step = -1;
    memset(walk.roots, 0, sizeof(walk.roots));
    memset(walk.ends, 0, sizeof(walk.ends));
    int stepping = look_at_loops(self, now, &walk, &is_long);
    if (stepping > 0 || self->has_callbacks) {
        int is_plain = stepping == 1 && self->watched[0].loop != NULL &&
                       self->watched[0].loop->current != NULL;
        if (walk_frames(&walk, is_long || self->has_callbacks, is_plain) == 0) {
            for (int place = 0; place < MOST_LOOPS; place++) {
                if (self->watched[place].loop != NULL) {
                    sample_loop(self, &walk, place, now);
                }
            }
        }
        for (Py_ssize_t index = 0; index < walk.count; index++) {
            Py_DECREF(walk.codes[index]); /* never the last: their frames have them */
        }
        pace(self, now);
    }
    self->answered = now;
    self->answers += 1;
    self->left_out = 0;
    self->collected_since = ALWAYS;
    if (is_nearly_full(self->samples)) {
        call_reporter(self, IS_FULL);
    }
}

/* Whether garbage is collected just now. A step that has begun since says that it is over: a program
   may have taken what notes that from the callbacks of the collector. */
static int
is_collecting(Sampler *self)
{
    for (int place = 0; self->collecting && place < MOST_LOOPS; place++) {
        LoopSteps *loop = self->watched[place].loop;
        if (loop != NULL && loop->current != NULL && loop->began > self->collecting) {
            self->collecting = 0;
        }
    }
    return self->collecting != 0;
}

int
answer(void *id)
{
    Sampler *self = sampler_of((uintptr_t)id);
    if (self == NULL) {
        return 0; /* it has ended */
    }
    Py_INCREF(self);
    /* What falls due from now on is asked for once more: a walk takes time of what it sees. */
    __atomic_store_n(&self->is_asked, 0, __ATOMIC_RELEASE);
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    int collects = PyGC_Disable();
    if (!is_collecting(self)) { /* else a finaliser runs: that is the collection's time */
        take_sample(self);
    }
    if (collects) {
        PyGC_Enable();
    }
    PyErr_Restore(type, value, traceback);
    Py_DECREF(self);
    return 0;
}

#endif
