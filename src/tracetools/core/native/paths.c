/* What a profile is made of, from rows: the rest of `Rows` in recording/snapshot.py. */

#include "native.h"

/* ---- the laws of time */

/* Whether the numbers of a row are those of a profile; of a root, the busy time is made later. */
static int
is_negative(const Row *row)
{
    for (int each = 0; each < NUMBERS; each++) {
        if (row->numbers[each] < 0 && !(each == BUSY && row->parent < 0)) {
            return 1;
        }
    }
    return row->numbers[REST] < row->numbers[SCHEDULED];
}

/* Whether a row is of the loop itself, and not of a task; -1 for an error. */
static int
is_of_loop(const Rows *self, const Row *row, const char *of_loop, PyObject *frames)
{
    if (row->parent < 0) {
        return 1;
    }
    if (self->rows[row->parent].parent >= 0) {
        return of_loop[row->parent];
    }
    return PySequence_Contains(frames, row->stack->frame);
}

PyObject *
rows_keep_laws(Rows *self, PyObject *args)
{
    long long duration, task_time;
    PyObject *frames;
    if (!PyArg_ParseTuple(args, "LLO!:keep_laws", &duration, &task_time, &PyTuple_Type, &frames)) {
        return NULL;
    }
    char *of_loop = PyMem_RawCalloc(self->count + 1, 1);
    if (of_loop == NULL) {
        return PyErr_NoMemory();
    }
    int64_t own = duration - sum_of_busy(self), lived = 0;
    int holds = 1, found = 0;
    for (Py_ssize_t index = 0; index < self->count && found >= 0; index++) {
        const Row *row = &self->rows[index];
        found = is_of_loop(self, row, of_loop, frames);
        of_loop[index] = (char)found;
        holds = holds && !is_negative(row);
        own += row->parent < 0 ? row->numbers[BUSY] : 0;
        lived += row->numbers[REST] + (found ? 0 : row->numbers[BUSY]);
        if (index % CHUNK == 0) {
            breathe(self);
        }
    }
    PyMem_RawFree(of_loop);
    return found < 0 ? NULL : PyBool_FromLong(holds && own >= 0 && lived == task_time);
}

/* ---- what a profile is made of */

/* Make a value that the collector need not look at: it refers to strings and numbers alone. */
static PyObject *
untracked(PyObject *made)
{
    if (made != NULL && PyObject_GC_IsTracked(made)) {
        PyObject_GC_UnTrack(made);
    }
    return made;
}

/* Make the `Times` of a row. */
static PyObject *
times_of(const int64_t *numbers, PyTypeObject *times)
{
    const int64_t values[] = {
        numbers[BUSY],  numbers[SCHEDULED], numbers[REST] - numbers[SCHEDULED], numbers[THREAD],
        numbers[STEPS], numbers[ENTRIES],   numbers[SELF_WAKES],                numbers[LEFT_OPEN],
    };
    PyObject *plain = PyTuple_New(NUMBERS);
    if (plain == NULL) {
        return NULL;
    }
    for (int each = 0; each < NUMBERS; each++) {
        PyObject *value = PyLong_FromLongLong(values[each]);
        if (value == NULL) {
            Py_DECREF(plain);
            return NULL;
        }
        PyTuple_SET_ITEM(plain, each, value);
    }
    PyObject *args = PyTuple_Pack(1, plain);
    Py_DECREF(plain);
    if (args == NULL) {
        return NULL;
    }
    PyObject *found = PyTuple_Type.tp_new(times, args, NULL);
    Py_DECREF(args);
    return untracked(found);
}

/* The frame as it is shown: a new reference. `shown` remembers all of them. */
static PyObject *
shown_frame(PyObject *frame, PyObject *shorten, PyObject *shown)
{
    PyObject *found = PyDict_GetItemWithError(shown, frame);
    if (found != NULL || PyErr_Occurred()) {
        Py_XINCREF(found);
        return found;
    }
    found = PyObject_CallOneArg(shorten, frame);
    if (found != NULL && found != frame && PyTuple_Check(found)) {
        untracked(found);
    }
    if (found != NULL && PyDict_SetItem(shown, frame, found) < 0) {
        Py_CLEAR(found);
    }
    return found;
}

/* The path of a row, below that of its parent: a new reference. */
static PyObject *
path_of(PyObject *above, PyObject *frame)
{
    Py_ssize_t depth = above == NULL ? 0 : PyTuple_GET_SIZE(above);
    PyObject *path = PyTuple_New(depth + 1);
    if (path == NULL) {
        return NULL;
    }
    for (Py_ssize_t index = 0; index < depth; index++) {
        PyObject *each = PyTuple_GET_ITEM(above, index);
        Py_INCREF(each);
        PyTuple_SET_ITEM(path, index, each);
    }
    Py_INCREF(frame);
    PyTuple_SET_ITEM(path, depth, frame);
    return untracked(path);
}

/* Add the numbers of a path to those that it may have already. */
static int
add_path(PyObject *stacks, PyObject *path, PyObject *times)
{
    Py_ssize_t before = PyDict_GET_SIZE(stacks);
    PyObject *known = PyDict_SetDefault(stacks, path, times);
    if (known == NULL || PyDict_GET_SIZE(stacks) > before) {
        return known == NULL ? -1 : 0;
    }
    PyObject *sum = PyObject_CallMethod(times, "plus", "(O)", known);
    int failed = sum == NULL ? -1 : PyDict_SetItem(stacks, path, sum);
    Py_XDECREF(sum);
    return failed;
}

typedef struct Paths {
    PyObject *shorten, *shown, *stacks;
    PyTypeObject *times;
    PyObject **paths; /* of the rows up to now */
} Paths;

static int
add_row(Rows *self, Paths *made, Py_ssize_t index)
{
    const Row *row = &self->rows[index];
    PyObject *frame = shown_frame(row->stack->frame, made->shorten, made->shown);
    if (frame == NULL) {
        return -1;
    }
    PyObject *path = path_of(row->parent < 0 ? NULL : made->paths[row->parent], frame);
    Py_DECREF(frame);
    if (path == NULL) {
        return -1;
    }
    made->paths[index] = path;
    PyObject *times = times_of(self->rows[index].numbers, made->times);
    int failed = times == NULL ? -1 : add_path(made->stacks, path, times);
    Py_XDECREF(times);
    return failed;
}

PyObject *
rows_paths(Rows *self, PyObject *args)
{
    Paths made = {NULL, NULL, NULL, NULL, NULL};
    if (!PyArg_ParseTuple(args, "OO!O!:paths", &made.shorten, &PyDict_Type, &made.shown,
                          &PyType_Type, &made.times)) {
        return NULL;
    }
    if (!PyType_IsSubtype(made.times, &PyTuple_Type)) {
        PyErr_SetString(PyExc_TypeError, "the numbers of a stack are a tuple");
        return NULL;
    }
    Py_ssize_t count = self->count, index = 0;
    made.stacks = PyDict_New();
    made.paths = PyMem_RawCalloc(count + 1, sizeof(PyObject *));
    if (made.stacks == NULL || made.paths == NULL) {
        Py_XDECREF(made.stacks);
        PyMem_RawFree(made.paths);
        return PyErr_NoMemory();
    }
    while (index < count && add_row(self, &made, index) == 0) {
        index++;
        if (index % CHUNK == 0) {
            breathe(self);
        }
    }
    for (Py_ssize_t each = 0; each < count; each++) {
        Py_XDECREF(made.paths[each]);
        if (each % CHUNK == 0) {
            breathe(self);
        }
    }
    PyMem_RawFree(made.paths);
    if (index < count) {
        Py_CLEAR(made.stacks);
    }
    return made.stacks;
}
