/* Await chains, and what names their ends: the counterpart of what `WaitNames.stack` reads of a
   chain in attribution/wait_names.py and awaits.py.

   Nothing here runs Python code or sets an error. So all that a chain refers to is borrowed: it
   lives as long as the coroutine does not step. */

#include "native.h"
#if PY_VERSION_HEX < 0x030B0000
#include <frameobject.h>
#endif

/* ---- what Python's own types say of a link, without a call by name */

typedef struct Reader {
    getter get;
    void *closure;
} Reader;

typedef struct LinkType {
    PyTypeObject *type;
    const char *names[4];
    Reader awaits, qualname, code, frame;
} LinkType;

static LinkType link_types[] = {
    {&PyCoro_Type, {"cr_await", "__qualname__", "cr_code", "cr_frame"}, {0}, {0}, {0}, {0}},
    {&PyGen_Type, {"gi_yieldfrom", "__qualname__", "gi_code", "gi_frame"}, {0}, {0}, {0}, {0}},
    {&PyAsyncGen_Type, {"ag_await", "__qualname__", "ag_code", "ag_frame"}, {0}, {0}, {0}, {0}},
};

#define LINK_TYPES ((int)(sizeof(link_types) / sizeof(link_types[0])))

static Reader
find_reader(PyTypeObject *type, const char *name)
{
    Reader found = {NULL, NULL};
    for (PyGetSetDef *each = type->tp_getset; each != NULL && each->name != NULL; each++) {
        if (strcmp(each->name, name) == 0) {
            found.get = each->get;
            found.closure = each->closure;
        }
    }
    return found;
}

/* Read an attribute that the object keeps alive: borrowed, or NULL for None. */
static PyObject *
read_borrowed(const Reader *reader, PyObject *object)
{
    PyObject *found = reader->get(object, reader->closure);
    if (found == NULL) {
        PyErr_Clear();
        return NULL;
    }
    Py_DECREF(found); /* never the last one: the object has it as well */
    return found == Py_None ? NULL : found;
}

int
find_link_types(void)
{
    for (int index = 0; index < LINK_TYPES; index++) {
        LinkType *each = &link_types[index];
        each->awaits = find_reader(each->type, each->names[0]);
        each->qualname = find_reader(each->type, each->names[1]);
        each->code = find_reader(each->type, each->names[2]);
        each->frame = find_reader(each->type, each->names[3]);
        int is_known = each->awaits.get != NULL && each->qualname.get != NULL;
#if PY_VERSION_HEX >= 0x030C0000
        is_known = is_known && each->code.get != NULL && each->frame.get != NULL;
#endif
        if (!is_known) {
            PyErr_Format(PyExc_ImportError, "%s is not what it was", each->type->tp_name);
            return -1;
        }
    }
    return 0;
}

static const LinkType *
type_of_link(PyObject *object)
{
    for (int index = 0; index < LINK_TYPES; index++) {
        if (Py_IS_TYPE(object, link_types[index].type)) {
            return &link_types[index];
        }
    }
    return NULL;
}

static PyObject *
code_of_link(const LinkType *type, PyObject *link)
{
#if PY_VERSION_HEX >= 0x030C0000 && !defined(Py_DEBUG)
    /* The attribute would tell audit hooks, which are the program's code. */
    (void)type;
    PyObject *code = (PyObject *)PyGen_GetCode((PyGenObject *)link); /* they all begin in one way */
    Py_DECREF(code);
    return code;
#elif PY_VERSION_HEX >= 0x030C0000
    return read_borrowed(&type->code, link);
#else
    (void)type;
    return (PyObject *)((PyGenObject *)link)->gi_code; /* a coroutine begins in the same way */
#endif
}

#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030C0000
/* How a frame of Python 3.11 begins (internal/pycore_frame.h): to make a frame object may collect
   garbage there. */
typedef struct {
    PyObject *function, *globals, *builtins, *locals;
    PyCodeObject *code;
    PyObject *frame;
    void *previous;
    _Py_CODEUNIT *instruction;
} FrameOf311;
#endif

int
instruction_of_link(PyObject *link)
{
#if PY_VERSION_HEX < 0x030B0000
    PyFrameObject *frame = ((PyGenObject *)link)->gi_frame;
    return frame == NULL ? NO_INSTRUCTION : frame->f_lasti;
#elif PY_VERSION_HEX < 0x030E0000
    PyGenObject *generator = (PyGenObject *)link; /* a coroutine begins in the same way */
    if (generator->gi_frame_state > 0) { /* it has ended */
        return NO_INSTRUCTION;
    }
#if PY_VERSION_HEX < 0x030C0000
    FrameOf311 *frame = (FrameOf311 *)generator->gi_iframe;
    return (int)(frame->instruction - (_Py_CODEUNIT *)frame->code->co_code_adaptive);
#else
    return PyUnstable_InterpreterFrame_GetLasti((struct _PyInterpreterFrame *)generator->gi_iframe);
#endif
#else
    const LinkType *type = type_of_link(link);
    PyObject *frame = type == NULL ? NULL : read_borrowed(&type->frame, link);
    return frame == NULL ? NO_INSTRUCTION : PyFrame_GetLasti((PyFrameObject *)frame);
#endif
}

PyObject *
qualname_of_link(PyObject *link)
{
    const LinkType *type = type_of_link(link);
    return type == NULL ? NULL : read_borrowed(&type->qualname, link);
}

/* ---- the walk */

typedef struct Search {
    PyObject *between;
    PyObject *found;
} Search;

static int
is_between(PyObject *object, PyObject *between)
{
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(between); index++) {
        if ((PyObject *)Py_TYPE(object) == PyTuple_GET_ITEM(between, index)) {
            return 1;
        }
    }
    return 0;
}

static int
visit_next_link(PyObject *object, void *arg)
{
    Search *search = arg;
    if (type_of_link(object) == NULL && !is_between(object, search->between)) {
        return 0;
    }
    search->found = object;
    return 1;
}

static int
visit_first(PyObject *object, void *arg)
{
    *(PyObject **)arg = object;
    return 1;
}

static PyObject *
first_referent(PyObject *object)
{
    PyObject *found = NULL;
    traverseproc traverse = Py_TYPE(object)->tp_traverse;
    if (traverse != NULL && PyObject_IS_GC(object)) {
        (void)traverse(object, visit_first, &found);
    }
    return found;
}

void
walk_chain(PyObject *coroutine, PyObject *between, Chain *chain)
{
    PyObject *found = coroutine;
    chain->length = 0;
    while (found != NULL && chain->length < MAX_LINKS) {
        const LinkType *type = type_of_link(found);
        if (type != NULL) {
            chain->links[chain->length] = found;
            chain->codes[chain->length++] = code_of_link(type, found);
            found = read_borrowed(&type->awaits, found);
            continue;
        }
        Search search = {between, NULL};
        if (is_between(found, between)) {
            (void)Py_TYPE(found)->tp_traverse(found, visit_next_link, &search);
        }
        if (search.found == NULL) {
            break;
        }
        found = search.found;
    }
    chain->end = found;
}

/* ---- the class of the object whose method a link is */

const char *
name_of_type(PyTypeObject *type)
{
    const char *dot = strrchr(type->tp_name, '.');
    return dot == NULL ? type->tp_name : dot + 1;
}

typedef struct ClassSearch {
    PyObject *owner;
    PyTypeObject *known; /* one that has that name, or NULL */
    PyTypeObject *found;
} ClassSearch;

/* Whether a class, or one of its bases, has a name. */
static int
is_named(PyTypeObject *type, PyObject *name)
{
    PyObject *classes = type->tp_mro;
    for (Py_ssize_t index = 0; classes != NULL && index < PyTuple_GET_SIZE(classes); index++) {
        PyTypeObject *each = (PyTypeObject *)PyTuple_GET_ITEM(classes, index);
        if (each->tp_flags & Py_TPFLAGS_HEAPTYPE) {
            PyObject *qualname = ((PyHeapTypeObject *)each)->ht_qualname;
            if (qualname == name || (PyUnicode_GET_LENGTH(qualname) == PyUnicode_GET_LENGTH(name) &&
                                     PyUnicode_Compare(qualname, name) == 0)) {
                return 1;
            }
        } else if (PyUnicode_CompareWithASCIIString(name, name_of_type(each)) == 0) {
            return 1;
        }
    }
    return 0;
}

static int
visit_named(PyObject *object, void *arg)
{
    ClassSearch *search = arg;
    if (Py_IS_TYPE(object, &PyCell_Type)) {
        return Py_TYPE(object)->tp_traverse(object, visit_named, arg);
    }
    PyTypeObject *type = Py_TYPE(object);
    if (type != search->known && (PyUnicode_CheckExact(object) || PyFunction_Check(object) ||
                                  PyCode_Check(object) || !is_named(type, search->owner))) {
        return 0;
    }
    search->found = type;
    return 1;
}

PyTypeObject *
class_of_method(PyObject *link, PyObject *owner, PyTypeObject *known)
{
    ClassSearch search = {owner, known, NULL};
    PyObject *holder = link;
#if PY_VERSION_HEX < 0x030B0000
    holder = (PyObject *)((PyGenObject *)link)->gi_frame;
#endif
    if (holder != NULL) {
        (void)Py_TYPE(holder)->tp_traverse(holder, visit_named, &search);
    }
    return search.found;
}

/* ---- what ends a chain */

typedef struct FutureSearch {
    PyTypeObject *type;
    PyObject *found;
} FutureSearch;

static int
visit_future(PyObject *object, void *arg)
{
    FutureSearch *search = arg;
    if (!PyType_IsSubtype(Py_TYPE(object), search->type)) {
        return 0;
    }
    search->found = object;
    return 1;
}

PyObject *
future_of_iterator(PyObject *iterator, PyTypeObject *future)
{
    FutureSearch search = {future, NULL};
    (void)Py_TYPE(iterator)->tp_traverse(iterator, visit_future, &search);
    return search.found;
}

PyObject *
name_of_compiled(PyObject *end, PyTypeObject **kind)
{
    const char *name = name_of_type(Py_TYPE(end));
    if (strcmp(name, "coroutine_wrapper") == 0) {
        end = first_referent(end);
        name = end == NULL ? "" : name_of_type(Py_TYPE(end));
    }
    if (strcmp(name, "coroutine") != 0 && strcmp(name, "iterable_coroutine") != 0) {
        return NULL;
    }
    Reader reader = find_reader(Py_TYPE(end), "__qualname__");
    *kind = Py_TYPE(end);
    return reader.get == NULL ? NULL : read_borrowed(&reader, end);
}
