/* Usual lines of folded text, read into a `StackTable`.

   A line is usual if it can have one meaning only. What it is not sure of, it leaves to Python code:
   that has the rules, in output/formats/folded.py. */

#include "native.h"

#define MOST_BYTES ((size_t)1 << 20) /* of a line; as in output/formats/stack_table.py */
#define MOST_DIGITS 18

/* Of a frame of the line before: where it ends, its name and its node. */
typedef struct Read {
    size_t end;
    uint32_t name, node;
} Read;

/* The usual line before. Mostly the next one begins as it does. */
typedef struct Last {
    const char *line;
    size_t length;
    Read *frames;
    size_t count, room;
} Last;

/* The parts of a line: from `start` to `end` are its frames. */
typedef struct Parts {
    const char *start, *end;
    int64_t count;
} Parts;

static int
is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Whether frames end in what may be a count: a number after a blank. */
static int
ends_in_number(const char *start, const char *end)
{
    const char *at = end;
    while (at > start && (is_digit(at[-1]) || at[-1] == '.')) {
        at--;
    }
    return at < end && at > start && at[-1] == ' ';
}

/* Split a line; return whether it is one of frames and a count of a few digits. */
static int
split(const char *line, const char *end, Parts *parts)
{
    if ((size_t)(end - line) > MOST_BYTES) {
        return 0;
    }
    if (end > line && end[-1] == '\r') {
        end--;
    }
    while (end > line && end[-1] == ' ') {
        end--;
    }
    const char *digits = end;
    while (digits > line && is_digit(digits[-1])) {
        digits--;
    }
    if (digits == end || end - digits > MOST_DIGITS || digits == line || digits[-1] != ' ') {
        return 0;
    }
    parts->count = 0;
    for (const char *digit = digits; digit < end; digit++) {
        parts->count = 10 * parts->count + (*digit - '0');
    }
    parts->start = line;
    parts->end = digits;
    while (parts->start < parts->end && *parts->start == ' ') {
        parts->start++;
    }
    while (parts->end > parts->start && parts->end[-1] == ' ') {
        parts->end--;
    }
    return parts->start < parts->end && *parts->start != '#' &&
           !ends_in_number(parts->start, parts->end);
}

/* How many frames a line has in common with the one before, but for the last one of that. */
static size_t
count_common(const Last *last, const char *line, const char *end)
{
    size_t alike = 0, length = (size_t)(end - line), frames = 0;
    length = length < last->length ? length : last->length;
    if (last->count == 0) {
        return 0;
    }
    while (alike + 8 <= length && memcmp(line + alike, last->line + alike, 8) == 0) {
        alike += 8;
    }
    while (alike < length && line[alike] == last->line[alike]) {
        alike++;
    }
    while (frames + 1 < last->count && last->frames[frames].end < alike) {
        frames++;
    }
    return frames;
}

/* Find the names of the frames from one on. Return how many frames there are in all; 0 if one is not
   usual; -1 with an error set if it fails. */
static Py_ssize_t
find_names(StackTable *self, Last *last, size_t count, const char *line, const Parts *parts)
{
    const char *from = count == 0 ? parts->start : line + last->frames[count - 1].end + 1;
    last->count = count; /* what follows is no longer of the line before */
    for (;;) {
        const char *found = memchr(from, ';', (size_t)(parts->end - from));
        const char *stop = found == NULL ? parts->end : found, *end = stop;
        while (from < end && *from == ' ') {
            from++;
        }
        while (end > from && end[-1] == ' ') {
            end--;
        }
        if (from == end) {
            return 0;
        }
        uint32_t name = find_name(self, from, (size_t)(end - from));
        if (name == NO_NAME || reserve(&last->frames, &last->room, count + 1, sizeof(Read)) < 0) {
            return -1;
        }
        if (!self->names[name].is_usual) {
            return 0;
        }
        last->frames[count++] = (Read){(size_t)(stop - line), name, 0};
        if (found == NULL) {
            return (Py_ssize_t)count;
        }
        from = found + 1;
    }
}

/* Find the nodes of the frames from one on, and return the last one; 0 with an error set if it
   fails. */
static uint32_t
find_nodes(StackTable *self, Read *frames, size_t from, size_t count)
{
    size_t known = self->node_count; /* what is newer has no children yet */
    uint32_t node = from == 0 ? 0 : frames[from - 1].node;
    for (size_t index = from; index < count; index++) {
        if (node < known) {
            node = find_node(self, node, frames[index].name);
            for (size_t next = index + 1; node >= known && next < count; next++) {
                prefetch_node(self, node + (next - index - 1), frames[next].name);
            }
        } else {
            node = add_node(self, node, frames[index].name);
        }
        if (node == 0) {
            return 0;
        }
        frames[index].node = node;
    }
    return node;
}

/* Add a line, if it is usual; return whether it was, or -1 with an error set. */
static int
add_line(StackTable *self, Last *last, const char *line, const char *line_end)
{
    Parts parts;
    if (!split(line, line_end, &parts) || parts.count > MOST_TOTAL - self->total) {
        return 0;
    }
    size_t common = count_common(last, line, parts.end);
    Py_ssize_t count = find_names(self, last, common, line, &parts);
    if (count <= 0) {
        return (int)count;
    }
    if (parts.count == 0) {
        return 1;
    }
    uint32_t node = find_nodes(self, last->frames, common, (size_t)count);
    if (node == 0) {
        return -1;
    }
    last->line = line;
    last->length = (size_t)(parts.end - line);
    last->count = (size_t)count;
    return add_to_node(self, node, parts.count) < 0 ? -1 : 1;
}

/* Give a line that is not usual to what reads it. */
static int
give_line(PyObject *other, const char *line, const char *end, Py_ssize_t number)
{
    PyObject *given = PyObject_CallFunction(other, "y#n", line, (Py_ssize_t)(end - line), number);
    Py_XDECREF(given);
    return given == NULL ? -1 : 0;
}

/* Add the lines of a block; return how many there are, or -1 with an error set. */
static Py_ssize_t
add_lines(StackTable *self, Last *last, PyObject *block, Py_ssize_t first, PyObject *other)
{
    const char *line = PyBytes_AS_STRING(block), *end = line + PyBytes_GET_SIZE(block);
    for (Py_ssize_t number = first;; number++) {
        const char *found = memchr(line, '\n', (size_t)(end - line));
        const char *line_end = found == NULL ? end : found;
        int added = add_line(self, last, line, line_end);
        if (added < 0 || (added == 0 && give_line(other, line, line_end, number) < 0)) {
            return -1;
        }
        if (added > 0) {
            self->last_line = number;
        }
        if (found == NULL) {
            return number + 1 - first;
        }
        line = found + 1;
    }
}

PyObject *
table_read(StackTable *self, PyObject *args)
{
    PyObject *block, *other;
    Py_ssize_t first;
    if (!PyArg_ParseTuple(args, "SnO:read", &block, &first, &other)) {
        return NULL;
    }
    Last last = {0};
    Py_ssize_t count = add_lines(self, &last, block, first, other);
    PyMem_Free(last.frames);
    return count < 0 ? NULL : PyLong_FromSsize_t(count);
}
