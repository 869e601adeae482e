/* The last events of loops, in memory of a fixed size: the counterpart of core/journal.py. */

#include "native.h"

#define ANY_LOOP (-1)

static PyObject *
journal_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"most", NULL};
    long long most;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "L:Journal", names, &most)) {
        return NULL;
    }
    if (most < 1) {
        PyErr_SetString(PyExc_ValueError, "a journal has room for one event at least");
        return NULL;
    }
    if (most > PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(Record)) {
        return PyErr_NoMemory();
    }
    Journal *self = (Journal *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->records = PyMem_RawCalloc((size_t)most, sizeof(Record)); /* pages come as they are used */
    if (self->records == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    self->next = self->records;
    self->end = self->records + most;
    self->most = most;
    return (PyObject *)self;
}

static void
journal_dealloc(Journal *self)
{
    PyMem_RawFree(self->records);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
journal_note(Journal *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"kind", "loop", "begin", "end", "task", "stack", "other", "site", NULL};
    int kind;
    long long begin, end;
    unsigned long loop, task, stack = 0, other = 0, site = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "ikLLk|kkk:note", names, &kind, &loop, &begin,
                                     &end, &task, &stack, &other, &site)) {
        return NULL;
    }
    note_event(self, kind, (uint32_t)loop,
               &(Event){begin, end, (uint32_t)task, (uint32_t)stack, (uint32_t)other,
                        (uint16_t)site});
    Py_RETURN_NONE;
}

/* The event that was noted as the one with this number, counted from 0. */
static const Record *
record_of(const Journal *self, int64_t number)
{
    return &self->records[number % self->most];
}

static int64_t
oldest_number(const Journal *self)
{
    return self->noted < self->most ? 0 : self->noted - self->most;
}

static PyObject *
journal_get_lost(Journal *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(oldest_number(self));
}

static PyObject *
journal_get_oldest(Journal *self, void *Py_UNUSED(closure))
{
    int64_t end = self->noted == 0 ? 0 : record_of(self, oldest_number(self))->end;
    return PyLong_FromLongLong(end);
}

/* Whether an event is the end of a step of a loop, of any one for ANY_LOOP, before a moment. */
static int
ends_step_before(const Record *record, int64_t moment, long loop)
{
    int kind = record->kind_and_loop >> LOOP_BITS;
    return (kind == EVENT_STEP || kind == EVENT_YIELD) && record->end < moment &&
           (loop == ANY_LOOP || record->kind_and_loop % (1 << LOOP_BITS) == loop);
}

/* The number of the first event after the last step that ended before a moment; see `since`. */
static int64_t
first_since(const Journal *self, int64_t moment, long loop, int64_t least)
{
    int64_t number = self->noted, oldest = oldest_number(self);
    least = least > oldest ? least : oldest;
    while (number > least && !ends_step_before(record_of(self, number - 1), moment, loop)) {
        number -= 1;
    }
    return number;
}

static PyObject *
journal_since(Journal *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"moment", "loop", "first", NULL};
    long long moment, least = 0;
    long loop = ANY_LOOP;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "L|lL:since", names, &moment, &loop, &least)) {
        return NULL;
    }
    int64_t first = first_since(self, moment, loop, least), noted = self->noted;
    PyObject *found = PyBytes_FromStringAndSize(NULL, (noted - first) * sizeof(Record));
    if (found == NULL) {
        return NULL;
    }
    char *to = PyBytes_AS_STRING(found);
    int64_t until_end = self->most - first % self->most;
    int64_t straight = noted - first < until_end ? noted - first : until_end;
    memcpy(to, record_of(self, first), straight * sizeof(Record));
    memcpy(to + straight * sizeof(Record), self->records,
           (noted - first - straight) * sizeof(Record));
    return found;
}

static PyMethodDef journal_methods[] = {
    {"note", (PyCFunction)(void (*)(void))journal_note, METH_VARARGS | METH_KEYWORDS, NULL},
    {"since", (PyCFunction)(void (*)(void))journal_since, METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL},
};

static PyMemberDef journal_members[] = {
    {"noted", T_LONGLONG, offsetof(Journal, noted), READONLY, NULL},
    {"slow", T_LONGLONG, offsetof(Journal, slow), READONLY, NULL},
    {NULL},
};

static PyGetSetDef journal_getset[] = {
    {"lost", (getter)journal_get_lost, NULL, NULL, NULL},
    {"oldest", (getter)journal_get_oldest, NULL, NULL, NULL},
    {NULL},
};

PyTypeObject JournalType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.Journal",
    .tp_doc = "The last events, oldest first.",
    .tp_basicsize = sizeof(Journal),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = journal_new,
    .tp_dealloc = (destructor)journal_dealloc,
    .tp_methods = journal_methods,
    .tp_members = journal_members,
    .tp_getset = journal_getset,
};

int
add_journal(PyObject *module)
{
    return add_type(module, &JournalType);
}
