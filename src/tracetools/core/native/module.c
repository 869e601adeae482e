/* The extension module: what it offers, and where it refuses to be loaded. */

#include "native.h"

int
add_type(PyObject *module, PyTypeObject *type)
{
    return PyModule_AddType(module, type);
}

int
make_name(PyObject **place, const char *name)
{
    if (*place == NULL) {
        *place = PyUnicode_InternFromString(name);
    }
    return *place == NULL ? -1 : 0;
}

/* Every part of the module. */
static int (*const parts[])(PyObject *) = {
    add_stacks,
    add_histograms,
    add_journal,
    add_edges,
    add_wake_sites,
    add_opened,
    add_tasks,
    add_loops,
    add_stepped,
    add_waits,
    add_sampler,
    add_methods,
    add_callbacks,
    add_event_waits,
    add_wakeups,
    add_spawns,
    add_asyncio_spawns,
    add_trio,
    add_current,
    add_observed,
    add_coroutines,
    add_spans,
    add_generators,
    add_moments,
    add_rows,
    add_stack_table,
    add_stack_boxes,
};

static int
module_exec(PyObject *module)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) { /* before 3.12, nobody asks */
        PyErr_SetString(PyExc_ImportError, "the native core is for the main interpreter alone");
        return -1;
    }
    if (PyModule_AddStringConstant(module, "VERSION", TRACETOOLS_VERSION) < 0 ||
        PyModule_AddStringConstant(module, "SOURCES", TRACETOOLS_SOURCES) < 0 || find_clock() < 0) {
        return -1;
    }
    for (size_t index = 0; index < sizeof(parts) / sizeof(parts[0]); index++) {
        if (parts[index](module) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "tracetools.core.native._extension",
    .m_doc = "The native core of tracetools.",
    .m_size = 0,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__extension(void)
{
#ifdef Py_GIL_DISABLED
    PyErr_SetString(PyExc_ImportError, "the native core needs a Python that has a GIL");
    return NULL;
#endif
    return PyModuleDef_Init(&module_def);
}
