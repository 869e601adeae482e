/* The coroutines of observed async functions: see `_observe_coroutine` of recording/spans.py.

   One is a span from its first step to its end, and passes everything on to the coroutine of the
   function. It looks like that one, and has no frame. */

#include "native.h"

enum { CREATED, SUSPENDED, RUNNING, OVER };

/* ---- steps */

/* Whether a coroutine has ended, where an error may be set. */
static int
has_ended(PyObject *coroutine)
{
    PyObject *error = take_error();
    PyObject *frame = PyObject_GetAttrString(coroutine, "cr_frame");
    int ended = frame == Py_None;
    Py_XDECREF(frame);
    PyErr_Clear();
    give_error_after(error);
    return ended;
}

/* Open the span. If the program's signal handler raises meanwhile, the coroutine is over. */
static int
begin(ObservedCoroutine *self)
{
    PyObject *opened;
    int failed = open_here(self->frame, 1, &opened);
    if (failed < 0) {
        PyObject *error = take_error();
        self->state = OVER;
        PyObject *done = PyObject_CallMethod(self->coroutine, "close", NULL);
        Py_XDECREF(done);
        PyErr_Clear();
        give_error(error);
        return -1;
    }
    Py_XSETREF(self->opened, opened);
    return 0;
}

/* Close the span at the end of the coroutine, and return what is to be returned. */
static PyObject *
end(ObservedCoroutine *self, PyObject *result)
{
    PyObject *opened = self->opened;
    self->opened = NULL;
    self->state = OVER;
    return close_and_return(opened, result);
}

/* Whether a step is the coroutine's own to refuse: it is over, or it runs already. */
static int
is_refused(ObservedCoroutine *self)
{
    return self->state == RUNNING || self->state == OVER;
}

static PySendResult
coroutine_am_send(ObservedCoroutine *self, PyObject *value, PyObject **result)
{
    PyObject *coroutine = self->coroutine;
    if (coroutine == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        *result = NULL;
        return PYGEN_ERROR;
    }
    if (is_refused(self) || (self->state == CREATED && value != Py_None)) {
        return PyIter_Send(coroutine, value, result);
    }
    if (self->state == CREATED && begin(self) < 0) {
        *result = NULL;
        return PYGEN_ERROR;
    }
    self->state = RUNNING;
    PySendResult sent = PyIter_Send(coroutine, value, result);
    if (sent == PYGEN_NEXT || (sent == PYGEN_ERROR && !has_ended(coroutine))) {
        self->state = SUSPENDED;
        return sent;
    }
    *result = end(self, *result);
    return *result == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

/* Return what a step has given as `send` does: the end of a coroutine is an error. */
static PyObject *
as_iteration(PySendResult sent, PyObject *result)
{
    if (sent != PYGEN_RETURN) {
        return result;
    }
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
    if (stop != NULL) {
        PyErr_SetObject(PyExc_StopIteration, stop);
        Py_DECREF(stop);
    }
    Py_DECREF(result);
    return NULL;
}

static PyObject *
coroutine_send(ObservedCoroutine *self, PyObject *value)
{
    PyObject *result;
    PySendResult sent = coroutine_am_send(self, value, &result);
    if (sent == PYGEN_RETURN && result == Py_None) {
        Py_DECREF(result);
        PyErr_SetNone(PyExc_StopIteration);
        return NULL;
    }
    return as_iteration(sent, result);
}

/* As an iterator does it, this may end without an error. */
static PyObject *
coroutine_next(ObservedCoroutine *self)
{
    PyObject *result;
    PySendResult sent = coroutine_am_send(self, Py_None, &result);
    if (sent == PYGEN_RETURN && result == Py_None) {
        Py_DECREF(result);
        return NULL;
    }
    return as_iteration(sent, result);
}

/* Call a method of the coroutine that may end it. It has ended if `close` returns anything. */
static PyObject *
call_through(ObservedCoroutine *self, const char *method, PyObject *const *args, Py_ssize_t count)
{
    PyObject *coroutine = self->coroutine;
    if (coroutine == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *called = PyObject_GetAttrString(coroutine, method);
    if (called == NULL) {
        return NULL;
    }
    int is_ours = !is_refused(self);
    int before = self->state;
    if (is_ours) {
        self->state = RUNNING;
    }
    PyObject *result = PyObject_Vectorcall(called, args, count, NULL);
    Py_DECREF(called);
    if (!is_ours) {
        return result;
    }
    if (result == NULL ? has_ended(coroutine) : count == 0) {
        return end(self, result);
    }
    self->state = result == NULL ? before : SUSPENDED;
    return result;
}

static PyObject *
coroutine_throw(ObservedCoroutine *self, PyObject *const *args, Py_ssize_t count)
{
    return call_through(self, "throw", args, count);
}

static PyObject *
coroutine_close(ObservedCoroutine *self, PyObject *Py_UNUSED(ignored))
{
    return call_through(self, "close", NULL, 0);
}

/* ---- being awaited */

/* What `__await__` returns. `await` itself takes the coroutine, which nobody may iterate over. */
typedef struct ObservedAwait {
    PyObject_HEAD
    ObservedCoroutine *coroutine;
} ObservedAwait;

static PyTypeObject ObservedAwaitType;

static PyObject *
coroutine_await(ObservedCoroutine *self)
{
    if (self->state == SUSPENDED) {
        PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
        return NULL;
    }
    Py_INCREF(self);
    return (PyObject *)self;
}

static PyObject *
coroutine_await_method(ObservedCoroutine *self, PyObject *Py_UNUSED(ignored))
{
    ObservedAwait *made = PyObject_GC_New(ObservedAwait, &ObservedAwaitType);
    if (made == NULL) {
        return NULL;
    }
    Py_INCREF(self);
    made->coroutine = self;
    PyObject_GC_Track((PyObject *)made);
    return (PyObject *)made;
}

static PySendResult
await_am_send(ObservedAwait *self, PyObject *value, PyObject **result)
{
    return coroutine_am_send(self->coroutine, value, result);
}

static PyObject *
await_send(ObservedAwait *self, PyObject *value)
{
    return coroutine_send(self->coroutine, value);
}

static PyObject *
await_next(ObservedAwait *self)
{
    return coroutine_next(self->coroutine);
}

static PyObject *
await_throw(ObservedAwait *self, PyObject *const *args, Py_ssize_t count)
{
    return call_through(self->coroutine, "throw", args, count);
}

static PyObject *
await_close(ObservedAwait *self, PyObject *Py_UNUSED(ignored))
{
    return call_through(self->coroutine, "close", NULL, 0);
}

static int
await_traverse(ObservedAwait *self, visitproc visit, void *arg)
{
    Py_VISIT((PyObject *)self->coroutine);
    return 0;
}

static void
await_dealloc(ObservedAwait *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->coroutine);
    PyObject_GC_Del(self);
}

static PyMethodDef await_methods[] = {
    {"send", (PyCFunction)await_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))await_throw, METH_FASTCALL, NULL},
    {"close", (PyCFunction)await_close, METH_NOARGS, NULL},
    {NULL},
};

static PyAsyncMethods await_as_async = {.am_send = (sendfunc)await_am_send};

static PyTypeObject ObservedAwaitType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.ObservedAwait",
    .tp_basicsize = sizeof(ObservedAwait),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = (traverseproc)await_traverse,
    .tp_dealloc = (destructor)await_dealloc,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = (iternextfunc)await_next,
    .tp_as_async = &await_as_async,
    .tp_methods = await_methods,
};

/* ---- attributes */

/* An attribute of the coroutine; None once that is gone. */
static PyObject *
get_through(ObservedCoroutine *self, void *closure)
{
    if (self->coroutine == NULL) {
        Py_RETURN_NONE;
    }
    return PyObject_GetAttrString(self->coroutine, closure);
}

static int
set_through(ObservedCoroutine *self, PyObject *value, void *closure)
{
    if (self->coroutine == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the coroutine is gone");
        return -1;
    }
    return PyObject_SetAttrString(self->coroutine, closure, value);
}

static PyObject *
get_class(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    Py_INCREF(&PyCoro_Type);
    return (PyObject *)&PyCoro_Type;
}

#define THROUGH(name) {name, (getter)get_through, (setter)set_through, NULL, (void *)name}

static PyGetSetDef coroutine_getset[] = {
    {"__class__", get_class, NULL, NULL, NULL},
    THROUGH("__name__"),
    THROUGH("__qualname__"),
    THROUGH("cr_await"),
    THROUGH("cr_code"),
    THROUGH("cr_frame"),
    THROUGH("cr_origin"),
    THROUGH("cr_running"),
#if PY_VERSION_HEX >= 0x030B0000
    THROUGH("cr_suspended"),
#endif
#if PY_VERSION_HEX >= 0x030F0000
    THROUGH("cr_state"),
#endif
    {NULL},
};

static PyMethodDef coroutine_methods[] = {
    {"send", (PyCFunction)coroutine_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))coroutine_throw, METH_FASTCALL, NULL},
    {"close", (PyCFunction)coroutine_close, METH_NOARGS, NULL},
    {"__await__", (PyCFunction)coroutine_await_method, METH_NOARGS | METH_COEXIST, NULL},
    {NULL},
};

static PyObject *
coroutine_repr(ObservedCoroutine *self)
{
    PyObject *name = get_through(self, "__qualname__");
    if (name == NULL) {
        return NULL;
    }
    PyObject *text = PyUnicode_FromFormat("<coroutine object %S at %p>", name, self);
    Py_DECREF(name);
    return text;
}

/* ---- the type */

PyObject *
observe_coroutine(PyObject *coroutine, PyObject *frame)
{
    if (!PyCoro_CheckExact(coroutine) && !Py_IS_TYPE(coroutine, &ObservedCoroutineType)) {
        return coroutine; /* the function was given other code */
    }
    ObservedCoroutine *self = PyObject_GC_New(ObservedCoroutine, &ObservedCoroutineType);
    if (self == NULL) {
        if (sort_out_error() < 0) {
            Py_DECREF(coroutine);
            return NULL;
        }
        return coroutine;
    }
    self->weakrefs = NULL;
    self->coroutine = coroutine;
    Py_INCREF(frame);
    self->frame = frame;
    self->opened = NULL;
    self->state = CREATED;
    PyObject_GC_Track((PyObject *)self);
    return (PyObject *)self;
}

PyObject *
frame_of_coroutine(ObservedCoroutine *self)
{
    return self->state == OVER ? NULL : self->frame;
}

static int
coroutine_traverse(ObservedCoroutine *self, visitproc visit, void *arg)
{
    Py_VISIT(self->coroutine);
    Py_VISIT(self->frame);
    Py_VISIT(self->opened);
    return 0;
}

/* Let go of the coroutine, which closes itself if nobody else has it; then close the span. */
static void
coroutine_finalize(ObservedCoroutine *self)
{
    PyObject *error = take_error();
    PyObject *opened = self->opened;
    self->opened = NULL;
    self->state = OVER;
    Py_CLEAR(self->coroutine);
    if (opened != NULL) {
        if (close_here(opened) < 0) {
            PyErr_WriteUnraisable((PyObject *)self);
        }
        Py_DECREF(opened);
    }
    give_error_after(error);
}

static int
coroutine_clear(ObservedCoroutine *self)
{
    Py_CLEAR(self->coroutine);
    Py_CLEAR(self->opened);
    return 0;
}

static void
coroutine_dealloc(ObservedCoroutine *self)
{
    if (PyObject_CallFinalizerFromDealloc((PyObject *)self) < 0) {
        return;
    }
    PyObject_GC_UnTrack(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    coroutine_clear(self);
    Py_CLEAR(self->frame);
    PyObject_GC_Del(self);
}

static PyAsyncMethods coroutine_as_async = {
    .am_await = (unaryfunc)coroutine_await,
    .am_send = (sendfunc)coroutine_am_send,
};

PyTypeObject ObservedCoroutineType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.ObservedCoroutine",
    .tp_basicsize = sizeof(ObservedCoroutine),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = (traverseproc)coroutine_traverse,
    .tp_clear = (inquiry)coroutine_clear,
    .tp_finalize = (destructor)coroutine_finalize,
    .tp_dealloc = (destructor)coroutine_dealloc,
    .tp_repr = (reprfunc)coroutine_repr,
    .tp_iternext = (iternextfunc)coroutine_next,
    .tp_as_async = &coroutine_as_async,
    .tp_weaklistoffset = offsetof(ObservedCoroutine, weakrefs),
    .tp_methods = coroutine_methods,
    .tp_getset = coroutine_getset,
};

int
add_coroutines(PyObject *module)
{
    return add_type(module, &ObservedCoroutineType) < 0 ||
                   add_type(module, &ObservedAwaitType) < 0
               ? -1
               : 0;
}
