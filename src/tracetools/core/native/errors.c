/* Errors: how they are kept for a while, and whose they are. */

#include "native.h"

PyObject *
take_error(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    if (type == NULL) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(error, traceback);
    }
    Py_XDECREF(traceback);
    Py_DECREF(type);
    return error;
#endif
}

void
give_error(PyObject *error)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(error);
#else
    PyObject *type = (PyObject *)Py_TYPE(error);
    Py_INCREF(type);
    PyErr_Restore(type, error, PyException_GetTraceback(error));
#endif
}

void
give_error_after(PyObject *earlier)
{
    if (earlier == NULL) {
        return;
    }
    if (!PyErr_Occurred()) {
        give_error(earlier);
        return;
    }
    PyObject *later = take_error();
    if (later == earlier) {
        Py_DECREF(earlier);
    } else {
        PyException_SetContext(later, earlier); /* it takes the reference */
    }
    give_error(later);
}

int
is_interruption(PyObject *error)
{
    if (!PyObject_TypeCheck(error, (PyTypeObject *)PyExc_Exception)) {
        return 1;
    }
    PyObject *found = NULL;
    PyObject *module = PyImport_ImportModule("tracetools.core.interruptions");
    if (module != NULL) {
        found = PyObject_CallMethod(module, "is_interruption", "O", error);
        Py_DECREF(module);
    }
    int is_so = found == NULL ? 0 : PyObject_IsTrue(found);
    Py_XDECREF(found);
    if (is_so < 0 || PyErr_Occurred()) {
        PyErr_Clear(); /* no memory, say: then the error is taken for ours */
        return 0;
    }
    return is_so;
}
