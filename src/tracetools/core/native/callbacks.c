/* What an asyncio loop calls: the counterpart of `measured_run` in instruments/asyncio_callbacks.py.

   Whatever strikes before a callback is raised after it, for it must be called nevertheless. */

#include "native.h"

/* What `uses` of the method has: a `Uses` of the Python module. */
enum {
    FOLLOWED,
    FIRST_STEPS,
    FUTURES,
    TIMER,
    CALLBACK,
    LOOP,
    QUEUES,
    BEGIN,
    END,
    IS_REARMED,
    END_AGAIN,
    SORT_OUT,
    COUNT,
};

static PyObject *
use(Method *self, int which)
{
    return PyTuple_GET_ITEM(self->uses, which);
}

/* What a handle has in one of its slots, borrowed; NULL if it is not set. */
static PyObject *
slot_of(PyObject *handle, PyObject *descriptor)
{
    Py_ssize_t offset = ((PyMemberDescrObject *)descriptor)->d_member->offset;
    return *(PyObject **)((char *)handle + offset);
}

static int
is_slot(PyObject *descriptor)
{
    return Py_IS_TYPE(descriptor, &PyMemberDescr_Type) &&
           ((PyMemberDescrObject *)descriptor)->d_member->type == T_OBJECT_EX;
}

static int
is_handle(Method *self, PyObject *found)
{
    return PyObject_TypeCheck(found, PyDescr_TYPE(use(self, CALLBACK)));
}

/* ---- which callbacks are none of the program's */

/* Whether an object is one of asyncio's own futures or tasks. */
static int
is_future(Method *self, PyObject *owner)
{
    PyObject *futures = use(self, FUTURES);
    for (Py_ssize_t index = 0; owner != NULL && index < PyTuple_GET_SIZE(futures); index++) {
        if ((PyObject *)Py_TYPE(owner) == PyTuple_GET_ITEM(futures, index)) {
            return 1;
        }
    }
    return 0;
}

/* Whether a callback steps a task, or is another method in C of asyncio's own. */
static int
is_of_asyncio(Method *self, PyObject *callback)
{
    PyTypeObject *kind = Py_TYPE(callback);
    if (kind == self->memo) {
        return 1;
    }
    if (PyCFunction_Check(callback)) {
        return is_future(self, PyCFunction_GET_SELF(callback));
    }
    if (kind == &PyFunction_Type || kind == &PyMethod_Type ||
        !Py_IS_TYPE((PyObject *)kind, &PyType_Type) || /* or hashing it may run Python code */
        PySet_Contains(use(self, FIRST_STEPS), (PyObject *)kind) != 1) {
        return 0;
    }
    self->memo = kind;
    return 1;
}

/* ---- the beginning */

/* What has begun: the callback of one recording, or a list of those of several; or neither. */
typedef struct Begun {
    TaskSteps *task;
    PyObject *several;
} Begun;

/* What is known of a callback, borrowed: a pair of its code and its account, or NULL. */
static PyObject *
known_of(LoopSteps *loop, PyObject *callback)
{
    PyObject *function = PyMethod_Check(callback) ? PyMethod_GET_FUNCTION(callback) : callback;
    if (!Py_IS_TYPE(function, &PyFunction_Type) || !PyDict_CheckExact(loop->known)) {
        return NULL;
    }
    PyObject *name = ((PyFunctionObject *)function)->func_qualname;
    if (!PyUnicode_CheckExact(name)) {
        return NULL;
    }
    PyObject *known = PyDict_GetItemWithError(loop->known, name);
    int is_same = known != NULL && PyTuple_CheckExact(known) && PyTuple_GET_SIZE(known) == 2 &&
                  PyTuple_GET_ITEM(known, 0) == PyFunction_GET_CODE(function);
    return is_same ? known : NULL;
}

static int
begin_known(TaskSteps *task, Begun *begun)
{
    Py_INCREF(task);
    begun->task = task;
    int64_t now;
    return read_clock(task->loop, &now) < 0 ? -1 : begin_step(task, now);
}

/* Begin a callback of which nothing is known, or which several recordings follow. */
static int
begin_by_python(Method *self, PyObject *handle, Begun *begun)
{
    begun->several = PyList_New(0);
    if (begun->several == NULL) {
        return -1;
    }
    PyObject *done =
        PyObject_CallFunctionObjArgs(use(self, BEGIN), begun->several, handle, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
begin(Method *self, PyObject *handle, PyObject *callback, Begun *begun)
{
    PyObject *of_handle = slot_of(handle, use(self, LOOP));
    if (of_handle == NULL) {
        return 0;
    }
    PyObject *followed = PyDict_GetItemWithError(use(self, FOLLOWED), of_handle);
    if (followed == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    LoopSteps *loop = (LoopSteps *)followed; /* or a tuple of them: nothing else is put there */
    if (PyTuple_CheckExact(followed) ||
        (loop->measures_delays && (PyObject *)Py_TYPE(handle) == use(self, TIMER))) {
        return begin_by_python(self, handle, begun);
    }
    if (loop->current != NULL) {
        return 0;
    }
    PyObject *known = known_of(loop, callback);
    if (known == NULL) {
        return PyErr_Occurred() ? -1 : begin_by_python(self, handle, begun);
    }
    PyObject *account = PyTuple_GET_ITEM(known, 1);
    if (account == Py_None) {
        return 0; /* it is not of the program */
    }
    return begin_known((TaskSteps *)account, begun);
}

/* ---- whether a callback has itself called once more */

/* What a loop calls next: what is ready last, or else its next timer. A new reference, or NULL. */
static PyObject *
following(Method *self, PyObject *loop, int *is_ready)
{
    PyObject *queues = use(self, QUEUES);
    *is_ready = 1;
    PyObject *ready = PyObject_GetAttr(loop, PyTuple_GET_ITEM(queues, 0));
    Py_ssize_t size = ready == NULL ? -1 : PyObject_Size(ready);
    PyObject *found = size > 0 ? PySequence_GetItem(ready, size - 1) : NULL;
    Py_XDECREF(ready);
    if (size != 0) {
        return found;
    }
    *is_ready = 0;
    PyObject *timers = PyObject_GetAttr(loop, PyTuple_GET_ITEM(queues, 1));
    size = timers == NULL ? -1 : PyObject_Size(timers);
    found = size > 0 ? PySequence_GetItem(timers, 0) : NULL;
    Py_XDECREF(timers);
    return found;
}

static int
is_same_callback(PyObject *one, PyObject *other)
{
    return one == other ||
           (other != NULL && Py_IS_TYPE(one, &PyMethod_Type) && Py_IS_TYPE(other, &PyMethod_Type) &&
            PyMethod_GET_FUNCTION(one) == PyMethod_GET_FUNCTION(other) &&
            PyMethod_GET_SELF(one) == PyMethod_GET_SELF(other));
}

/* Return 1 if it has, 0 if not, -1 with an error set. */
static int
is_rearmed(Method *self, PyObject *handle, PyObject *callback)
{
    int is_ready = 0, is_same = 0;
    PyObject *loop = slot_of(handle, use(self, LOOP));
    PyObject *next = loop == NULL ? NULL : following(self, loop, &is_ready);
    if (next == NULL) {
        if (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_AttributeError) ||
            PyErr_ExceptionMatches(PyExc_LookupError) || PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear(); /* a loop of the program's may have other queues */
            return 0;
        }
        return -1;
    }
    if (is_handle(self, next)) {
        is_same = is_same_callback(callback, slot_of(next, use(self, CALLBACK)));
    }
    Py_DECREF(next);
    if (!is_same || is_ready) {
        return is_same;
    }
    PyObject *found =
        PyObject_CallFunctionObjArgs(use(self, IS_REARMED), handle, callback, NULL);
    int is_so = found == NULL ? -1 : PyObject_IsTrue(found);
    Py_XDECREF(found);
    return is_so;
}

/* ---- the end */

static int
end_known(Method *self, PyObject *handle, PyObject *callback, TaskSteps *task)
{
    int64_t now;
    if (read_clock(task->loop, &now) < 0) {
        return -1;
    }
    int rearms = is_rearmed(self, handle, callback);
    if (rearms < 0) {
        return -1;
    }
    if (task->innermost == NULL) {
        return end_step(task, now, rearms);
    }
    PyObject *done = PyObject_CallMethod((PyObject *)task->loop, "end_callback", "OLi", task,
                                         (long long)now, rearms);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* End a callback once more, whose end was interrupted by the error that is set. */
static int
end_again(Method *self, TaskSteps *task)
{
    PyObject *error = take_error();
    PyObject *done = PyObject_CallFunction(use(self, END_AGAIN), "(O)O", task, error);
    Py_DECREF(error);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* End what has begun. An error that is set stays, or is the context of another one. */
static int
end(Method *self, PyObject *handle, PyObject *callback, const Begun *begun)
{
    PyObject *earlier = take_error();
    if (begun->several != NULL) {
        PyObject *done =
            PyObject_CallFunctionObjArgs(use(self, END), begun->several, handle, NULL);
        Py_XDECREF(done);
    } else if (end_known(self, handle, callback, begun->task) < 0) {
        (void)end_again(self, begun->task);
    }
    give_error_after(earlier);
    return PyErr_Occurred() ? -1 : 0;
}

/* Raise what struck before the callback if it is the program's; else its recording stops. */
static int
sort_out(Method *self, PyObject *handle, PyObject *struck)
{
    PyObject *done = PyObject_CallFunctionObjArgs(use(self, SORT_OUT), handle, struck, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* ---- the method */

static PyObject *
run_measured(Method *self, PyObject *handle, PyObject *callback)
{
    Begun begun = {NULL, NULL};
    PyObject *struck = NULL;
    if (begin(self, handle, callback, &begun) < 0) {
        struck = take_error();
    }
    PyObject *args[2] = {NULL, handle};
    PyObject *result = pass_to_original(self, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if ((begun.task != NULL || begun.several != NULL) &&
        end(self, handle, callback, &begun) < 0) {
        Py_CLEAR(result);
    }
    Py_CLEAR(begun.task);
    Py_CLEAR(begun.several);
    if (struck != NULL && result != NULL && sort_out(self, handle, struck) < 0) {
        Py_CLEAR(result);
    }
    Py_XDECREF(struck);
    return result;
}

static PyObject *
run(Method *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (PyVectorcall_NARGS(nargsf) != 1 || kwnames != NULL || !is_handle(self, args[0])) {
        return pass_to_original(self, args, nargsf, kwnames);
    }
    PyObject *callback = slot_of(args[0], use(self, CALLBACK));
    if (callback == NULL || ((PyObject *)Py_TYPE(args[0]) != use(self, TIMER) &&
                             is_of_asyncio(self, callback))) {
        return pass_to_original(self, args, nargsf, kwnames);
    }
    PyObject *handle = args[0];
    Py_INCREF(handle);
    Py_INCREF(callback); /* a handle that is cancelled meanwhile lets go of it */
    PyObject *result = run_measured(self, handle, callback);
    Py_DECREF(callback);
    Py_DECREF(handle);
    return result;
}

static PyObject *
measured_run(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *original, *uses;
    if (!PyArg_ParseTuple(args, "OO!:measured_run", &original, &PyTuple_Type, &uses)) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(uses) != COUNT || !PyDict_Check(PyTuple_GET_ITEM(uses, FOLLOWED)) ||
        !PySet_Check(PyTuple_GET_ITEM(uses, FIRST_STEPS)) ||
        !PyTuple_Check(PyTuple_GET_ITEM(uses, FUTURES)) ||
        !PyTuple_Check(PyTuple_GET_ITEM(uses, QUEUES)) ||
        PyTuple_GET_SIZE(PyTuple_GET_ITEM(uses, QUEUES)) != 2 ||
        !is_slot(PyTuple_GET_ITEM(uses, CALLBACK)) || !is_slot(PyTuple_GET_ITEM(uses, LOOP))) {
        PyErr_SetString(PyExc_TypeError, "the handles of asyncio are not as they are known to be");
        return NULL;
    }
    return make_method((vectorcallfunc)run, original, uses);
}

static PyMethodDef functions[] = {
    {"measured_run", measured_run, METH_VARARGS,
     "Return a replacement of `Handle._run` that measures callbacks of the program."},
    {NULL},
};

int
add_callbacks(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
