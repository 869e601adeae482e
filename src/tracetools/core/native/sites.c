/* Where a span is: the frames of call sites. See `_call_site` of recording/spans.py. */

#include "native.h"
#include <frameobject.h>

#define SITES 1024 /* a power of 2 */

/* Each site has one place. A site with names that differ has it for the last of them. */
static struct Site {
    PyObject *code, *name, *frame;
    int instruction;
} sites[SITES];

PyObject *find_site_by = Py_None;

/* Find the instruction that calls us. Return its code, borrowed; NULL if that is not known. */
static PyObject *
find_caller(int *instruction)
{
    PyObject *code;
#if PY_VERSION_HEX >= 0x030C0000
    /* A frame object is not made. */
#if PY_VERSION_HEX >= 0x030D0000
    struct _PyInterpreterFrame *frame = PyThreadState_Get()->current_frame;
#else
    struct _PyInterpreterFrame *frame = PyThreadState_Get()->cframe->current_frame;
#endif
    if (frame == NULL) {
        return NULL;
    }
    code = PyUnstable_InterpreterFrame_GetCode(frame);
    *instruction = PyUnstable_InterpreterFrame_GetLasti(frame);
#elif PY_VERSION_HEX >= 0x030B0000
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL) {
        return NULL;
    }
    code = (PyObject *)PyFrame_GetCode(frame);
    *instruction = PyFrame_GetLasti(frame);
#else
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL) {
        return NULL;
    }
    code = (PyObject *)PyFrame_GetCode(frame);
    *instruction = frame->f_lasti;
#endif
    Py_DECREF(code); /* its frame has it */
    return PyCode_Check(code) ? code : NULL;
}

static struct Site *
site_at(PyObject *code, int instruction)
{
    size_t hash = (size_t)code / 32 + (size_t)instruction * 31;
    return &sites[(hash ^ hash / SITES) % SITES];
}

/* Whether a name is the one of a site: mostly the very object. */
static int
is_name(PyObject *known, PyObject *name)
{
    return known == name || (PyUnicode_CheckExact(name) && PyUnicode_Compare(known, name) == 0);
}

PyObject *
find_frame(PyObject *name)
{
    int instruction = 0;
    PyObject *code = find_caller(&instruction);
    struct Site *site = code == NULL ? NULL : site_at(code, instruction);
    if (site != NULL && site->code == code && site->instruction == instruction &&
        is_name(site->name, name)) {
        Py_INCREF(site->frame);
        return site->frame;
    }
    Py_XINCREF(code);
    PyObject *frame = PyObject_CallOneArg(find_site_by, name);
    if (frame == NULL || site == NULL || !PyUnicode_CheckExact(name)) {
        Py_XDECREF(code);
        return frame;
    }
    struct Site before = *site;
    Py_INCREF(name);
    Py_INCREF(frame);
    *site = (struct Site){code, name, frame, instruction};
    Py_XDECREF(before.code);
    Py_XDECREF(before.name);
    Py_XDECREF(before.frame);
    return frame;
}
