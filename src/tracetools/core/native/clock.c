/* The clock of a loop: `time.perf_counter_ns` is read here, any other one is called. */

#include "native.h"
#include <time.h>

static PyObject *perf_counter_ns; /* the function itself */

#if defined(__linux__)

#define CAN_READ 1

static int64_t
read_perf_counter(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#elif PY_VERSION_HEX >= 0x030D0000

#define CAN_READ 1

static int64_t
read_perf_counter(void)
{
    PyTime_t now = 0;
    (void)PyTime_PerfCounterRaw(&now); /* it does not fail where Python has started */
    return now;
}

#else

#define CAN_READ 0

static int64_t
read_perf_counter(void)
{
    return 0; /* never called */
}

#endif

int
read_clock(LoopSteps *loop, int64_t *now)
{
    if (loop->clock_is_ours) {
        *now = read_perf_counter();
        return 0;
    }
    if (loop->clock == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the loop has no clock");
        return -1;
    }
    PyObject *clock = loop->clock;
    Py_INCREF(clock); /* it may set another one */
    PyObject *found = PyObject_CallNoArgs(clock);
    Py_DECREF(clock);
    if (found == NULL) {
        return -1;
    }
    *now = PyLong_AsLongLong(found);
    Py_DECREF(found);
    return *now == -1 && PyErr_Occurred() ? -1 : 0;
}

int
is_perf_counter(PyObject *clock)
{
    return CAN_READ && clock != NULL && clock == perf_counter_ns;
}

int
find_clock(void)
{
    PyObject *module = PyImport_ImportModule("time");
    if (module == NULL) {
        return -1;
    }
    PyObject *found = PyObject_GetAttrString(module, "perf_counter_ns");
    Py_DECREF(module);
    if (found == NULL) {
        return -1;
    }
    Py_XSETREF(perf_counter_ns, found);
    return 0;
}
