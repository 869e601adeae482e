/* Spawning of asyncio tasks: the counterpart of instruments/asyncio_spawns.py.

   Only plain cases are handled here, and no Python code runs in them. All others are left to the
   Python code that replaces `__init__` of asyncio's classes of tasks. */

#include "native.h"
#include <string.h>

#define FUNCTIONS 512 /* a power of two */

/* A function whose coroutines all have one frame. */
typedef struct Known {
    PyObject *code, *name, *frame; /* NULL for none */
} Known;

typedef struct AsyncioSpawns {
    PyObject_HEAD
    PyObject *owner;
    PyObject *context_task;
    PyObject *gone;         /* accounts that are to be closed before another one is opened */
    LoopSteps *loop;        /* whose tasks are opened here */
    PyObject *loop_class;
    PyObject *runs;         /* the method by which that class runs loops */
    unsigned long thread;
    Known functions[FUNCTIONS];
} AsyncioSpawns;

static PyTypeObject AsyncioSpawnsType;

static PyObject *name_code, *name_qualname, *name_run;

/* ---- known functions */

static Known *
place_of(AsyncioSpawns *self, PyObject *code)
{
    return &self->functions[((uintptr_t)code >> 4) & (FUNCTIONS - 1)];
}

/* Return the frame of a coroutine's function, borrowed; NULL if it is not known. */
static PyObject *
frame_of(AsyncioSpawns *self, PyObject *coroutine)
{
    PyObject *code = PyObject_GetAttr(coroutine, name_code);
    PyObject *name = PyObject_GetAttr(coroutine, name_qualname);
    PyObject *frame = NULL;
    if (code != NULL && name != NULL) {
        Known *known = place_of(self, code);
        frame = known->code == code && known->name == name ? known->frame : NULL;
    }
    Py_XDECREF(code);
    Py_XDECREF(name);
    return frame;
}

static void
set_function(Known *known, Known function)
{
    Known before = *known;
    *known = function;
    Py_XDECREF(before.code);
    Py_XDECREF(before.name);
    Py_XDECREF(before.frame);
}

static PyObject *
spawns_learn(AsyncioSpawns *self, PyObject *args)
{
    PyObject *coroutine, *frame;
    if (!PyArg_ParseTuple(args, "OO:learn", &coroutine, &frame)) {
        return NULL;
    }
    PyObject *code = PyObject_GetAttr(coroutine, name_code);
    PyObject *name = code == NULL ? NULL : PyObject_GetAttr(coroutine, name_qualname);
    if (name == NULL) {
        Py_XDECREF(code);
        return NULL;
    }
    Py_INCREF(frame);
    set_function(place_of(self, code), (Known){code, name, frame});
    Py_RETURN_NONE;
}

/* ---- spawning */

/* Whether nothing has to be seen to before a task of a step is spawned. */
static int
is_plain(AsyncioSpawns *self)
{
    LoopSteps *loop = self->loop;
    if (!loop->running || loop->paused != NONE ||
        PyThread_get_thread_ident() != self->thread) {
        return 0;
    }
    TaskSteps *by = loop->current;
    if (by == NULL || by->is_callback || by->is_of_runtime ||
        (by->spawner != NULL && PyDict_Contains(loop->tasks, by->spawner) != 1) ||
        PyObject_Size(self->gone) != 0) {
        return 0;
    }
    PyObject *runs = PyObject_GetAttr(self->loop_class, name_run);
    Py_XDECREF(runs);
    return runs == self->runs;
}

/* Undo what was opened. An error is set. */
static void
undo(LoopSteps *loop, TaskSteps *account)
{
    PyObject *error = take_error();
    account->base->entries -= 1;
    if (PyDict_DelItem(loop->tasks, (PyObject *)account) < 0) {
        PyErr_Clear();
    }
    give_error(error);
}

/* Open the account of a task whose coroutine has this frame; return its stepped coroutine. */
static PyObject *
open_account(AsyncioSpawns *self, TaskSteps *by, PyObject *coroutine, PyObject *frame)
{
    LoopSteps *loop = self->loop;
    int64_t now;
    if (read_clock(loop, &now) < 0) {
        return NULL;
    }
    TaskSteps *account = spawn(loop, by->stack, frame, now, Py_None);
    if (account == NULL) {
        return NULL;
    }
    Py_INCREF(by);
    account->spawner = (PyObject *)by;
    PyObject *stepped = make_marking(coroutine, account, self->owner, self->context_task);
    if (stepped == NULL) {
        undo(loop, account);
    } else if (loop->measures_scheduled) {
        wake(loop, account, account->born, 0);
    }
    Py_DECREF(account);
    return stepped;
}

/* Return a stepped coroutine for a task in a plain case; NULL in any other, or with an error. */
static PyObject *
spawn_plainly(AsyncioSpawns *self, PyObject *coroutine)
{
    if (!is_plain(self)) {
        return NULL;
    }
    TaskSteps *by = self->loop->current;
    PyObject *frame = frame_of(self, coroutine);
    if (frame == NULL || known_child(by->stack, frame) == NULL) {
        return NULL;
    }
    Py_INCREF(frame);
    Py_INCREF(by);
    PyObject *stepped = open_account(self, by, coroutine, frame);
    Py_DECREF(by);
    Py_DECREF(frame);
    return stepped;
}

/* ---- `__init__` of tasks */

enum { REPLACED, FOLLOWED };

static int
has_name(PyObject *name, const char *wanted)
{
    return PyUnicode_CompareWithASCIIString(name, wanted) == 0;
}

/* Return what opens the account of a task that is made with these arguments; NULL for none. */
static AsyncioSpawns *
spawns_for(Method *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    if (count != 2 || names == NULL || !PyCoro_CheckExact(args[1])) {
        return NULL;
    }
    PyObject *loop = NULL;
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(names); index++) {
        PyObject *name = PyTuple_GET_ITEM(names, index), *value = args[count + index];
        if (has_name(name, "loop")) {
            loop = value;
        } else if (value != Py_None && !has_name(name, "name")) {
            return NULL; /* a context of its own, say, or an eager start */
        }
    }
    PyObject *followed = PyTuple_GET_ITEM(self->uses, FOLLOWED);
    if (loop == NULL || PyDict_GET_SIZE(followed) == 0) {
        return NULL;
    }
    PyObject *found = PyDict_GetItemWithError(followed, loop);
    return found != NULL && Py_IS_TYPE(found, &AsyncioSpawnsType) ? (AsyncioSpawns *)found : NULL;
}

#define MOST_ARGUMENTS 8

static PyObject *
init(Method *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    AsyncioSpawns *spawns = spawns_for(self, args, count, kwnames);
    PyObject *stepped = NULL;
    if (spawns != NULL && PyTuple_GET_SIZE(kwnames) <= MOST_ARGUMENTS - 3) {
        Py_INCREF(spawns);
        stepped = spawn_plainly(spawns, args[1]);
        Py_DECREF(spawns);
    }
    if (stepped == NULL) {
        PyErr_Clear(); /* the other way may do, or it says so */
        return pass_to_original(self, args, nargsf, kwnames);
    }
    PyObject *given[MOST_ARGUMENTS] = {NULL, args[0], stepped};
    memcpy(given + 3, args + 2, (size_t)PyTuple_GET_SIZE(kwnames) * sizeof(PyObject *));
    PyObject *result = PyObject_Vectorcall(PyTuple_GET_ITEM(self->uses, REPLACED), given + 1,
                                           2 | PY_VECTORCALL_ARGUMENTS_OFFSET, kwnames);
    Py_DECREF(stepped);
    return result;
}

static PyObject *
spawning_init(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *replaced, *otherwise, *followed;
    if (!PyArg_ParseTuple(args, "OOO!:spawning_init", &replaced, &otherwise, &PyDict_Type,
                          &followed)) {
        return NULL;
    }
    PyObject *uses = PyTuple_Pack(2, replaced, followed);
    if (uses == NULL) {
        return NULL;
    }
    PyObject *method = make_method((vectorcallfunc)init, otherwise, uses);
    Py_DECREF(uses);
    return method;
}

/* ---- the type */

static PyObject *
spawns_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"owner", "context_task", "gone", "account", "loop_class", NULL};
    PyObject *owner, *context_task, *gone, *account, *loop_class;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO!O:AsyncioSpawns", names, &owner,
                                     &context_task, &gone, &LoopStepsType, &account,
                                     &loop_class)) {
        return NULL;
    }
    if (!PyContextVar_CheckExact(context_task)) {
        PyErr_SetString(PyExc_TypeError, "what contexts share is a ContextVar");
        return NULL;
    }
    PyObject *runs = PyObject_GetAttr(loop_class, name_run);
    AsyncioSpawns *self = runs == NULL ? NULL : (AsyncioSpawns *)type->tp_alloc(type, 0);
    if (self == NULL) {
        Py_XDECREF(runs);
        return NULL;
    }
    Py_INCREF(owner);
    self->owner = owner;
    Py_INCREF(context_task);
    self->context_task = context_task;
    Py_INCREF(gone);
    self->gone = gone;
    Py_INCREF(account);
    self->loop = (LoopSteps *)account;
    Py_INCREF(loop_class);
    self->loop_class = loop_class;
    self->runs = runs;
    self->thread = PyThread_get_thread_ident();
    return (PyObject *)self;
}

static int
spawns_traverse(AsyncioSpawns *self, visitproc visit, void *arg)
{
    Py_VISIT(self->owner);
    Py_VISIT(self->context_task);
    Py_VISIT(self->gone);
    Py_VISIT((PyObject *)self->loop);
    Py_VISIT(self->loop_class);
    Py_VISIT(self->runs);
    for (size_t index = 0; index < FUNCTIONS; index++) {
        Py_VISIT(self->functions[index].code);
        Py_VISIT(self->functions[index].name);
        Py_VISIT(self->functions[index].frame);
    }
    return 0;
}

/* Break cycles. What methods need stays, but for the owner. */
static int
spawns_clear(AsyncioSpawns *self)
{
    Py_INCREF(Py_None);
    Py_XSETREF(self->owner, Py_None);
    for (size_t index = 0; index < FUNCTIONS; index++) {
        set_function(&self->functions[index], (Known){NULL, NULL, NULL});
    }
    return 0;
}

static void
spawns_dealloc(AsyncioSpawns *self)
{
    PyObject_GC_UnTrack(self);
    spawns_clear(self);
    Py_CLEAR(self->owner);
    Py_CLEAR(self->context_task);
    Py_CLEAR(self->gone);
    Py_CLEAR(self->loop);
    Py_CLEAR(self->loop_class);
    Py_CLEAR(self->runs);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef spawns_methods[] = {
    {"learn", (PyCFunction)spawns_learn, METH_VARARGS, NULL},
    {NULL},
};

static PyTypeObject AsyncioSpawnsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.AsyncioSpawns",
    .tp_doc = "Opens the accounts of asyncio tasks when they are made.",
    .tp_basicsize = sizeof(AsyncioSpawns),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = spawns_new,
    .tp_traverse = (traverseproc)spawns_traverse,
    .tp_clear = (inquiry)spawns_clear,
    .tp_dealloc = (destructor)spawns_dealloc,
    .tp_methods = spawns_methods,
};

static PyMethodDef functions[] = {
    {"spawning_init", spawning_init, METH_VARARGS,
     "Return a replacement of `__init__` of a class of tasks."},
    {NULL},
};

static int
make_name(PyObject **place, const char *name)
{
    if (*place == NULL) {
        *place = PyUnicode_InternFromString(name);
    }
    return *place == NULL ? -1 : 0;
}

int
add_asyncio_spawns(PyObject *module)
{
    return make_name(&name_code, "cr_code") < 0 || make_name(&name_qualname, "__qualname__") < 0 ||
                   make_name(&name_run, "run_forever") < 0 ||
                   add_type(module, &AsyncioSpawnsType) < 0
               ? -1
               : PyModule_AddFunctions(module, functions);
}
