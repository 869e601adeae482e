/* Values counted by their buckets: `HistogramBuilder`, see core/buckets.py. */

#include "native.h"

#define BITS 6 /* as in core/buckets.py */
#define BUCKETS ((64 - BITS) * 32 + 64)

struct Histogram {
    PyObject_HEAD
    int64_t total, largest;
    int64_t buckets[BUCKETS];
};

static int
bucket_of(uint64_t value)
{
    int shift = 0;
    while (value >> shift >= 64) {
        shift += 1;
    }
    return (int)((uint64_t)shift * 32 + (value >> shift));
}

Histogram *
make_histogram(void)
{
    return (Histogram *)HistogramType.tp_alloc(&HistogramType, 0);
}

void
add_to_histogram(Histogram *self, int64_t value)
{
    self->total += value;
    self->largest = value > self->largest ? value : self->largest;
    self->buckets[bucket_of(value > 0 ? (uint64_t)value : 0)] += 1;
}

static PyObject *
histogram_add(Histogram *self, PyObject *value)
{
    long long number = PyLong_AsLongLong(value);
    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    add_to_histogram(self, number);
    Py_RETURN_NONE;
}

/* Put one bucket that has values into a dict. */
static int
put_bucket(PyObject *found, int bucket, int64_t count)
{
    PyObject *key = PyLong_FromLong(bucket);
    PyObject *number = PyLong_FromLongLong(count);
    int failed = key == NULL || number == NULL || PyDict_SetItem(found, key, number) < 0;
    Py_XDECREF(key);
    Py_XDECREF(number);
    return failed ? -1 : 0;
}

static PyObject *
histogram_sums(Histogram *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *found = PyDict_New();
    if (found == NULL) {
        return NULL;
    }
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
        if (self->buckets[bucket] != 0 && put_bucket(found, bucket, self->buckets[bucket]) < 0) {
            Py_DECREF(found);
            return NULL;
        }
    }
    return Py_BuildValue("(LLN)", (long long)self->total, (long long)self->largest, found);
}

static PyMethodDef histogram_methods[] = {
    {"add", (PyCFunction)histogram_add, METH_O, NULL},
    {"sums", (PyCFunction)histogram_sums, METH_NOARGS, NULL},
    {NULL},
};

PyTypeObject HistogramType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.HistogramBuilder",
    .tp_doc = "Counts values of 0 or more by their buckets.",
    .tp_basicsize = sizeof(Histogram),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_methods = histogram_methods,
};

int
add_histograms(PyObject *module)
{
    return add_type(module, &HistogramType);
}
