/* At which lines of the program tasks are woken: the counterpart of core/wake_sites.py.

   A wake-up happens in the midst of anything. So no Python code runs here, and no object is made:
   the frames are walked as the interpreter has them. */

#include "native.h"
#include <frameobject.h>
#include <string.h>

#define MOST_FOLDERS 64
#define MOST_DEPTH 24   /* frames that are looked at */
#define PLACES 16384    /* a power of two */
#define MOST_SITES (PLACES / 2)
#define CODES 1024      /* a power of two */
#define TRAMPOLINE "<interpreter trampoline>" /* where C calls Python, on 3.12 */

enum { UNSEEN, OF_PROGRAM, OF_RUNTIME, OF_LOOP };

typedef struct Site {
    PyObject *code;
    int instruction, line;
} Site;

static Site sites[MOST_SITES + 1]; /* the first one is never used */
static int site_count;
static uint16_t places[PLACES]; /* numbers of sites, by hash; 0 for none */

/* What is known of code; what finds its place taken is looked at each time. */
static struct Seen {
    PyObject *code;
    int whose;
} seen[CODES];

static char *folders[MOST_FOLDERS];
static size_t folder_lengths[MOST_FOLDERS];
static int folder_count;
static PyObject *loop_names; /* a tuple, or NULL */

/* ---- frames */

#if PY_VERSION_HEX >= 0x030B0000
typedef struct _PyInterpreterFrame Walked;

#if PY_VERSION_HEX >= 0x030C0000
#define PREVIOUS 1 /* which pointer of a frame is that of its caller */
#else
#define CODE 4
#define PREVIOUS 6
#define INSTRUCTION 7
#endif

static Walked *
innermost(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_Get()->current_frame;
#else
    return PyThreadState_Get()->cframe->current_frame;
#endif
}

static Walked *
caller_of(Walked *frame)
{
    return ((Walked **)frame)[PREVIOUS];
}

#if PY_VERSION_HEX >= 0x030C0000
static PyObject *
code_of(Walked *frame)
{
    PyObject *code = PyUnstable_InterpreterFrame_GetCode(frame);
    Py_XDECREF(code); /* the frame has it */
    return code;
}

static int
instruction_of(Walked *frame, PyObject *Py_UNUSED(code))
{
    return PyUnstable_InterpreterFrame_GetLasti(frame);
}
#else
static PyObject *
code_of(Walked *frame)
{
    return ((PyObject **)frame)[CODE];
}

static int
instruction_of(Walked *frame, PyObject *code)
{
    return (int)(((char **)frame)[INSTRUCTION] - ((PyCodeObject *)code)->co_code_adaptive);
}
#endif

#else
typedef PyFrameObject Walked;

static Walked *
innermost(void)
{
    return PyThreadState_Get()->frame;
}

static Walked *
caller_of(Walked *frame)
{
    return frame->f_back;
}

static PyObject *
code_of(Walked *frame)
{
    return (PyObject *)frame->f_code;
}

static int
instruction_of(Walked *frame, PyObject *Py_UNUSED(code))
{
    return frame->f_lasti * 2;
}
#endif

/* ---- whose code it is */

static int
is_name_of_loop(PyObject *name)
{
    for (Py_ssize_t index = 0; loop_names != NULL && index < PyTuple_GET_SIZE(loop_names);
         index++) {
        if (PyUnicode_Compare(PyTuple_GET_ITEM(loop_names, index), name) == 0) {
            return 1;
        }
    }
    return 0;
}

static int
look_at(PyCodeObject *code)
{
    Py_ssize_t length = 0;
    const char *file = PyUnicode_AsUTF8AndSize(code->co_filename, &length);
    if (file == NULL) {
        PyErr_Clear();
        return OF_PROGRAM;
    }
    for (int index = 0; index < folder_count; index++) {
        size_t prefix = folder_lengths[index];
        if ((size_t)length >= prefix && memcmp(file, folders[index], prefix) == 0) {
            return is_name_of_loop(code->co_name) ? OF_LOOP : OF_RUNTIME;
        }
    }
    int is_runtime = strncmp(file, "<frozen", 7) == 0 ||
                     PyUnicode_CompareWithASCIIString(code->co_name, TRAMPOLINE) == 0;
    return is_runtime ? OF_RUNTIME : OF_PROGRAM;
}

static int
whose(PyObject *code)
{
    size_t hash = (size_t)code / 32;
    struct Seen *found = &seen[(hash ^ hash / CODES) % CODES];
    if (found->code == code && found->whose != UNSEEN) {
        return found->whose;
    }
    int of = look_at((PyCodeObject *)code);
    if (found->code == NULL) {
        Py_INCREF(code);
        found->code = code;
    }
    if (found->code == code) {
        found->whose = of;
    }
    return of;
}

/* ---- sites */

static uint16_t
number_of(PyObject *code, int instruction)
{
    size_t hash = (size_t)code / 32 * 31 + (size_t)instruction;
    size_t place = (hash ^ hash / PLACES) % PLACES;
    while (places[place] != 0) {
        const Site *site = &sites[places[place]];
        if (site->code == code && site->instruction == instruction) {
            return places[place];
        }
        place = (place + 1) % PLACES;
    }
    if (site_count == MOST_SITES) {
        return 0;
    }
    Py_INCREF(code);
    site_count += 1;
    sites[site_count] =
        (Site){code, instruction, PyCode_Addr2Line((PyCodeObject *)code, instruction)};
    places[place] = (uint16_t)site_count;
    return (uint16_t)site_count;
}

uint16_t
find_wake_site(void)
{
    Walked *frame = innermost();
    for (int depth = 0; frame != NULL && depth < MOST_DEPTH; depth++) {
        PyObject *code = code_of(frame);
        if (code != NULL && PyCode_Check(code)) {
            int of = whose(code);
            if (of == OF_PROGRAM) {
                return number_of(code, instruction_of(frame, code));
            }
            if (of == OF_LOOP) {
                return 0;
            }
        }
        frame = caller_of(frame);
    }
    return 0;
}

/* ---- what Python code calls */

static PyObject *
py_find_wake_site(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(find_wake_site());
}

static PyObject *
wake_site(PyObject *Py_UNUSED(module), PyObject *number)
{
    long index = PyLong_AsLong(number);
    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (index < 1 || index > site_count) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("Oi", sites[index].code, sites[index].line);
}

static int
set_folders(PyObject *given)
{
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(given); index++) {
        Py_ssize_t length = 0;
        const char *text = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(given, index), &length);
        if (text == NULL) {
            PyErr_Clear(); /* no file of that folder is told from the program's */
            continue;
        }
        if (folder_count == MOST_FOLDERS) {
            return 0;
        }
        char *copy = PyMem_RawMalloc((size_t)length + 1);
        if (copy == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        memcpy(copy, text, (size_t)length + 1);
        folders[folder_count] = copy;
        folder_lengths[folder_count] = (size_t)length;
        folder_count += 1;
    }
    return 0;
}

static PyObject *
set_runtime_folders(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *given, *names;
    if (!PyArg_ParseTuple(args, "O!O!:set_runtime_folders", &PyTuple_Type, &given, &PyTuple_Type,
                          &names)) {
        return NULL;
    }
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(names); index++) {
        if (!PyUnicode_Check(PyTuple_GET_ITEM(names, index))) {
            PyErr_SetString(PyExc_TypeError, "names are texts");
            return NULL;
        }
    }
    while (folder_count > 0) {
        PyMem_RawFree(folders[--folder_count]);
    }
    for (int index = 0; index < CODES; index++) {
        seen[index].whose = UNSEEN;
    }
    Py_INCREF(names);
    PyObject *before = loop_names;
    loop_names = names;
    Py_XDECREF(before);
    if (set_folders(given) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"find_wake_site", py_find_wake_site, METH_NOARGS,
     "Return the number of the line of the program that runs just now; 0 for none."},
    {"wake_site", wake_site, METH_O, "Return the code and the line of a number; or None."},
    {"set_runtime_folders", set_runtime_folders, METH_VARARGS,
     "Say whose code is not the program's, and which functions of it run loops."},
    {NULL},
};

int
add_wake_sites(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
