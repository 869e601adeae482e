/* What spawning a task has in common on all backends: the counterparts of what instruments/tasks.py,
   task_parents.py and the tables of `learn` do. No Python code runs here, but for audit hooks and
   hashes of the program's. */

#include "native.h"

static PyObject *name_code, *name_qualname, *name_root, *name_outer;

/* ---- known functions */

static Known *
place_of(Spawns *self, PyObject *code)
{
    return &self->functions[((uintptr_t)code >> 4) & (FUNCTIONS - 1)];
}

const Known *
known_function(Spawns *self, PyObject *coroutine)
{
    PyObject *code = PyObject_GetAttr(coroutine, name_code);
    PyObject *name = PyObject_GetAttr(coroutine, name_qualname);
    const Known *found = NULL;
    if (code != NULL && name != NULL) {
        found = place_of(self, code);
        if (found->code != code || found->name != name) {
            found = NULL;
        }
    }
    Py_XDECREF(code);
    Py_XDECREF(name);
    return found;
}

static void
set_function(Known *known, Known function)
{
    Known before = *known;
    *known = function;
    Py_XDECREF(before.code);
    Py_XDECREF(before.name);
    Py_XDECREF(before.frame);
    Py_XDECREF(before.under);
}

PyObject *
learn_function(Spawns *self, PyObject *args)
{
    PyObject *coroutine, *frame, *under = Py_None;
    if (!PyArg_ParseTuple(args, "OO|O:learn", &coroutine, &frame, &under)) {
        return NULL;
    }
    PyObject *code = PyObject_GetAttr(coroutine, name_code);
    PyObject *name = code == NULL ? NULL : PyObject_GetAttr(coroutine, name_qualname);
    if (name == NULL) {
        Py_XDECREF(code);
        return NULL;
    }
    if (under == Py_None) {
        under = NULL;
    }
    Py_INCREF(frame);
    Py_XINCREF(under);
    set_function(place_of(self, code), (Known){code, name, frame, under});
    Py_RETURN_NONE;
}

/* ---- who spawns */

TaskSteps *
living_task(TaskSteps *task)
{
    while (task != NULL && PyDict_Contains(task->loop->tasks, (PyObject *)task) != 1) {
        task = (TaskSteps *)task->spawner;
    }
    return task;
}

/* A stack that a tree has by name: a new reference; NULL if it has none, or with an error set. */
static Stack *
stack_of_tree(LoopSteps *loop, PyObject *name)
{
    PyObject *found = PyObject_GetAttr(loop->tree, name);
    if (found == Py_None) {
        Py_CLEAR(found);
    }
    if (found != NULL && !Py_IS_TYPE(found, &StackType)) {
        Py_CLEAR(found);
        PyErr_Format(PyExc_TypeError, "the %U of a tree is a stack", name);
    }
    return (Stack *)found;
}

/* The stack under which a task stands: a new reference, or NULL, perhaps with an error set. */
static Stack *
parent_of(LoopSteps *loop, TaskSteps *by, const Known *function)
{
    if (function->under == NULL) {
        return by == NULL ? stack_of_tree(loop, name_outer) : (Stack *)Py_NewRef(by->stack);
    }
    Stack *root = stack_of_tree(loop, name_root);
    if (root == NULL) {
        return NULL;
    }
    Stack *parent = known_child(root, function->under);
    Py_XINCREF(parent);
    Py_DECREF(root);
    return parent;
}

/* Note who has spawned a task; and no more of those before than live, or all would be kept. */
static void
note_spawner(TaskSteps *account, TaskSteps *by)
{
    Py_INCREF(by);
    account->spawner = (PyObject *)by;
    if (by->spawner != NULL) {
        PyObject *above = (PyObject *)living_task((TaskSteps *)by->spawner);
        Py_XINCREF(above);
        Py_XSETREF(by->spawner, above);
    }
}

TaskSteps *
spawn_known(Spawns *self, TaskSteps *by, const Known *function, PyObject *attached)
{
    LoopSteps *loop = self->loop;
    Stack *parent = parent_of(loop, by, function);
    if (parent == NULL || known_child(parent, function->frame) == NULL) {
        Py_XDECREF(parent);
        return NULL;
    }
    PyObject *frame = function->frame;
    char is_of_runtime = function->under != NULL;
    TaskSteps *account = NULL;
    int64_t now;
    Py_INCREF(frame);
    Py_XINCREF(by);
    if (read_clock(loop, &now) == 0) {
        account = spawn(loop, parent, frame, now, attached);
    }
    if (account != NULL) {
        account->is_of_runtime = is_of_runtime;
        if (by != NULL && !is_of_runtime) {
            note_spawner(account, by);
        }
    }
    Py_XDECREF(by);
    Py_DECREF(frame);
    Py_DECREF(parent);
    return account;
}

void
undo_spawn(TaskSteps *account)
{
    PyObject *error = take_error();
    account->base->entries -= 1;
    if (PyDict_DelItem(account->loop->tasks, (PyObject *)account) < 0) {
        PyErr_Clear();
    }
    give_error(error);
}

int
pass_over_error(void)
{
    PyObject *error = take_error();
    if (error != NULL && is_interruption(error)) {
        give_error(error);
        return -1;
    }
    PyErr_Clear();
    Py_XDECREF(error);
    return 0;
}

/* ---- what the types of both backends begin with */

void
begin_spawns(Spawns *self, PyObject *owner, PyObject *context_task, LoopSteps *loop)
{
    Py_INCREF(owner);
    self->owner = owner;
    Py_INCREF(context_task);
    self->context_task = context_task;
    Py_XINCREF(loop);
    self->loop = loop;
    self->thread = PyThread_get_thread_ident();
}

int
traverse_spawns(Spawns *self, visitproc visit, void *arg)
{
    Py_VISIT(self->owner);
    Py_VISIT(self->context_task);
    Py_VISIT((PyObject *)self->loop);
    for (size_t index = 0; index < FUNCTIONS; index++) {
        Py_VISIT(self->functions[index].code);
        Py_VISIT(self->functions[index].name);
        Py_VISIT(self->functions[index].frame);
        Py_VISIT(self->functions[index].under);
    }
    return 0;
}

void
clear_spawns(Spawns *self)
{
    Py_INCREF(Py_None);
    Py_XSETREF(self->owner, Py_None);
    for (size_t index = 0; index < FUNCTIONS; index++) {
        set_function(&self->functions[index], (Known){NULL, NULL, NULL, NULL});
    }
}

void
drop_spawns(Spawns *self)
{
    Py_CLEAR(self->owner);
    Py_CLEAR(self->context_task);
    Py_CLEAR(self->loop);
}

/* ---- exits */

static PyObject *
exit_account(PyObject *Py_UNUSED(module), PyObject *account)
{
    if (!PyObject_TypeCheck(account, &TaskStepsType)) {
        PyErr_SetString(PyExc_TypeError, "what exits is a TaskSteps");
        return NULL;
    }
    TaskSteps *task = (TaskSteps *)account;
    int64_t now;
    if (read_clock(task->loop, &now) < 0 || exit_task(task->loop, task, now, 1) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"exit_account", exit_account, METH_O, "Close the account of a task that ends just now."},
    {NULL},
};

int
add_spawns(PyObject *module)
{
    return make_name(&name_code, "cr_code") < 0 || make_name(&name_qualname, "__qualname__") < 0 ||
                   make_name(&name_root, "root") < 0 || make_name(&name_outer, "outer") < 0
               ? -1
               : PyModule_AddFunctions(module, functions);
}
