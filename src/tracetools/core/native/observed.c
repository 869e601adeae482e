/* Observed functions: what `observe` of recording/spans.py makes of a plain or an async function.

   Such a function looks like the one that it calls. It has no frame. */

#include "native.h"

static PyObject *
call_function(ObservedFunction *self, PyObject *const *args, size_t count, PyObject *names)
{
    PyObject *opened = NULL;
    if (is_recording && open_here(self->frame, 1, 1, &opened) < 0) {
        return NULL;
    }
    return close_and_return(opened, call_deep(self->function, args, count, names));
}

static PyObject *
make_coroutine(ObservedFunction *self, PyObject *const *args, size_t count, PyObject *names)
{
    PyObject *made = PyObject_Vectorcall(self->function, args, count, names);
    return made == NULL ? NULL : observe_coroutine(made, self->frame);
}

static PyObject *
make_generator(ObservedFunction *self, PyObject *const *args, size_t count, PyObject *names)
{
    PyObject *made = PyObject_Vectorcall(self->function, args, count, names);
    return made == NULL ? NULL : observe_generator(made, self->frame);
}

static PyObject *
function_get(PyObject *self, PyObject *object, PyObject *Py_UNUSED(type))
{
    if (object == NULL || object == Py_None) {
        Py_INCREF(self);
        return self;
    }
    return PyMethod_New(self, object);
}

/* ---- attributes */

/* An attribute that is the function's until it is set. */
typedef struct Own {
    const char *name;
    Py_ssize_t offset;
    int is_text;
} Own;

static PyObject **
own_at(ObservedFunction *self, const Own *own)
{
    return (PyObject **)((char *)self + own->offset);
}

static PyObject *
get_own(ObservedFunction *self, void *closure)
{
    const Own *own = closure;
    PyObject *found = *own_at(self, own);
    if (found == NULL) {
        return PyObject_GetAttrString(self->function, own->name);
    }
    Py_INCREF(found);
    return found;
}

/* Set an attribute. Deleted, it is None, as that of a function is. */
static int
set_own(ObservedFunction *self, PyObject *value, void *closure)
{
    const Own *own = closure;
    if (own->is_text && (value == NULL || !PyUnicode_Check(value))) {
        PyErr_Format(PyExc_TypeError, "%s must be set to a string object", own->name);
        return -1;
    }
    PyObject **place = own_at(self, own);
    PyObject *before = *place;
    *place = value == NULL ? Py_None : value;
    Py_INCREF(*place);
    Py_XDECREF(before);
    return 0;
}

static Own own_name = {"__name__", offsetof(ObservedFunction, name), 1};
static Own own_qualname = {"__qualname__", offsetof(ObservedFunction, qualname), 1};
static Own own_module = {"__module__", offsetof(ObservedFunction, module), 0};
static Own own_doc = {"__doc__", offsetof(ObservedFunction, doc), 0};
static Own own_annotations = {"__annotations__", offsetof(ObservedFunction, annotations), 0};
#if PY_VERSION_HEX >= 0x030E0000
static Own own_annotate = {"__annotate__", offsetof(ObservedFunction, annotate), 0};
#endif
#if PY_VERSION_HEX >= 0x030C0000
static Own own_type_params = {"__type_params__", offsetof(ObservedFunction, type_params), 0};
#endif

/* Return the annotations that were set, or those that `__annotate__` gives if that was set. */
static PyObject *
get_annotations(ObservedFunction *self, void *closure)
{
    if (self->annotations == NULL && self->annotate != NULL) {
        PyObject *annotate = self->annotate;
        Py_INCREF(annotate); /* it may set another one */
        PyObject *made =
            annotate == Py_None ? PyDict_New() : PyObject_CallFunction(annotate, "i", 1);
        Py_DECREF(annotate);
        if (made == NULL) {
            return NULL;
        }
        Py_XSETREF(self->annotations, made);
    }
    return get_own(self, closure);
}

static int
set_annotations(ObservedFunction *self, PyObject *value, void *closure)
{
    PyObject *made = NULL;
    if (value == NULL || value == Py_None) {
        value = made = PyDict_New();
        if (made == NULL) {
            return -1;
        }
    }
    int failed = 0;
    if (PyDict_Check(value)) {
        failed = set_own(self, value, closure);
#if PY_VERSION_HEX >= 0x030E0000
        failed = failed || set_own(self, Py_None, &own_annotate) ? -1 : 0;
#endif
    } else {
        PyErr_SetString(PyExc_TypeError, "__annotations__ must be set to a dict object");
        failed = -1;
    }
    Py_XDECREF(made);
    return failed;
}

#if PY_VERSION_HEX >= 0x030E0000
static int
set_annotate(ObservedFunction *self, PyObject *value, void *closure)
{
    if (value == NULL || (value != Py_None && !PyCallable_Check(value))) {
        PyErr_SetString(PyExc_TypeError, "__annotate__ must be callable or None");
        return -1;
    }
    if (value != Py_None) {
        Py_CLEAR(self->annotations);
    }
    return set_own(self, value, closure);
}
#endif

/* An attribute that is the function's. To set it is to set it there, for it says what a call does. */
static PyObject *
get_of_function(ObservedFunction *self, void *closure)
{
    return PyObject_GetAttrString(self->function, closure);
}

static int
set_of_function(ObservedFunction *self, PyObject *value, void *closure)
{
    return PyObject_SetAttrString(self->function, closure, value);
}

static PyObject *
get_class(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    Py_INCREF(&PyFunction_Type);
    return (PyObject *)&PyFunction_Type;
}

#define OF_FUNCTION(name) \
    {name, (getter)get_of_function, (setter)set_of_function, NULL, (void *)name}

static PyGetSetDef function_getset[] = {
    {"__class__", get_class, NULL, NULL, NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {"__name__", (getter)get_own, (setter)set_own, NULL, &own_name},
    {"__qualname__", (getter)get_own, (setter)set_own, NULL, &own_qualname},
    {"__module__", (getter)get_own, (setter)set_own, NULL, &own_module},
    {"__doc__", (getter)get_own, (setter)set_own, NULL, &own_doc},
    {"__annotations__", (getter)get_annotations, (setter)set_annotations, NULL, &own_annotations},
#if PY_VERSION_HEX >= 0x030E0000
    {"__annotate__", (getter)get_own, (setter)set_annotate, NULL, &own_annotate},
#endif
#if PY_VERSION_HEX >= 0x030C0000
    {"__type_params__", (getter)get_own, (setter)set_own, NULL, &own_type_params},
#endif
    OF_FUNCTION("__code__"),
    OF_FUNCTION("__defaults__"),
    OF_FUNCTION("__kwdefaults__"),
    OF_FUNCTION("__globals__"),
    OF_FUNCTION("__closure__"),
    OF_FUNCTION("__builtins__"),
    {NULL},
};

static PyObject *
function_repr(ObservedFunction *self)
{
    PyObject *name = get_own(self, &own_qualname);
    if (name == NULL) {
        return NULL;
    }
    PyObject *text = PyUnicode_FromFormat("<function %S at %p>", name, self);
    Py_DECREF(name);
    return text;
}

/* Be found by name, as functions are, when copied or pickled. */
static PyObject *
function_reduce(ObservedFunction *self, PyObject *Py_UNUSED(ignored))
{
    return get_own(self, &own_qualname);
}

static PyMethodDef function_methods[] = {
    {"__reduce__", (PyCFunction)function_reduce, METH_NOARGS, NULL},
    {NULL},
};

/* ---- the type */

static const vectorcallfunc calls[] = {
    [IS_PLAIN] = (vectorcallfunc)call_function,
    [IS_COROUTINE] = (vectorcallfunc)make_coroutine,
    [IS_GENERATOR] = (vectorcallfunc)make_generator,
};

/* ObservedFunction(function, frame, flags): the flags of its code say of which kind it is. */
static PyObject *
function_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"function", "frame", "flags", NULL};
    PyObject *function, *frame;
    int flags;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOi:ObservedFunction", names, &function, &frame,
                                     &flags)) {
        return NULL;
    }
    ObservedFunction *self = (ObservedFunction *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    Py_INCREF(function);
    self->function = function;
    Py_INCREF(frame);
    self->frame = frame;
    self->kind = flags & CO_COROUTINE   ? IS_COROUTINE
                 : flags & CO_GENERATOR ? IS_GENERATOR
                                        : IS_PLAIN;
    self->vectorcall = calls[self->kind];
    return (PyObject *)self;
}

static int
function_traverse(ObservedFunction *self, visitproc visit, void *arg)
{
    Py_VISIT(self->function);
    Py_VISIT(self->frame);
    Py_VISIT(self->dict);
    Py_VISIT(self->name);
    Py_VISIT(self->qualname);
    Py_VISIT(self->module);
    Py_VISIT(self->doc);
    Py_VISIT(self->annotations);
    Py_VISIT(self->annotate);
    Py_VISIT(self->type_params);
    return 0;
}

/* Break cycles. What a call needs stays: a finaliser may still make one. */
static int
function_clear(ObservedFunction *self)
{
    Py_CLEAR(self->dict);
    Py_CLEAR(self->module);
    Py_CLEAR(self->doc);
    Py_CLEAR(self->annotations);
    Py_CLEAR(self->annotate);
    Py_CLEAR(self->type_params);
    return 0;
}

static void
function_dealloc(ObservedFunction *self)
{
    PyObject_GC_UnTrack(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    function_clear(self);
    Py_CLEAR(self->name);
    Py_CLEAR(self->qualname);
    Py_CLEAR(self->function);
    Py_CLEAR(self->frame);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

PyTypeObject ObservedFunctionType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.ObservedFunction",
    .tp_basicsize = sizeof(ObservedFunction),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_new = function_new,
    .tp_traverse = (traverseproc)function_traverse,
    .tp_clear = (inquiry)function_clear,
    .tp_dealloc = (destructor)function_dealloc,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(ObservedFunction, vectorcall),
    .tp_descr_get = function_get,
    .tp_repr = (reprfunc)function_repr,
    .tp_weaklistoffset = offsetof(ObservedFunction, weakrefs),
    .tp_dictoffset = offsetof(ObservedFunction, dict),
    .tp_methods = function_methods,
    .tp_getset = function_getset,
};

/* ---- functions of the module */

/* observed_frame(object): the frame of an observed coroutine that is not over, else None.

   Another recording may step it. */
static PyObject *
observed_frame(PyObject *Py_UNUSED(module), PyObject *object)
{
    PyObject *frame = Py_None;
    object = coroutine_stepped(object);
    if (Py_IS_TYPE(object, &ObservedCoroutineType) && ((Through *)object)->state != ENDED) {
        frame = ((Through *)object)->frame;
    }
    Py_INCREF(frame);
    return frame;
}

/* Whether an object is an observed function of a kind. */
static int
is_of_kind(PyObject *object, int kind)
{
    return Py_IS_TYPE(object, &ObservedFunctionType) && ((ObservedFunction *)object)->kind == kind;
}

/* observed_function_frame(object): the frame of an observed async function, else None. */
static PyObject *
observed_function_frame(PyObject *Py_UNUSED(module), PyObject *object)
{
    int is_async = is_of_kind(object, IS_COROUTINE);
    PyObject *frame = is_async ? ((ObservedFunction *)object)->frame : Py_None;
    Py_INCREF(frame);
    return frame;
}

/* is_observed(object): whether it is an observed function that is plain. */
static PyObject *
is_observed(PyObject *Py_UNUSED(module), PyObject *object)
{
    return PyBool_FromLong(is_of_kind(object, IS_PLAIN));
}

/* unobserved(object): what an observed object stands for; any other as it is. */
static PyObject *
unobserved(PyObject *Py_UNUSED(module), PyObject *object)
{
    PyObject *inner = object;
    while (inner != NULL) {
        object = inner;
        if (Py_IS_TYPE(object, &ObservedFunctionType)) {
            inner = ((ObservedFunction *)object)->function;
        } else if (Py_IS_TYPE(object, &ObservedCoroutineType) ||
                   Py_IS_TYPE(object, &ObservedGeneratorType)) {
            inner = ((Through *)object)->inner;
        } else {
            inner = NULL;
        }
    }
    Py_INCREF(object);
    return object;
}

static PyMethodDef functions[] = {
    {"observed_frame", observed_frame, METH_O, NULL},
    {"observed_function_frame", observed_function_frame, METH_O, NULL},
    {"is_observed", is_observed, METH_O, NULL},
    {"unobserved", unobserved, METH_O, NULL},
    {NULL},
};

int
add_observed(PyObject *module)
{
    if (add_type(module, &ObservedFunctionType) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, functions);
}
