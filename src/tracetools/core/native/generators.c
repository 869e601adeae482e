/* Observed generators: see `_observe_generator` of recording/spans.py.

   One is a span from its first step to its end, but current only while it runs. */

#include "native.h"

static Spare spare;

/* ---- steps */

/* Make the span current. If the program's signal handler raises meanwhile, the generator is over. */
static int
resume(Through *self, PyObject **opened)
{
    if (open_here(self->frame, self->entries, 0, opened) < 0) {
        end_inner(self);
        return -1;
    }
    if (*opened != NULL) {
        self->entries = 0;
    }
    self->state = RUNNING;
    return 0;
}

/* Leave the span, and return what the generator gave. */
static PyObject *
leave_span(Through *self, PyObject *opened, PyObject *result, int is_over)
{
    int has_given = result != NULL;
    self->state = is_over ? ENDED : SUSPENDED;
    result = close_and_return(opened, result);
    if (has_given && result == NULL && !is_over) { /* struck meanwhile */
        end_inner(self);
    }
    return result;
}

static PySendResult
generator_am_send(Through *self, PyObject *value, PyObject **result)
{
    PyObject *generator = self->inner, *opened;
    *result = NULL;
    if (generator == NULL) {
        return refuse_step(result);
    }
    if (passes_through(self, value)) {
        return PyIter_Send(generator, value, result);
    }
    if (resume(self, &opened) < 0) {
        return PYGEN_ERROR;
    }
    PySendResult sent = send_deep(generator, value, result);
    int is_over =
        sent == PYGEN_RETURN || (sent == PYGEN_ERROR && inner_has_ended(generator, "gi_frame"));
    *result = leave_span(self, opened, *result, is_over);
    return *result == NULL ? PYGEN_ERROR : sent;
}

static PyObject *
generator_send(Through *self, PyObject *value)
{
    PyObject *result;
    add_to_limit(1);
    PySendResult sent = generator_am_send(self, value, &result);
    add_to_limit(-1);
    return given_as_method(sent, result);
}

static PyObject *
generator_next(Through *self)
{
    PyObject *result;
    PySendResult sent = generator_am_send(self, Py_None, &result);
    return given_as_iteration(sent, result);
}

/* Call a method of the generator that may end it: it has ended if `close` returns anything.
   Without a step before, it does not run. */
static PyObject *
call_through(Through *self, const char *method, PyObject *const *args, Py_ssize_t count)
{
    PyObject *generator = self->inner, *opened = NULL;
    if (generator == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *called = PyObject_GetAttrString(generator, method);
    if (called == NULL) {
        return NULL;
    }
    int is_step = self->state == SUSPENDED, is_new = self->state == CREATED;
    if (is_step && resume(self, &opened) < 0) {
        Py_DECREF(called);
        return NULL;
    }
    PyObject *result = call_deep(called, args, count, NULL);
    Py_DECREF(called);
    if (!is_step && !is_new) {
        return result;
    }
    int is_over = result == NULL ? inner_has_ended(generator, "gi_frame") : count == 0;
    if (is_new && !is_over) {
        return result;
    }
    return leave_span(self, opened, result, is_over);
}

static PyObject *
generator_throw(Through *self, PyObject *const *args, Py_ssize_t count)
{
    return call_through(self, "throw", args, count);
}

static PyObject *
generator_close(Through *self, PyObject *Py_UNUSED(ignored))
{
    return call_through(self, "close", NULL, 0);
}

/* ---- the type */

static PyObject *
get_class(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    Py_INCREF(&PyGen_Type);
    return (PyObject *)&PyGen_Type;
}

#define THROUGH(name) {name, get_through, set_through, NULL, (void *)name}

static PyGetSetDef generator_getset[] = {
    {"__class__", get_class, NULL, NULL, NULL},
    THROUGH("__name__"),
    THROUGH("__qualname__"),
    THROUGH("gi_code"),
    THROUGH("gi_frame"),
    THROUGH("gi_running"),
    THROUGH("gi_yieldfrom"),
#if PY_VERSION_HEX >= 0x030B0000
    THROUGH("gi_suspended"),
#endif
#if PY_VERSION_HEX >= 0x030F0000
    THROUGH("gi_state"),
#endif
    {NULL},
};

static PyMethodDef generator_methods[] = {
    {"send", (PyCFunction)generator_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))generator_throw, METH_FASTCALL, NULL},
    {"close", (PyCFunction)generator_close, METH_NOARGS, NULL},
    {NULL},
};

static PyObject *
generator_repr(PyObject *self)
{
    return repr_through(self, "<generator object %S at %p>");
}

/* Close the generator in its span, as Python closes one that nobody has any more. */
static void
generator_finalize(Through *self)
{
    PyObject *error = take_error();
    if (self->state == SUSPENDED) {
        PyObject *done = generator_close(self, NULL);
        if (done == NULL) {
            PyErr_WriteUnraisable((PyObject *)self);
        }
        Py_XDECREF(done);
    }
    self->state = ENDED;
    give_error_after(error);
}

static void
generator_dealloc(Through *self)
{
    drop_through(self, &spare);
}

static PyAsyncMethods generator_as_async = {.am_send = (sendfunc)generator_am_send};

PyTypeObject ObservedGeneratorType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.ObservedGenerator",
    .tp_basicsize = sizeof(Through),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = (traverseproc)traverse_through,
    .tp_clear = (inquiry)clear_through,
    .tp_finalize = (destructor)generator_finalize,
    .tp_dealloc = (destructor)generator_dealloc,
    .tp_repr = generator_repr,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = (iternextfunc)generator_next,
    .tp_as_async = &generator_as_async,
    .tp_weaklistoffset = offsetof(Through, weakrefs),
    .tp_methods = generator_methods,
    .tp_getset = generator_getset,
};

PyObject *
observe_generator(PyObject *generator, PyObject *frame)
{
    if (!PyGen_CheckExact(generator) && !Py_IS_TYPE(generator, &ObservedGeneratorType)) {
        return generator; /* the function was given other code */
    }
    return make_through(&ObservedGeneratorType, &spare, generator, frame);
}

/* ---- Resumed: async generators are Python code, which enters and leaves this */

/* Makes the span of a generator current for one resumption; entered once, for all of them. */
typedef struct Resumed {
    PyObject_HEAD
    PyObject *frame;
    PyObject *opened; /* NULL for none */
    int64_t entries;
} Resumed;

static PyObject *
resumed_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"frame", NULL};
    PyObject *frame;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Resumed", names, &frame)) {
        return NULL;
    }
    Resumed *self = (Resumed *)type->tp_alloc(type, 0);
    if (self != NULL) {
        Py_INCREF(frame);
        self->frame = frame;
        self->entries = 1;
    }
    return (PyObject *)self;
}

static void
resumed_dealloc(Resumed *self)
{
    Py_CLEAR(self->frame);
    Py_CLEAR(self->opened);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
resumed_enter(Resumed *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *opened;
    if (open_here(self->frame, self->entries, 0, &opened) < 0) {
        return NULL;
    }
    if (opened != NULL) {
        self->entries = 0;
    }
    Py_XSETREF(self->opened, opened);
    Py_RETURN_NONE;
}

static PyObject *
resumed_exit(Resumed *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count))
{
    PyObject *opened = self->opened;
    self->opened = NULL;
    int failed = opened == NULL ? 0 : close_here(opened);
    Py_XDECREF(opened);
    if (failed < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef resumed_methods[] = {
    {"__enter__", (PyCFunction)resumed_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))resumed_exit, METH_FASTCALL, NULL},
    {NULL},
};

static PyTypeObject ResumedType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.Resumed",
    .tp_doc = "Makes the span of a generator current for one resumption; entered once, for all.",
    .tp_basicsize = sizeof(Resumed),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = resumed_new,
    .tp_dealloc = (destructor)resumed_dealloc,
    .tp_methods = resumed_methods,
};

int
add_generators(PyObject *module)
{
    return add_type(module, &ObservedGeneratorType) < 0 || add_type(module, &ResumedType) < 0
               ? -1
               : 0;
}
