/* Generators that are observed: the counterpart of `Resumed` of recording/spans.py. */

#include "native.h"



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
    if (open_here(self->frame, self->entries, &opened) < 0) {
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
    return add_type(module, &ResumedType);
}
