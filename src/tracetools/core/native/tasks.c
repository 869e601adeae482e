/* The account of one task: `TaskSteps`, see core/steps.py. */

#include "native.h"

static uint32_t last_number = 0;

TaskSteps *
make_task(PyTypeObject *type, LoopSteps *loop, Stack *stack, int64_t now)
{
    TaskSteps *self = (TaskSteps *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    Py_INCREF(loop);
    self->loop = loop;
    Py_INCREF(stack);
    self->base = stack;
    Py_INCREF(stack);
    self->stack = stack;
    self->born = now;
    self->ready = NONE;
    self->parked = NEVER;
    self->number = ++last_number;
    return self;
}

static PyObject *
task_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"loop", "stack", "now", NULL};
    PyObject *loop, *stack;
    long long now;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!L:TaskSteps", names, &LoopStepsType, &loop,
                                     &StackType, &stack, &now)) {
        return NULL;
    }
    return (PyObject *)make_task(type, (LoopSteps *)loop, (Stack *)stack, now);
}

static int
task_traverse(TaskSteps *self, visitproc visit, void *arg)
{
    Py_VISIT((PyObject *)self->loop);
    Py_VISIT((PyObject *)self->base);
    Py_VISIT((PyObject *)self->stack);
    Py_VISIT((PyObject *)self->innermost);
    Py_VISIT(self->closed);
    Py_VISIT(self->function);
    Py_VISIT(self->spawner);
    Py_VISIT((PyObject *)self->within);
    Py_VISIT((PyObject *)self->waker);
    return 0;
}

/* Break cycles. What a method needs stays: a finaliser may still call one. */
static int
task_clear(TaskSteps *self)
{
    Py_CLEAR(self->innermost);
    Py_CLEAR(self->closed);
    Py_CLEAR(self->function);
    Py_CLEAR(self->spawner);
    Py_CLEAR(self->within);
    Py_CLEAR(self->waker);
    return 0;
}

static void
task_dealloc(TaskSteps *self)
{
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, task_dealloc) /* each refers to the one that has spawned it */
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    task_clear(self);
    Py_CLEAR(self->stack);
    Py_CLEAR(self->base);
    Py_CLEAR(self->loop);
    Py_TYPE(self)->tp_free((PyObject *)self);
    Py_TRASHCAN_END
}

static PyObject *
task_begin_step(TaskSteps *self, PyObject *now)
{
    long long moment = PyLong_AsLongLong(now);
    if ((moment == -1 && PyErr_Occurred()) || begin_step(self, moment) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
task_end_step(TaskSteps *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"now", "wakes_itself", NULL};
    long long now;
    int wakes_itself = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "L|p:end_step", names, &now, &wakes_itself) ||
        end_step(self, now, wakes_itself) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
task_open(TaskSteps *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"frame", "now", "entries", "lasts", NULL};
    PyObject *frame;
    long long now, entries = 1;
    int lasts = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OL|Lp:open", names, &frame, &now, &entries,
                                     &lasts)) {
        return NULL;
    }
    Opened *opened = open_in_task(self, frame, now, entries, lasts);
    if (opened == NULL && !PyErr_Occurred()) {
        Py_RETURN_NONE;
    }
    return (PyObject *)opened;
}

static PyObject *
task_close_current(TaskSteps *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"opened", "now", NULL};
    PyObject *opened;
    long long now;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!L:close_current", names, &OpenedType, &opened,
                                     &now)) {
        return NULL;
    }
    return PyBool_FromLong(close_current(self, (Opened *)opened, now));
}

static PyObject *
task_note_span(TaskSteps *self, PyObject *args)
{
    PyObject *opened;
    long long end;
    if (!PyArg_ParseTuple(args, "O!L:note_span", &OpenedType, &opened, &end)) {
        return NULL;
    }
    note_span(self, (Opened *)opened, end);
    Py_RETURN_NONE;
}

static PyObject *
task_finish(TaskSteps *self, PyObject *now)
{
    long long moment = PyLong_AsLongLong(now);
    if ((moment == -1 && PyErr_Occurred()) || finish_task(self, moment) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
task_get_closed(TaskSteps *self, void *Py_UNUSED(closure))
{
    if (self->closed == NULL) {
        PyObject *made = PyDict_New(); /* it may collect garbage, which may need the dict as well */
        if (made == NULL) {
            return NULL;
        }
        if (self->closed == NULL) {
            self->closed = made;
        } else {
            Py_DECREF(made);
        }
    }
    Py_INCREF(self->closed);
    return self->closed;
}

/* Find the coroutine of a task that runs in no stepped one: a new reference. */
static PyObject *
find_coroutine(TaskSteps *self)
{
    PyObject *find = PyDict_GetItemWithError(self->loop->tasks, (PyObject *)self);
    if (find == NULL && PyErr_Occurred()) {
        return NULL;
    }
    if (find == NULL || !PyCallable_Check(find)) {
        Py_RETURN_NONE;
    }
    Py_INCREF(find);
    PyObject *found = PyObject_CallNoArgs(find);
    Py_DECREF(find);
    return found;
}

static PyObject *
task_get_coroutine(TaskSteps *self, void *Py_UNUSED(closure))
{
    PyObject *found;
    if (self->stepped == NULL) {
        found = find_coroutine(self);
    } else {
        found = coroutine_within(self->stepped);
        Py_INCREF(found);
    }
    if (found != NULL && !PyCoro_CheckExact(found)) {
        Py_INCREF(Py_None);
        Py_SETREF(found, Py_None);
    }
    return found;
}

static PyObject *
task_stepped(TaskSteps *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *found = self->stepped == NULL ? Py_None : self->stepped;
    Py_INCREF(found);
    return found;
}

static Field loop_of_task = {offsetof(TaskSteps, loop), &LoopStepsType, 0};
static Field base_of_task = {offsetof(TaskSteps, base), &StackType, 0};
static Field stack_of_task = {offsetof(TaskSteps, stack), &StackType, 0};
static Field innermost_of_task = {offsetof(TaskSteps, innermost), &OpenedType, 1};
static Field function_of_task = {offsetof(TaskSteps, function), NULL, 1};
static Field spawner_of_task = {offsetof(TaskSteps, spawner), &TaskStepsType, 1};
static Field waker_of_task = {offsetof(TaskSteps, waker), &TaskStepsType, 1};
static Field within_of_task = {offsetof(TaskSteps, within), &TaskStepsType, 1};

static PyGetSetDef task_getset[] = {
    {"loop", get_field, set_field, NULL, &loop_of_task},
    {"base", get_field, set_field, NULL, &base_of_task},
    {"stack", get_field, set_field, NULL, &stack_of_task},
    {"innermost", get_field, set_field, NULL, &innermost_of_task},
    {"function", get_field, set_field, NULL, &function_of_task},
    {"spawner", get_field, set_field, NULL, &spawner_of_task},
    {"within", get_field, set_field, NULL, &within_of_task},
    {"waker", get_field, set_field, NULL, &waker_of_task},
    {"closed", (getter)task_get_closed, NULL, NULL, NULL},
    {"ready", get_moment, set_moment, NULL, MOMENT(TaskSteps, ready)},
    {"coroutine", (getter)task_get_coroutine, NULL, NULL, NULL},
    {NULL},
};

static PyMemberDef task_members[] = {
    {"born", T_LONGLONG, offsetof(TaskSteps, born), 0, NULL},
    {"busy", T_LONGLONG, offsetof(TaskSteps, busy), 0, NULL},
    {"parked", T_LONGLONG, offsetof(TaskSteps, parked), 0, NULL},
    {"number", T_UINT, offsetof(TaskSteps, number), READONLY, NULL},
    {"until_sweep", T_LONGLONG, offsetof(TaskSteps, until_sweep), 0, NULL},
    {"child", T_UINT, offsetof(TaskSteps, child), 0, NULL},
    {"child_end", T_LONGLONG, offsetof(TaskSteps, child_end), 0, NULL},
    {"worked", T_UINT, offsetof(TaskSteps, worked), 0, NULL},
    {"worked_at", T_LONGLONG, offsetof(TaskSteps, worked_at), 0, NULL},
    {"interrupts", T_LONGLONG, offsetof(TaskSteps, interrupts), 0, NULL},
    {"woken_by", T_UBYTE, offsetof(TaskSteps, woken.kind), 0, NULL},
    {"waker_stack", T_UINT, offsetof(TaskSteps, woken.stack), 0, NULL},
    {"waker_site", T_UINT, offsetof(TaskSteps, woken.site), 0, NULL},
    {"is_callback", T_BOOL, offsetof(TaskSteps, is_callback), 0, NULL},
    {"is_of_runtime", T_BOOL, offsetof(TaskSteps, is_of_runtime), 0, NULL},
    {NULL},
};

static PyMethodDef task_methods[] = {
    {"begin_step", (PyCFunction)task_begin_step, METH_O, NULL},
    {"end_step", (PyCFunction)(void (*)(void))task_end_step, METH_VARARGS | METH_KEYWORDS, NULL},
    {"open", (PyCFunction)(void (*)(void))task_open, METH_VARARGS | METH_KEYWORDS, NULL},
    {"close_current", (PyCFunction)(void (*)(void))task_close_current,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {"note_span", (PyCFunction)task_note_span, METH_VARARGS, NULL},
    {"finish", (PyCFunction)task_finish, METH_O, NULL},
    {"stepped", (PyCFunction)task_stepped, METH_NOARGS, NULL},
    {NULL},
};

PyTypeObject TaskStepsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.TaskSteps",
    .tp_doc = "The clocks of one task, and the spans that it has open.",
    .tp_basicsize = sizeof(TaskSteps),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_new = task_new,
    .tp_traverse = (traverseproc)task_traverse,
    .tp_clear = (inquiry)task_clear,
    .tp_dealloc = (destructor)task_dealloc,
    .tp_weaklistoffset = offsetof(TaskSteps, weakrefs),
    .tp_methods = task_methods,
    .tp_members = task_members,
    .tp_getset = task_getset,
};

int
add_tasks(PyObject *module)
{
    return add_type(module, &TaskStepsType);
}
