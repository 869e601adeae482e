/* Stacks and their numbers: the counterpart of `Stack` in core/stacks.py. */

#include "native.h"

static uint32_t last_number = 0;

static int
stack_init(Stack *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"frame", "parent", NULL};
    PyObject *frame, *parent;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:Stack", names, &frame, &parent)) {
        return -1;
    }
    if (parent != Py_None && !PyObject_TypeCheck(parent, &StackType)) {
        PyErr_SetString(PyExc_TypeError, "the parent of a stack is a stack or None");
        return -1;
    }
    PyObject *children = PyDict_New();
    if (children == NULL) {
        return -1;
    }
    Stack *above = parent == Py_None ? NULL : (Stack *)parent;
    self->depth = above == NULL ? 1 : above->depth + 1;
    Py_XINCREF(above);
    Py_XSETREF(self->parent, above);
    Py_INCREF(frame);
    Py_XSETREF(self->frame, frame);
    Py_XSETREF(self->children, children);
    self->number = ++last_number;
    return 0;
}

static int
stack_traverse(Stack *self, visitproc visit, void *arg)
{
    Py_VISIT(self->frame);
    Py_VISIT((PyObject *)self->parent);
    Py_VISIT(self->children);
    Py_VISIT((PyObject *)self->recent);
    return 0;
}

static int
stack_clear(Stack *self)
{
    Py_CLEAR(self->recent);
    Py_CLEAR(self->latency);
    Py_CLEAR(self->children);
    Py_CLEAR(self->parent);
    Py_CLEAR(self->frame);
    return 0;
}

static void
stack_dealloc(Stack *self)
{
    PyObject_GC_UnTrack(self);
    stack_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
stack_repr(Stack *self)
{
    PyObject *name = self->frame == NULL ? NULL : PyObject_GetAttrString(self->frame, "name");
    if (name == NULL) {
        return NULL;
    }
    PyObject *found = self->parent == NULL
        ? PyObject_Str(name)
        : PyUnicode_FromFormat("%R;%S", self->parent, name);
    Py_DECREF(name);
    return found;
}

Stack *
known_child(Stack *stack, PyObject *frame)
{
    Stack *recent = stack->recent;
    if (recent != NULL && recent->frame == frame) {
        return recent;
    }
    PyObject *found = PyDict_GetItemWithError(stack->children, frame);
    if (found == NULL || !PyObject_TypeCheck(found, &StackType)) {
        return NULL;
    }
    Py_INCREF(found);
    Py_XSETREF(stack->recent, (Stack *)found);
    return (Stack *)found;
}

/* Make the histogram of a stack, though an error may be set. Without memory there is none. */
static void
make_latency(Stack *stack)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    stack->latency = make_histogram();
    PyErr_Restore(type, value, traceback);
}

void
add_latency(Stack *stack, int64_t duration)
{
    if (stack->latency == NULL) {
        make_latency(stack);
    }
    if (stack->latency != NULL) {
        add_to_histogram(stack->latency, duration);
    }
}

static PyObject *
stack_add_latency(Stack *self, PyObject *duration)
{
    long long number = PyLong_AsLongLong(duration);
    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    add_latency(self, number);
    Py_RETURN_NONE;
}

static PyMethodDef stack_methods[] = {
    {"add_latency", (PyCFunction)stack_add_latency, METH_O, NULL},
    {NULL},
};

#define NUMBER(name) {#name, T_LONGLONG, offsetof(Stack, name), 0, NULL}

static PyMemberDef stack_members[] = {
    {"frame", T_OBJECT_EX, offsetof(Stack, frame), READONLY, NULL},
    {"parent", T_OBJECT, offsetof(Stack, parent), READONLY, NULL},
    {"children", T_OBJECT_EX, offsetof(Stack, children), READONLY, NULL},
    {"latency", T_OBJECT, offsetof(Stack, latency), READONLY, NULL},
    {"number", T_UINT, offsetof(Stack, number), READONLY, NULL},
    {"slow_after", T_LONGLONG, offsetof(Stack, slow_after), 0, NULL},
    {"depth", T_LONGLONG, offsetof(Stack, depth), READONLY, NULL},
    NUMBER(busy),
    NUMBER(scheduled),
    NUMBER(rest),
    NUMBER(thread),
    NUMBER(steps),
    NUMBER(entries),
    NUMBER(self_wakes),
    NUMBER(left_open),
    {NULL},
};

PyTypeObject StackType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.Stack",
    .tp_doc = "One stack and its numbers.",
    .tp_basicsize = sizeof(Stack),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)stack_init,
    .tp_traverse = (traverseproc)stack_traverse,
    .tp_clear = (inquiry)stack_clear,
    .tp_dealloc = (destructor)stack_dealloc,
    .tp_repr = (reprfunc)stack_repr,
    .tp_methods = stack_methods,
    .tp_members = stack_members,
};

int
add_stacks(PyObject *module)
{
    return add_type(module, &StackType);
}
