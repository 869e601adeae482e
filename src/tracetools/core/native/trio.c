/* Spawning, waking and exits of trio tasks: the counterpart of instruments/trio_spawns.py.

   Only plain cases are handled here, and no Python code runs in them: trio calls this where Ctrl-C
   is not held back. All other cases are left to Python functions that are protected from it. */

#include "native.h"

typedef struct TrioSpawns {
    Spawns base;
    PyObject *otherwise;
    PyObject *checkpoint;
    char hears_wakes;
} TrioSpawns;

static PyObject *name_coro, *name_context;
static PyObject *name_status, *name_cancelled, *name_late;

/* Of the trio that is imported; NULL as long as they are not known. */
static PyObject *scheduling_code, *detached_type;

/* ---- what stepped coroutines ask for */

/* The code of the Python function that calls just now, borrowed; NULL if there is none. */
static PyObject *
code_of_caller(void)
{
    PyObject *code = NULL;
#if PY_VERSION_HEX >= 0x030D0000 && PY_VERSION_HEX < 0x03100000
    /* No frame object is made so. `current_frame` is not documented; in 3.16 it may be gone. */
    PyThreadState *state = PyThreadState_Get();
    if (state->current_frame != NULL) {
        code = PyUnstable_InterpreterFrame_GetCode(state->current_frame);
    }
#else
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame != NULL) {
        code = (PyObject *)PyFrame_GetCode(frame);
    }
#endif
    Py_XDECREF(code); /* the frame has it */
    return code;
}

int
is_scheduling(void)
{
    return scheduling_code != NULL && code_of_caller() == scheduling_code;
}

int
detaches(PyObject *yielded)
{
    return (PyObject *)Py_TYPE(yielded) == detached_type;
}

/* For how long a deadline has passed that has cancelled a task; less than 0 if none has. */
static int64_t
lateness(PyObject *task, PyObject *owner)
{
    PyObject *status = PyObject_GetAttr(task, name_status);
    PyObject *cancelled = status == NULL ? NULL : PyObject_GetAttr(status, name_cancelled);
    Py_XDECREF(status);
    Py_XDECREF(cancelled);
    if (cancelled != Py_True) {
        PyErr_Clear();
        return -1;
    }
    PyObject *late = PyObject_CallMethodOneArg(owner, name_late, task);
    int64_t found = late == NULL ? -1 : PyLong_AsLongLong(late);
    Py_XDECREF(late);
    if (PyErr_Occurred()) { /* it has handled what strikes in it */
        PyErr_Clear();
        return -1;
    }
    return found;
}

void
note_wake(TaskSteps *account, PyObject *owner)
{
    LoopSteps *loop = account->loop;
    if (account->ready != NONE || !loop->clock_is_ours) {
        return;
    }
    PyObject *task = PyDict_GetItemWithError(loop->tasks, (PyObject *)account);
    int64_t now;
    if (task == NULL || read_clock(loop, &now) < 0) {
        PyErr_Clear();
        return;
    }
    Py_INCREF(task);
    int64_t late = owner == NULL ? -1 : lateness(task, owner);
    wake(loop, account, now, late);
    Py_DECREF(task);
}

/* ---- spawning */

/* Whether a task was spawned by one of the program's, in the loop that is followed. */
static int
is_plain(TrioSpawns *self)
{
    LoopSteps *loop = self->base.loop;
    if (loop == NULL || !loop->running || !loop->clock_is_ours || loop->paused != NONE ||
        PyThread_get_thread_ident() != self->base.thread) {
        return 0;
    }
    return loop->current != NULL && !loop->current->is_of_runtime;
}

/* Say in the context of a task whose it is. */
static int
mark_context(TrioSpawns *self, PyObject *task, TaskSteps *account)
{
    PyObject *context = PyObject_GetAttr(task, name_context);
    if (context == NULL) {
        return -1;
    }
    int is_free = PyContext_CheckExact(context) && PyContext_Enter(context) == 0;
    if (!is_free) {
        PyErr_Clear(); /* it is in use just now: it is the current one */
    }
    PyObject *token = PyContextVar_Set(self->base.context_task, (PyObject *)account);
    if (is_free && PyContext_Exit(context) < 0) {
        Py_CLEAR(token);
    }
    Py_DECREF(context);
    Py_XDECREF(token);
    return token == NULL ? -1 : 0;
}

static int
wrap(TrioSpawns *self, PyObject *task, PyObject *coroutine, TaskSteps *account)
{
    PyObject *stepped = make_stepped(coroutine, account, self->base.owner, self->checkpoint,
                                     self->hears_wakes);
    int failed = stepped == NULL || PyObject_SetAttr(task, name_coro, stepped) < 0;
    Py_XDECREF(stepped);
    return failed ? -1 : 0;
}

/* Open the account of a task with this coroutine. Return whether its function is known, or -1. */
static int
open_account(TrioSpawns *self, PyObject *task, PyObject *coroutine)
{
    const Known *function = known_function(&self->base, coroutine);
    if (function == NULL) {
        return 0;
    }
    TaskSteps *account = spawn_known(&self->base, self->base.loop->current, function, task);
    if (account == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int failed = (!account->is_of_runtime && mark_context(self, task, account) < 0) ||
                 wrap(self, task, coroutine, account) < 0;
    if (failed) {
        undo_spawn(account);
    }
    Py_DECREF(account);
    return failed ? -1 : 1;
}

/* Open the account of a task in a plain case. Return whether it was one, or -1. */
static int
spawned_plainly(TrioSpawns *self, PyObject *task)
{
    if (!is_plain(self)) {
        return 0;
    }
    PyObject *coroutine = PyObject_GetAttr(task, name_coro);
    if (coroutine == NULL) {
        return -1;
    }
    int done = PyCoro_CheckExact(coroutine) ? open_account(self, task, coroutine) : 0;
    Py_DECREF(coroutine);
    return done;
}

static PyObject *
spawns_task_spawned(TrioSpawns *self, PyObject *task)
{
    int done = spawned_plainly(self, task);
    if (done > 0) {
        Py_RETURN_NONE;
    }
    return pass_over_error() < 0 ? NULL : PyObject_CallOneArg(self->otherwise, task);
}

/* ---- methods that Python code calls */

static PyObject *
spawns_wrap(TrioSpawns *self, PyObject *args)
{
    PyObject *task, *account;
    if (!PyArg_ParseTuple(args, "OO!:wrap", &task, &TaskStepsType, &account)) {
        return NULL;
    }
    PyObject *coroutine = PyObject_GetAttr(task, name_coro);
    int failed = coroutine == NULL || wrap(self, task, coroutine, (TaskSteps *)account) < 0;
    Py_XDECREF(coroutine);
    if (failed) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
spawns_follow(TrioSpawns *self, PyObject *loop)
{
    if (loop != Py_None && !PyObject_TypeCheck(loop, &LoopStepsType)) {
        PyErr_SetString(PyExc_TypeError, "what is followed is a LoopSteps, or None");
        return NULL;
    }
    LoopSteps *before = self->base.loop;
    self->base.loop = loop == Py_None ? NULL : (LoopSteps *)loop;
    Py_XINCREF(self->base.loop);
    self->base.thread = PyThread_get_thread_ident();
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

/* ---- the type */

static void
replace_global(PyObject **place, PyObject *value)
{
    if (value == Py_None) {
        return;
    }
    PyObject *before = *place;
    Py_INCREF(value);
    *place = value;
    Py_XDECREF(before);
}

static PyObject *
spawns_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"owner", "otherwise", "context_task", "checkpoint", "scheduling",
                            "detached", NULL};
    PyObject *owner, *otherwise, *context_task, *checkpoint, *scheduling, *detached;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOOO:TrioSpawns", names, &owner, &otherwise,
                                     &context_task, &checkpoint, &scheduling, &detached)) {
        return NULL;
    }
    if (!PyContextVar_CheckExact(context_task)) {
        PyErr_SetString(PyExc_TypeError, "what contexts share is a ContextVar");
        return NULL;
    }
    TrioSpawns *self = (TrioSpawns *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    begin_spawns(&self->base, owner, context_task, NULL);
    Py_INCREF(otherwise);
    self->otherwise = otherwise;
    Py_INCREF(checkpoint);
    self->checkpoint = checkpoint;
    self->hears_wakes = scheduling != Py_None;
    replace_global(&scheduling_code, scheduling);
    replace_global(&detached_type, detached);
    return (PyObject *)self;
}

static int
spawns_traverse(TrioSpawns *self, visitproc visit, void *arg)
{
    Py_VISIT(self->otherwise);
    Py_VISIT(self->checkpoint);
    return traverse_spawns(&self->base, visit, arg);
}

/* Break cycles. What methods need stays, but for the owner, who needs no tasks any more. */
static int
spawns_clear(TrioSpawns *self)
{
    Py_CLEAR(self->base.loop);
    Py_INCREF(Py_None);
    Py_XSETREF(self->otherwise, Py_None);
    clear_spawns(&self->base);
    return 0;
}

static void
spawns_dealloc(TrioSpawns *self)
{
    PyObject_GC_UnTrack(self);
    spawns_clear(self);
    Py_CLEAR(self->otherwise);
    Py_CLEAR(self->checkpoint);
    drop_spawns(&self->base);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMemberDef spawns_members[] = {
    {"hears_wakes", T_BOOL, offsetof(TrioSpawns, hears_wakes), READONLY, NULL},
    {NULL},
};

static PyMethodDef spawns_methods[] = {
    {"task_spawned", (PyCFunction)spawns_task_spawned, METH_O, NULL},
    {"wrap", (PyCFunction)spawns_wrap, METH_VARARGS, NULL},
    {"follow", (PyCFunction)spawns_follow, METH_O, NULL},
    {"learn", (PyCFunction)learn_function, METH_VARARGS, NULL},
    {NULL},
};

static PyTypeObject TrioSpawnsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.TrioSpawns",
    .tp_doc = "Opens the accounts of trio tasks when they are spawned.",
    .tp_basicsize = sizeof(TrioSpawns),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = spawns_new,
    .tp_traverse = (traverseproc)spawns_traverse,
    .tp_clear = (inquiry)spawns_clear,
    .tp_dealloc = (destructor)spawns_dealloc,
    .tp_methods = spawns_methods,
    .tp_members = spawns_members,
};

static int
make_names(void)
{
    static const struct {
        PyObject **place;
        const char *name;
    } names[] = {
        {&name_coro, "coro"},           {&name_context, "context"},
        {&name_status, "_cancel_status"}, {&name_cancelled, "effectively_cancelled"},
        {&name_late, "lateness"},
    };
    for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
        if (make_name(names[index].place, names[index].name) < 0) {
            return -1;
        }
    }
    return 0;
}

int
add_trio(PyObject *module)
{
    return make_names() < 0 ? -1 : add_type(module, &TrioSpawnsType);
}
