/* The account of one loop: `LoopSteps`, see core/steps.py. */

#include "native.h"

static PyObject *
loop_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    LoopSteps *self = (LoopSteps *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->least_wait = self->plain_wait = self->due = NEVER;
    self->collected = ALWAYS;
    self->usual_wait = self->paused = NONE;
    self->slow_after = NEVER;
    self->late = -1;
    self->running = 1;
    Py_INCREF(Py_None);
    self->tree = Py_None;
    Py_INCREF(&TaskStepsType);
    self->account_type = &TaskStepsType;
    self->tasks = PyDict_New();
    self->known = PyDict_New();
    self->queue = make_histogram();
    self->delays = make_histogram();
    if (self->tasks == NULL || self->known == NULL || self->queue == NULL || self->delays == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* Read the class of the accounts of tasks, which a class of loops may have. */
static int
find_account_type(LoopSteps *self)
{
    PyObject *kind = PyObject_GetAttrString((PyObject *)Py_TYPE(self), "account_type");
    if (kind == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    if (!PyType_Check(kind) || !PyType_IsSubtype((PyTypeObject *)kind, &TaskStepsType)) {
        Py_DECREF(kind);
        PyErr_SetString(PyExc_TypeError, "the accounts of tasks are of a class of TaskSteps");
        return -1;
    }
    PyTypeObject *before = self->account_type;
    self->account_type = (PyTypeObject *)kind;
    Py_XDECREF(before);
    return 0;
}

static int
loop_init(LoopSteps *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"tree", "now", NULL};
    PyObject *tree;
    long long now;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OL:LoopSteps", names, &tree, &now)) {
        return -1;
    }
    if (find_account_type(self) < 0) {
        return -1;
    }
    Py_INCREF(tree);
    Py_SETREF(self->tree, tree);
    self->began = self->exited = now;
    Py_CLEAR(self->began_object);
    return 0;
}

static int
loop_traverse(LoopSteps *self, visitproc visit, void *arg)
{
    Py_VISIT(self->tree);
    Py_VISIT(self->tasks);
    Py_VISIT((PyObject *)self->account_type);
    Py_VISIT(self->known);
    Py_VISIT(self->clock);
    Py_VISIT(self->coroutine);
    Py_VISIT(self->waits);
    Py_VISIT((PyObject *)self->current);
    return 0;
}

static int
loop_clear(LoopSteps *self)
{
    self->clock_is_ours = 0;
    Py_CLEAR(self->clock);
    if (self->tasks != NULL) {
        PyDict_Clear(self->tasks); /* what its methods need stays */
    }
    if (self->known != NULL) {
        PyDict_Clear(self->known);
    }
    Py_CLEAR(self->coroutine);
    Py_CLEAR(self->waits);
    Py_CLEAR(self->current);
    return 0;
}

static void
loop_dealloc(LoopSteps *self)
{
    PyObject_GC_UnTrack(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    loop_clear(self);
    Py_CLEAR(self->tree);
    Py_CLEAR(self->tasks);
    Py_CLEAR(self->account_type);
    Py_CLEAR(self->known);
    Py_CLEAR(self->queue);
    Py_CLEAR(self->delays);
    Py_CLEAR(self->journal);
    Py_CLEAR(self->edges);
    Py_CLEAR(self->began_object);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
loop_get_began(LoopSteps *self, void *Py_UNUSED(closure))
{
    return began_as_object(self);
}

static int
loop_set_clock(LoopSteps *self, PyObject *clock, void *Py_UNUSED(closure))
{
    Py_XINCREF(clock);
    PyObject *before = self->clock;
    self->clock = clock;
    self->clock_is_ours = is_perf_counter(clock);
    Py_XDECREF(before);
    return 0;
}

/* ---- methods */

static int
take_moment(PyObject *value, int64_t *moment)
{
    *moment = PyLong_AsLongLong(value);
    return *moment == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
loop_nothing(LoopSteps *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_NONE;
}

static PyObject *
loop_wait_ends(LoopSteps *Py_UNUSED(self), PyObject *args)
{
    PyObject *task, *now;
    if (!PyArg_ParseTuple(args, "OO:wait_ends", &task, &now)) {
        return NULL;
    }
    Py_INCREF(now);
    return now;
}

static PyObject *
loop_step_ended(LoopSteps *Py_UNUSED(self), PyObject *args)
{
    PyObject *task, *began, *now;
    if (!PyArg_ParseTuple(args, "OOO:step_ended", &task, &began, &now)) {
        return NULL;
    }
    Py_INCREF(now);
    return now;
}

static PyObject *
loop_touch(LoopSteps *self, PyObject *now)
{
    int64_t moment;
    if (take_moment(now, &moment) < 0) {
        return NULL;
    }
    touch(self, moment);
    Py_RETURN_NONE;
}

static PyObject *
loop_spawn(LoopSteps *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"parent", "frame", "now", "attached", NULL};
    PyObject *parent, *frame, *attached = Py_None;
    long long now;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!OL|O:spawn", names, &StackType, &parent,
                                     &frame, &now, &attached)) {
        return NULL;
    }
    return (PyObject *)spawn(self, (Stack *)parent, frame, now, attached);
}

static PyObject *
loop_exit(LoopSteps *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"task", "now", "over", NULL};
    PyObject *task;
    long long now;
    int over = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!L|p:exit", names, &TaskStepsType, &task, &now,
                                     &over) ||
        exit_task(self, (TaskSteps *)task, now, over) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
loop_wake(LoopSteps *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"task", "now", "late", NULL};
    PyObject *task;
    long long now, late = -1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!L|L:wake", names, &TaskStepsType, &task, &now,
                                     &late)) {
        return NULL;
    }
    wake(self, (TaskSteps *)task, now, late);
    Py_RETURN_NONE;
}

/* Parse the arguments of a method that takes a task and a moment. */
static int
take_task(PyObject *args, TaskSteps **task, int64_t *now)
{
    long long moment;
    if (!PyArg_ParseTuple(args, "O!L", &TaskStepsType, task, &moment)) {
        return -1;
    }
    *now = moment;
    return 0;
}

static PyObject *
loop_take_from_queue(LoopSteps *self, PyObject *args)
{
    TaskSteps *task;
    int64_t now;
    if (take_task(args, &task, &now) < 0) {
        return NULL;
    }
    take_from_queue(self, task, now);
    Py_RETURN_NONE;
}

static PyObject *
loop_settle_wait(LoopSteps *self, PyObject *args)
{
    TaskSteps *task;
    int64_t now;
    if (take_task(args, &task, &now) < 0) {
        return NULL;
    }
    settle_wait(self, task, now);
    Py_RETURN_NONE;
}

static PyObject *
loop_is_interrupted(LoopSteps *self, PyObject *task)
{
    return PyBool_FromLong(is_interrupted(self, (TaskSteps *)task)); /* it is only compared */
}

/* ---- the type */

static Field tree_of_loop = {offsetof(LoopSteps, tree), NULL, 0};
static Field clock_of_loop = {offsetof(LoopSteps, clock), NULL, 0};
static Field journal_of_loop = {offsetof(LoopSteps, journal), &JournalType, 1};
static Field edges_of_loop = {offsetof(LoopSteps, edges), &EdgeTableType, 1};
static Field waits_of_loop = {offsetof(LoopSteps, waits), NULL, 1};
static Field current_of_loop = {offsetof(LoopSteps, current), &TaskStepsType, 1};

static PyGetSetDef loop_getset[] = {
    {"tree", get_field, set_field, NULL, &tree_of_loop},
    {"clock", get_field, (setter)loop_set_clock, NULL, &clock_of_loop},
    {"current", get_field, set_field, NULL, &current_of_loop},
    {"journal", get_field, set_field, NULL, &journal_of_loop},
    {"edges", get_field, set_field, NULL, &edges_of_loop},
    {"waits", get_field, set_field, NULL, &waits_of_loop},
    {"began", (getter)loop_get_began, NULL, NULL, NULL},
    {"paused", get_moment, set_moment, NULL, MOMENT(LoopSteps, paused)},
    {"usual_wait", get_moment, set_moment, NULL, MOMENT(LoopSteps, usual_wait)},
    {NULL},
};

static PyMemberDef loop_members[] = {
    {"running", T_BOOL, offsetof(LoopSteps, running), 0, NULL},
    {"exited", T_LONGLONG, offsetof(LoopSteps, exited), 0, NULL},
    {"least_wait", T_LONGLONG, offsetof(LoopSteps, least_wait), 0, NULL},
    {"plain_wait", T_LONGLONG, offsetof(LoopSteps, plain_wait), 0, NULL},
    {"due", T_LONGLONG, offsetof(LoopSteps, due), 0, NULL},
    {"tasks", T_OBJECT_EX, offsetof(LoopSteps, tasks), READONLY, NULL},
    {"known", T_OBJECT_EX, offsetof(LoopSteps, known), READONLY, NULL},
    {"late", T_LONGLONG, offsetof(LoopSteps, late), 0, NULL},
    {"polled", T_LONGLONG, offsetof(LoopSteps, polled), 0, NULL},
    {"measures_delays", T_BOOL, offsetof(LoopSteps, measures_delays), 0, NULL},
    {"measures_scheduled", T_BOOL, offsetof(LoopSteps, measures_scheduled), 0, NULL},
    {"poller", T_ULONGLONG, offsetof(LoopSteps, poller), 0, NULL},
    {"number", T_UINT, offsetof(LoopSteps, number), 0, NULL},
    {"slow_after", T_LONGLONG, offsetof(LoopSteps, slow_after), 0, NULL},
    {"queued", T_LONGLONG, offsetof(LoopSteps, queued), 0, NULL},
    {"queue", T_OBJECT_EX, offsetof(LoopSteps, queue), READONLY, NULL},
    {"delays", T_OBJECT_EX, offsetof(LoopSteps, delays), READONLY, NULL},
    {"lifetimes", T_LONGLONG, offsetof(LoopSteps, lifetimes), 0, NULL},
    {"collected", T_LONGLONG, offsetof(LoopSteps, collected), 0, NULL},
    {"changes", T_LONGLONG, offsetof(LoopSteps, changes), 0, NULL},
    {"changing", T_LONGLONG, offsetof(LoopSteps, changing), 0, NULL},
    {NULL},
};

#define WITH_NAMES(function) (PyCFunction)(void (*)(void))function, METH_VARARGS | METH_KEYWORDS

static PyMethodDef loop_methods[] = {
    {"runs_again", (PyCFunction)loop_nothing, METH_NOARGS, NULL},
    {"wait_ends", (PyCFunction)loop_wait_ends, METH_VARARGS, NULL},
    {"step_ended", (PyCFunction)loop_step_ended, METH_VARARGS, NULL},
    {"touch", (PyCFunction)loop_touch, METH_O, NULL},
    {"spawn", WITH_NAMES(loop_spawn), NULL},
    {"exit", WITH_NAMES(loop_exit), NULL},
    {"wake", WITH_NAMES(loop_wake), NULL},
    {"take_from_queue", (PyCFunction)loop_take_from_queue, METH_VARARGS, NULL},
    {"settle_wait", (PyCFunction)loop_settle_wait, METH_VARARGS, NULL},
    {"is_interrupted", (PyCFunction)loop_is_interrupted, METH_O, NULL},
    {NULL},
};

PyTypeObject LoopStepsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.LoopSteps",
    .tp_doc = "What changes of a loop at every step.",
    .tp_basicsize = sizeof(LoopSteps),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_new = loop_new,
    .tp_init = (initproc)loop_init,
    .tp_traverse = (traverseproc)loop_traverse,
    .tp_clear = (inquiry)loop_clear,
    .tp_dealloc = (destructor)loop_dealloc,
    .tp_weaklistoffset = offsetof(LoopSteps, weakrefs),
    .tp_methods = loop_methods,
    .tp_members = loop_members,
    .tp_getset = loop_getset,
};

int
add_loops(PyObject *module)
{
    return add_type(module, &LoopStepsType);
}
