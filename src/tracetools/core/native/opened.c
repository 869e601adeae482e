/* Spans that are open in a task: `Opened`, and how `TaskSteps` opens and closes them; see
   core/steps.py. */

#include "native.h"

static Spare spare;

/* Make one that is not filled yet, so that it can be dropped. It may collect garbage. */
static Opened *
make_opened(void)
{
    Opened *self = (Opened *)take_spare(&spare, &OpenedType);
    if (self == NULL && (self = PyObject_GC_New(Opened, &OpenedType)) == NULL) {
        return NULL;
    }
    self->account = NULL;
    self->outer = NULL;
    self->stack = NULL;
    return self;
}

static void
fill_opened(Opened *self, PyObject *account, Opened *outer, Stack *stack, int64_t since,
            int64_t busy, int lasts)
{
    Py_INCREF(account);
    self->account = account;
    Py_XINCREF(outer);
    self->outer = outer;
    Py_INCREF(stack);
    self->stack = stack;
    self->since = since;
    self->busy = busy;
    self->lasts = (char)lasts;
    PyObject_GC_Track((PyObject *)self);
}

static PyObject *
opened_new(PyTypeObject *Py_UNUSED(type), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"account", "outer", "stack", "since", "busy", "lasts", NULL};
    PyObject *account, *outer, *stack;
    long long since, busy;
    int lasts = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO!LL|p:Opened", names, &account, &outer,
                                     &StackType, &stack, &since, &busy, &lasts)) {
        return NULL;
    }
    if (outer != Py_None && !Py_IS_TYPE(outer, &OpenedType)) {
        PyErr_SetString(PyExc_TypeError, "what is around a span is one that was opened, or None");
        return NULL;
    }
    Opened *around = outer == Py_None ? NULL : (Opened *)outer;
    Opened *self = make_opened();
    if (self != NULL) {
        fill_opened(self, account, around, (Stack *)stack, since, busy, lasts);
    }
    return (PyObject *)self;
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
    if (!keep_spare(&spare, self)) {
        PyObject_GC_Del(self);
    }
    Py_TRASHCAN_END
}

static PyMemberDef opened_members[] = {
    {"account", T_OBJECT, offsetof(Opened, account), READONLY, NULL},
    {"outer", T_OBJECT, offsetof(Opened, outer), READONLY, NULL},
    {"stack", T_OBJECT, offsetof(Opened, stack), READONLY, NULL},
    {"since", T_LONGLONG, offsetof(Opened, since), READONLY, NULL},
    {"busy", T_LONGLONG, offsetof(Opened, busy), READONLY, NULL},
    {"lasts", T_BOOL, offsetof(Opened, lasts), READONLY, NULL},
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

/* ---- in a task */

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

Stack *
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
    if (now != NULL && *now < loop->collected) { /* garbage was collected while it was made */
        *now = loop->collected;
    }
    return (Stack *)made;
}

/* Find the stack of a span in a task, a new reference. What is called where it is new may close
   spans of the task: a finaliser's, say. */
static Stack *
find_inner(TaskSteps *task, PyObject *frame, int64_t *now)
{
    for (;;) {
        Stack *around = task->stack; /* its tree keeps it */
        Stack *inner = find_child(task->loop, around, frame, now);
        if (inner == NULL || task->stack == around) {
            return inner;
        }
        Py_DECREF(inner);
    }
}

/* Open a span by an object that is there already: from when the stack is found on, nothing is called
   until the span is open. Return whether it is. */
static int
open_by(Opened *opened, TaskSteps *task, PyObject *frame, int64_t now, int64_t entries, int lasts)
{
    if (task->closed != NULL && PyDict_GET_SIZE(task->closed) > 0) {
        if (call_leave(task, &now) < 0) {
            return 0;
        }
    }
    if (task->function == frame) {
        Py_CLEAR(task->function);
        return 0;
    }
    Stack *inner = find_inner(task, frame, &now);
    if (inner == NULL) {
        return 0;
    }
    fill_opened(opened, (PyObject *)task, task->innermost, inner, now, task->busy, lasts);
    inner->entries += entries;
    Stack *around = task->stack;
    Opened *outer = task->innermost;
    task->stack = inner;
    Py_INCREF(opened);
    task->innermost = opened;
    Py_DECREF(around);
    Py_XDECREF(outer);
    return 1;
}

Opened *
open_in_task(TaskSteps *task, PyObject *frame, int64_t now, int64_t entries, int lasts)
{
    Opened *opened = make_opened();
    if (opened != NULL && !open_by(opened, task, frame, now, entries, lasts)) {
        Py_CLEAR(opened);
    }
    return opened;
}

void
note_span(TaskSteps *task, const Opened *opened, int64_t now)
{
    int64_t latency = now - opened->since;
    LoopSteps *loop = task->loop;
    add_latency(opened->stack, latency);
    if (loop->journal != NULL) {
        int is_slow = latency > loop->slow_after && latency > opened->stack->slow_after;
        note_event(loop->journal, is_slow ? EVENT_SLOW : EVENT_SPAN, loop->number,
                   &(Event){.begin = opened->since, .end = now, .task = task->number,
                            .stack = opened->stack->number});
    }
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
    if (opened->lasts) {
        note_span(task, opened, now);
    }
    Stack *before = task->stack;
    Py_XINCREF(outer);
    task->innermost = outer;
    Py_INCREF(around);
    task->stack = around;
    Py_DECREF(before);
    Py_DECREF(opened);
    return 1;
}

int
add_opened(PyObject *module)
{
    return add_type(module, &OpenedType);
}
