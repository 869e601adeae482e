/* The sampler of the main thread, as Python code has it: the type, and functions of the module.
   See sampling/main_thread.py. */

#include "sampler.h"

#ifdef HAVE_SAMPLER

#include <string.h>

#define MOST_SAMPLERS 8

/* The samplers that run. Changed with the GIL. */
static Sampler *running[MOST_SAMPLERS];
static uintptr_t last_id;
static int is_exiting; /* whether the interpreter ends: pending calls are not safe from then on */

Sampler *
sampler_of(uintptr_t id)
{
    for (int place = 0; place < MOST_SAMPLERS; place++) {
        if (running[place] != NULL && running[place]->id == id) {
            return running[place];
        }
    }
    return NULL;
}

/* ---- the Python type */

static PyObject *
sampler_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"interval", "threshold", "part", "functions", NULL};
    long long interval, threshold, part;
    int functions;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "LLLp:MainSampler", names, &interval,
                                     &threshold, &part, &functions)) {
        return NULL;
    }
    if (interval < 1000) {
        PyErr_SetString(PyExc_ValueError, "the interval is at least a microsecond");
        return NULL;
    }
    Sampler *self = (Sampler *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->samples = PyMem_RawCalloc(1, sizeof(Samples));
    if (self->samples == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    self->base_interval = self->grid.interval = interval;
    self->threshold = threshold;
    self->part = part;
    self->wants_functions = functions;
    self->collected_since = ALWAYS;
    pthread_mutex_init(&self->lock, NULL);
    init_condition(&self->to_thread);
    init_condition(&self->to_reporter);
    return (PyObject *)self;
}

/* Start the thread; given are the identity of the main thread, and the system's number for it. */
static PyObject *
sampler_start(Sampler *self, PyObject *args)
{
    unsigned long identity;
    int main_thread;
    if (!PyArg_ParseTuple(args, "ki:start", &identity, &main_thread)) {
        return NULL;
    }
    int place = 0;
    while (place < MOST_SAMPLERS && running[place] != NULL) {
        place++;
    }
    if (self->has_thread || place == MOST_SAMPLERS || is_exiting) {
        PyErr_SetString(PyExc_RuntimeError, "no more samplers can run");
        return NULL;
    }
    self->main_identity = identity;
    self->main_thread = main_thread;
    self->id = ++last_id;
    self->is_over = self->is_asked = self->bits = 0;
    self->collecting = 0;
    self->answered = self->grid.start = monotonic();
    self->grid.seed = (uint64_t)self->answered ^ (uintptr_t)self;
    self->woke = self->due = self->noted = self->answered;
    self->next_reading = 0;
    self->wake_count = self->wakes_before = 0;
    self->own_before = 0;
    self->own.moment = 0;
    if (start_thread(self) < 0) {
        PyErr_SetString(PyExc_RuntimeError, "can't start new thread");
        return NULL;
    }
    Py_INCREF(self);
    running[place] = self;
    self->has_thread = 1;
    Py_RETURN_NONE;
}

/* End the thread. It never waits for the GIL, so it can be waited for with it. */
static PyObject *
sampler_stop(Sampler *self, PyObject *Py_UNUSED(ignored))
{
    if (!self->has_thread) {
        Py_RETURN_NONE;
    }
    self->has_thread = 0;
    pthread_mutex_lock(&self->lock);
    self->is_over = 1;
    __atomic_fetch_or(&self->bits, OVER, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&self->to_thread);
    pthread_cond_broadcast(&self->to_reporter);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    for (int place = 0; place < MOST_SAMPLERS; place++) {
        if (running[place] == self) {
            running[place] = NULL;
            Py_DECREF(self); /* perhaps the last reference */
            break;
        }
    }
    Py_RETURN_NONE;
}

static int
is_among(PyObject *object, PyObject *tuple)
{
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(tuple); index++) {
        if (PyTuple_GET_ITEM(tuple, index) == object) {
            return 1;
        }
    }
    return 0;
}

/* Watch these loops, and no others; between steps only those of the second tuple. */
static PyObject *
sampler_watch(Sampler *self, PyObject *args)
{
    PyObject *list, *with_callbacks;
    if (!PyArg_ParseTuple(args, "O!O!:watch", &PyTuple_Type, &list, &PyTuple_Type,
                          &with_callbacks)) {
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(list);
    count = count > MOST_LOOPS ? MOST_LOOPS : count;
    for (Py_ssize_t place = 0; place < count; place++) {
        if (!PyObject_TypeCheck(PyTuple_GET_ITEM(list, place), &LoopStepsType)) {
            PyErr_SetString(PyExc_TypeError, "what is watched are loops");
            return NULL;
        }
    }
    LoopSteps *before[MOST_LOOPS];
    int has_callbacks = 0;
    pthread_mutex_lock(&self->lock);
    for (Py_ssize_t place = 0; place < MOST_LOOPS; place++) {
        Watched *watched = &self->watched[place];
        before[place] = watched->loop;
        LoopSteps *loop = place < count ? (LoopSteps *)PyTuple_GET_ITEM(list, place) : NULL;
        if (watched->loop != loop) {
            memset(watched, 0, sizeof(Watched));
            watched->reported = ALWAYS;
        }
        Py_XINCREF(loop);
        watched->loop = loop;
        watched->has_callbacks = is_among((PyObject *)loop, with_callbacks);
        has_callbacks |= watched->has_callbacks;
    }
    self->has_callbacks = has_callbacks;
    pthread_mutex_unlock(&self->lock);
    for (Py_ssize_t place = 0; place < MOST_LOOPS; place++) {
        Py_XDECREF(before[place]);
    }
    Py_RETURN_NONE;
}

/* Wait until there is something to do, or for some nanoseconds; return what. */
static PyObject *
sampler_wait(Sampler *self, PyObject *nanoseconds)
{
    long long most = PyLong_AsLongLong(nanoseconds);
    if (most == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int bits;
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&self->lock);
    int64_t until = monotonic() + most;
    while ((bits = __atomic_exchange_n(&self->bits, 0, __ATOMIC_RELAXED)) == 0) {
        int64_t left = until - monotonic();
        if (left <= 0) {
            break;
        }
        wait_for(&self->to_reporter, &self->lock, left);
    }
    if (self->is_over) {
        bits |= OVER;
    }
    pthread_mutex_unlock(&self->lock);
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(bits);
}

static PyObject *
sampler_wake(Sampler *self, PyObject *Py_UNUSED(ignored))
{
    pthread_mutex_lock(&self->lock);
    __atomic_fetch_or(&self->bits, WAKE, __ATOMIC_RELAXED);
    pthread_cond_signal(&self->to_reporter);
    pthread_mutex_unlock(&self->lock);
    Py_RETURN_NONE;
}

/* Return all samples of functions since this was called last, and forget them. */
static PyObject *
sampler_take(Sampler *self, PyObject *Py_UNUSED(ignored))
{
    Samples *fresh = PyMem_RawCalloc(1, sizeof(Samples));
    if (fresh == NULL) {
        return PyErr_NoMemory();
    }
    Samples *taken = self->samples;
    Entry *outworn = self->outworn;
    self->samples = fresh;
    self->outworn = NULL;
    self->outworn_samples = 0;
    free_entries(outworn);
    PyObject *list = list_of_samples(taken);
    PyMem_RawFree(taken);
    return list;
}

/* Return the samples of the step that takes long or took long last, and forget them. */
static PyObject *
sampler_take_long(Sampler *self, PyObject *Py_UNUSED(ignored))
{
    Entry *first = self->long_step;
    self->long_step = NULL;
    self->long_samples = 0;
    return list_of_entries(first);
}

/* Return the callbacks that have blocked, and forget them. */
static PyObject *
sampler_take_blocked(Sampler *self, PyObject *Py_UNUSED(ignored))
{
    Entry *first = self->blocked;
    self->blocked = NULL;
    return list_of_entries(first);
}

/* Return what the main thread had used early in the step of a loop, or before it. */
static PyObject *
sampler_used(Sampler *self, PyObject *loop)
{
    Usage used = {0};
    int64_t used_in = 0;
    pthread_mutex_lock(&self->lock);
    for (int place = 0; place < MOST_LOOPS; place++) {
        if ((PyObject *)self->watched[place].loop == loop) {
            used = self->watched[place].used;
            used_in = self->watched[place].used_in;
        }
    }
    pthread_mutex_unlock(&self->lock);
    return Py_BuildValue("LN", (long long)used_in, usage_as_tuple(&used));
}

/* Return when the thread woke last, when it wants to wake, its number, and what it has used. */
static PyObject *
sampler_pulse(Sampler *self, PyObject *Py_UNUSED(ignored))
{
    pthread_mutex_lock(&self->lock);
    Usage own = self->own;
    long long woke = self->woke, due = self->due;
    pthread_mutex_unlock(&self->lock);
    return Py_BuildValue("LLiN", woke, due, self->own_thread, usage_as_tuple(&own));
}

/* Return since when the main thread computes nothing; 0 if it is not known to have waited long. */
static PyObject *
sampler_still_since(Sampler *self, void *Py_UNUSED(closure))
{
    pthread_mutex_lock(&self->lock);
    long long since = self->still_reported ? self->still_since : 0;
    pthread_mutex_unlock(&self->lock);
    return PyLong_FromLongLong(since);
}

static PyObject *
sampler_take_stall(Sampler *self, PyObject *Py_UNUSED(ignored))
{
    return take_stall(self);
}

static PyObject *
sampler_answers(Sampler *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(self->answers);
}

static int
sampler_traverse(Sampler *self, visitproc visit, void *arg)
{
    for (int place = 0; place < MOST_LOOPS; place++) {
        Py_VISIT((PyObject *)self->watched[place].loop);
    }
    return 0;
}

static int
sampler_clear(Sampler *self)
{
    for (int place = 0; place < MOST_LOOPS; place++) {
        Py_CLEAR(self->watched[place].loop);
    }
    return 0;
}

static void
sampler_dealloc(Sampler *self)
{
    /* It has no thread: what runs is kept alive. */
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    sampler_clear(self);
    if (self->samples != NULL) {
        for (int index = 0; index < BUCKETS; index++) {
            free_entries(self->samples->buckets[index]);
        }
        PyMem_RawFree(self->samples);
        pthread_mutex_destroy(&self->lock);
        pthread_cond_destroy(&self->to_thread);
        pthread_cond_destroy(&self->to_reporter);
    }
    free_entries(self->long_step);
    free_entries(self->blocked);
    free_entries(self->outworn);
    type->tp_free(self);
}

static PyMethodDef sampler_methods[] = {
    {"start", (PyCFunction)sampler_start, METH_VARARGS, NULL},
    {"stop", (PyCFunction)sampler_stop, METH_NOARGS, NULL},
    {"watch", (PyCFunction)sampler_watch, METH_VARARGS, NULL},
    {"wait", (PyCFunction)sampler_wait, METH_O, NULL},
    {"wake", (PyCFunction)sampler_wake, METH_NOARGS, NULL},
    {"take", (PyCFunction)sampler_take, METH_NOARGS, NULL},
    {"take_long", (PyCFunction)sampler_take_long, METH_NOARGS, NULL},
    {"take_blocked", (PyCFunction)sampler_take_blocked, METH_NOARGS, NULL},
    {"take_stall", (PyCFunction)sampler_take_stall, METH_NOARGS, NULL},
    {"used", (PyCFunction)sampler_used, METH_O, NULL},
    {"pulse", (PyCFunction)sampler_pulse, METH_NOARGS, NULL},
    {NULL},
};

static PyGetSetDef sampler_getset[] = {
    {"still_since", (getter)sampler_still_since, NULL, "Since when the thread waits.", NULL},
    {"answers", (getter)sampler_answers, NULL, "How many samples were taken.", NULL},
    {NULL},
};

static PyTypeObject SamplerType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.MainSampler",
    .tp_doc = "Samples the loops of the main thread; see sampling/main_thread.py.",
    .tp_basicsize = sizeof(Sampler),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = sampler_new,
    .tp_traverse = (traverseproc)sampler_traverse,
    .tp_clear = (inquiry)sampler_clear,
    .tp_dealloc = (destructor)sampler_dealloc,
    .tp_methods = sampler_methods,
    .tp_getset = sampler_getset,
};

/* ---- functions of the module */

/* Note that a collection of garbage begins or ends, in this thread. */
static PyObject *
note_collection(PyObject *Py_UNUSED(module), PyObject *begins)
{
    int64_t now = monotonic();
    for (int place = 0; place < MOST_SAMPLERS; place++) {
        Sampler *self = running[place];
        if (self == NULL || self->main_identity != PyThread_get_thread_ident()) {
            continue;
        }
        if (begins == Py_True) {
            self->collecting = now;
        } else if (self->collecting) {
            int64_t since = self->collecting;
            int64_t before = since > self->answered ? since : self->answered;
            self->left_out += weight_since(self, before);
            if (self->collected_since == ALWAYS) {
                self->collected_since = since;
            }
            self->collecting = 0;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
register_step_code(PyObject *Py_UNUSED(module), PyObject *code)
{
    if (!PyCode_Check(code)) {
        PyErr_SetString(PyExc_TypeError, "what steps tasks is a function's code");
        return NULL;
    }
    if (add_step_code(code) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Forget the threads of the parent, in a forked process. */
static PyObject *
forget_samplers(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    for (int place = 0; place < MOST_SAMPLERS; place++) {
        Sampler *self = running[place];
        running[place] = NULL; /* kept alive: its lock may be held by a thread that is not here */
        if (self != NULL) {
            self->has_thread = 0;
            self->is_over = 1;
            pthread_mutex_init(&self->lock, NULL);
            init_condition(&self->to_thread);
            init_condition(&self->to_reporter);
        }
    }
    Py_RETURN_NONE;
}

/* End all threads for good, for the interpreter ends. */
static PyObject *
end_samplers(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    is_exiting = 1;
    for (int place = 0; place < MOST_SAMPLERS; place++) {
        if (running[place] != NULL) {
            Py_XDECREF(sampler_stop(running[place], NULL));
        }
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"end_samplers", end_samplers, METH_NOARGS, NULL},
    {"note_collection", note_collection, METH_O, NULL},
    {"register_step_code", register_step_code, METH_O, NULL},
    {"forget_samplers", forget_samplers, METH_NOARGS, NULL},
    {NULL},
};

int
add_sampler(PyObject *module)
{
    return add_type(module, &SamplerType) < 0 ? -1 : PyModule_AddFunctions(module, functions);
}

#else

int
add_sampler(PyObject *Py_UNUSED(module))
{
    return 0; /* the sampler of Python takes its place */
}

#endif
