/* Adds up the numbers of stacks for a profile: the counterpart of `Rows` in recording/snapshot.py.

   It works on copies, so the loops may go on. Where it is `polite`, they are in other threads, and
   it lets them have the lock of the interpreter every now and then. */

#include "native.h"
#include <time.h>
#if defined(_WIN32)
#include <windows.h>
#endif

#define TURN 500000   /* for so many nanoseconds it keeps the lock */
#define PAUSE 100000  /* and then leaves it alone for so many */

/* ---- pauses */

static int64_t
read_monotonic(void)
{
    struct timespec now;
#if defined(CLOCK_MONOTONIC)
    clock_gettime(CLOCK_MONOTONIC, &now);
#else
    timespec_get(&now, TIME_UTC);
#endif
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void
breathe(Rows *self)
{
    if (!self->polite || read_monotonic() - self->since < TURN) {
        return;
    }
    Py_BEGIN_ALLOW_THREADS
#if defined(_WIN32)
    Sleep(1);
#else
    struct timespec pause = {0, PAUSE};
    nanosleep(&pause, NULL);
#endif
    Py_END_ALLOW_THREADS
    self->since = read_monotonic();
}

/* ---- the table */

static size_t
slot_of(const Rows *self, const Stack *stack)
{
    size_t slot = (size_t)(((uint64_t)(uintptr_t)stack >> 4) * 0x9E3779B97F4A7C15u >> 20);
    slot &= self->mask;
    while (self->table[slot] != 0 && self->rows[self->table[slot] - 1].stack != stack) {
        slot = (slot + 1) & self->mask;
    }
    return slot;
}

static int
grow(Rows *self, Py_ssize_t more)
{
    Py_ssize_t room = 256;
    while (room <= self->count + more) {
        room *= 2;
    }
    if (room <= self->room) {
        return 0;
    }
    Row *rows = PyMem_RawRealloc(self->rows, room * sizeof(Row));
    if (rows != NULL) {
        self->rows = rows;
    }
    int32_t *table = rows == NULL ? NULL : PyMem_RawCalloc(4 * room, sizeof(int32_t));
    if (table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    PyMem_RawFree(self->table);
    self->table = table;
    self->mask = 4 * room - 1;
    self->room = room;
    for (Py_ssize_t index = 0; index < self->count; index++) {
        table[slot_of(self, rows[index].stack)] = (int32_t)(index + 1);
    }
    return 0;
}

/* The index of the row of a stack; -1 if it has none. */
static Py_ssize_t
find_row(const Rows *self, const Stack *stack)
{
    return self->table == NULL ? -1 : (Py_ssize_t)self->table[slot_of(self, stack)] - 1;
}

/* The index of the row of a stack. It is made if there is none, after those of its parents. */
static Py_ssize_t
row_of(Rows *self, Stack *stack)
{
    Py_ssize_t found = find_row(self, stack);
    if (found >= 0) {
        return found;
    }
    Py_ssize_t parent = -1;
    if (stack->parent != NULL) {
        parent = row_of(self, stack->parent); /* no deeper than `StackTree.max_depth` */
        if (parent < 0) {
            return -1;
        }
    }
    if (self->count >= self->room && grow(self, 1) < 0) {
        return -1;
    }
    Row *row = &self->rows[self->count];
    memset(row, 0, sizeof(Row));
    Py_INCREF(stack);
    row->stack = stack;
    row->parent = parent;
    self->table[slot_of(self, stack)] = (int32_t)(self->count + 1);
    return self->count++;
}

static int
add_numbers(Rows *self, Stack *stack, const int64_t *numbers)
{
    Py_ssize_t index = row_of(self, stack);
    if (index < 0) {
        return -1;
    }
    for (int each = 0; each < NUMBERS; each++) {
        self->rows[index].numbers[each] += numbers[each];
    }
    return 0;
}

/* ---- tasks */

/* What the clocks of a task show: as `read` in core/accounting.py. */
typedef struct Readings {
    int64_t busy, rest;
} Readings;

static Readings
read_clocks(int64_t busy, int64_t now, int steps)
{
    Readings running = {busy + now, -busy}, resting = {busy, now - busy};
    return steps ? running : resting;
}

static int
add_passed(Rows *self, Stack *stack, Readings until, Readings since)
{
    int64_t numbers[NUMBERS] = {0};
    numbers[BUSY] = until.busy - since.busy;
    numbers[REST] = until.rest - since.rest;
    return add_numbers(self, stack, numbers);
}

static int
add_open_spans(Rows *self, const TaskRow *task, Readings until)
{
    for (Opened *opened = task->innermost; opened != NULL; opened = opened->outer) {
        Readings since = read_clocks(opened->busy, opened->since, 1);
        Stack *around = opened->outer == NULL ? task->base : opened->outer->stack;
        if (add_passed(self, opened->stack, until, since) < 0 ||
            add_passed(self, around, since, until) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
add_task(Rows *self, const TaskRow *task, int64_t now)
{
    Readings until = read_clocks(task->busy, now, task->steps);
    Readings since = {0, task->is_callback ? until.rest : task->born};
    if (add_passed(self, task->base, until, since) < 0 || add_open_spans(self, task, until) < 0) {
        return -1;
    }
    if (task->ready != NONE && !task->steps) {
        int64_t numbers[NUMBERS] = {0};
        numbers[SCHEDULED] = now - task->ready;
        return add_numbers(self, task->stack, numbers);
    }
    return 0;
}

static PyObject *
rows_add_moment(Rows *self, PyObject *args)
{
    Moment *moment;
    long long now;
    if (!PyArg_ParseTuple(args, "O!L:add_moment", &MomentType, &moment, &now)) {
        return NULL;
    }
    if (grow(self, moment->stack_count) < 0) {
        return NULL;
    }
    for (Py_ssize_t index = 0; index < moment->stack_count; index++) {
        Stack *stack = (Stack *)PyList_GET_ITEM(moment->stacks, index);
        if (add_numbers(self, stack, &moment->numbers[index * NUMBERS]) < 0) {
            return NULL;
        }
        if (index % CHUNK == 0) {
            breathe(self);
        }
    }
    int64_t lived = moment->lifetimes;
    for (Py_ssize_t index = 0; index < moment->task_count; index++) {
        if (add_task(self, &moment->tasks[index], now) < 0) {
            return NULL;
        }
        lived += moment->tasks[index].is_callback ? 0 : now - moment->tasks[index].born;
        if (index % CHUNK == 0) {
            breathe(self);
        }
    }
    return PyLong_FromLongLong(lived);
}

/* ---- single stacks */

static PyObject *
rows_add_stacks(Rows *self, PyObject *stacks)
{
    if (!PyList_Check(stacks)) {
        PyErr_SetString(PyExc_TypeError, "the stacks of a tree are a list");
        return NULL;
    }
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(stacks); index++) {
        PyObject *stack = PyList_GET_ITEM(stacks, index);
        int64_t numbers[NUMBERS];
        if (!Py_IS_TYPE(stack, &StackType)) {
            PyErr_SetString(PyExc_TypeError, "the stacks of a tree are of the native core");
            return NULL;
        }
        copy_numbers(numbers, (Stack *)stack);
        if (add_numbers(self, (Stack *)stack, numbers) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
rows_add(Rows *self, PyObject *args)
{
    Stack *stack;
    int what;
    long long time;
    if (!PyArg_ParseTuple(args, "O!iL:add", &StackType, &stack, &what, &time)) {
        return NULL;
    }
    Py_ssize_t index = row_of(self, stack);
    if (index < 0) {
        return NULL;
    }
    if (what < 0 || what >= NUMBERS) {
        PyErr_SetString(PyExc_IndexError, "there is no such number");
        return NULL;
    }
    self->rows[index].numbers[what] += time;
    Py_RETURN_NONE;
}

static PyObject *
rows_number(Rows *self, PyObject *args)
{
    Stack *stack;
    int what;
    if (!PyArg_ParseTuple(args, "O!i:number", &StackType, &stack, &what)) {
        return NULL;
    }
    Py_ssize_t index = find_row(self, stack);
    if (what < 0 || what >= NUMBERS) {
        PyErr_SetString(PyExc_IndexError, "there is no such number");
        return NULL;
    }
    return PyLong_FromLongLong(index < 0 ? 0 : self->rows[index].numbers[what]);
}

int64_t
sum_of_busy(const Rows *self)
{
    int64_t busy = 0;
    for (Py_ssize_t index = 0; index < self->count; index++) {
        busy += self->rows[index].numbers[BUSY];
    }
    return busy;
}

static PyObject *
rows_busy(Rows *self, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLongLong(sum_of_busy(self));
}

/* ---- the type */

static int
rows_init(Rows *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"polite", NULL};
    int polite = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p:Rows", names, &polite)) {
        return -1;
    }
    self->polite = (char)polite;
    self->since = read_monotonic();
    return 0;
}

static int
rows_traverse(Rows *Py_UNUSED(self), visitproc Py_UNUSED(visit), void *Py_UNUSED(arg))
{
    return 0; /* stacks refer to no rows */
}

static void
rows_dealloc(Rows *self)
{
    PyObject_GC_UnTrack(self);
    for (Py_ssize_t index = 0; index < self->count; index++) {
        Py_DECREF(self->rows[index].stack);
    }
    PyMem_RawFree(self->rows);
    PyMem_RawFree(self->table);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMemberDef rows_members[] = {
    {"polite", T_BOOL, offsetof(Rows, polite), 0, NULL},
    {NULL},
};

static PyMethodDef rows_methods[] = {
    {"add_moment", (PyCFunction)rows_add_moment, METH_VARARGS, NULL},
    {"add_stacks", (PyCFunction)rows_add_stacks, METH_O, NULL},
    {"add", (PyCFunction)rows_add, METH_VARARGS, NULL},
    {"number", (PyCFunction)rows_number, METH_VARARGS, NULL},
    {"busy", (PyCFunction)rows_busy, METH_NOARGS, NULL},
    {"keep_laws", (PyCFunction)rows_keep_laws, METH_VARARGS, NULL},
    {"paths", (PyCFunction)rows_paths, METH_VARARGS, NULL},
    {NULL},
};

static PyTypeObject RowsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.Rows",
    .tp_doc = "The numbers of stacks, added up.",
    .tp_basicsize = sizeof(Rows),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)rows_init,
    .tp_traverse = (traverseproc)rows_traverse,
    .tp_dealloc = (destructor)rows_dealloc,
    .tp_methods = rows_methods,
    .tp_members = rows_members,
};

int
add_rows(PyObject *module)
{
    return add_type(module, &RowsType);
}
