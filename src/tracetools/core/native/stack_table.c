/* Counts by stack, as a tree of frames: the counterpart of output/formats/stack_table.py. */

#include "native.h"

#define FIRST_ROOM 64
#define AHEAD 16
#define MOST_NUMBERS (UINT32_MAX - 1) /* of names and nodes: a slot has the number and 1 */

/* ---- memory */

int
reserve(void *array, size_t *room, size_t needed, size_t size)
{
    if (needed <= *room) {
        return 0;
    }
    size_t wanted = *room < FIRST_ROOM ? FIRST_ROOM : *room;
    while (wanted < needed) {
        wanted *= 2;
    }
    void *known, *found = NULL;
    memcpy(&known, array, sizeof(known));
    if (wanted <= (size_t)PY_SSIZE_T_MAX / size) {
        found = PyMem_Realloc(known, wanted * size);
    }
    if (found == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(array, &found, sizeof(found));
    *room = wanted;
    return 0;
}

/* Let slots be at most half full with so many numbers. Return whether they are new, and so empty; -1
   with an error set if it fails. */
static int
make_slots(Slots *self, size_t count)
{
    size_t size = self->slots == NULL ? 0 : self->mask + 1;
    if (2 * count <= size) {
        return 0;
    }
    size = size == 0 ? 2 * FIRST_ROOM : 2 * size;
    uint32_t *slots = PyMem_Calloc(size, sizeof(uint32_t));
    if (slots == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    PyMem_Free(self->slots);
    self->slots = slots;
    self->mask = size - 1;
    return 1;
}

/* Put a number into the first free slot from a hash on. */
static void
put_number(Slots *self, uint64_t hash, size_t number)
{
    size_t slot = (size_t)hash & self->mask;
    while (self->slots[slot] != 0) {
        slot = (slot + 1) & self->mask;
    }
    self->slots[slot] = (uint32_t)(number + 1);
}

/* ---- names */

/* Python's own hash: texts of others cannot be made for it. */
static uint32_t
hash_of_text(const char *text, size_t length)
{
    return (uint32_t)PyHash_GetFuncDef()->hash(text, (Py_ssize_t)length);
}

/* Whether a line may have this name that is not looked at once more: it is UTF-8, and has no blanks
   that are cut off where they stand at an end, but for the plain one. -1 with an error set. */
static int
is_usual(const char *text, size_t length)
{
    int is_ascii = 1;
    for (size_t index = 0; index < length; index++) {
        unsigned char byte = (unsigned char)text[index];
        if (byte == 0 || byte == '\t' || (byte >= '\v' && byte <= '\r')) {
            return 0;
        }
        is_ascii = is_ascii && byte < 0x80;
    }
    if (is_ascii) {
        return 1;
    }
    PyObject *decoded = PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, NULL);
    if (decoded != NULL) {
        Py_DECREF(decoded);
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

static uint32_t
add_name(StackTable *self, const char *text, size_t length, uint32_t hash)
{
    int usual = is_usual(text, length);
    if (usual < 0) {
        return NO_NAME;
    }
    if (self->name_count >= MOST_NUMBERS || length > UINT32_MAX) {
        PyErr_NoMemory();
        return NO_NAME;
    }
    int is_new = make_slots(&self->by_text, self->name_count + 1);
    if (is_new > 0) {
        for (size_t each = 0; each < self->name_count; each++) {
            put_number(&self->by_text, self->names[each].hash, each);
        }
    }
    if (is_new < 0 ||
        reserve(&self->names, &self->name_room, self->name_count + 1, sizeof(Name)) < 0 ||
        reserve(&self->text, &self->text_room, self->text_length + length, 1) < 0) {
        return NO_NAME;
    }
    memcpy(self->text + self->text_length, text, length);
    self->names[self->name_count] =
        (Name){self->text_length, (uint32_t)length, hash, (char)usual};
    self->text_length += length;
    put_number(&self->by_text, hash, self->name_count);
    return (uint32_t)self->name_count++;
}

uint32_t
find_name(StackTable *self, const char *text, size_t length)
{
    uint32_t hash = hash_of_text(text, length);
    if (self->by_text.slots != NULL) {
        size_t slot = hash & self->by_text.mask;
        for (uint32_t found; (found = self->by_text.slots[slot]) != 0;) {
            const Name *name = &self->names[found - 1];
            if (name->hash == hash && name->length == length &&
                memcmp(self->text + name->offset, text, length) == 0) {
                return found - 1;
            }
            slot = (slot + 1) & self->by_text.mask;
        }
    }
    return add_name(self, text, length, hash);
}

/* ---- nodes */

static uint64_t
hash_of_node(const StackTable *self, uint64_t parent, uint32_t name)
{
    uint64_t mixed = parent * self->parent_factor + name * self->name_factor;
    mixed ^= mixed >> 32;
    return (mixed * self->parent_factor) >> 32;
}

void
prefetch_node(const StackTable *self, size_t parent, uint32_t name)
{
    if (self->by_parent.slots != NULL) {
        PREFETCH(&self->by_parent.slots[hash_of_node(self, parent, name) & self->by_parent.mask]);
    }
}

uint32_t
add_node(StackTable *self, uint32_t parent, uint32_t name)
{
    if (self->node_count >= MOST_NUMBERS) {
        PyErr_NoMemory();
        return 0;
    }
    int is_new = make_slots(&self->by_parent, self->node_count + 1);
    if (is_new > 0) {
        for (size_t each = 1; each < self->node_count; each++) {
            if (each + AHEAD < self->node_count) {
                const Node *soon = &self->nodes[each + AHEAD];
                prefetch_node(self, soon->parent, soon->name);
            }
            const Node *node = &self->nodes[each];
            put_number(&self->by_parent, hash_of_node(self, node->parent, node->name), each);
        }
    }
    if (is_new < 0 ||
        reserve(&self->nodes, &self->node_room, self->node_count + 1, sizeof(Node)) < 0) {
        return 0;
    }
    self->nodes[self->node_count] = (Node){parent, name, 0};
    put_number(&self->by_parent, hash_of_node(self, parent, name), self->node_count);
    return (uint32_t)self->node_count++;
}

uint32_t
find_node(StackTable *self, uint32_t parent, uint32_t name)
{
    if (self->by_parent.slots != NULL) {
        size_t slot = (size_t)hash_of_node(self, parent, name) & self->by_parent.mask;
        for (uint32_t found; (found = self->by_parent.slots[slot]) != 0;) {
            const Node *node = &self->nodes[found - 1];
            if (node->parent == parent && node->name == name) {
                return found - 1;
            }
            slot = (slot + 1) & self->by_parent.mask;
        }
    }
    return add_node(self, parent, name);
}

int
add_to_node(StackTable *self, uint32_t node, int64_t count)
{
    if (count == 0) {
        return 0;
    }
    if (self->nodes[node].count == 0) {
        if (reserve(&self->stacks, &self->stack_room, self->stack_count + 1,
                      sizeof(uint32_t)) < 0) {
            return -1;
        }
        self->stacks[self->stack_count++] = node;
    }
    self->nodes[node].count += count;
    self->total += count;
    return 0;
}

/* ---- the type */

static PyObject *
table_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":StackTable", names)) {
        return NULL;
    }
    StackTable *self = (StackTable *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->parent_factor = (uint64_t)PyHash_GetFuncDef()->hash("parent", 6) | 1;
    self->name_factor = (uint64_t)PyHash_GetFuncDef()->hash("name", 4) | 1;
    if (reserve(&self->text, &self->text_room, 1, 1) < 0 || /* so that it is never NULL */
        reserve(&self->nodes, &self->node_room, 1, sizeof(Node)) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->nodes[0] = (Node){0, NO_NAME, 0};
    self->node_count = 1;
    return (PyObject *)self;
}

static void
table_dealloc(StackTable *self)
{
    PyMem_Free(self->text);
    PyMem_Free(self->names);
    PyMem_Free(self->by_text.slots);
    PyMem_Free(self->nodes);
    PyMem_Free(self->by_parent.slots);
    PyMem_Free(self->stacks);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* Find the node of a packed stack. Return -1 with an error set if it fails. */
static int
find_packed(StackTable *self, const char *text, size_t length, uint32_t *node)
{
    const char *end = text + length;
    *node = 0;
    while (text != NULL && length > 0) {
        const char *stop = memchr(text, 0, (size_t)(end - text));
        uint32_t name = find_name(self, text, (size_t)((stop == NULL ? end : stop) - text));
        if (name == NO_NAME || (*node = find_node(self, *node, name)) == 0) {
            return -1;
        }
        text = stop == NULL ? NULL : stop + 1;
    }
    return 0;
}

static PyObject *
table_add(StackTable *self, PyObject *args)
{
    PyObject *packed, *number;
    uint32_t node;
    if (!PyArg_ParseTuple(args, "SO!:add", &packed, &PyLong_Type, &number)) {
        return NULL;
    }
    int is_beyond;
    long long count = PyLong_AsLongLongAndOverflow(number, &is_beyond);
    if (is_beyond || count < 0 || count > MOST_TOTAL - self->total) {
        PyErr_SetString(PyExc_OverflowError, "a count, or the sum of all, is out of bounds");
        return NULL;
    }
    if (count > 0 &&
        (find_packed(self, PyBytes_AS_STRING(packed), (size_t)PyBytes_GET_SIZE(packed), &node) < 0 ||
         add_to_node(self, node, count) < 0)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static Py_ssize_t
table_length(StackTable *self)
{
    return (Py_ssize_t)self->stack_count;
}

static PyObject *
text_of_name(const StackTable *self, uint32_t name)
{
    const Name *found = &self->names[name];
    return PyBytes_FromStringAndSize(self->text + found->offset, (Py_ssize_t)found->length);
}

/* A stack as one value, as `pack` makes it. */
static PyObject *
packed_of_node(const StackTable *self, uint32_t node)
{
    Py_ssize_t length = node == 0 ? 0 : -1;
    for (uint32_t each = node; each != 0; each = self->nodes[each].parent) {
        length += (Py_ssize_t)self->names[self->nodes[each].name].length + 1;
    }
    PyObject *packed = PyBytes_FromStringAndSize(NULL, length);
    if (packed == NULL) {
        return NULL;
    }
    char *end = PyBytes_AS_STRING(packed) + length;
    for (uint32_t each = node; each != 0; each = self->nodes[each].parent) {
        const Name *name = &self->names[self->nodes[each].name];
        end -= name->length;
        memcpy(end, self->text + name->offset, name->length);
        if (self->nodes[each].parent != 0) {
            *--end = 0;
        }
    }
    return packed;
}

static PyObject *
table_item(StackTable *self, Py_ssize_t index)
{
    if (index < 0 || (size_t)index >= self->stack_count) {
        PyErr_SetString(PyExc_IndexError, "there is no such stack");
        return NULL;
    }
    uint32_t node = self->stacks[index];
    PyObject *packed = packed_of_node(self, node);
    return packed == NULL ? NULL
                          : Py_BuildValue("(NL)", packed, (long long)self->nodes[node].count);
}

/* Add all stacks of a table to another one, their leaves first. */
static int
add_reversed(StackTable *self, const StackTable *of)
{
    for (size_t index = 0; index < of->stack_count; index++) {
        uint32_t stack = of->stacks[index], node = 0;
        for (uint32_t each = stack; each != 0; each = of->nodes[each].parent) {
            const Name *name = &of->names[of->nodes[each].name];
            uint32_t found = find_name(self, of->text + name->offset, name->length);
            if (found == NO_NAME || (node = find_node(self, node, found)) == 0) {
                return -1;
            }
        }
        if (add_to_node(self, node, of->nodes[stack].count) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
table_reversed(StackTable *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *found = PyObject_CallNoArgs((PyObject *)Py_TYPE(self));
    if (found != NULL && add_reversed((StackTable *)found, self) < 0) {
        Py_CLEAR(found);
    }
    return found;
}

/* Add the name of a node to a set, unless it was seen before. */
static int
add_seen(const StackTable *self, PyObject *found, char *seen, uint32_t node)
{
    uint32_t name = self->nodes[node].name;
    if (seen[name]) {
        return 0;
    }
    seen[name] = 1;
    PyObject *text = text_of_name(self, name);
    int failed = text == NULL || PySet_Add(found, text) < 0;
    Py_XDECREF(text);
    return failed ? -1 : 0;
}

/* Add the names of all nodes next to the root. Each has a stack, or some that go on from it. */
static int
add_roots(const StackTable *self, PyObject *found, char *seen)
{
    for (size_t node = 1; node < self->node_count; node++) {
        if (self->nodes[node].parent == 0 && add_seen(self, found, seen, (uint32_t)node) < 0) {
            return -1;
        }
    }
    if (self->nodes[0].count == 0) {
        return 0;
    }
    PyObject *empty = PyBytes_FromStringAndSize(NULL, 0);
    int failed = empty == NULL || PySet_Add(found, empty) < 0;
    Py_XDECREF(empty);
    return failed ? -1 : 0;
}

/* Add the last names of all stacks that have more than one. */
static int
add_leaves(const StackTable *self, PyObject *found, char *seen)
{
    for (size_t index = 0; index < self->stack_count; index++) {
        uint32_t node = self->stacks[index];
        if (self->nodes[node].parent != 0 && add_seen(self, found, seen, node) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
set_of_names(const StackTable *self, int (*add)(const StackTable *, PyObject *, char *))
{
    PyObject *found = PySet_New(NULL);
    char *seen = PyMem_Calloc(self->name_count + 1, 1);
    if (found != NULL && seen == NULL) {
        PyErr_NoMemory();
        Py_CLEAR(found);
    }
    if (found != NULL && add(self, found, seen) < 0) {
        Py_CLEAR(found);
    }
    PyMem_Free(seen);
    return found;
}

static PyObject *
table_roots(StackTable *self, PyObject *Py_UNUSED(ignored))
{
    return set_of_names(self, add_roots);
}

static PyObject *
table_leaves(StackTable *self, PyObject *Py_UNUSED(ignored))
{
    return set_of_names(self, add_leaves);
}

/* Of each name, how much ends with it, and how much has it anywhere. */
typedef struct Sums {
    int64_t *own, *total;
    size_t *last; /* the last stack that has it, counted from 1 */
} Sums;

static void
add_to_sums(const StackTable *self, Sums *sums, size_t index)
{
    uint32_t stack = self->stacks[index];
    int64_t count = self->nodes[stack].count;
    sums->own[self->nodes[stack].name] += count;
    for (uint32_t each = stack; each != 0; each = self->nodes[each].parent) {
        uint32_t name = self->nodes[each].name;
        if (sums->last[name] != index + 1) {
            sums->last[name] = index + 1;
            sums->total[name] += count;
        }
    }
}

/* The sums as a dict: the name, and a pair. */
static PyObject *
dict_of_sums(const StackTable *self, const Sums *sums)
{
    PyObject *found = PyDict_New();
    for (uint32_t name = 0; found != NULL && name < self->name_count; name++) {
        if (sums->last[name] == 0) { /* only lines that did not count have it */
            continue;
        }
        PyObject *text = text_of_name(self, name);
        PyObject *pair = text == NULL ? NULL
                                      : Py_BuildValue("(LL)", (long long)sums->own[name],
                                                      (long long)sums->total[name]);
        if (pair == NULL || PyDict_SetItem(found, text, pair) < 0) {
            Py_CLEAR(found);
        }
        Py_XDECREF(text);
        Py_XDECREF(pair);
    }
    return found;
}

static PyObject *
table_sums(StackTable *self, PyObject *Py_UNUSED(ignored))
{
    int64_t whole = self->nodes[0].count; /* of the empty stack, which has one empty name */
    uint32_t empty = whole == 0 ? 0 : find_name(self, "", 0);
    if (empty == NO_NAME) {
        return NULL;
    }
    Sums sums = {
        .own = PyMem_Calloc(self->name_count + 1, sizeof(int64_t)),
        .total = PyMem_Calloc(self->name_count + 1, sizeof(int64_t)),
        .last = PyMem_Calloc(self->name_count + 1, sizeof(size_t)),
    };
    PyObject *found = NULL;
    if (sums.own == NULL || sums.total == NULL || sums.last == NULL) {
        PyErr_NoMemory();
    } else {
        for (size_t index = 0; index < self->stack_count; index++) {
            if (self->stacks[index] != 0) {
                add_to_sums(self, &sums, index);
            }
        }
        if (whole != 0) {
            sums.own[empty] += whole;
            sums.total[empty] += whole;
            sums.last[empty] = 1;
        }
        found = dict_of_sums(self, &sums);
    }
    PyMem_Free(sums.own);
    PyMem_Free(sums.total);
    PyMem_Free(sums.last);
    return found;
}

/* A table equals another one, or a list, that has the same stacks in the same order. */
static PyObject *
table_compare(PyObject *self, PyObject *other, int operation)
{
    int is_table = PyObject_TypeCheck(other, &StackTableType);
    if ((operation != Py_EQ && operation != Py_NE) || !(is_table || PyList_Check(other))) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    PyObject *mine = PySequence_List(self);
    PyObject *theirs = mine == NULL ? NULL : PySequence_List(other);
    PyObject *result = theirs == NULL ? NULL : PyObject_RichCompare(mine, theirs, operation);
    Py_XDECREF(mine);
    Py_XDECREF(theirs);
    return result;
}

static PyMethodDef table_methods[] = {
    {"add", (PyCFunction)table_add, METH_VARARGS, NULL},
    {"read", (PyCFunction)table_read, METH_VARARGS, NULL},
    {"reversed", (PyCFunction)table_reversed, METH_NOARGS, NULL},
    {"roots", (PyCFunction)table_roots, METH_NOARGS, NULL},
    {"leaves", (PyCFunction)table_leaves, METH_NOARGS, NULL},
    {"sums", (PyCFunction)table_sums, METH_NOARGS, NULL},
    {NULL},
};

static PyMemberDef table_members[] = {
    {"total", T_LONGLONG, offsetof(StackTable, total), READONLY, NULL},
    {"last_line", T_PYSSIZET, offsetof(StackTable, last_line), READONLY, NULL},
    {NULL},
};

static PySequenceMethods table_as_sequence = {
    .sq_length = (lenfunc)table_length,
    .sq_item = (ssizeargfunc)table_item,
};

PyTypeObject StackTableType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.StackTable",
    .tp_doc = "Counts by stack.",
    .tp_basicsize = sizeof(StackTable),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = table_new,
    .tp_dealloc = (destructor)table_dealloc,
    .tp_richcompare = table_compare,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_methods = table_methods,
    .tp_members = table_members,
    .tp_as_sequence = &table_as_sequence,
};

int
add_stack_table(PyObject *module)
{
    return add_type(module, &StackTableType);
}
