/* Values counted by their buckets: `HistogramBuilder`, see core/buckets.py. */

#include "native.h"

#define BUCKETS_AT_ONCE 16

/* The buckets from `first` on, as far as any has a value: most values of one kind are alike. */
struct Histogram {
    PyObject_HEAD
    int64_t total, largest;
    int64_t *buckets;
    int first, size;
};

static int
bucket_of(uint64_t value)
{
#if defined(__GNUC__)
    int shift = value < 64 ? 0 : 58 - __builtin_clzll(value);
#else
    int shift = 0;
    while (value >> shift >= 64) {
        shift += 1;
    }
#endif
    return (int)((uint64_t)shift * 32 + (value >> shift));
}

Histogram *
make_histogram(void)
{
    return (Histogram *)HistogramType.tp_alloc(&HistogramType, 0);
}

/* Have a bucket as well. Return whether there was memory. */
static int
reach(Histogram *self, int bucket)
{
    int first = bucket - bucket % BUCKETS_AT_ONCE, end = first + BUCKETS_AT_ONCE;
    if (self->size > 0) {
        first = first < self->first ? first : self->first;
        end = end > self->first + self->size ? end : self->first + self->size;
    }
    int64_t *buckets = PyMem_RawCalloc((size_t)(end - first), sizeof(int64_t));
    if (buckets == NULL) {
        return 0;
    }
    if (self->size > 0) {
        memcpy(buckets + (self->first - first), self->buckets, self->size * sizeof(int64_t));
    }
    PyMem_RawFree(self->buckets);
    self->buckets = buckets;
    self->first = first;
    self->size = end - first;
    return 1;
}

void
add_to_histogram(Histogram *self, int64_t value)
{
    int bucket = bucket_of(value > 0 ? (uint64_t)value : 0);
    if ((bucket < self->first || bucket >= self->first + self->size) && !reach(self, bucket)) {
        return;
    }
    self->total += value;
    self->largest = value > self->largest ? value : self->largest;
    self->buckets[bucket - self->first] += 1;
}

static void
histogram_dealloc(Histogram *self)
{
    PyMem_RawFree(self->buckets);
    Py_TYPE(self)->tp_free((PyObject *)self);
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
    for (int index = 0; index < self->size; index++) {
        if (self->buckets[index] != 0 &&
            put_bucket(found, self->first + index, self->buckets[index]) < 0) {
            Py_DECREF(found);
            return NULL;
        }
    }
    return Py_BuildValue("(LLN)", (long long)self->total, (long long)self->largest, found);
}

static PyObject *
histogram_copy(Histogram *self, PyObject *Py_UNUSED(ignored))
{
    Histogram *copy = make_histogram();
    if (copy == NULL || self->size == 0) {
        return (PyObject *)copy;
    }
    copy->buckets = PyMem_RawMalloc(self->size * sizeof(int64_t));
    if (copy->buckets == NULL) {
        Py_DECREF(copy);
        return PyErr_NoMemory();
    }
    memcpy(copy->buckets, self->buckets, self->size * sizeof(int64_t));
    copy->first = self->first;
    copy->size = self->size;
    copy->total = self->total;
    copy->largest = self->largest;
    return (PyObject *)copy;
}

static PyMethodDef histogram_methods[] = {
    {"copy", (PyCFunction)histogram_copy, METH_NOARGS, NULL},
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
    .tp_dealloc = (destructor)histogram_dealloc,
    .tp_methods = histogram_methods,
};

int
add_histograms(PyObject *module)
{
    return add_type(module, &HistogramType);
}
