/* The coroutines of observed async functions: see `_observe_coroutine` of recording/spans.py.

   One is a span from its first step to its end, and passes everything on to the coroutine of the
   function. It looks like that one, and has no frame. */

#include "native.h"

static Spare spare;

/* ---- steps */

/* Close the span at the end of the coroutine, and return what is to be returned. */
static PyObject *
end(Through *self, PyObject *result)
{
    PyObject *opened = self->opened;
    self->opened = NULL;
    self->state = ENDED;
    return close_and_return(opened, result);
}

static PySendResult
coroutine_am_send(Through *self, PyObject *value, PyObject **result)
{
    PyObject *coroutine = self->inner;
    if (coroutine == NULL) {
        return refuse_step(result);
    }
    if (passes_through(self, value)) {
        return PyIter_Send(coroutine, value, result);
    }
    if (self->state == CREATED && open_here(self->frame, 1, 1, &self->opened) < 0) {
        end_inner(self);
        *result = NULL;
        return PYGEN_ERROR;
    }
    self->state = RUNNING;
    PySendResult sent = send_deep(coroutine, value, result);
    if (sent == PYGEN_NEXT || (sent == PYGEN_ERROR && !inner_has_ended(coroutine, "cr_frame"))) {
        self->state = SUSPENDED;
        return sent;
    }
    *result = end(self, *result);
    return *result == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

static PyObject *
coroutine_send(Through *self, PyObject *value)
{
    PyObject *result;
    add_to_limit(1);
    PySendResult sent = coroutine_am_send(self, value, &result);
    add_to_limit(-1);
    return given_as_method(sent, result);
}

static PyObject *
coroutine_next(Through *self)
{
    PyObject *result;
    PySendResult sent = coroutine_am_send(self, Py_None, &result);
    return given_as_iteration(sent, result);
}

/* Call a method of the coroutine that may end it. It has ended if `close` returns anything. */
static PyObject *
call_through(Through *self, const char *method, PyObject *const *args, Py_ssize_t count)
{
    PyObject *coroutine = self->inner;
    if (coroutine == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *called = PyObject_GetAttrString(coroutine, method);
    if (called == NULL) {
        return NULL;
    }
    int before = self->state;
    int is_step = !passes_through(self, Py_None);
    if (is_step) {
        self->state = RUNNING;
    }
    PyObject *result = call_deep(called, args, count, NULL);
    Py_DECREF(called);
    if (!is_step) {
        return result;
    }
    if (result == NULL ? inner_has_ended(coroutine, "cr_frame") : count == 0) {
        return end(self, result);
    }
    self->state = result == NULL ? before : SUSPENDED;
    return result;
}

static PyObject *
coroutine_throw(Through *self, PyObject *const *args, Py_ssize_t count)
{
    return call_through(self, "throw", args, count);
}

static PyObject *
coroutine_close(Through *self, PyObject *Py_UNUSED(ignored))
{
    return call_through(self, "close", NULL, 0);
}

/* ---- being awaited */

/* What `__await__` returns. `await` itself takes the coroutine, which nobody may iterate over. */
typedef struct ObservedAwait {
    PyObject_HEAD
    Through *coroutine;
} ObservedAwait;

static PyTypeObject ObservedAwaitType;

static PyObject *
coroutine_await(Through *self)
{
    if (self->state == SUSPENDED) {
        PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
        return NULL;
    }
    Py_INCREF(self);
    return (PyObject *)self;
}

static PyObject *
coroutine_await_method(Through *self, PyObject *Py_UNUSED(ignored))
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

static PyObject *
get_class(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    Py_INCREF(&PyCoro_Type);
    return (PyObject *)&PyCoro_Type;
}

#define THROUGH(name) {name, get_through, set_through, NULL, (void *)name}

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
coroutine_repr(PyObject *self)
{
    return repr_through(self, "<coroutine object %S at %p>");
}

/* ---- the type */

PyObject *
observe_coroutine(PyObject *coroutine, PyObject *frame)
{
    if (!PyCoro_CheckExact(coroutine) && !Py_IS_TYPE(coroutine, &ObservedCoroutineType)) {
        return coroutine; /* the function was given other code */
    }
    return make_through(&ObservedCoroutineType, &spare, coroutine, frame);
}

/* Let go of the coroutine, which closes itself if nobody else has it; then close the span. */
static void
coroutine_finalize(Through *self)
{
    PyObject *error = take_error();
    PyObject *opened = self->opened;
    self->opened = NULL;
    self->state = ENDED;
    Py_CLEAR(self->inner);
    if (opened != NULL) {
        if (close_here(opened) < 0) {
            PyErr_WriteUnraisable((PyObject *)self);
        }
        Py_DECREF(opened);
    }
    give_error_after(error);
}

static void
coroutine_dealloc(Through *self)
{
    drop_through(self, &spare);
}

static PyAsyncMethods coroutine_as_async = {
    .am_await = (unaryfunc)coroutine_await,
    .am_send = (sendfunc)coroutine_am_send,
};

PyTypeObject ObservedCoroutineType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.ObservedCoroutine",
    .tp_basicsize = sizeof(Through),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = (traverseproc)traverse_through,
    .tp_clear = (inquiry)clear_through,
    .tp_finalize = (destructor)coroutine_finalize,
    .tp_dealloc = (destructor)coroutine_dealloc,
    .tp_repr = coroutine_repr,
    .tp_iternext = (iternextfunc)coroutine_next,
    .tp_as_async = &coroutine_as_async,
    .tp_weaklistoffset = offsetof(Through, weakrefs),
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
