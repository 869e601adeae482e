/* Who ended which waits, added up: the counterpart of core/edge_table.py. */

#include "native.h"
#include <string.h>

typedef struct Edge {
    uint32_t waiter, waker, site, kind; /* `kind` of a free place is FREE */
    int64_t count, total, max;
} Edge;

#define FREE UINT32_MAX
#define FIRST_SIZE 64 /* a power of two */

struct EdgeTable {
    PyObject_HEAD
    Edge *edges;
    size_t size, used;      /* the size is a power of two; there is always a free place */
    Py_ssize_t most;
};

static size_t
hash_of(uint32_t waiter, uint32_t waker, uint32_t site, uint32_t kind)
{
    uint64_t hash = ((uint64_t)waiter << 32 | waker) * 0x9E3779B97F4A7C15u;
    hash ^= ((uint64_t)site << 8 | kind) * 0xC2B2AE3D27D4EB4Fu;
    return (size_t)(hash ^ hash >> 29 ^ hash >> 43);
}

/* The place of an edge, or the free one where it is to be. */
static Edge *
place_of(Edge *edges, size_t size, const Edge *edge)
{
    size_t index = hash_of(edge->waiter, edge->waker, edge->site, edge->kind) & (size - 1);
    for (;;) {
        Edge *found = &edges[index];
        if (found->kind == FREE ||
            (found->waiter == edge->waiter && found->waker == edge->waker &&
             found->site == edge->site && found->kind == edge->kind)) {
            return found;
        }
        index = (index + 1) & (size - 1);
    }
}

static Edge *
free_places(size_t size)
{
    Edge *edges = PyMem_RawMalloc(size * sizeof(Edge));
    for (size_t index = 0; edges != NULL && index < size; index++) {
        edges[index].kind = FREE;
    }
    return edges;
}

/* Have room for one more edge. Return whether there is. */
static int
have_room(EdgeTable *self)
{
    if (self->used * 4 < self->size * 3) {
        return 1;
    }
    size_t size = self->size * 2;
    Edge *edges = free_places(size);
    if (edges == NULL) {
        return self->used + 1 < self->size;
    }
    for (size_t index = 0; index < self->size; index++) {
        const Edge *edge = &self->edges[index];
        if (edge->kind != FREE) {
            *place_of(edges, size, edge) = *edge;
        }
    }
    PyMem_RawFree(self->edges);
    self->edges = edges;
    self->size = size;
    return 1;
}

void
add_edge(EdgeTable *self, uint32_t waiter, const Waker *by, int64_t time)
{
    Edge edge = {waiter, by->stack, by->site, by->kind, 0, 0, 0};
    Edge *place = place_of(self->edges, self->size, &edge);
    if (place->kind == FREE && (Py_ssize_t)self->used >= self->most) {
        edge = (Edge){waiter, 0, 0, BY_OTHER, 0, 0, 0};
        place = place_of(self->edges, self->size, &edge);
    }
    if (place->kind == FREE) {
        if (!have_room(self)) {
            return; /* the profile says that nobody knows who has ended it */
        }
        place = place_of(self->edges, self->size, &edge);
        *place = edge;
        self->used += 1;
    }
    place->count += 1;
    place->total += time;
    place->max = time > place->max ? time : place->max;
}

/* ---- the type */

static PyObject *
table_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"most", NULL};
    Py_ssize_t most;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n:EdgeTable", names, &most)) {
        return NULL;
    }
    EdgeTable *self = (EdgeTable *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->most = most;
    self->size = FIRST_SIZE;
    self->edges = free_places(FIRST_SIZE);
    if (self->edges == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void
table_dealloc(EdgeTable *self)
{
    PyMem_RawFree(self->edges);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
table_add(EdgeTable *self, PyObject *args)
{
    unsigned long waiter, stack, site, kind;
    long long time;
    if (!PyArg_ParseTuple(args, "kkkkL:add", &waiter, &stack, &site, &kind, &time)) {
        return NULL;
    }
    Waker by = {(uint32_t)stack, (uint32_t)site, (uint8_t)kind};
    add_edge(self, (uint32_t)waiter, &by, time);
    Py_RETURN_NONE;
}

static PyObject *
table_packed(EdgeTable *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *found = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(self->used * sizeof(Edge)));
    if (found == NULL) {
        return NULL;
    }
    char *to = PyBytes_AS_STRING(found);
    for (size_t index = 0; index < self->size; index++) {
        if (self->edges[index].kind != FREE) {
            memcpy(to, &self->edges[index], sizeof(Edge));
            to += sizeof(Edge);
        }
    }
    return found;
}

static PyMethodDef table_methods[] = {
    {"add", (PyCFunction)table_add, METH_VARARGS, NULL},
    {"packed", (PyCFunction)table_packed, METH_NOARGS, NULL},
    {NULL},
};

PyTypeObject EdgeTableType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.EdgeTable",
    .tp_doc = "How often and how long stacks have waited for whom.",
    .tp_basicsize = sizeof(EdgeTable),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = table_new,
    .tp_dealloc = (destructor)table_dealloc,
    .tp_methods = table_methods,
};

int
add_edges(PyObject *module)
{
    return add_type(module, &EdgeTableType);
}
