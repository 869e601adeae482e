/* Spans where a thread is just now: the counterpart of recording/current.py.

   The usual thread has one recorded loop, or none. All else is left to the Python code. Nothing here
   raises an error of ours: Python code that the module is given sorts out what has struck. */

#include "native.h"

int is_recording = 0;

/* ---- which recorded loop runs in which thread */

#define MOST_LOOPS 16

static struct {
    unsigned long thread;
    LoopSteps *loop;
} loops[MOST_LOOPS];

static int loop_count = 0;

static LoopSteps *
loop_here(void)
{
    unsigned long thread = PyThread_get_thread_ident();
    for (int index = 0; index < loop_count; index++) {
        if (loops[index].thread == thread) {
            return loops[index].loop;
        }
    }
    return NULL;
}

/* Forget the loop of a thread, and return it. */
static LoopSteps *
take_loop(unsigned long thread)
{
    for (int index = 0; index < loop_count; index++) {
        if (loops[index].thread == thread) {
            LoopSteps *found = loops[index].loop;
            loops[index] = loops[--loop_count];
            return found;
        }
    }
    return NULL;
}

/* set_current(thread, loop, recording): the one recorded loop of a thread, or None for none or
   several; and whether anything is recorded. */
static PyObject *
set_current(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned long thread;
    PyObject *loop;
    int recording;
    if (!PyArg_ParseTuple(args, "kOp:set_current", &thread, &loop, &recording)) {
        return NULL;
    }
    LoopSteps *before = take_loop(thread);
    if (PyObject_TypeCheck(loop, &LoopStepsType) && loop_count < MOST_LOOPS) {
        Py_INCREF(loop);
        loops[loop_count].thread = thread;
        loops[loop_count].loop = (LoopSteps *)loop;
        loop_count++;
    }
    is_recording = recording;
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

/* ---- what the Python code does */

static struct {
    PyObject *open_span, *close_span, *close_elsewhere;
    PyObject *opening_failed, *closing_failed, *failed, *note_error;
} python = {Py_None, Py_None, Py_None, Py_None, Py_None, Py_None, Py_None}; /* until `use_current` */

/* use_current(...): the functions of recording/current.py that are called from here. */
static PyObject *
use_current(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"open_span",      "close_span",     "close_elsewhere",
                            "opening_failed", "closing_failed", "failed",
                            "note_error",     NULL};
    PyObject **places[] = {&python.open_span,      &python.close_span,     &python.close_elsewhere,
                           &python.opening_failed, &python.closing_failed, &python.failed,
                           &python.note_error};
    PyObject *given[7];
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$OOOOOOO:use_current", names, &given[0],
                                     &given[1], &given[2], &given[3], &given[4], &given[5],
                                     &given[6])) {
        return NULL;
    }
    for (int index = 0; index < 7; index++) {
        Py_INCREF(given[index]); /* for good, as modules are */
        *places[index] = given[index];
    }
    Py_RETURN_NONE;
}

/* Whether the error that is set leaves no room to record anything. Then it is dropped. */
static int
drop_lack_of_room(void)
{
    if (!PyErr_ExceptionMatches(PyExc_RecursionError) &&
        !PyErr_ExceptionMatches(PyExc_MemoryError)) {
        return 0;
    }
    PyErr_Clear();
    return 1;
}

/* Raise an error again if Python code says so, and return -1; else drop it and return 0.

   Takes both references. `verdict` is NULL if that code has failed. */
static int
raise_or_drop(PyObject *error, PyObject *verdict)
{
    int is_raised;
    if (verdict != NULL) {
        is_raised = verdict == Py_True;
        Py_DECREF(verdict);
    } else if (drop_lack_of_room()) {
        is_raised = !PyObject_TypeCheck(error, (PyTypeObject *)PyExc_Exception);
    } else { /* a signal handler of the program's has raised */
        Py_DECREF(error);
        return -1;
    }
    if (is_raised) {
        give_error(error);
        return -1;
    }
    Py_DECREF(error);
    return 0;
}

/* Sort out the error that struck while a span was opened. */
static int
opening_failed(TaskSteps *task, Opened *before)
{
    if (PyErr_ExceptionMatches(PyExc_RecursionError)) {
        PyErr_Clear();
        return 0;
    }
    PyObject *error = take_error();
    PyObject *around = before == NULL ? Py_None : (PyObject *)before;
    return raise_or_drop(error, PyObject_CallFunctionObjArgs(python.opening_failed, error, task,
                                                             around, NULL));
}

/* Sort out the error that struck while a span was closed. */
static int
closing_failed(PyObject *opened)
{
    if (PyErr_ExceptionMatches(PyExc_RecursionError)) {
        PyErr_Clear();
        return 0;
    }
    PyObject *error = take_error();
    return raise_or_drop(
        error, PyObject_CallFunctionObjArgs(python.closing_failed, error, opened, NULL));
}

int
sort_out_error(void)
{
    if (PyErr_ExceptionMatches(PyExc_RecursionError)) {
        PyErr_Clear();
        return 0;
    }
    PyObject *error = take_error();
    return raise_or_drop(error, PyObject_CallOneArg(python.failed, error));
}

/* ---- open and close */

/* Open a span where not one recorded loop runs: in a worker thread, or for several recordings. */
static int
open_by_python(PyObject *frame, int64_t entries, int lasts, PyObject **opened)
{
    PyObject *found = PyObject_CallFunction(python.open_span, "OLi", frame, (long long)entries,
                                            lasts);
    if (found == NULL) {
        return drop_lack_of_room() ? 0 : -1;
    }
    if (found == Py_None) {
        Py_DECREF(found);
        return 0;
    }
    *opened = found;
    return 0;
}

int
open_here(PyObject *frame, int64_t entries, int lasts, PyObject **opened)
{
    *opened = NULL;
    if (!is_recording) {
        return 0;
    }
    LoopSteps *loop = loop_here();
    if (loop == NULL) {
        return open_by_python(frame, entries, lasts, opened);
    }
    TaskSteps *task = loop->current;
    if (task == NULL) { /* between two steps: in a guest run, the host's own work */
        return 0;
    }
    Opened *before = task->innermost;
    Py_INCREF(loop);
    Py_INCREF(task);
    Py_XINCREF(before);
    int64_t now;
    int failed = read_clock(loop, &now) < 0;
    if (!failed) {
        *opened = (PyObject *)open_in_task(task, frame, now, entries, lasts);
        failed = *opened == NULL && PyErr_Occurred();
    }
    failed = failed ? opening_failed(task, before) : 0;
    Py_XDECREF(before);
    Py_DECREF(task);
    Py_DECREF(loop);
    return failed;
}

static PyTypeObject *usual_account = NULL; /* the class of the last account of a task; kept */

/* The account of a span if it is that of a task. */
static TaskSteps *
task_of(PyObject *opened)
{
    if (!Py_IS_TYPE(opened, &OpenedType)) {
        return NULL;
    }
    PyObject *account = ((Opened *)opened)->account;
    if (!Py_IS_TYPE(account, usual_account)) {
        if (!PyObject_TypeCheck(account, &TaskStepsType)) {
            return NULL;
        }
        Py_INCREF(Py_TYPE(account));
        Py_XSETREF(usual_account, Py_TYPE(account));
    }
    return (TaskSteps *)account;
}

int
close_here(PyObject *opened)
{
    PyObject *done;
    TaskSteps *task = task_of(opened);
    if (task == NULL) {
        done = PyObject_CallOneArg(python.close_span, opened);
        Py_XDECREF(done);
        return done != NULL || drop_lack_of_room() ? 0 : -1;
    }
    int64_t now;
    if (read_clock(task->loop, &now) < 0) {
        return closing_failed(opened);
    }
    if (close_current(task, (Opened *)opened, now)) {
        return 0;
    }
    done = PyObject_CallFunctionObjArgs(python.close_elsewhere, task, opened, NULL);
    Py_XDECREF(done);
    return done == NULL ? closing_failed(opened) : 0;
}

/* Whether an error that ends a span may have to be noted. */
static int
may_be_noted(PyObject *opened)
{
    TaskSteps *task = task_of(opened);
    return task == NULL || (task->loop->journal != NULL && ((Opened *)opened)->lasts);
}

int
note_error(PyObject *opened, PyObject *error)
{
    if (!PyObject_TypeCheck(error, (PyTypeObject *)PyExc_Exception) || !may_be_noted(opened)) {
        return 0;
    }
    PyObject *done = PyObject_CallFunctionObjArgs(python.note_error, opened, error, NULL);
    Py_XDECREF(done);
    return done != NULL || drop_lack_of_room() ? 0 : closing_failed(opened);
}

/* Close a span that the error which is set ends. It stays set, unless another one comes. */
static void
close_after_error(PyObject *opened)
{
    PyObject *error = take_error();
    if (note_error(opened, error) == 0) {
        close_here(opened);
    }
    give_error_after(error);
}

/* Close a span at once if no Python code is to be called. Return whether it is closed. */
static int
close_in_c(PyObject *opened)
{
    TaskSteps *task = task_of(opened);
    int64_t now;
    if (task == NULL || !task->loop->clock_is_ours || read_clock(task->loop, &now) < 0) {
        return 0;
    }
    return close_current(task, (Opened *)opened, now);
}

PyObject *
close_and_return(PyObject *opened, PyObject *result)
{
    if (opened == NULL) {
        return result;
    }
    if (result == NULL && PyErr_Occurred() && may_be_noted(opened)) {
        close_after_error(opened);
        Py_DECREF(opened);
        return NULL;
    }
    if (close_in_c(opened)) {
        Py_DECREF(opened);
        return result;
    }
    PyObject *error = take_error();
    int failed = close_here(opened);
    Py_DECREF(opened);
    give_error_after(error);
    if (failed < 0) {
        Py_XDECREF(result);
        return NULL;
    }
    return result;
}

/* open_span(frame, entries=1, lasts=True) */
static PyObject *
open_span(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count < 1 || count > 3) {
        PyErr_SetString(PyExc_TypeError,
                        "open_span takes a frame, how often it is entered, and whether it lasts");
        return NULL;
    }
    long long entries = count > 1 ? PyLong_AsLongLong(args[1]) : 1;
    int lasts = count > 2 ? PyObject_IsTrue(args[2]) : 1;
    PyObject *opened;
    if ((entries == -1 && PyErr_Occurred()) || lasts < 0 ||
        open_here(args[0], entries, lasts, &opened) < 0) {
        return NULL;
    }
    if (opened == NULL) {
        Py_RETURN_NONE;
    }
    return opened;
}

static PyObject *
close_span(PyObject *Py_UNUSED(module), PyObject *opened)
{
    if (opened != Py_None && close_here(opened) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"set_current", set_current, METH_VARARGS, NULL},
    {"use_current", (PyCFunction)(void (*)(void))use_current, METH_VARARGS | METH_KEYWORDS, NULL},
    {"open_span", (PyCFunction)(void (*)(void))open_span, METH_FASTCALL,
     "open_span($module, frame, entries=1, lasts=True, /)\n--\n\n"
     "Open a span in whatever this thread does just now, for every recording that follows it."},
    {"close_span", close_span, METH_O,
     "close_span($module, opened, /)\n--\n\n"
     "Close what `open_span` opened; from anywhere, in any order, more than once."},
    {NULL},
};

int
add_current(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
