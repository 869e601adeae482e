/* `span` and what it returns: the counterpart of recording/spans.py. */

#include "native.h"

/* ---- what the Python code does */

static struct {
    PyObject *dormant;      /* a dict: name -> the span of all callers while nothing is recorded */
    PyObject *new_dormant;  /* makes one more */
    PyObject *entries;      /* the class of the openings of a span that was entered again */
    PyObject *enter_again;  /* remembers one more opening */
} python = {Py_None, Py_None, Py_None, Py_None}; /* until `use_spans` */

/* use_spans(...): what is used here of recording/spans.py. */
static PyObject *
use_spans(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"dormant", "new_dormant", "find_site", "entries", "enter_again", NULL};
    PyObject *dormant, *new_dormant, *find_site, *entries, *enter_again;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$O!OOOO:use_spans", names, &PyDict_Type,
                                     &dormant, &new_dormant, &find_site, &entries, &enter_again)) {
        return NULL;
    }
    Py_INCREF(dormant); /* all of them for good, as modules are */
    Py_INCREF(new_dormant);
    Py_INCREF(find_site);
    Py_INCREF(entries);
    Py_INCREF(enter_again);
    python.dormant = dormant;
    python.new_dormant = new_dormant;
    find_site_by = find_site;
    python.entries = entries;
    python.enter_again = enter_again;
    Py_RETURN_NONE;
}

/* ---- Span */

typedef struct Span {
    PyObject_HEAD
    PyObject *frame;
    PyObject *opened; /* an opening, entries, or NULL or None for none */
} Span;

static PyTypeObject SpanType;

static PyObject *idle = NULL; /* what `span` returns where memory fails: to enter it does nothing */

static Spare spare;

static PyObject *
make_span(PyObject *frame)
{
    Span *self = (Span *)take_spare(&spare, &SpanType);
    if (self == NULL && (self = PyObject_New(Span, &SpanType)) == NULL) {
        return NULL;
    }
    Py_INCREF(frame);
    self->frame = frame;
    self->opened = NULL;
    return (PyObject *)self;
}

static int
span_init(Span *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"frame", NULL};
    PyObject *frame;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Span", names, &frame)) {
        return -1;
    }
    Py_INCREF(frame);
    Py_XSETREF(self->frame, frame);
    return 0;
}

static void
span_dealloc(Span *self)
{
    Py_CLEAR(self->frame);
    Py_CLEAR(self->opened);
    if (!Py_IS_TYPE(self, &SpanType) || !keep_spare(&spare, self)) {
        Py_TYPE(self)->tp_free((PyObject *)self);
    }
}

static PyObject *
span_enter(Span *self)
{
    PyObject *opened;
    if (self->frame == NULL) {
        Py_RETURN_NONE;
    }
    if (open_here(self->frame, 1, 1, &opened) < 0) {
        return NULL;
    }
    if (self->opened == NULL || self->opened == Py_None) {
        Py_XSETREF(self->opened, opened);
    } else if (opened != NULL) {
        PyObject *done = PyObject_CallFunctionObjArgs(python.enter_again, self, opened, NULL);
        Py_DECREF(opened);
        Py_XDECREF(done);
        if (done == NULL && sort_out_error() < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

/* Take the opening that an exit closes: a new reference; NULL for none, perhaps with an error. */
static PyObject *
take_opening(Span *self)
{
    PyObject *opened = self->opened;
    if (opened == NULL || (PyObject *)Py_TYPE(opened) != python.entries) {
        self->opened = NULL;
        return opened;
    }
    Py_INCREF(opened);
    PyObject *taken = PyObject_CallMethod(opened, "take", NULL);
    Py_DECREF(opened);
    return taken;
}

/* Close the span. `error` is the exception that ends it; NULL for none. */
static PyObject *
span_exit(Span *self, PyObject *error)
{
    PyObject *opened = take_opening(self);
    if (opened == NULL) {
        if (PyErr_Occurred() && sort_out_error() < 0) {
            return NULL;
        }
        Py_RETURN_NONE;
    }
    int failed = opened == Py_None || error == NULL ? 0 : note_error(opened, error);
    failed = opened == Py_None || failed < 0 ? failed : close_here(opened);
    Py_DECREF(opened);
    if (failed < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
span_repr(Span *self)
{
    if (self->frame == NULL) {
        return PyUnicode_FromString("<span>");
    }
    PyObject *label = PyObject_GetAttrString(self->frame, "label");
    if (label == NULL) {
        return NULL;
    }
    PyObject *text = PyUnicode_FromFormat("<span %S>", label);
    Py_DECREF(label);
    return text;
}

static PyMemberDef span_members[] = {
    {"_frame", T_OBJECT, offsetof(Span, frame), 0, NULL},
    {"_opened", T_OBJECT, offsetof(Span, opened), 0, NULL},
    {NULL},
};

static PyTypeObject SpanType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.Span",
    .tp_doc = "What `span` returns: a context manager that may be entered any number of times.",
    .tp_basicsize = sizeof(Span),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)span_init,
    .tp_dealloc = (destructor)span_dealloc,
    .tp_repr = (reprfunc)span_repr,
    .tp_members = span_members,
};

/* ---- __enter__ and __exit__

   Before 3.14, Python binds both for every `with`, which costs more than all that they do. So what
   it binds is of a type of ours, and is used again. */

typedef struct SpanMethod {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    Span *span; /* NULL for the method of the class */
    int is_exit;
} SpanMethod;

static PyTypeObject SpanMethodType;

static Spare spare_methods;

static PyObject *
call_method(SpanMethod *self, PyObject *const *args, size_t count, PyObject *Py_UNUSED(names))
{
    Span *span = self->span;
    if (span == NULL) {
        if (PyVectorcall_NARGS(count) < 1 || !PyObject_TypeCheck(args[0], &SpanType)) {
            PyErr_SetString(PyExc_TypeError, "the method is one of a span");
            return NULL;
        }
        span = (Span *)args[0];
    }
    if (!self->is_exit) {
        return span_enter(span);
    }
    size_t own = self->span == NULL; /* __exit__([self,] type, error, traceback) */
    return span_exit(span, PyVectorcall_NARGS(count) == (Py_ssize_t)own + 3 ? args[own + 1] : NULL);
}

static PyObject *
bind_method(Span *span, int is_exit)
{
    SpanMethod *self = (SpanMethod *)take_spare(&spare_methods, &SpanMethodType);
    if (self == NULL && (self = PyObject_New(SpanMethod, &SpanMethodType)) == NULL) {
        return NULL;
    }
    self->vectorcall = (vectorcallfunc)call_method;
    Py_XINCREF(span);
    self->span = span;
    self->is_exit = is_exit;
    return (PyObject *)self;
}

static void
method_dealloc(SpanMethod *self)
{
    Span *span = self->span;
    if (!keep_spare(&spare_methods, self)) {
        PyObject_Free(self);
    }
    Py_XDECREF(span);
}

static PyObject *
method_get(SpanMethod *self, PyObject *object, PyObject *Py_UNUSED(type))
{
    if (object == NULL || self->span != NULL || !PyObject_TypeCheck(object, &SpanType)) {
        Py_INCREF(self);
        return (PyObject *)self;
    }
    return bind_method((Span *)object, self->is_exit);
}

static PyObject *
method_name(SpanMethod *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(self->is_exit ? "__exit__" : "__enter__");
}

static PyGetSetDef method_getset[] = {
    {"__name__", (getter)method_name, NULL, NULL, NULL},
    {NULL},
};

static PyTypeObject SpanMethodType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.SpanMethod",
    .tp_basicsize = sizeof(SpanMethod),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_dealloc = (destructor)method_dealloc,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(SpanMethod, vectorcall),
    .tp_descr_get = (descrgetfunc)method_get,
    .tp_getset = method_getset,
};

/* Give the class one of its methods. */
static int
add_method(const char *name, int is_exit)
{
    PyObject *method = bind_method(NULL, is_exit);
    if (method == NULL) {
        return -1;
    }
    int failed = PyDict_SetItemString(SpanType.tp_dict, name, method);
    Py_DECREF(method);
    return failed;
}

/* do_nothing(...): the methods of a span while nothing is recorded. */
static PyObject *
do_nothing(PyObject *Py_UNUSED(module), PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(n))
{
    Py_RETURN_NONE;
}

/* ---- span */

/* Return the span of a name: while nothing is recorded, the same one for all. */
static PyObject *
span_of(PyObject *name)
{
    if (is_recording) {
        PyObject *frame = find_frame(name);
        PyObject *made = frame == NULL ? NULL : make_span(frame);
        Py_XDECREF(frame);
        return made;
    }
    PyObject *known = PyDict_GetItemWithError(python.dormant, name);
    if (known == NULL) {
        return PyErr_Occurred() ? NULL : PyObject_CallOneArg(python.new_dormant, name);
    }
    Py_INCREF(known);
    return known;
}

/* span(name) */
static PyObject *
span(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    if (count + named != 1 ||
        (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "name") != 0)) {
        PyErr_SetString(PyExc_TypeError, "span() takes one argument: 'name'");
        return NULL;
    }
    PyObject *made = span_of(args[0]);
    if (made != NULL || !(PyErr_ExceptionMatches(PyExc_MemoryError) ||
                          PyErr_ExceptionMatches(PyExc_RecursionError))) {
        return made;
    }
    if (sort_out_error() < 0) {
        return NULL;
    }
    Py_INCREF(idle);
    return idle;
}

static PyMethodDef functions[] = {
    {"do_nothing", (PyCFunction)(void (*)(void))do_nothing, METH_FASTCALL, NULL},
    {"use_spans", (PyCFunction)(void (*)(void))use_spans, METH_VARARGS | METH_KEYWORDS, NULL},
    {"span", (PyCFunction)(void (*)(void))span, METH_FASTCALL | METH_KEYWORDS,
     "span($module, /, name)\n--\n\n"
     "Name a piece of work, in sync and async code alike: ``with span(\"parse\"):``."},
    {NULL},
};

int
add_spans(PyObject *module)
{
    if (add_type(module, &SpanType) < 0 || PyType_Ready(&SpanMethodType) < 0 || add_method("__enter__", 0) < 0 ||
        add_method("__exit__", 1) < 0) {
        return -1;
    }
    PyType_Modified(&SpanType);
    if (idle == NULL) {
        idle = PyType_GenericNew(&SpanType, NULL, NULL);
        if (idle == NULL) {
            return -1;
        }
    }
    return PyModule_AddFunctions(module, functions);
}
