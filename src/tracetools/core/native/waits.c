/* Gives waits to what was awaited: the counterpart of attribution/wait_ends.py.

   A chain that was seen before costs no Python code. One that is new is named by Python code, which
   then says what its name depends on. */

#include "native.h"

typedef struct WaitEnds {
    PyObject_HEAD
    int64_t least;
    PyObject *names; /* a WaitNames */
    Plans plans;
} WaitEnds;

/* ---- a wait whose chain is known */

static Knowledge
find_known(WaitEnds *self, TaskSteps *task, PyObject *coroutine, PyObject **stack)
{
    if (!PyCoro_CheckExact(coroutine)) {
        return IS_NAMED_BY_MORE;
    }
    Chain chain;
    walk_chain(coroutine, self->plans.between, &chain);
    return find_stack(&self->plans, &chain, task->base, task->stack, stack);
}

/* Attribute a wait; return whether that is done. */
static int
end_known(WaitEnds *self, TaskSteps *task, PyObject *coroutine, int64_t now)
{
    int64_t idle = (task->ready == NONE ? now : task->ready) - task->parked;
    if (idle <= self->least) {
        return 1;
    }
    PyObject *stack;
    if (find_known(self, task, coroutine, &stack) != IS_KNOWN) {
        return 0;
    }
    if (idle > 0) {
        give_wait(task, (Stack *)stack, idle);
    }
    return 1;
}

int
wait_ends(TaskSteps *task, int64_t *now)
{
    PyObject *waits = task->loop->waits;
    if (waits != NULL && task->stepped != NULL && PyObject_TypeCheck(waits, &WaitEndsType) &&
        end_known((WaitEnds *)waits, task, coroutine_within(task->stepped), *now)) {
        return read_clock(task->loop, now);
    }
    PyObject *found = PyObject_CallMethod((PyObject *)task->loop, "wait_ends", "OL", task,
                                          (long long)*now);
    if (found == NULL) {
        return -1;
    }
    *now = PyLong_AsLongLong(found);
    Py_DECREF(found);
    return *now == -1 && PyErr_Occurred() ? -1 : 0;
}

/* ---- a wait whose chain is new */

/* Whether a stack ends with a limiter, of which Python code takes note at each wait. */
static int
is_of_limiter(Stack *stack)
{
    static const char start[] = "await CapacityLimiter";
    PyObject *frame = stack->frame;
    PyObject *name = PyTuple_Check(frame) && PyTuple_GET_SIZE(frame) > 0
                         ? PyTuple_GET_ITEM(frame, 0)
                         : NULL;
    if (name == NULL || !PyUnicode_Check(name)) {
        return 1;
    }
    for (Py_ssize_t index = 0; index < (Py_ssize_t)sizeof(start) - 1; index++) {
        if (index >= PyUnicode_GET_LENGTH(name) ||
            PyUnicode_READ_CHAR(name, index) != (Py_UCS4)start[index]) {
            return 0;
        }
    }
    return 1;
}

/* Find asyncio's types, when a future of asyncio's is awaited for the first time. */
static int
find_asyncio(WaitEnds *self, PyObject *iterator)
{
    Plans *plans = &self->plans;
    PyTypeObject *type = Py_TYPE(iterator);
    PyObject *future, *task, *get_coroutine, *noted;
    Py_INCREF(type);
    PyObject *found = PyObject_CallMethod(self->names, "of_asyncio", NULL);
    if (found == NULL || found == Py_None) {
        Py_DECREF(type);
        Py_XDECREF(found);
        return found == NULL ? -1 : 0;
    }
    if (!PyArg_ParseTuple(found, "O!O!OO!", &PyType_Type, &future, &PyType_Type, &task,
                          &get_coroutine, &PyDict_Type, &noted) ||
        plans->future != NULL || !Py_IS_TYPE(get_coroutine, &PyMethodDescr_Type)) {
        Py_DECREF(type);
        Py_DECREF(found);
        return PyErr_Occurred() ? -1 : 0;
    }
    Py_INCREF(get_coroutine);
    plans->get_coroutine = get_coroutine;
    Py_INCREF(noted);
    plans->noted = noted;
    Py_INCREF(task);
    plans->task = (PyTypeObject *)task;
    Py_INCREF(future);
    plans->future = (PyTypeObject *)future;
    plans->future_iterator = type;
    Py_DECREF(found);
    return 0;
}

/* Remember a chain that was new, and what Python code has made of it. */
static int
learn(WaitEnds *self, PyObject *coroutine, Stack *base, Stack *own, PyObject *stack)
{
    if (is_of_limiter((Stack *)stack)) {
        return 0;
    }
    PyObject *found = PyObject_CallMethod(self->names, "named_by", "OOO", coroutine, base, own);
    if (found == NULL || found == Py_None) {
        Py_XDECREF(found);
        return found == NULL ? -1 : 0;
    }
    int waiting, named_by;
    int is_right = PyArg_ParseTuple(found, "ii", &waiting, &named_by);
    Py_DECREF(found);
    if (!is_right) {
        return -1;
    }
    Chain chain;
    walk_chain(coroutine, self->plans.between, &chain);
    if (chain.end != NULL && self->plans.future == NULL &&
        strcmp(name_of_type(Py_TYPE(chain.end)), "FutureIter") == 0 &&
        find_asyncio(self, chain.end) < 0) {
        return -1;
    }
    return add_stack(&self->plans, coroutine, base, own, stack, waiting, named_by);
}

/* ---- the type */

static int
waits_init(WaitEnds *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"least", "names", NULL};
    long long least;
    PyObject *given;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "LO:WaitEnds", names, &least, &given)) {
        return -1;
    }
    PyObject *between = PyObject_GetAttrString(given, "between");
    if (between == NULL) {
        return -1;
    }
    if (!PyTuple_Check(between)) {
        Py_DECREF(between);
        PyErr_SetString(PyExc_TypeError, "the types between links are a tuple");
        return -1;
    }
    self->least = least;
    Py_INCREF(given);
    Py_XSETREF(self->names, given);
    Py_XSETREF(self->plans.between, between);
    return 0;
}

static int
waits_traverse(WaitEnds *self, visitproc visit, void *arg)
{
    Py_VISIT(self->names);
    return 0;
}

static int
waits_clear(WaitEnds *self)
{
    Plans *plans = &self->plans;
    forget_plans(plans);
    Py_CLEAR(plans->future);
    Py_CLEAR(plans->task);
    Py_CLEAR(plans->future_iterator);
    Py_CLEAR(plans->get_coroutine);
    Py_CLEAR(plans->noted);
    return 0;
}

static void
waits_dealloc(WaitEnds *self)
{
    PyObject_GC_UnTrack(self);
    waits_clear(self);
    Py_CLEAR(self->plans.between);
    Py_CLEAR(self->names);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
waits_end(WaitEnds *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || !PyObject_TypeCheck(args[0], &TaskStepsType)) {
        PyErr_SetString(PyExc_TypeError, "a task, its coroutine, a moment and a clock are needed");
        return NULL;
    }
    TaskSteps *task = (TaskSteps *)args[0];
    PyObject *coroutine = args[1];
    int64_t now = PyLong_AsLongLong(args[2]);
    if (now == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (end_known(self, task, coroutine, now)) {
        Py_RETURN_NONE;
    }
    return PyObject_CallMethod((PyObject *)self, "end_unknown", "OOOO", args[0], args[1], args[2],
                               args[3]);
}

static PyObject *
waits_stack_of(WaitEnds *self, PyObject *args)
{
    TaskSteps *task;
    PyObject *coroutine, *stack;
    if (!PyArg_ParseTuple(args, "O!O:stack_of", &TaskStepsType, &task, &coroutine)) {
        return NULL;
    }
    Knowledge known = find_known(self, task, coroutine, &stack);
    if (known == IS_KNOWN) {
        Py_INCREF(stack);
        return stack;
    }
    Stack *base = task->base, *own = task->stack;
    Py_INCREF(base);
    Py_INCREF(own);
    stack = PyObject_CallMethod(self->names, "stack", "OOOO", coroutine, base, own,
                                task->loop->tree);
    if (known == IS_NEW && stack != NULL && PyObject_TypeCheck(stack, &StackType) &&
        learn(self, coroutine, base, own, stack) < 0) {
        Py_CLEAR(stack);
    }
    Py_DECREF(base);
    Py_DECREF(own);
    return stack;
}

static PyObject *
waits_end_unknown(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args))
{
    PyErr_SetNone(PyExc_NotImplementedError);
    return NULL;
}

static PyMethodDef waits_methods[] = {
    {"stack_of", (PyCFunction)waits_stack_of, METH_VARARGS, NULL},
    {"end_unknown", (PyCFunction)waits_end_unknown, METH_VARARGS, NULL},
    {"end", (PyCFunction)(void (*)(void))waits_end, METH_FASTCALL, NULL},
    {NULL},
};

static PyMemberDef waits_members[] = {
    {"least", T_LONGLONG, offsetof(WaitEnds, least), READONLY, NULL},
    {"names", T_OBJECT, offsetof(WaitEnds, names), READONLY, NULL},
    {NULL},
};

PyTypeObject WaitEndsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.WaitEnds",
    .tp_doc = "Gives waits, when they end, to what was awaited.",
    .tp_basicsize = sizeof(WaitEnds),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)waits_init,
    .tp_traverse = (traverseproc)waits_traverse,
    .tp_clear = (inquiry)waits_clear,
    .tp_dealloc = (destructor)waits_dealloc,
    .tp_methods = waits_methods,
    .tp_members = waits_members,
};

int
add_waits(PyObject *module)
{
    return find_link_types() < 0 ? -1 : add_type(module, &WaitEndsType);
}
