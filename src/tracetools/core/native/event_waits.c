/* How long loops wait for events: the counterpart of `measured` in instruments/event_waits.py. */

#include "native.h"

/* Whether a call returns at once, for what it is given as the time that it may wait. */
static int
cannot_wait(const Call *call)
{
    Py_ssize_t names = call->kwnames == NULL ? 0 : PyTuple_GET_SIZE(call->kwnames);
    if (PyVectorcall_NARGS(call->nargsf) + names < 2) {
        return 0;
    }
    PyObject *timeout = call->args[1];
    if (PyFloat_CheckExact(timeout)) {
        return PyFloat_AS_DOUBLE(timeout) <= 0;
    }
    if (PyLong_CheckExact(timeout)) {
        int overflow = 0;
        long long found = PyLong_AsLongLongAndOverflow(timeout, &overflow);
        return overflow == 0 ? found <= 0 : overflow < 0;
    }
    return 0;
}

/* Charge a wait that ends now to a loop. An error that is set stays, or is the context of another. */
static void
end_wait(LoopSteps *loop, int64_t begin)
{
    PyObject *earlier = take_error();
    int64_t now;
    if (read_clock(loop, &now) == 0) {
        PyObject *done = PyObject_CallMethod((PyObject *)loop, "waited", "LL", (long long)begin,
                                             (long long)now);
        Py_XDECREF(done);
    }
    give_error_after(earlier);
}

/* Call the original, within the waits of those loops of a tuple that wait here, from `index` on. */
static PyObject *
wait_in(Method *self, const Call *call, PyObject *loops, Py_ssize_t index)
{
    if (index == PyTuple_GET_SIZE(loops)) {
        return pass_to_original(self, call->args, call->nargsf, call->kwnames);
    }
    LoopSteps *loop = (LoopSteps *)PyTuple_GET_ITEM(loops, index);
    if (!PyObject_TypeCheck((PyObject *)loop, &LoopStepsType) || loop->current != NULL ||
        loop->poller != (uintptr_t)call->args[0]) {
        return wait_in(self, call, loops, index + 1);
    }
    int64_t begin;
    if (read_clock(loop, &begin) < 0) {
        return NULL;
    }
    PyObject *result = wait_in(self, call, loops, index + 1);
    end_wait(loop, begin);
    if (result != NULL && PyErr_Occurred()) {
        Py_CLEAR(result);
    }
    return result;
}

/* The loops that run in this thread and are recorded: a tuple, or NULL with an error set. */
static PyObject *
loops_here(Method *self)
{
    PyObject *thread = PyLong_FromUnsignedLong(PyThread_get_thread_ident());
    if (thread == NULL) {
        return NULL;
    }
    PyObject *found = PyDict_GetItemWithError(self->uses, thread);
    Py_DECREF(thread);
    if (found == NULL) {
        return PyErr_Occurred() ? NULL : PyTuple_New(0);
    }
    Py_INCREF(found); /* a finaliser may end the recording while the tuple is made */
    if (PyTuple_Check(found)) {
        return found;
    }
    PyObject *loops = PyTuple_Pack(1, found);
    Py_DECREF(found);
    return loops;
}

static PyObject *
poll(Method *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Call call = {args, nargsf, kwnames};
    if (PyVectorcall_NARGS(nargsf) < 1 || cannot_wait(&call)) {
        return pass_to_original(self, args, nargsf, kwnames);
    }
    PyObject *loops = loops_here(self);
    if (loops == NULL) {
        return NULL;
    }
    PyObject *result = wait_in(self, &call, loops, 0);
    Py_DECREF(loops);
    return result;
}

static PyObject *
measured_poll(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *original, *recorded;
    if (!PyArg_ParseTuple(args, "OO!:measured_poll", &original, &PyDict_Type, &recorded)) {
        return NULL;
    }
    return make_method((vectorcallfunc)poll, original, recorded);
}

static PyMethodDef functions[] = {
    {"measured_poll", measured_poll, METH_VARARGS,
     "Return a method that does the same, and charges the time to the loop of this thread."},
    {NULL},
};

int
add_event_waits(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
