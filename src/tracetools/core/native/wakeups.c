/* What loops are asked to call: the counterpart of instruments/wakeups.py. */

#include "native.h"
#include <string.h>

/* What `uses` of the method has. */
enum { REPORTED, HIDE_CREATION, LATE_TASKS, FIRST_STEPS, WAKEUP, METHODS, COUNT };

static PyObject *name_self, *name_coroutine;

static PyObject *
use(Method *self, int which)
{
    return PyTuple_GET_ITEM(self->uses, which);
}

/* Whether a method in C steps a task that a future has woken. */
static int
is_wakeup(Method *self, PyObject *callback)
{
    const char *name = PyUnicode_AsUTF8(use(self, WAKEUP));
    return name != NULL &&
           strcmp(((PyCFunctionObject *)callback)->m_ml->ml_name, name) == 0;
}

/* The task that a callback in C steps: a new reference, or NULL, without an error set. */
static PyObject *
task_of(Method *self, PyObject *callback)
{
    PyObject *task = NULL;
    if (PyCFunction_Check(callback)) {
        task = is_wakeup(self, callback) ? PyCFunction_GET_SELF(callback) : NULL;
        Py_XINCREF(task);
    } else if (Py_TYPE(callback) == self->memo ||
               (Py_IS_TYPE((PyObject *)Py_TYPE(callback), &PyType_Type) && /* hashed by C code */
                PySet_Contains(use(self, FIRST_STEPS), (PyObject *)Py_TYPE(callback)) == 1)) {
        self->memo = Py_TYPE(callback);
        task = PyObject_GetAttr(callback, name_self);
    }
    PyErr_Clear();
    return task;
}

/* Whether some recording follows a task by its wake-ups, or that is not known. */
static int
is_late(Method *self, PyObject *task)
{
    PyObject *late = use(self, LATE_TASKS);
    if (PyDict_GET_SIZE(late) == 0) {
        return 0;
    }
    PyObject *identity = PyLong_FromVoidPtr(task);
    int found = identity == NULL ? -1 : PyDict_Contains(late, identity);
    Py_XDECREF(identity);
    PyErr_Clear();
    return found != 0;
}

/* Note that a task is woken which runs a stepped coroutine. Return whether that is all there is to
   do; -1 with an error set if a clock has failed. */
static int
wake_task(Method *self, PyObject *callback)
{
    PyObject *task = task_of(self, callback);
    if (task == NULL) {
        return 0;
    }
    int done = 0;
    PyObject *coroutine = is_late(self, task) ? NULL : PyObject_GetAttr(task, name_coroutine);
    if (coroutine != NULL) {
        done = wake_stepped(coroutine);
        Py_DECREF(coroutine);
    } else {
        PyErr_Clear();
    }
    Py_DECREF(task);
    return done;
}

/* Whether it is plain that a callback steps no task. */
static int
steps_no_task(Method *self, PyObject *callback)
{
    if (PyCFunction_Check(callback)) {
        return !is_wakeup(self, callback);
    }
    if (!Py_IS_TYPE(callback, &PyMethod_Type)) {
        return Py_IS_TYPE(callback, &PyFunction_Type);
    }
    PyObject *function = PyMethod_GET_FUNCTION(callback);
    if (!Py_IS_TYPE(function, &PyFunction_Type)) {
        return 1;
    }
    PyObject *name = ((PyCodeObject *)PyFunction_GET_CODE(function))->co_name;
    return PySet_Contains(use(self, METHODS), name) == 0;
}

/* Call the original with another callback. */
static PyObject *
call_with(Method *self, const Call *call, PyObject *callback)
{
    size_t count = (size_t)PyVectorcall_NARGS(call->nargsf);
    size_t names = call->kwnames == NULL ? 0 : (size_t)PyTuple_GET_SIZE(call->kwnames);
    PyObject **args = PyMem_Calloc(count + names + 1, sizeof(PyObject *));
    if (args == NULL) {
        return PyErr_NoMemory();
    }
    memcpy(args + 1, call->args, (count + names) * sizeof(PyObject *));
    args[2] = callback;
    PyObject *handle = pass_to_original(self, args + 1, count | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                        call->kwnames);
    PyMem_Free(args);
    return handle;
}

/* Call the original, after Python code was asked what to call. Whatever strikes there is raised
   afterwards, for the task must not miss its step. */
static PyObject *
report(Method *self, const Call *call)
{
    PyObject *callback = PyObject_CallOneArg(use(self, REPORTED), call->args[1]);
    PyObject *struck = callback == NULL ? take_error() : NULL;
    PyObject *handle =
        call_with(self, call, callback == NULL ? call->args[1] : callback);
    Py_XDECREF(callback);
    if (struck != NULL && handle != NULL) {
        Py_CLEAR(handle);
        give_error(struck);
    } else {
        Py_XDECREF(struck);
    }
    return handle;
}

static PyObject *
call_soon(Method *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (PyVectorcall_NARGS(nargsf) < 2 || steps_no_task(self, args[1])) {
        return pass_to_original(self, args, nargsf, kwnames);
    }
    int done = wake_task(self, args[1]);
    if (done > 0) {
        return pass_to_original(self, args, nargsf, kwnames);
    }
    Call call = {args, nargsf, kwnames};
    if (done == 0) {
        return report(self, &call);
    }
    PyObject *struck = take_error();
    PyObject *handle = pass_to_original(self, args, nargsf, kwnames);
    if (handle == NULL) {
        Py_DECREF(struck);
        return NULL;
    }
    Py_DECREF(handle);
    give_error(struck);
    return NULL;
}

static PyObject *
reported_call_soon(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *original, *uses;
    if (!PyArg_ParseTuple(args, "OO!:reported_call_soon", &original, &PyTuple_Type, &uses)) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(uses) != COUNT || !PyDict_Check(PyTuple_GET_ITEM(uses, LATE_TASKS)) ||
        !PySet_Check(PyTuple_GET_ITEM(uses, FIRST_STEPS)) ||
        !PyUnicode_Check(PyTuple_GET_ITEM(uses, WAKEUP)) ||
        !PyAnySet_Check(PyTuple_GET_ITEM(uses, METHODS))) {
        PyErr_SetString(PyExc_TypeError, "uses is not as that of the reference");
        return NULL;
    }
    return make_method((vectorcallfunc)call_soon, original, uses);
}

static PyMethodDef functions[] = {
    {"reported_call_soon", reported_call_soon, METH_VARARGS,
     "Return a replacement of `call_soon` that reports what is to be called."},
    {NULL},
};

int
add_wakeups(PyObject *module)
{
    if (make_name(&name_self, "__self__") < 0 || make_name(&name_coroutine, "_coro") < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, functions);
}
