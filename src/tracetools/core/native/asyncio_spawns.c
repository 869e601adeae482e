/* Spawning of asyncio tasks: the counterpart of instruments/asyncio_spawns.py.

   Only plain cases are handled here, and no Python code runs in them. All others are left to the
   Python code that replaces `__init__` of asyncio's classes of tasks. */

#include "native.h"
#include <string.h>

typedef struct AsyncioSpawns {
    Spawns base;
    PyObject *gone;         /* accounts that are to be closed before another one is opened */
    PyObject *steps;        /* what says which task of asyncio's steps; None if nothing does */
    PyObject *loop_class;
    PyObject *runs;         /* the method by which that class runs loops */
} AsyncioSpawns;

static PyTypeObject AsyncioSpawnsType;

static PyObject *name_run, *name_loop, *name_name;

/* ---- spawning */

/* Whether nothing has to be seen to before a task is spawned. */
static int
is_plain(AsyncioSpawns *self)
{
    LoopSteps *loop = self->base.loop;
    if (!loop->running || loop->paused != NONE ||
        PyThread_get_thread_ident() != self->base.thread || PyObject_Size(self->gone) != 0) {
        return 0;
    }
    PyObject *runs = PyObject_GetAttr(self->loop_class, name_run);
    Py_XDECREF(runs);
    return runs == self->runs;
}

/* Whether a task of asyncio's steps in a loop, or that cannot be told. */
static int
may_step(AsyncioSpawns *self, PyObject *loop)
{
    if (PyDict_Check(self->steps)) {
        PyObject *found = PyDict_GetItemWithError(self->steps, loop);
        return (found != NULL && found != Py_None) || PyErr_Occurred();
    }
    if (!PyCFunction_Check(self->steps)) {
        return 1;
    }
    PyObject *found = PyObject_CallOneArg(self->steps, loop);
    Py_XDECREF(found);
    return found != Py_None;
}

/* Find the task that spawns another one, as task_parents.py does: borrowed, or NULL for none.
   Return 0 if a task steps that is not followed: that has to be counted. */
static int
find_spawner(AsyncioSpawns *self, PyObject *loop, TaskSteps **by)
{
    TaskSteps *current = self->base.loop->current;
    *by = current;
    if (current != NULL && !current->is_of_runtime) {
        return 1;
    }
    if ((current == NULL || current->is_callback) && may_step(self, loop)) {
        return 0;
    }
    PyObject *found;
    if (PyContextVar_Get(self->base.context_task, NULL, &found) < 0 || found == NULL) {
        return 0;
    }
    int is_here = PyObject_TypeCheck(found, &TaskStepsType) &&
                  ((TaskSteps *)found)->loop == self->base.loop;
    *by = is_here ? living_task((TaskSteps *)found) : NULL;
    Py_DECREF(found); /* the context has it as well */
    return 1;
}

/* Make the stepped coroutine of a task whose account was opened. */
static PyObject *
make_coroutine(AsyncioSpawns *self, PyObject *coroutine, TaskSteps *account)
{
    return account->is_of_runtime
               ? make_stepped(coroutine, account, self->base.owner, Py_None, 0)
               : make_marking(coroutine, account, self->base.owner, self->base.context_task);
}

/* Return a stepped coroutine for a task in a plain case; NULL in any other, or with an error. */
static PyObject *
spawn_plainly(AsyncioSpawns *self, PyObject *loop, PyObject *coroutine)
{
    TaskSteps *by;
    const Known *function = is_plain(self) ? known_function(&self->base, coroutine) : NULL;
    if (function == NULL || !find_spawner(self, loop, &by)) {
        return NULL;
    }
    TaskSteps *account = spawn_known(&self->base, by, function, Py_None);
    if (account == NULL) {
        return NULL;
    }
    PyObject *stepped = make_coroutine(self, coroutine, account);
    if (stepped == NULL) {
        undo_spawn(account);
    } else if (self->base.loop->measures_scheduled) {
        wake(self->base.loop, account, account->born, -1);
    }
    Py_DECREF(account);
    return stepped;
}

/* ---- `__init__` of tasks

   Python calls it with a tuple and a dict, as it does all types of C code that make objects. So what
   stands in its place takes these, and passes them on. */

enum { REPLACED, FOLLOWED };

/* Find the loop of a task that is made with these options, borrowed; NULL if there are others that
   matter, such as a context of its own or an eager start. */
static PyObject *
loop_among(PyObject *options)
{
    PyObject *key, *value, *loop = NULL;
    Py_ssize_t place = 0;
    while (PyDict_Next(options, &place, &key, &value)) {
        if (key == name_loop) {
            loop = value;
        } else if (value != Py_None && key != name_name) {
            return NULL;
        }
    }
    return loop;
}

/* Return what opens the accounts of tasks in a loop, borrowed; NULL for none. */
static AsyncioSpawns *
spawns_of(Method *self, PyObject *loop)
{
    PyObject *followed = PyTuple_GET_ITEM(self->uses, FOLLOWED);
    PyObject *found =
        PyDict_GET_SIZE(followed) == 0 ? NULL : PyDict_GetItemWithError(followed, loop);
    return found != NULL && Py_IS_TYPE(found, &AsyncioSpawnsType) ? (AsyncioSpawns *)found : NULL;
}

/* Return a stepped coroutine for a task that is made with these arguments, in a plain case; NULL in
   any other, perhaps with an error set. */
static PyObject *
stepped_for(Method *self, PyObject *args, PyObject *options)
{
    if (self->uses == NULL || options == NULL || PyTuple_GET_SIZE(args) != 2 ||
        !PyCoro_CheckExact(PyTuple_GET_ITEM(args, 1))) {
        return NULL;
    }
    PyObject *loop = loop_among(options);
    AsyncioSpawns *spawns = loop == NULL ? NULL : spawns_of(self, loop);
    if (spawns == NULL) {
        return NULL;
    }
    Py_INCREF(spawns);
    PyObject *stepped = spawn_plainly(spawns, loop, PyTuple_GET_ITEM(args, 1));
    Py_DECREF(spawns);
    return stepped;
}

/* Call what is replaced, with another coroutine. */
static PyObject *
init_with(Method *self, PyObject *task, PyObject *stepped, PyObject *options)
{
    PyObject *replaced = PyTuple_GET_ITEM(self->uses, REPLACED), *result = NULL;
    int is_in_c = self->memo != NULL && PyObject_TypeCheck(task, self->memo);
    PyObject *args = is_in_c ? PyTuple_Pack(1, stepped) : PyTuple_Pack(2, task, stepped);
    if (args == NULL) {
        return NULL;
    }
    Py_INCREF(replaced);
    if (!is_in_c) {
        result = PyObject_Call(replaced, args, options);
    } else if (((initproc)((PyWrapperDescrObject *)replaced)->d_wrapped)(task, args, options) == 0) {
        result = Py_None;
        Py_INCREF(result);
    }
    Py_DECREF(replaced);
    Py_DECREF(args);
    return result;
}

static PyObject *
init(Method *self, PyObject *args, PyObject *options)
{
    PyObject *stepped = stepped_for(self, args, options);
    if (stepped == NULL) {
        return pass_over_error() < 0 ? NULL : PyObject_Call(self->original, args, options);
    }
    PyObject *result = init_with(self, PyTuple_GET_ITEM(args, 0), stepped, options);
    Py_DECREF(stepped);
    return result;
}

static PyTypeObject InitType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.Init",
    .tp_basicsize = sizeof(Method),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_base = &MethodType,
    .tp_call = (ternaryfunc)init,
    .tp_getset = attributes_of_method,
};

/* The class whose `__init__` in C a method is; NULL if it is none. */
static PyTypeObject *
class_of_init(PyObject *method)
{
    int is_init = Py_IS_TYPE(method, &PyWrapperDescr_Type) &&
                  strcmp(((PyWrapperDescrObject *)method)->d_base->name, "__init__") == 0;
    return is_init ? PyDescr_TYPE(method) : NULL;
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
    PyObject *method = make_method_of(&InitType, NULL, otherwise, uses);
    if (method != NULL) {
        ((Method *)method)->memo = class_of_init(replaced);
    }
    Py_DECREF(uses);
    return method;
}

/* ---- the type */

static PyObject *
spawns_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"owner", "context_task", "gone", "steps", "account", "loop_class", NULL};
    PyObject *owner, *context_task, *gone, *steps, *account, *loop_class;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOO!O:AsyncioSpawns", names, &owner,
                                     &context_task, &gone, &steps, &LoopStepsType, &account,
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
    begin_spawns(&self->base, owner, context_task, (LoopSteps *)account);
    Py_INCREF(gone);
    self->gone = gone;
    Py_INCREF(steps);
    self->steps = steps;
    Py_INCREF(loop_class);
    self->loop_class = loop_class;
    self->runs = runs;
    return (PyObject *)self;
}

static int
spawns_traverse(AsyncioSpawns *self, visitproc visit, void *arg)
{
    Py_VISIT(self->gone);
    Py_VISIT(self->steps);
    Py_VISIT(self->loop_class);
    Py_VISIT(self->runs);
    return traverse_spawns(&self->base, visit, arg);
}

/* Break cycles. What methods need stays, but for the owner. */
static int
spawns_clear(AsyncioSpawns *self)
{
    clear_spawns(&self->base);
    return 0;
}

static void
spawns_dealloc(AsyncioSpawns *self)
{
    PyObject_GC_UnTrack(self);
    spawns_clear(self);
    Py_CLEAR(self->gone);
    Py_CLEAR(self->steps);
    Py_CLEAR(self->loop_class);
    Py_CLEAR(self->runs);
    drop_spawns(&self->base);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef spawns_methods[] = {
    {"learn", (PyCFunction)learn_function, METH_VARARGS, NULL},
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

int
add_asyncio_spawns(PyObject *module)
{
    if (make_name(&name_run, "run_forever") < 0 || make_name(&name_loop, "loop") < 0 ||
        make_name(&name_name, "name") < 0 || PyType_Ready(&InitType) < 0 ||
        add_type(module, &AsyncioSpawnsType) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, functions);
}
