/* The boxes of the frames of a `StackTable` that are drawn: `place_stacks` of
   output/flamegraph/layout.py. */

#include "native.h"

/* A node whose parent may be drawn. */
typedef struct Child {
    uint32_t parent, node, length;
    const char *name;
} Child;

typedef struct Box {
    int64_t start, width;
    uint32_t depth, node;
} Box;

typedef struct Placed {
    int64_t *widths;        /* of each node */
    Child *children;        /* by their parents, and then by name */
    size_t child_count;
    Box *boxes;
    size_t box_count, box_room;
} Placed;

static int
compare_children(const void *one, const void *other)
{
    const Child *left = one, *right = other;
    if (left->parent != right->parent) {
        return left->parent < right->parent ? -1 : 1;
    }
    size_t length = left->length < right->length ? left->length : right->length;
    int order = memcmp(left->name, right->name, length);
    if (order != 0) {
        return order;
    }
    return (left->length > right->length) - (left->length < right->length);
}

/* The widest come first; of equally wide ones, those nearest to the root and then to the left. */
static int
compare_widths(const void *one, const void *other)
{
    const Box *left = one, *right = other;
    if (left->width != right->width) {
        return left->width > right->width ? -1 : 1;
    }
    if (left->depth != right->depth) {
        return left->depth < right->depth ? -1 : 1;
    }
    return (left->start > right->start) - (left->start < right->start);
}

static int
compare_places(const void *one, const void *other)
{
    const Box *left = one, *right = other;
    if (left->depth != right->depth) {
        return left->depth < right->depth ? -1 : 1;
    }
    return (left->start > right->start) - (left->start < right->start);
}

/* Add up the counts of all nodes that go on from each. */
static int
find_widths(const StackTable *table, Placed *placed)
{
    placed->widths = PyMem_Malloc(table->node_count * sizeof(int64_t));
    if (placed->widths == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t node = 0; node < table->node_count; node++) {
        placed->widths[node] = table->nodes[node].count;
    }
    for (size_t node = table->node_count; --node > 0;) {
        placed->widths[table->nodes[node].parent] += placed->widths[node];
    }
    return 0;
}

static int
is_child(const StackTable *table, const Placed *placed, size_t node, int64_t narrowest)
{
    return placed->widths[node] > 0 && placed->widths[table->nodes[node].parent] >= narrowest;
}

/* Find the children of all frames that are wide enough. */
static int
find_children(const StackTable *table, Placed *placed, int64_t narrowest)
{
    size_t count = 0;
    for (size_t node = 1; node < table->node_count; node++) {
        count += (size_t)is_child(table, placed, node, narrowest);
    }
    placed->children = PyMem_Calloc(count + 1, sizeof(Child));
    if (placed->children == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t node = 1; node < table->node_count; node++) {
        if (is_child(table, placed, node, narrowest)) {
            const Name *name = &table->names[table->nodes[node].name];
            placed->children[placed->child_count++] = (Child){
                table->nodes[node].parent, (uint32_t)node, name->length, table->text + name->offset};
        }
    }
    qsort(placed->children, placed->child_count, sizeof(Child), compare_children);
    return 0;
}

/* The first child of a node, or where it would be. */
static size_t
first_child(const Placed *placed, uint32_t parent)
{
    size_t low = 0, high = placed->child_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (placed->children[middle].parent < parent) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int
add_box(Placed *placed, Box box)
{
    if (reserve(&placed->boxes, &placed->box_room, placed->box_count + 1, sizeof(Box)) < 0) {
        return -1;
    }
    placed->boxes[placed->box_count++] = box;
    return 0;
}

/* Place the frames that are wide enough, row by row from the root. */
static int
place_boxes(const StackTable *table, Placed *placed, int64_t narrowest)
{
    if (add_box(placed, (Box){0, placed->widths[0], 0, 0}) < 0) {
        return -1;
    }
    for (size_t index = 0; index < placed->box_count; index++) {
        Box parent = placed->boxes[index];
        int64_t start = parent.start + table->nodes[parent.node].count; /* its own time is left */
        size_t at = first_child(placed, parent.node);
        for (; at < placed->child_count && placed->children[at].parent == parent.node; at++) {
            uint32_t node = placed->children[at].node;
            int64_t width = placed->widths[node];
            if (width >= narrowest &&
                add_box(placed, (Box){start, width, parent.depth + 1, node}) < 0) {
                return -1;
            }
            start += width;
        }
    }
    return 0;
}

/* Leave the widest boxes only. */
static void
keep_widest(Placed *placed, size_t most)
{
    if (placed->box_count > most) {
        qsort(placed->boxes, placed->box_count, sizeof(Box), compare_widths);
        placed->box_count = most;
        qsort(placed->boxes, placed->box_count, sizeof(Box), compare_places);
    }
}

/* The name of a node, empty for the root: a new reference. Each name is made once. */
static PyObject *
name_of_node(const StackTable *table, PyObject **made, uint32_t node)
{
    if (node == 0) {
        return PyUnicode_New(0, 0);
    }
    uint32_t index = table->nodes[node].name;
    if (made[index] == NULL) {
        const Name *name = &table->names[index];
        made[index] = PyUnicode_DecodeUTF8(table->text + name->offset, (Py_ssize_t)name->length,
                                           NULL);
    }
    Py_XINCREF(made[index]);
    return made[index];
}

/* The boxes as a list of tuples: depth, start, width, name. */
static PyObject *
list_of_boxes(const StackTable *table, const Placed *placed, PyObject **made)
{
    PyObject *found = PyList_New((Py_ssize_t)placed->box_count);
    for (size_t index = 0; found != NULL && index < placed->box_count; index++) {
        const Box *box = &placed->boxes[index];
        PyObject *name = name_of_node(table, made, box->node);
        PyObject *made_box = name == NULL ? NULL
                                          : Py_BuildValue("(ILLN)", box->depth,
                                                          (long long)box->start,
                                                          (long long)box->width, name);
        if (made_box == NULL) {
            Py_CLEAR(found);
        } else {
            PyList_SET_ITEM(found, (Py_ssize_t)index, made_box);
        }
    }
    return found;
}

/* The boxes, and how many frames there are. */
static PyObject *
result_of(const StackTable *table, const Placed *placed)
{
    PyObject **made = PyMem_Calloc(table->name_count + 1, sizeof(PyObject *));
    if (made == NULL) {
        return PyErr_NoMemory();
    }
    size_t name_count = table->name_count, frames = 0;
    for (size_t node = 0; node < table->node_count; node++) {
        frames += placed->widths[node] > 0;
    }
    PyObject *boxes = list_of_boxes(table, placed, made);
    for (size_t name = 0; name < name_count; name++) {
        Py_XDECREF(made[name]);
    }
    PyMem_Free(made);
    return boxes == NULL ? NULL : Py_BuildValue("(Nn)", boxes, (Py_ssize_t)frames);
}

static PyObject *
place_stacks(PyObject *Py_UNUSED(module), PyObject *args)
{
    StackTable *table;
    long long narrowest;
    Py_ssize_t most;
    if (!PyArg_ParseTuple(args, "O!Ln:place_stacks", &StackTableType, &table, &narrowest, &most)) {
        return NULL;
    }
    Placed placed = {0};
    PyObject *found = NULL;
    if (find_widths(table, &placed) == 0 && find_children(table, &placed, narrowest) == 0 &&
        place_boxes(table, &placed, narrowest) == 0) {
        keep_widest(&placed, most > 0 ? (size_t)most : 1);
        found = result_of(table, &placed);
    }
    PyMem_Free(placed.widths);
    PyMem_Free(placed.children);
    PyMem_Free(placed.boxes);
    return found;
}

static PyMethodDef functions[] = {
    {"place_stacks", place_stacks, METH_VARARGS, NULL},
    {NULL},
};

int
add_stack_boxes(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
