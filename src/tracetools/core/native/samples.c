/* Samples as they are kept until a profile is made: weighed, and added up by what they saw. */

#include "sampler.h"

#ifdef HAVE_SAMPLER

#include <string.h>

void
clear_sample(Sample *sample)
{
    for (Py_ssize_t index = 0; index < sample->count; index++) {
        Py_DECREF(sample->codes[index]);
    }
    sample->count = 0;
    Py_CLEAR(sample->base);
    Py_CLEAR(sample->own);
    Py_CLEAR(sample->loop);
}

static uint64_t
hash_of(const Sample *sample)
{
    uint64_t hash = (uint64_t)(uintptr_t)sample->own * 31 + (uintptr_t)sample->base;
    for (Py_ssize_t index = 0; index < sample->count; index++) {
        hash = (hash ^ (uintptr_t)sample->codes[index]) * 0x100000001B3;
    }
    return hash ^ (hash >> 29);
}

static int
is_of(const Entry *entry, const Sample *sample, uint64_t hash)
{
    return entry->hash == hash && entry->count == sample->count && entry->own == sample->own &&
           entry->base == sample->base && entry->loop == sample->loop &&
           memcmp(entry->codes, sample->codes, sizeof(entry->codes[0]) * entry->count) == 0;
}

Entry *
copy_sample(const Sample *sample, int64_t began)
{
    size_t codes = sizeof(sample->codes[0]) * sample->count;
    size_t lines = sizeof(sample->lines[0]) * sample->count;
    Entry *entry = PyMem_RawMalloc(sizeof(Entry) + codes + (began ? lines : 0));
    if (entry == NULL) {
        return NULL;
    }
    memset(entry, 0, sizeof(Entry));
    entry->base = sample->base;
    entry->own = sample->own;
    entry->loop = sample->loop;
    Py_XINCREF(entry->base);
    Py_XINCREF(entry->own);
    Py_XINCREF(entry->loop);
    entry->is_cut = sample->is_cut;
    entry->began = began;
    entry->count = sample->count;
    for (Py_ssize_t index = 0; index < sample->count; index++) {
        Py_INCREF(sample->codes[index]);
        entry->codes[index] = sample->codes[index];
    }
    if (began) {
        entry->lines = (int *)(void *)(entry->codes + entry->count);
        memcpy(entry->lines, sample->lines, lines);
    }
    return entry;
}

void
add_sample(Samples *samples, Sample *sample, int64_t weight, int64_t computed)
{
    uint64_t hash = hash_of(sample);
    Entry **bucket = &samples->buckets[hash % BUCKETS];
    Entry *entry = *bucket;
    while (entry != NULL && !is_of(entry, sample, hash)) {
        entry = entry->next;
    }
    if (entry == NULL) {
        if (samples->entries >= MOST_ENTRIES || samples->codes >= MOST_CODES) {
            return;
        }
        entry = copy_sample(sample, 0);
        if (entry == NULL) {
            return;
        }
        entry->hash = hash;
        entry->next = *bucket;
        *bucket = entry;
        samples->entries += 1;
        samples->codes += entry->count;
    }
    entry->weight += weight;
    entry->computed += computed;
    entry->times += 1;
}

int
is_nearly_full(const Samples *samples)
{
    return samples->entries > MOST_ENTRIES / 2 || samples->codes > MOST_CODES / 2;
}

void
free_entries(Entry *first)
{
    while (first != NULL) {
        Entry *entry = first;
        first = entry->next;
        for (Py_ssize_t index = 0; index < entry->count; index++) {
            Py_DECREF(entry->codes[index]);
        }
        Py_XDECREF(entry->base);
        Py_XDECREF(entry->own);
        Py_XDECREF(entry->loop);
        PyMem_RawFree(entry);
    }
}

static PyObject *
list_of_codes(const Entry *entry)
{
    PyObject *codes = PyList_New(entry->count);
    for (Py_ssize_t index = 0; codes != NULL && index < entry->count; index++) {
        Py_INCREF(entry->codes[index]);
        PyList_SET_ITEM(codes, index, (PyObject *)entry->codes[index]);
    }
    return codes;
}

static PyObject *
list_of_lines(const Entry *entry)
{
    PyObject *lines = PyList_New(entry->lines == NULL ? 0 : entry->count);
    if (lines == NULL || entry->lines == NULL) {
        return lines;
    }
    for (Py_ssize_t index = 0; index < entry->count; index++) {
        PyObject *line = PyLong_FromLong(entry->lines[index]);
        if (line == NULL) {
            Py_DECREF(lines);
            return NULL;
        }
        PyList_SET_ITEM(lines, index, line);
    }
    return lines;
}

/* An entry as a tuple: the loop, the stacks, the functions, the lines, whether they are cut, when
   its step began, the weight, how much of it was computed, how many samples. */
static PyObject *
as_tuple(const Entry *entry)
{
    PyObject *codes = list_of_codes(entry);
    PyObject *lines = codes == NULL ? NULL : list_of_lines(entry);
    if (lines == NULL) {
        Py_XDECREF(codes);
        return NULL;
    }
    PyObject *base = entry->base == NULL ? Py_None : (PyObject *)entry->base;
    PyObject *own = entry->own == NULL ? Py_None : (PyObject *)entry->own;
    return Py_BuildValue("OOONNOLLLL", entry->loop, base, own, codes, lines,
                         entry->is_cut ? Py_True : Py_False, (long long)entry->began,
                         (long long)entry->weight, (long long)entry->computed,
                         (long long)entry->times);
}

/* Append entries to a list; return -1 if that fails. */
static int
append_entries(PyObject *list, const Entry *entry)
{
    for (; entry != NULL; entry = entry->next) {
        PyObject *tuple = as_tuple(entry);
        if (tuple == NULL || PyList_Append(list, tuple) < 0) {
            Py_XDECREF(tuple);
            return -1;
        }
        Py_DECREF(tuple);
    }
    return 0;
}

PyObject *
list_of_entries(Entry *first)
{
    PyObject *list = PyList_New(0);
    if (list != NULL && append_entries(list, first) < 0) {
        Py_CLEAR(list);
    }
    free_entries(first);
    return list;
}

PyObject *
list_of_samples(Samples *samples)
{
    PyObject *list = PyList_New(0);
    for (Py_ssize_t index = 0; index < BUCKETS; index++) {
        if (list != NULL && append_entries(list, samples->buckets[index]) < 0) {
            Py_CLEAR(list);
        }
        free_entries(samples->buckets[index]);
        samples->buckets[index] = NULL;
    }
    samples->entries = samples->codes = 0;
    return list;
}

#endif
