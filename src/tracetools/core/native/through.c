/* What passes everything on: the coroutines and generators of observed functions have this in common.

   Such an object looks like the one that it stands for, and has no frame. */

#include "native.h"

PyObject *
make_through(PyTypeObject *type, Spare *spare, PyObject *inner, PyObject *frame)
{
    Through *self = (Through *)take_spare(spare, type);
    if (self == NULL && (self = PyObject_GC_New(Through, type)) == NULL) {
        if (sort_out_error() < 0) {
            Py_DECREF(inner);
            return NULL;
        }
        return inner; /* it is not observed */
    }
    self->weakrefs = NULL;
    self->inner = inner;
    Py_INCREF(frame);
    self->frame = frame;
    self->opened = NULL;
    self->entries = 1;
    self->state = CREATED;
    PyObject_GC_Track((PyObject *)self);
    return (PyObject *)self;
}

int
traverse_through(Through *self, visitproc visit, void *arg)
{
    Py_VISIT(self->inner);
    Py_VISIT(self->frame);
    Py_VISIT(self->opened);
    return 0;
}

int
clear_through(Through *self)
{
    Py_CLEAR(self->inner);
    Py_CLEAR(self->opened);
    return 0;
}

void
drop_through(Through *self, Spare *spare)
{
    if (self->state != ENDED && PyObject_CallFinalizerFromDealloc((PyObject *)self) < 0) {
        return;
    }
    PyObject_GC_UnTrack(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    clear_through(self);
    Py_CLEAR(self->frame);
    if (PyObject_GC_IsFinalized((PyObject *)self) || !keep_spare(spare, self)) {
        PyObject_GC_Del(self);
    }
}

int
inner_has_ended(PyObject *inner, const char *frame_name)
{
    PyObject *error = take_error();
    PyObject *frame = PyObject_GetAttrString(inner, frame_name);
    int ended = frame == Py_None;
    Py_XDECREF(frame);
    PyErr_Clear();
    give_error_after(error);
    return ended;
}

int
passes_through(Through *self, PyObject *value)
{
    return self->state == RUNNING || self->state == ENDED ||
           (self->state == CREATED && value != Py_None);
}

void
end_inner(Through *self)
{
    PyObject *error = take_error();
    self->state = ENDED;
    PyObject *done = PyObject_CallMethod(self->inner, "close", NULL);
    Py_XDECREF(done);
    PyErr_Clear();
    give_error_after(error);
}

PySendResult
refuse_step(PyObject **result)
{
    PyErr_SetString(PyExc_RuntimeError, "cannot reuse what is over");
    *result = NULL;
    return PYGEN_ERROR;
}

PyObject *
given_as_iteration(PySendResult sent, PyObject *result)
{
    if (sent != PYGEN_RETURN) {
        return result;
    }
    if (result != Py_None) {
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
        if (stop != NULL) {
            give_error(stop);
        }
    }
    Py_DECREF(result);
    return NULL;
}

PyObject *
given_as_method(PySendResult sent, PyObject *result)
{
    PyObject *given = given_as_iteration(sent, result);
    if (given == NULL && !PyErr_Occurred()) {
        PyErr_SetNone(PyExc_StopIteration);
    }
    return given;
}

PyObject *
get_through(PyObject *self, void *closure)
{
    PyObject *inner = ((Through *)self)->inner;
    if (inner == NULL) {
        Py_RETURN_NONE;
    }
    return PyObject_GetAttrString(inner, closure);
}

int
set_through(PyObject *self, PyObject *value, void *closure)
{
    PyObject *inner = ((Through *)self)->inner;
    if (inner == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "what it stands for is gone");
        return -1;
    }
    return PyObject_SetAttrString(inner, closure, value);
}

PyObject *
repr_through(PyObject *self, const char *format)
{
    PyObject *name = get_through(self, "__qualname__");
    if (name == NULL) {
        return NULL;
    }
    PyObject *text = PyUnicode_FromFormat(format, name, self);
    Py_DECREF(name);
    return text;
}
