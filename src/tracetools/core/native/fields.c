/* Attributes of the types of this core, as Python code sees and sets them. */

#include "native.h"

static PyObject **
field_at(PyObject *self, const Field *field)
{
    return (PyObject **)((char *)self + field->offset);
}

PyObject *
get_field(PyObject *self, void *closure)
{
    PyObject *found = *field_at(self, closure);
    found = found == NULL ? Py_None : found;
    Py_INCREF(found);
    return found;
}

int
set_field(PyObject *self, PyObject *value, void *closure)
{
    const Field *field = closure;
    if (value == Py_None && field->may_be_none) {
        value = NULL;
    } else if (value == NULL ||
               (field->type != NULL && !PyObject_TypeCheck(value, field->type))) {
        PyErr_SetString(PyExc_TypeError, "the attribute takes no such value");
        return -1;
    }
    PyObject **place = field_at(self, field);
    PyObject *before = *place;
    Py_XINCREF(value);
    *place = value;
    Py_XDECREF(before);
    return 0;
}

PyObject *
get_moment(PyObject *self, void *closure)
{
    int64_t moment = *(int64_t *)((char *)self + (Py_ssize_t)(intptr_t)closure);
    if (moment == NONE) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLongLong(moment);
}

int
set_moment(PyObject *self, PyObject *value, void *closure)
{
    int64_t *place = (int64_t *)((char *)self + (Py_ssize_t)(intptr_t)closure);
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "the attribute cannot be deleted");
        return -1;
    }
    if (value == Py_None) {
        *place = NONE;
        return 0;
    }
    long long moment = PyLong_AsLongLong(value);
    if (moment == -1 && PyErr_Occurred()) {
        return -1;
    }
    *place = moment;
    return 0;
}
