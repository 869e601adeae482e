/* Copies the state of a loop at one moment: the counterpart of `Moment` in recording/snapshot.py.

   All is copied in one go, with the lock of the interpreter, into memory that was made before. So
   nothing changes meanwhile, no garbage is made, and the loop waits for no more than that. */

#include "native.h"

#define AHEAD 16 /* so many tasks are fetched before they are copied */

static void
free_rows(Moment *self)
{
    TaskRow *tasks = self->tasks;
    Py_ssize_t count = self->task_count;
    int64_t *numbers = self->numbers;
    self->tasks = NULL;
    self->numbers = NULL;
    self->task_count = self->stack_count = 0;
    for (Py_ssize_t index = 0; index < count; index++) {
        Py_XDECREF(tasks[index].innermost);
    }
    Py_BEGIN_ALLOW_THREADS
    PyMem_RawFree(tasks);
    PyMem_RawFree(numbers);
    Py_END_ALLOW_THREADS
}

/* Make room, and touch all of it while other threads run: the system gives it page by page. */
static void *
make_room(size_t size)
{
    void *room;
    Py_BEGIN_ALLOW_THREADS
    room = PyMem_RawMalloc(size + 1);
    if (room != NULL) {
        memset(room, 0, size + 1);
    }
    Py_END_ALLOW_THREADS
    if (room == NULL) {
        PyErr_NoMemory();
    }
    return room;
}

static void
copy_task(TaskRow *row, TaskSteps *task, LoopSteps *loop)
{
    row->base = task->base;
    row->stack = task->stack;
    Py_XINCREF(task->innermost);
    row->innermost = task->innermost;
    row->born = task->born;
    row->busy = task->busy;
    row->ready = task->ready;
    row->is_callback = task->is_callback;
    row->steps = loop->current == task;
}

/* Find the tasks of two dicts: keys of the first, values of the second. */
static Py_ssize_t
find_tasks(PyObject *tasks, PyObject *callbacks, PyObject **found)
{
    Py_ssize_t position = 0, count = 0;
    PyObject *key, *value;
    while (PyDict_Next(tasks, &position, &key, &value)) {
        found[count++] = key;
    }
    position = 0;
    while (PyDict_Next(callbacks, &position, &key, &value)) {
        found[count++] = value;
    }
    return count;
}

void
copy_numbers(int64_t *numbers, const Stack *stack)
{
    numbers[BUSY] = stack->busy;
    numbers[REST] = stack->rest;
    numbers[SCHEDULED] = stack->scheduled;
    numbers[THREAD] = stack->thread;
    numbers[STEPS] = stack->steps;
    numbers[ENTRIES] = stack->entries;
    numbers[SELF_WAKES] = stack->self_wakes;
    numbers[LEFT_OPEN] = stack->left_open;
}

/* Copy all, without calling anything. */
static void
copy_all(Moment *self, LoopSteps *loop, PyObject **tasks, Py_ssize_t count)
{
    for (Py_ssize_t index = 0; index < count; index++) {
        if (index + AHEAD < count) {
            const char *next = (const char *)tasks[index + AHEAD];
            PREFETCH(next);
            PREFETCH(next + 64);
            PREFETCH(next + 128);
        }
        if (PyObject_TypeCheck(tasks[index], &TaskStepsType)) {
            copy_task(&self->tasks[self->task_count++], (TaskSteps *)tasks[index], loop);
        }
    }
    self->stack_count = PyList_GET_SIZE(self->stacks);
    for (Py_ssize_t index = 0; index < self->stack_count; index++) {
        copy_numbers(&self->numbers[index * NUMBERS],
                     (Stack *)PyList_GET_ITEM(self->stacks, index));
    }
    self->changing = loop->changing;
    self->began = loop->began;
    self->lifetimes = loop->lifetimes;
    self->paused = loop->paused;
    Py_XINCREF(loop->current);
    self->current = loop->current;
}

static int
are_stacks(PyObject *list)
{
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(list); index++) {
        if (!Py_IS_TYPE(PyList_GET_ITEM(list, index), &StackType)) {
            PyErr_SetString(PyExc_TypeError, "the stacks of a tree are of the native core");
            return 0;
        }
    }
    return 1;
}

/* Copy if there is enough room. Return 0 if there is not, and how much is needed. */
static int
try_copy(Moment *self, LoopSteps *loop, PyObject *stacks, PyObject *callbacks, PyObject **tasks,
         Py_ssize_t *task_room, Py_ssize_t *stack_room)
{
    PyObject *copied = PyList_GetSlice(stacks, 0, PyList_GET_SIZE(stacks));
    if (copied == NULL) {
        return -1;
    }
    /* From here on nothing is made, so before Python 3.12 no garbage is collected. */
    Py_ssize_t task_count = PyDict_GET_SIZE(loop->tasks) + PyDict_GET_SIZE(callbacks);
    Py_ssize_t stack_count = PyList_GET_SIZE(stacks);
    if (stack_count != PyList_GET_SIZE(copied) || task_count > *task_room ||
        stack_count > *stack_room) {
        Py_DECREF(copied);
        *task_room = task_count + task_count / 8;
        *stack_room = stack_count + stack_count / 8;
        return 0;
    }
    if (!are_stacks(copied)) {
        Py_DECREF(copied);
        return -1;
    }
    self->stacks = copied;
    copy_all(self, loop, tasks, find_tasks(loop->tasks, callbacks, tasks));
    return 1;
}

static int
copy_loop(Moment *self, LoopSteps *loop, PyObject *stacks, PyObject *callbacks)
{
    Py_ssize_t task_room = PyDict_GET_SIZE(loop->tasks) + PyDict_GET_SIZE(callbacks);
    Py_ssize_t stack_room = PyList_GET_SIZE(stacks);
    for (;;) {
        PyObject **tasks = make_room(task_room * sizeof(PyObject *));
        self->tasks = tasks == NULL ? NULL : make_room(task_room * sizeof(TaskRow));
        self->numbers =
            self->tasks == NULL ? NULL : make_room(stack_room * NUMBERS * sizeof(int64_t));
        int copied = -1;
        if (self->numbers != NULL) {
            copied = try_copy(self, loop, stacks, callbacks, tasks, &task_room, &stack_room);
        }
        PyMem_RawFree(tasks);
        if (copied != 0) {
            return copied < 0 ? -1 : 0;
        }
        free_rows(self); /* there are more now */
    }
}

static int
moment_init(Moment *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"loop", NULL};
    PyObject *loop;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!:Moment", names, &LoopStepsType, &loop)) {
        return -1;
    }
    if (self->loop != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a moment is of one loop");
        return -1;
    }
    Py_INCREF(loop);
    self->loop = loop;
    PyObject *callbacks = PyObject_GetAttrString(loop, "callbacks");
    PyObject *stacks = callbacks == NULL
                           ? NULL
                           : PyObject_GetAttrString(((LoopSteps *)loop)->tree, "stacks");
    int failed = -1;
    if (stacks != NULL && PyDict_Check(callbacks) && PyList_Check(stacks)) {
        failed = copy_loop(self, (LoopSteps *)loop, stacks, callbacks);
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_TypeError, "it is not a loop of a recording");
    }
    Py_XDECREF(callbacks);
    Py_XDECREF(stacks);
    return failed;
}

static int
moment_traverse(Moment *self, visitproc visit, void *arg)
{
    Py_VISIT(self->loop);
    Py_VISIT((PyObject *)self->current);
    Py_VISIT(self->stacks);
    return 0;
}

static int
moment_clear(Moment *self)
{
    Py_CLEAR(self->current);
    return 0;
}

static void
moment_dealloc(Moment *self)
{
    PyObject_GC_UnTrack(self);
    moment_clear(self);
    free_rows(self);
    Py_CLEAR(self->stacks);
    Py_CLEAR(self->loop);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static Field loop_of_moment = {offsetof(Moment, loop), NULL, 1};
static Field current_of_moment = {offsetof(Moment, current), NULL, 1};

static PyGetSetDef moment_getset[] = {
    {"loop", get_field, NULL, NULL, &loop_of_moment},
    {"current", get_field, NULL, NULL, &current_of_moment},
    {"paused", get_moment, NULL, NULL, MOMENT(Moment, paused)},
    {NULL},
};

static PyMemberDef moment_members[] = {
    {"began", T_LONGLONG, offsetof(Moment, began), READONLY, NULL},
    {"lifetimes", T_LONGLONG, offsetof(Moment, lifetimes), READONLY, NULL},
    {"changing", T_LONGLONG, offsetof(Moment, changing), READONLY, NULL},
    {NULL},
};

PyTypeObject MomentType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.Moment",
    .tp_doc = "The state of a loop at one moment.",
    .tp_basicsize = sizeof(Moment),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)moment_init,
    .tp_traverse = (traverseproc)moment_traverse,
    .tp_clear = (inquiry)moment_clear,
    .tp_dealloc = (destructor)moment_dealloc,
    .tp_members = moment_members,
    .tp_getset = moment_getset,
};

int
add_moments(PyObject *module)
{
    return add_type(module, &MomentType);
}
