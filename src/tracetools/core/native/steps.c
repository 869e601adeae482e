/* Steps and spans of one loop: the counterpart of core/steps.py. */

#include "native.h"

/* ---- attributes that are objects of a certain type, or None */

typedef struct Field {
    Py_ssize_t offset;
    PyTypeObject *type; /* NULL for any */
    int may_be_none;
} Field;

static PyObject **
field_at(PyObject *self, const Field *field)
{
    return (PyObject **)((char *)self + field->offset);
}

static PyObject *
get_field(PyObject *self, void *closure)
{
    PyObject *found = *field_at(self, closure);
    found = found == NULL ? Py_None : found;
    Py_INCREF(found);
    return found;
}

static int
set_field(PyObject *self, PyObject *value, void *closure)
{
    const Field *field = closure;
    if (value == Py_None && field->may_be_none) {
        value = NULL;
    } else if (value == NULL ||
               (field->type != NULL && !PyObject_TypeCheck(value, field->type))) {
        PyErr_SetString(PyExc_TypeError, "the attribute takes no such value");
        return -1;
    }
    PyObject **place = field_at(self, field);
    PyObject *before = *place;
    Py_XINCREF(value);
    *place = value;
    Py_XDECREF(before);
    return 0;
}

/* ---- Opened */

static Opened *
make_opened(PyObject *account, Opened *outer, Stack *stack, int64_t since, int64_t busy)
{
    Opened *self = PyObject_GC_New(Opened, &OpenedType);
    if (self == NULL) {
        return NULL;
    }
    Py_INCREF(account);
    self->account = account;
    Py_XINCREF(outer);
    self->outer = outer;
    Py_INCREF(stack);
    self->stack = stack;
    self->since = since;
    self->busy = busy;
    PyObject_GC_Track((PyObject *)self);
    return self;
}

static PyObject *
opened_new(PyTypeObject *Py_UNUSED(type), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"account", "outer", "stack", "since", "busy", NULL};
    PyObject *account, *outer, *stack;
    long long since, busy;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO!LL:Opened", names, &account, &outer,
                                     &StackType, &stack, &since, &busy)) {
        return NULL;
    }
    if (outer != Py_None && !Py_IS_TYPE(outer, &OpenedType)) {
        PyErr_SetString(PyExc_TypeError, "what is around a span is one that was opened, or None");
        return NULL;
    }
    Opened *around = outer == Py_None ? NULL : (Opened *)outer;
    return (PyObject *)make_opened(account, around, (Stack *)stack, since, busy);
}

static int
opened_traverse(Opened *self, visitproc visit, void *arg)
{
    Py_VISIT(self->account);
    Py_VISIT((PyObject *)self->outer);
    Py_VISIT((PyObject *)self->stack);
    return 0;
}

static int
opened_clear(Opened *self)
{
    Py_CLEAR(self->account);
    Py_CLEAR(self->outer);
    Py_CLEAR(self->stack);
    return 0;
}

static void
opened_dealloc(Opened *self)
{
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, opened_dealloc) /* they stand in each other as deep as spans do */
    opened_clear(self);
    PyObject_GC_Del(self);
    Py_TRASHCAN_END
}

static PyMemberDef opened_members[] = {
    {"account", T_OBJECT, offsetof(Opened, account), READONLY, NULL},
    {"outer", T_OBJECT, offsetof(Opened, outer), READONLY, NULL},
    {"stack", T_OBJECT, offsetof(Opened, stack), READONLY, NULL},
    {"since", T_LONGLONG, offsetof(Opened, since), READONLY, NULL},
    {"busy", T_LONGLONG, offsetof(Opened, busy), READONLY, NULL},
    {NULL},
};

PyTypeObject OpenedType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.Opened",
    .tp_doc = "One opening of a span.",
    .tp_basicsize = sizeof(Opened),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = opened_new,
    .tp_traverse = (traverseproc)opened_traverse,
    .tp_clear = (inquiry)opened_clear,
    .tp_dealloc = (destructor)opened_dealloc,
    .tp_members = opened_members,
};

/* ---- steps */

int
begin_step(TaskSteps *task, int64_t now)
{
    LoopSteps *loop = task->loop;
    if (loop->current != NULL || now - task->parked > loop->plain_wait) {
        PyObject *found = PyObject_CallMethod((PyObject *)loop, "begin_other_step", "OL",
                                              task, (long long)now);
        if (found == NULL) {
            return -1;
        }
        if (found == Py_None) {
            Py_DECREF(found);
            return 0;
        }
        now = PyLong_AsLongLong(found);
        Py_DECREF(found);
        if (now == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    task->busy -= now;
    loop->began = now;
    Py_CLEAR(loop->began_object);
    Py_INCREF(task);
    Py_XSETREF(loop->current, task);
    return 0;
}

static PyObject *
began_as_object(LoopSteps *loop)
{
    if (loop->began_object == NULL) {
        loop->began_object = PyLong_FromLongLong(loop->began);
    }
    Py_XINCREF(loop->began_object);
    return loop->began_object;
}

static int
call_end_other_step(TaskSteps *task, int64_t now, int wakes_itself)
{
    PyObject *found = PyObject_CallMethod((PyObject *)task->loop, "end_other_step", "OLi", task,
                                          (long long)now, wakes_itself);
    Py_XDECREF(found);
    return found == NULL ? -1 : 0;
}

static int
call_step_ended(LoopSteps *loop, TaskSteps *task, int64_t now)
{
    PyObject *began = began_as_object(loop);
    if (began == NULL) {
        return -1;
    }
    PyObject *found = PyObject_CallMethod((PyObject *)loop, "step_ended", "ONL", task, began,
                                          (long long)now);
    Py_XDECREF(found);
    return found == NULL ? -1 : 0;
}

int
end_step(TaskSteps *task, int64_t now, int wakes_itself)
{
    LoopSteps *loop = task->loop;
    if (loop->current != task) {
        return 0;
    }
    if (task->within != NULL || task->ready != NOT_READY) {
        return call_end_other_step(task, now, wakes_itself);
    }
    task->busy += now;
    task->stack->steps += 1;
    task->stack->self_wakes += wakes_itself;
    task->parked = now;
    loop->current = NULL; /* its reference is dropped below */
    int failed = now > loop->due ? call_step_ended(loop, task, now) : 0;
    Py_DECREF(task);
    return failed;
}

/* ---- spans */

/* Go out to the innermost span that is still open. */
static int
call_leave(TaskSteps *task, int64_t *now)
{
    PyObject *found = PyObject_CallMethod((PyObject *)task, "leave", "L", (long long)*now);
    if (found == NULL) {
        return -1;
    }
    *now = PyLong_AsLongLong(found);
    Py_DECREF(found);
    return *now == -1 && PyErr_Occurred() ? -1 : 0;
}

/* Return a stack below another one, a new reference; it is made if there is none. */
static Stack *
find_child(LoopSteps *loop, Stack *stack, PyObject *frame, int64_t *now)
{
    Stack *known = known_child(stack, frame);
    if (known != NULL) {
        Py_INCREF(known);
        return known;
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    PyObject *made = PyObject_CallMethod(loop->tree, "child", "OO", stack, frame);
    if (made != NULL && !PyObject_TypeCheck(made, &StackType)) {
        Py_DECREF(made);
        PyErr_SetString(PyExc_TypeError, "the child of a stack is a stack");
        return NULL;
    }
    if (*now < loop->collected) { /* garbage was collected while it was made */
        *now = loop->collected;
    }
    return (Stack *)made;
}

Opened *
open_in_task(TaskSteps *task, PyObject *frame, int64_t now, int64_t entries)
{
    if (task->closed != NULL && PyDict_GET_SIZE(task->closed) > 0) {
        if (call_leave(task, &now) < 0) {
            return NULL;
        }
    }
    if (task->function == frame) {
        Py_CLEAR(task->function);
        return NULL;
    }
    Stack *inner = find_child(task->loop, task->stack, frame, &now);
    if (inner == NULL) {
        return NULL;
    }
    Opened *opened = make_opened((PyObject *)task, task->innermost, inner, now, task->busy);
    if (opened == NULL) {
        Py_DECREF(inner);
        return NULL;
    }
    inner->entries += entries;
    Stack *around = task->stack;
    Opened *outer = task->innermost;
    task->stack = inner;
    Py_INCREF(opened);
    task->innermost = opened;
    Py_DECREF(around);
    Py_XDECREF(outer);
    return opened;
}

int
close_current(TaskSteps *task, Opened *opened, int64_t now)
{
    if (task->innermost != opened || task->loop->current != task ||
        (task->closed != NULL && PyDict_GET_SIZE(task->closed) > 0)) {
        return 0;
    }
    Opened *outer = opened->outer;
    Stack *stack = opened->stack;
    Stack *around = outer == NULL ? task->base : outer->stack;
    int64_t passed = now + task->busy - opened->since - opened->busy;
    int64_t rested = opened->busy - task->busy;
    stack->busy += passed;
    around->busy -= passed;
    stack->rest += rested;
    around->rest -= rested;
    Stack *before = task->stack;
    Py_XINCREF(outer);
    task->innermost = outer;
    Py_INCREF(around);
    task->stack = around;
    Py_DECREF(before);
    Py_DECREF(opened);
    return 1;
}

/* ---- TaskSteps */

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
    TaskSteps *self = (TaskSteps *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    Py_INCREF(loop);
    self->loop = (LoopSteps *)loop;
    Py_INCREF(stack);
    self->base = (Stack *)stack;
    Py_INCREF(stack);
    self->stack = (Stack *)stack;
    self->born = now;
    self->ready = NOT_READY;
    self->parked = NEVER;
    return (PyObject *)self;
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
    static char *names[] = {"frame", "now", "entries", NULL};
    PyObject *frame;
    long long now, entries = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OL|L:open", names, &frame, &now, &entries)) {
        return NULL;
    }
    Opened *opened = open_in_task(self, frame, now, entries);
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
task_get_closed(TaskSteps *self, void *Py_UNUSED(closure))
{
    if (self->closed == NULL) {
        self->closed = PyDict_New();
    }
    Py_XINCREF(self->closed);
    return self->closed;
}

static PyObject *
task_get_ready(TaskSteps *self, void *Py_UNUSED(closure))
{
    if (self->ready == NOT_READY) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLongLong(self->ready);
}

static int
task_set_ready(TaskSteps *self, PyObject *value, void *Py_UNUSED(closure))
{
    long long ready = NOT_READY;
    if (value != Py_None) {
        ready = value == NULL ? -1 : PyLong_AsLongLong(value);
        if (ready == -1 && (value == NULL || PyErr_Occurred())) {
            if (value == NULL) {
                PyErr_SetString(PyExc_TypeError, "the attribute cannot be deleted");
            }
            return -1;
        }
    }
    self->ready = ready;
    return 0;
}

static Field loop_of_task = {offsetof(TaskSteps, loop), &LoopStepsType, 0};
static Field base_of_task = {offsetof(TaskSteps, base), &StackType, 0};
static Field stack_of_task = {offsetof(TaskSteps, stack), &StackType, 0};
static Field innermost_of_task = {offsetof(TaskSteps, innermost), &OpenedType, 1};
static Field function_of_task = {offsetof(TaskSteps, function), NULL, 1};
static Field spawner_of_task = {offsetof(TaskSteps, spawner), &TaskStepsType, 1};
static Field within_of_task = {offsetof(TaskSteps, within), &TaskStepsType, 1};

static PyGetSetDef task_getset[] = {
    {"loop", get_field, set_field, NULL, &loop_of_task},
    {"base", get_field, set_field, NULL, &base_of_task},
    {"stack", get_field, set_field, NULL, &stack_of_task},
    {"innermost", get_field, set_field, NULL, &innermost_of_task},
    {"function", get_field, set_field, NULL, &function_of_task},
    {"spawner", get_field, set_field, NULL, &spawner_of_task},
    {"within", get_field, set_field, NULL, &within_of_task},
    {"closed", (getter)task_get_closed, NULL, NULL, NULL},
    {"ready", (getter)task_get_ready, (setter)task_set_ready, NULL, NULL},
    {NULL},
};

static PyMemberDef task_members[] = {
    {"born", T_LONGLONG, offsetof(TaskSteps, born), 0, NULL},
    {"busy", T_LONGLONG, offsetof(TaskSteps, busy), 0, NULL},
    {"parked", T_LONGLONG, offsetof(TaskSteps, parked), 0, NULL},
    {"until_sweep", T_LONGLONG, offsetof(TaskSteps, until_sweep), 0, NULL},
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

/* ---- LoopSteps */

static PyObject *
loop_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    LoopSteps *self = (LoopSteps *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->plain_wait = self->due = NEVER;
    self->collected = ALWAYS;
    Py_INCREF(Py_None);
    self->tree = Py_None;
    return (PyObject *)self;
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
    Py_INCREF(tree);
    Py_SETREF(self->tree, tree);
    self->began = now;
    Py_CLEAR(self->began_object);
    return 0;
}

static int
loop_traverse(LoopSteps *self, visitproc visit, void *arg)
{
    Py_VISIT(self->tree);
    Py_VISIT(self->clock);
    Py_VISIT(self->coroutine);
    Py_VISIT((PyObject *)self->current);
    return 0;
}

static int
loop_clear(LoopSteps *self)
{
    self->clock_is_ours = 0;
    Py_CLEAR(self->clock);
    Py_CLEAR(self->coroutine);
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

static Field tree_of_loop = {offsetof(LoopSteps, tree), NULL, 0};
static Field clock_of_loop = {offsetof(LoopSteps, clock), NULL, 0};
static Field current_of_loop = {offsetof(LoopSteps, current), &TaskStepsType, 1};

static PyGetSetDef loop_getset[] = {
    {"tree", get_field, set_field, NULL, &tree_of_loop},
    {"clock", get_field, (setter)loop_set_clock, NULL, &clock_of_loop},
    {"current", get_field, set_field, NULL, &current_of_loop},
    {"began", (getter)loop_get_began, NULL, NULL, NULL},
    {NULL},
};

static PyMemberDef loop_members[] = {
    {"plain_wait", T_LONGLONG, offsetof(LoopSteps, plain_wait), 0, NULL},
    {"due", T_LONGLONG, offsetof(LoopSteps, due), 0, NULL},
    {"collected", T_LONGLONG, offsetof(LoopSteps, collected), 0, NULL},
    {"changes", T_LONGLONG, offsetof(LoopSteps, changes), 0, NULL},
    {"changing", T_LONGLONG, offsetof(LoopSteps, changing), 0, NULL},
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
    .tp_members = loop_members,
    .tp_getset = loop_getset,
};

int
add_steps(PyObject *module)
{
    return find_clock() < 0 || add_type(module, &OpenedType) < 0 ||
                   add_type(module, &TaskStepsType) < 0 || add_type(module, &LoopStepsType) < 0
               ? -1
               : 0;
}
