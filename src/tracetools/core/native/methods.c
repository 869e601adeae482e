/* Methods in C that a class has in place of others. Python calls them without a frame, and without
   making a bound method. Where they are asked for anything else, they are like the original. */

#include "native.h"

PyObject *
make_method(vectorcallfunc call, PyObject *original, PyObject *uses)
{
    return make_method_of(&MethodType, call, original, uses);
}

PyObject *
make_method_of(PyTypeObject *type, vectorcallfunc call, PyObject *original, PyObject *uses)
{
    Method *self = PyObject_GC_New(Method, type);
    if (self == NULL) {
        return NULL;
    }
    self->call = call;
    self->weakrefs = NULL;
    Py_INCREF(original);
    self->original = original;
    Py_XINCREF(uses);
    self->uses = uses;
    self->memo = NULL;
    PyObject_GC_Track((PyObject *)self);
    return (PyObject *)self;
}

PyObject *
pass_to_original(Method *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return PyObject_Vectorcall(self->original, args, nargsf, kwnames);
}

static PyObject *
method_get(PyObject *self, PyObject *owner, PyObject *Py_UNUSED(type))
{
    if (owner == NULL || owner == Py_None) {
        Py_INCREF(self);
        return self;
    }
    return PyMethod_New(self, owner);
}

/* What it has not of its own, the original has; as `functools.wraps` does. */
static PyObject *
method_getattro(Method *self, PyObject *name)
{
    PyObject *found = PyObject_GenericGetAttr((PyObject *)self, name);
    if (found != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return found;
    }
    PyErr_Clear();
    return PyObject_GetAttr(self->original, name);
}

static PyObject *
method_repr(Method *self)
{
    return PyObject_Repr(self->original);
}

static PyObject *
method_get_doc(Method *self, void *Py_UNUSED(closure))
{
    return PyObject_GetAttrString(self->original, "__doc__");
}

/* As functions are: copied and pickled by their name. */
static PyObject *
method_reduce(Method *self, PyObject *Py_UNUSED(ignored))
{
    return PyObject_GetAttrString(self->original, "__qualname__");
}

static int
method_traverse(Method *self, visitproc visit, void *arg)
{
    Py_VISIT(self->original);
    Py_VISIT(self->uses);
    return 0;
}

/* Break cycles. The original stays: it may be called still. */
static int
method_clear(Method *self)
{
    self->call = (vectorcallfunc)pass_to_original;
    Py_CLEAR(self->uses);
    return 0;
}

static void
method_dealloc(Method *self)
{
    PyObject_GC_UnTrack(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    Py_CLEAR(self->original);
    Py_CLEAR(self->uses);
    PyObject_GC_Del(self);
}

static PyMemberDef method_members[] = {
    {"__wrapped__", T_OBJECT, offsetof(Method, original), READONLY, NULL},
    {NULL},
};

PyGetSetDef attributes_of_method[] = {
    {"__doc__", (getter)method_get_doc, NULL, NULL, NULL},
    {NULL},
};

static PyMethodDef method_methods[] = {
    {"__reduce__", (PyCFunction)method_reduce, METH_NOARGS, NULL},
    {NULL},
};

PyTypeObject MethodType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.Method",
    .tp_basicsize = sizeof(Method),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_vectorcall_offset = offsetof(Method, call),
    .tp_call = PyVectorcall_Call,
    .tp_descr_get = method_get,
    .tp_getattro = (getattrofunc)method_getattro,
    .tp_repr = (reprfunc)method_repr,
    .tp_traverse = (traverseproc)method_traverse,
    .tp_clear = (inquiry)method_clear,
    .tp_dealloc = (destructor)method_dealloc,
    .tp_weaklistoffset = offsetof(Method, weakrefs),
    .tp_methods = method_methods,
    .tp_members = method_members,
    .tp_getset = attributes_of_method,
};

int
add_methods(PyObject *module)
{
    return add_type(module, &MethodType);
}
