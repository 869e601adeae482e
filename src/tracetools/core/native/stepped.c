/* The stepped coroutine: the counterpart of instruments/stepped.py.

   No signal handler runs in C. So what strikes in a step comes from the coroutine, or from Python
   code of ours that was called before or after it. */

#include "native.h"

typedef struct SteppedCoroutine {
    PyObject_HEAD
    PyObject *weakrefs;
    PyObject *coroutine;
    TaskSteps *account;
    PyObject *owner;
    PyObject *prepare;      /* NULL for none */
    PyObject *checkpoint;
    PyObject *shared;       /* a ContextVar, or NULL */
    char marks_once;        /* `shared` is set at the first step, and never again */
    char hears_wakes;       /* trio reads `send` when the task becomes runnable: note when */
    char has_yielded;       /* its last step ended at a checkpoint */
    char is_over;           /* it is nothing but the coroutine any more */
    char is_finished;       /* the owner was told that the task has made its last step */
    char is_running;
} SteppedCoroutine;

static PyObject *name_send, *name_throw, *name_close, *name_exited, *name_dropped, *name_failed;
static PyObject *name_cr_frame, *name_cr_await, *name_await, *name_class, *name_qualname;
static PyObject *name_reduce;

/* ---- the end */

/* Handle an error of what was called before or after a step, or at the end.
   Return it if it is the program's. Else the recording stops, and NULL is returned. If there is no
   memory even to stop it, it goes on without the step. */
static PyObject *
sort_out(SteppedCoroutine *self)
{
    PyObject *error = take_error();
    if (is_interruption(error)) {
        return error;
    }
    PyObject *done = PyObject_CallMethodOneArg(self->owner, name_failed, error);
    Py_DECREF(error);
    if (done == NULL) {
        error = take_error();
        if (is_interruption(error)) { /* struck meanwhile */
            return error;
        }
        Py_DECREF(error);
        return NULL;
    }
    Py_DECREF(done);
    return NULL;
}

/* Tell the owner something about the account. An error that is set stays, or is the context. */
static int
tell(SteppedCoroutine *self, PyObject *what)
{
    PyObject *earlier = take_error();
    PyObject *account = (PyObject *)self->account;
    PyObject *struck = NULL;
    PyObject *done = PyObject_CallMethodOneArg(self->owner, what, account);
    if (done == NULL) { /* a signal handler of the program's may have struck: once more */
        struck = take_error();
        done = PyObject_CallMethodOneArg(self->owner, what, account);
        PyObject *again = done == NULL ? sort_out(self) : NULL;
        if (is_interruption(struck)) {
            Py_XDECREF(again);
        } else {
            Py_SETREF(struck, again);
        }
    }
    Py_XDECREF(done);
    if (struck == NULL && earlier == NULL) {
        return 0;
    }
    if (struck != NULL) {
        give_error(struck);
    }
    give_error_after(earlier);
    return -1;
}

static int
finish(SteppedCoroutine *self, PyObject *what)
{
    self->is_over = 1;
    if (self->is_finished) {
        return PyErr_Occurred() ? -1 : 0;
    }
    self->is_finished = 1;
    return tell(self, what);
}

/* ---- one step */

/* Call `prepare`, once. */
static int
prepare(SteppedCoroutine *self)
{
    PyObject *done = PyObject_CallOneArg(self->prepare, (PyObject *)self->account);
    if (done == NULL) {
        return -1;
    }
    Py_DECREF(done);
    Py_CLEAR(self->prepare);
    return 0;
}

/* Let the context say that this task steps in it, for others do so as well. */
static int
mark_context(SteppedCoroutine *self)
{
    if (!self->account->loop->running) {
        return 0; /* another recording may have the variable by now */
    }
    PyObject *found = NULL;
    if (PyContextVar_Get(self->shared, NULL, &found) < 0) {
        return -1;
    }
    Py_XDECREF(found);
    if (found == (PyObject *)self->account) {
        return 0;
    }
    PyObject *token = PyContextVar_Set(self->shared, (PyObject *)self->account);
    Py_XDECREF(token);
    if (token == NULL) {
        return -1;
    }
    if (self->marks_once) {
        Py_CLEAR(self->shared);
    }
    return 0;
}

static int
begin(SteppedCoroutine *self)
{
    if ((self->prepare != NULL && prepare(self) < 0) ||
        (self->shared != NULL && mark_context(self) < 0)) {
        return -1;
    }
    int64_t now;
    if (read_clock(self->account->loop, &now) < 0) {
        return -1;
    }
    return begin_step(self->account, now);
}

/* Whether a task is woken at once when its step ends at a checkpoint, and that is to be noted. */
static int
is_woken_at_checkpoints(const SteppedCoroutine *self, const LoopSteps *loop)
{
    return self->hears_wakes ? loop->clock_is_ours
                             : loop->measures_scheduled && self->checkpoint == Py_None;
}

static int
end(SteppedCoroutine *self, PyObject *result)
{
    LoopSteps *loop = self->account->loop;
    int64_t now;
    if (read_clock(loop, &now) < 0) {
        return -1;
    }
    self->has_yielded = result == self->checkpoint;
    if (self->has_yielded && is_woken_at_checkpoints(self, loop)) {
        return yield_step(self->account, now);
    }
    return end_step(self->account, now, self->has_yielded);
}

/* Give the value of StopIteration, if that is set, as `PyIter_Send` does. */
static PySendResult
take_value(PyObject **result)
{
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return PYGEN_ERROR;
    }
    PyObject *stop = take_error();
    *result = PyObject_GetAttrString(stop, "value");
    Py_DECREF(stop);
    return *result == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

/* What is given to the coroutine: a value, or else the arguments of `throw`. */
typedef struct Given {
    PyObject *value;
    PyObject *const *thrown; /* with room for the coroutine before the first */
    size_t count;
} Given;

static PySendResult
pass_on(SteppedCoroutine *self, const Given *given, PyObject **result)
{
    *result = NULL;
    if (given->value != NULL) {
        return PyIter_Send(self->coroutine, given->value, result);
    }
    PyObject *args[4] = {self->coroutine};
    for (size_t index = 0; index < given->count; index++) {
        args[index + 1] = given->thrown[index];
    }
    *result = PyObject_VectorcallMethod(name_throw, args, given->count + 1, NULL);
    return *result != NULL ? PYGEN_NEXT : take_value(result);
}

/* Let the coroutine step, and say meanwhile that it is the one. */
static PySendResult
step_through(SteppedCoroutine *self, const Given *given, PyObject **result)
{
    LoopSteps *loop = self->account->loop;
    PyObject *outer = loop->coroutine;
    Py_INCREF(self->coroutine);
    loop->coroutine = self->coroutine;
    self->is_running = 1;
    PySendResult how = pass_on(self, given, result);
    self->is_running = 0;
    PyObject *inner = loop->coroutine;
    loop->coroutine = outer;
    Py_XDECREF(inner);
    return how;
}

/* Whether the coroutine, which has raised an error, cannot go on. */
static int
has_ended(SteppedCoroutine *self)
{
    if (!PyCoro_CheckExact(self->coroutine)) {
        return 1;
    }
    PyObject *error = take_error();
    PyObject *frame = PyObject_GetAttr(self->coroutine, name_cr_frame);
    int ended = frame == NULL || frame == Py_None;
    Py_XDECREF(frame);
    give_error(error); /* in place of any other */
    return ended;
}

/* Record no more of a coroutine that leaves its task, which thereby exits. */
static PySendResult
detach(SteppedCoroutine *self, PySendResult how, PyObject **result)
{
    if (finish(self, name_exited) == 0) {
        return how;
    }
    Py_CLEAR(*result);
    return PYGEN_ERROR;
}

static PySendResult
step(SteppedCoroutine *self, Given given, PyObject **result)
{
    PyObject *struck = NULL;
    for (;;) {
        if (begin(self) < 0) {
            PyObject *error = sort_out(self);
            if (error != NULL) { /* it goes to the coroutine, in a step of its own */
                Py_XSETREF(struck, error);
                continue;
            }
        }
        if (struck != NULL) {
            given = (Given){NULL, &struck, 1};
        }
        PySendResult how = step_through(self, &given, result);
        Py_CLEAR(struck);
        if (how == PYGEN_RETURN || (how == PYGEN_ERROR && has_ended(self))) {
            if (finish(self, name_exited) < 0) {
                Py_CLEAR(*result);
                return PYGEN_ERROR;
            }
            return how;
        }
        if (how == PYGEN_ERROR) { /* it was not let in: its task goes on */
            PyObject *error = take_error();
            if (end(self, NULL) < 0) {
                PyErr_Clear();
            }
            give_error(error);
            return how;
        }
        if (end(self, *result) < 0) {
            struck = sort_out(self);
        }
        if (struck == NULL) {
            return detaches(*result) ? detach(self, how, result) : how;
        }
        Py_CLEAR(*result); /* what struck goes to the coroutine in place of it */
    }
}

static PySendResult
stepped_am_send(SteppedCoroutine *self, PyObject *value, PyObject **result)
{
    Given given = {value, NULL, 0};
    if (self->is_over || self->is_running) {
        return pass_on(self, &given, result);
    }
    Py_INCREF(self); /* its task may drop it meanwhile */
    PySendResult how = step(self, given, result);
    Py_DECREF(self);
    return how;
}

/* ---- waking */

int
wake_stepped(PyObject *coroutine)
{
    int is_one = 0;
    while (Py_IS_TYPE(coroutine, &SteppedCoroutineType)) {
        SteppedCoroutine *self = (SteppedCoroutine *)coroutine;
        LoopSteps *loop = self->account->loop;
        int64_t now;
        if (!self->is_over && loop->measures_scheduled && self->account->ready == NONE &&
            (loop->running || loop->paused != NONE)) {
            if (read_clock(loop, &now) < 0) {
                return -1;
            }
            wake(loop, self->account, now, loop->late);
        }
        is_one = 1;
        coroutine = self->coroutine; /* another recording may have one within */
    }
    return is_one;
}

/* ---- methods */

/* Return what a step gave, as a method does. */
static PyObject *
as_method(PySendResult how, PyObject *result)
{
    if (how != PYGEN_RETURN) {
        return how == PYGEN_NEXT ? result : NULL;
    }
    if (result == Py_None) {
        PyErr_SetNone(PyExc_StopIteration);
        Py_DECREF(result);
        return NULL;
    }
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
    if (stop != NULL) {
        PyErr_SetObject(PyExc_StopIteration, stop);
        Py_DECREF(stop);
    }
    Py_DECREF(result);
    return NULL;
}

static PyObject *
stepped_send(SteppedCoroutine *self, PyObject *value)
{
    PyObject *result;
    PySendResult how = stepped_am_send(self, value, &result);
    return as_method(how, result);
}

static PyMethodDef send_method = {"send", (PyCFunction)stepped_send, METH_O, NULL};

/* Return the method. trio asks for it when the task becomes runnable, and only then. */
static PyObject *
stepped_get_send(SteppedCoroutine *self, void *Py_UNUSED(closure))
{
    PyObject *each = (PyObject *)self;
    while (Py_IS_TYPE(each, &SteppedCoroutineType)) { /* other recordings may want to know it */
        SteppedCoroutine *stepped = (SteppedCoroutine *)each;
        if (stepped->hears_wakes && !stepped->is_over && stepped->account->ready == NONE &&
            is_scheduling()) {
            note_wake(stepped->account, stepped->has_yielded ? NULL : stepped->owner);
        }
        each = stepped->coroutine;
    }
    return PyCFunction_New(&send_method, (PyObject *)self);
}

static PyObject *
stepped_throw(SteppedCoroutine *self, PyObject *const *args, Py_ssize_t count)
{
    if (count < 1 || count > 3) {
        PyErr_SetString(PyExc_TypeError, "throw takes from 1 to 3 arguments");
        return NULL;
    }
    Given given = {NULL, args, (size_t)count};
    PyObject *result;
    if (self->is_over || self->is_running) {
        PySendResult how = pass_on(self, &given, &result);
        return as_method(how, result);
    }
    Py_INCREF(self);
    PySendResult how = step(self, given, &result);
    Py_DECREF(self);
    return as_method(how, result);
}

static PyObject *
stepped_over(SteppedCoroutine *self, PyObject *Py_UNUSED(ignored))
{
    if (!self->is_over && !self->is_running && finish(self, name_exited) < 0) {
        return NULL;
    }
    self->is_over = 1;
    Py_RETURN_NONE;
}

static PyObject *
stepped_close(SteppedCoroutine *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *done = stepped_over(self, NULL);
    PyObject *struck = done == NULL ? take_error() : NULL;
    Py_XDECREF(done);
    PyObject *closed = PyObject_CallMethodNoArgs(self->coroutine, name_close);
    if (struck != NULL) { /* the program's: the coroutine is closed nevertheless */
        Py_CLEAR(closed);
        give_error_after(struck);
    }
    return closed;
}

static PyObject *
stepped_give_way(SteppedCoroutine *self, PyObject *Py_UNUSED(ignored))
{
    self->is_over = self->is_finished = 1;
    Py_RETURN_NONE;
}

static PyObject *
stepped_reduce(SteppedCoroutine *self, PyObject *protocol)
{
    return PyObject_CallMethodOneArg(self->coroutine, name_reduce, protocol);
}

static PyObject *
stepped_await(SteppedCoroutine *self)
{
    PyObject *awaited = PyObject_GetAttr(self->coroutine, name_cr_await);
    if (awaited == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return NULL;
        }
        PyErr_Clear();
    } else {
        Py_DECREF(awaited);
        if (awaited != Py_None) {
            PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
            return NULL;
        }
    }
    return PyObject_CallMethodNoArgs(self->coroutine, name_await);
}

static PyObject *
stepped_getattro(SteppedCoroutine *self, PyObject *name)
{
    if (_PyType_Lookup(Py_TYPE(self), name) != NULL) { /* it has no others: no dictionary */
        return PyObject_GenericGetAttr((PyObject *)self, name);
    }
    PyObject *found = PyObject_GetAttr(self->coroutine, name);
    if (found != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError) ||
        PyObject_RichCompareBool(name, name_qualname, Py_EQ) != 1) {
        return found;
    }
    PyErr_Clear(); /* asyncio would show the name of this class for that of the coroutine's */
    return PyUnicode_FromFormat("<%s without __name__>", Py_TYPE(self->coroutine)->tp_name);
}

static PyObject *
stepped_repr(SteppedCoroutine *self)
{
    return PyObject_Repr(self->coroutine);
}

static Py_hash_t
stepped_hash(SteppedCoroutine *self)
{
    return PyObject_Hash(self->coroutine);
}

static PyObject *
stepped_richcompare(SteppedCoroutine *self, PyObject *other, int operation)
{
    if (operation != Py_EQ && operation != Py_NE) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    int equal = (PyObject *)self == other
        ? 1
        : PyObject_RichCompareBool(self->coroutine, other, Py_EQ);
    return equal < 0 ? NULL : PyBool_FromLong(operation == Py_EQ ? equal : !equal);
}

static PyObject *
stepped_get_class(SteppedCoroutine *self, void *Py_UNUSED(closure))
{
    return PyObject_GetAttr(self->coroutine, name_class);
}

static PyObject *
stepped_get_is_over(SteppedCoroutine *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->is_over);
}

/* ---- the type */

PyObject *
coroutine_stepped(PyObject *coroutine)
{
    while (Py_IS_TYPE(coroutine, &SteppedCoroutineType)) {
        coroutine = ((SteppedCoroutine *)coroutine)->coroutine;
    }
    return coroutine;
}

PyObject *
coroutine_within(PyObject *stepped)
{
    for (;;) {
        if (Py_IS_TYPE(stepped, &SteppedCoroutineType)) {
            stepped = ((SteppedCoroutine *)stepped)->coroutine;
        } else if (Py_IS_TYPE(stepped, &ObservedCoroutineType) &&
                   ((Through *)stepped)->inner != NULL) {
            stepped = ((Through *)stepped)->inner;
        } else {
            return stepped;
        }
    }
}

static SteppedCoroutine *
make(PyTypeObject *type, PyObject *coroutine, TaskSteps *account, PyObject *owner,
     PyObject *checkpoint)
{
    SteppedCoroutine *self = (SteppedCoroutine *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    Py_INCREF(coroutine);
    self->coroutine = coroutine;
    Py_INCREF(account);
    self->account = account;
    Py_INCREF(owner);
    self->owner = owner;
    Py_INCREF(checkpoint);
    self->checkpoint = checkpoint;
    account->stepped = (PyObject *)self;
    return self;
}

PyObject *
make_stepped(PyObject *coroutine, TaskSteps *account, PyObject *owner, PyObject *checkpoint,
             int hears_wakes)
{
    SteppedCoroutine *self = make(&SteppedCoroutineType, coroutine, account, owner, checkpoint);
    if (self != NULL) {
        self->hears_wakes = (char)hears_wakes;
    }
    return (PyObject *)self;
}

PyObject *
make_marking(PyObject *coroutine, TaskSteps *account, PyObject *owner, PyObject *context_task)
{
    SteppedCoroutine *self = make(&SteppedCoroutineType, coroutine, account, owner, Py_None);
    if (self != NULL) {
        Py_INCREF(context_task);
        self->shared = context_task;
        self->marks_once = 1;
    }
    return (PyObject *)self;
}

static PyObject *
stepped_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"coroutine", "account", "owner", "prepare", "checkpoint", "shared",
                            NULL};
    PyObject *coroutine, *account, *owner;
    PyObject *prepare = Py_None, *checkpoint = Py_None, *shared = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO!O|OOO:SteppedCoroutine", names, &coroutine,
                                     &TaskStepsType, &account, &owner, &prepare, &checkpoint,
                                     &shared)) {
        return NULL;
    }
    if (shared != Py_None && !PyContextVar_CheckExact(shared)) {
        PyErr_SetString(PyExc_TypeError, "what contexts share is a ContextVar");
        return NULL;
    }
    SteppedCoroutine *self = make(type, coroutine, (TaskSteps *)account, owner, checkpoint);
    if (self != NULL && prepare != Py_None) {
        Py_INCREF(prepare);
        self->prepare = prepare;
    }
    if (self != NULL && shared != Py_None) {
        Py_INCREF(shared);
        self->shared = shared;
    }
    return (PyObject *)self;
}

/* Tell the owner if the task was dropped before its last step. */
static void
stepped_finalize(SteppedCoroutine *self)
{
    if (self->is_over || self->is_finished) {
        return;
    }
    PyObject *earlier = take_error();
    if (finish(self, name_dropped) < 0) {
        PyErr_WriteUnraisable((PyObject *)Py_TYPE(self));
    }
    if (earlier != NULL) {
        give_error(earlier);
    }
}

static int
stepped_traverse(SteppedCoroutine *self, visitproc visit, void *arg)
{
    Py_VISIT(self->coroutine);
    Py_VISIT((PyObject *)self->account);
    Py_VISIT(self->owner);
    Py_VISIT(self->prepare);
    Py_VISIT(self->checkpoint);
    Py_VISIT(self->shared);
    return 0;
}

/* Break cycles. The account stays, for methods need it; it refers to nothing of the program's. */
static int
stepped_clear(SteppedCoroutine *self)
{
    self->is_over = self->is_finished = 1;
    Py_INCREF(Py_None);
    Py_XSETREF(self->coroutine, Py_None);
    Py_INCREF(Py_None);
    Py_XSETREF(self->owner, Py_None);
    Py_CLEAR(self->prepare);
    return 0;
}

static void
stepped_dealloc(SteppedCoroutine *self)
{
    if (PyObject_CallFinalizerFromDealloc((PyObject *)self) < 0) {
        return; /* somebody refers to it again */
    }
    PyObject_GC_UnTrack(self);
    if (self->account->stepped == (PyObject *)self) {
        self->account->stepped = NULL;
    }
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    Py_CLEAR(self->coroutine);
    Py_CLEAR(self->account);
    Py_CLEAR(self->owner);
    Py_CLEAR(self->prepare);
    Py_CLEAR(self->checkpoint);
    Py_CLEAR(self->shared);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef stepped_methods[] = {
    {"throw", (PyCFunction)(void (*)(void))stepped_throw, METH_FASTCALL, NULL},
    {"close", (PyCFunction)stepped_close, METH_NOARGS, "Close the coroutine."},
    {"over", (PyCFunction)stepped_over, METH_NOARGS,
     "Be nothing but the coroutine from now on."},
    {"give_way", (PyCFunction)stepped_give_way, METH_NOARGS,
     "Be nothing but the coroutine, though the task goes on: another one accounts for it."},
    {"__reduce_ex__", (PyCFunction)stepped_reduce, METH_O, NULL},
    {NULL},
};

static PyMemberDef stepped_members[] = {
    {"inner", T_OBJECT, offsetof(SteppedCoroutine, coroutine), READONLY, NULL},
    {"account", T_OBJECT, offsetof(SteppedCoroutine, account), READONLY, NULL},
    {"owner", T_OBJECT, offsetof(SteppedCoroutine, owner), READONLY, NULL},
    {NULL},
};

static PyGetSetDef stepped_getset[] = {
    {"send", (getter)stepped_get_send, NULL, NULL, NULL},
    {"is_over", (getter)stepped_get_is_over, NULL, NULL, NULL},
    {"__class__", (getter)stepped_get_class, NULL, NULL, NULL},
    {NULL},
};

static PyAsyncMethods stepped_async = {
    .am_await = (unaryfunc)stepped_await,
    .am_send = (sendfunc)stepped_am_send,
};

PyTypeObject SteppedCoroutineType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tracetools.core.native._extension.SteppedCoroutine",
    .tp_doc = "Behaves like a coroutine, and charges its steps to an account.",
    .tp_basicsize = sizeof(SteppedCoroutine),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = stepped_new,
    .tp_traverse = (traverseproc)stepped_traverse,
    .tp_clear = (inquiry)stepped_clear,
    .tp_finalize = (destructor)stepped_finalize,
    .tp_dealloc = (destructor)stepped_dealloc,
    .tp_weaklistoffset = offsetof(SteppedCoroutine, weakrefs),
    .tp_getattro = (getattrofunc)stepped_getattro,
    .tp_repr = (reprfunc)stepped_repr,
    .tp_hash = (hashfunc)stepped_hash,
    .tp_richcompare = (richcmpfunc)stepped_richcompare,
    .tp_as_async = &stepped_async,
    .tp_methods = stepped_methods,
    .tp_members = stepped_members,
    .tp_getset = stepped_getset,
};

static int
make_names(void)
{
    static const struct {
        PyObject **place;
        const char *name;
    } names[] = {
        {&name_send, "send"},           {&name_throw, "throw"},
        {&name_close, "close"},         {&name_exited, "exited"},
        {&name_dropped, "dropped"},     {&name_failed, "failed"},
        {&name_cr_frame, "cr_frame"},   {&name_cr_await, "cr_await"},
        {&name_await, "__await__"},     {&name_class, "__class__"},
        {&name_qualname, "__qualname__"}, {&name_reduce, "__reduce_ex__"},
    };
    for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
        if (make_name(names[index].place, names[index].name) < 0) {
            return -1;
        }
    }
    return 0;
}

int
add_stepped(PyObject *module)
{
    return make_names() < 0 ? -1 : add_type(module, &SteppedCoroutineType);
}
