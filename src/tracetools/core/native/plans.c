/* The stacks of await chains that were seen before: the counterpart of `_Plan` and of the table in
   attribution/wait_names.py.

   A chain is known by the identities of its functions, and an await by what its name depends on
   beside them: see `Await`. As in chains.c, nothing here runs Python code, but for what is forgotten. */

#include "native.h"

#define MAX_PLANS 4096
#define MAX_AWAITS 256

/* One await of a plan.

   `kind` is the class of the object that is awaited. It is not kept alive: `alive` refers to it
   weakly, unless it is a type of C code, which stays. */
typedef struct Await {
    struct Await *next;
    int instruction;
    PyTypeObject *kind;
    PyObject *alive, *text, *stack;
} Await;

/* All chains of the same functions, under one stack. */
typedef struct Plan {
    struct Plan *next;
    uint64_t hash;
    PyObject *base, *own;
    PyObject *stack;    /* of all such chains; NULL if it depends on the await */
    int waiting, named_by;
    PyObject *qualname, *owner; /* of the link that names the await, as last seen; or NULL */
    Await *awaits;
    int count;
    int has_end, length;
    PyObject *codes[];
} Plan;

/* What an await depends on, beside its instruction. Both are borrowed. */
typedef struct Subject {
    PyTypeObject *kind;
    PyObject *text;
} Subject;

/* ---- the table */

static void
free_awaits(Await *await)
{
    while (await != NULL) {
        Await *next = await->next;
        Py_XDECREF(await->alive);
        Py_XDECREF(await->text);
        Py_XDECREF(await->stack);
        PyMem_Free(await);
        await = next;
    }
}

static void
free_plan(Plan *plan)
{
    for (int index = 0; index < plan->length; index++) {
        Py_DECREF(plan->codes[index]);
    }
    Py_DECREF(plan->base);
    Py_DECREF(plan->own);
    Py_XDECREF(plan->stack);
    Py_XDECREF(plan->qualname);
    Py_XDECREF(plan->owner);
    free_awaits(plan->awaits);
    PyMem_Free(plan);
}

void
forget_plans(Plans *self)
{
    Plan *all = NULL; /* taken out first, for to free them may run any code */
    for (int bucket = 0; bucket < PLAN_BUCKETS; bucket++) {
        Plan *plan = self->buckets[bucket];
        self->buckets[bucket] = NULL;
        while (plan != NULL) {
            Plan *next = plan->next;
            plan->next = all;
            all = plan;
            plan = next;
        }
    }
    self->known = 0;
    while (all != NULL) {
        Plan *next = all->next;
        free_plan(all);
        all = next;
    }
}

static uint64_t
mix(uint64_t hash, const void *pointer)
{
    return (hash ^ ((uint64_t)(uintptr_t)pointer >> 4)) * 0x9E3779B97F4A7C15u;
}

static uint64_t
hash_of(const Chain *chain, Stack *base, Stack *own)
{
    uint64_t hash = mix(mix((uint64_t)(chain->end != NULL), base), own);
    for (int index = 0; index < chain->length; index++) {
        hash = mix(hash, chain->codes[index]);
    }
    return hash;
}

static Plan **
bucket_of(Plans *self, uint64_t hash)
{
    return &self->buckets[(hash >> 40) & (PLAN_BUCKETS - 1)];
}

static int
is_plan_of(const Plan *plan, const Chain *chain, uint64_t hash, Stack *base, Stack *own)
{
    return plan->hash == hash && plan->base == (PyObject *)base && plan->own == (PyObject *)own &&
           plan->length == chain->length && plan->has_end == (chain->end != NULL) &&
           memcmp(plan->codes, chain->codes, chain->length * sizeof(PyObject *)) == 0;
}

static Plan *
find_plan(Plans *self, const Chain *chain, uint64_t hash, Stack *base, Stack *own)
{
    Plan *plan = *bucket_of(self, hash);
    while (plan != NULL && !is_plan_of(plan, chain, hash, base, own)) {
        plan = plan->next;
    }
    return plan;
}

/* ---- what the name of an await depends on */

/* Keep the name of the function that names the await, and the class in it. */
static int
note_owner(Plan *plan, PyObject *qualname)
{
    if (plan->qualname == qualname) {
        return 1;
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(qualname);
    Py_ssize_t dot = PyUnicode_FindChar(qualname, '.', 0, length, -1);
    PyObject *owner = PyUnicode_Substring(qualname, 0, dot < 0 ? 0 : dot);
    if (owner == NULL) {
        PyErr_Clear();
        return 0;
    }
    Py_INCREF(qualname);
    Py_XSETREF(plan->qualname, qualname); /* strings: to free them runs no code */
    Py_XSETREF(plan->owner, owner);
    return 1;
}

/* Whether the class of an await lives still. */
static int
is_alive(PyObject *alive, PyTypeObject *kind)
{
    if (alive == NULL) {
        return 1;
    }
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *found;
    if (PyWeakref_GetRef(alive, &found) <= 0) {
        PyErr_Clear();
        return 0;
    }
    Py_DECREF(found); /* not the last one: the object that was awaited has it as well */
    return found == (PyObject *)kind;
#else
    return PyWeakref_GetObject(alive) == (PyObject *)kind;
#endif
}

static int
subject_of_method(Plan *plan, const Chain *chain, Subject *subject)
{
    PyObject *link = chain->links[plan->named_by];
    subject->text = qualname_of_link(link);
    if (subject->text == NULL || !PyUnicode_CheckExact(subject->text) ||
        !note_owner(plan, subject->text)) {
        return 0;
    }
    if (PyUnicode_GET_LENGTH(plan->owner) > 0) {
        const Await *last = plan->awaits;
        int is_known = last != NULL && last->text == subject->text &&
                       is_alive(last->alive, last->kind);
        subject->kind = class_of_method(link, plan->owner, is_known ? last->kind : NULL);
    }
    return 1;
}

/* The name of the function that a task runs: borrowed, or NULL if that is not known. */
static PyObject *
function_of_task(Plans *self, PyObject *task)
{
    PyObject *coroutine = PyObject_CallOneArg(self->get_coroutine, task);
    if (coroutine == NULL) {
        PyErr_Clear();
        return NULL;
    }
    PyObject *found = qualname_of_link(coroutine_within(coroutine));
    Py_DECREF(coroutine); /* the task has it as well */
    return found;
}

static int
subject_of_future(Plans *self, PyObject *end, Subject *subject)
{
    PyObject *future = self->future == NULL ? NULL : future_of_iterator(end, self->future);
    if (future == NULL) {
        return 0;
    }
    subject->kind = Py_TYPE(future);
    if (PyDict_GET_SIZE(self->noted) > 0) {
        PyObject *key = PyLong_FromVoidPtr(future);
        PyObject *noted = key == NULL ? NULL : PyDict_GetItemWithError(self->noted, key);
        Py_XDECREF(key);
        if (noted != NULL && PyTuple_CheckExact(noted) && PyTuple_GET_SIZE(noted) == 2) {
            subject->text = PyTuple_GET_ITEM(noted, 1);
            return PyUnicode_CheckExact(subject->text);
        }
        if (PyErr_Occurred()) {
            PyErr_Clear();
            return 0;
        }
    }
    if (PyType_IsSubtype(Py_TYPE(future), self->task)) {
        subject->text = function_of_task(self, future);
        return subject->text != NULL && PyUnicode_CheckExact(subject->text);
    }
    return 1;
}

static int
subject_of_end(Plans *self, PyObject *end, Subject *subject)
{
    if (end == NULL) {
        return 1;
    }
    if (Py_TYPE(end) == self->future_iterator) {
        return subject_of_future(self, end, subject);
    }
    if (strcmp(name_of_type(Py_TYPE(end)), "FutureIter") == 0) {
        return 0; /* that of a program, or asyncio was not known up to now */
    }
    subject->kind = Py_TYPE(end);
    subject->text = name_of_compiled(end, &subject->kind);
    return subject->text == NULL || PyUnicode_CheckExact(subject->text);
}

/* Find what the name of an await depends on; return whether that is all known. */
static int
find_subject(Plans *self, Plan *plan, const Chain *chain, Subject *subject)
{
    subject->kind = NULL;
    subject->text = NULL;
    if (plan->named_by == BY_MORE) {
        return 0;
    }
    return plan->named_by == BY_END ? subject_of_end(self, chain->end, subject)
                                    : subject_of_method(plan, chain, subject);
}

/* ---- the awaits of a plan */

static int
is_text(PyObject *known, PyObject *text)
{
    if (known == text || known == NULL || text == NULL) {
        return known == text;
    }
    return PyUnicode_GET_LENGTH(known) == PyUnicode_GET_LENGTH(text) &&
           PyUnicode_Compare(known, text) == 0;
}

static Await *
find_await(Plan *plan, int instruction, const Subject *subject)
{
    Await **place = &plan->awaits;
    while (*place != NULL) {
        Await *each = *place;
        if (each->instruction == instruction && each->kind == subject->kind &&
            is_text(each->text, subject->text)) {
            *place = each->next; /* it comes first from now on */
            each->next = plan->awaits;
            plan->awaits = each;
            return is_alive(each->alive, each->kind) ? each : NULL;
        }
        place = &each->next;
    }
    return NULL;
}

Knowledge
find_stack(Plans *self, const Chain *chain, Stack *base, Stack *own, PyObject **stack)
{
    Plan *plan = find_plan(self, chain, hash_of(chain, base, own), base, own);
    if (plan == NULL) {
        return IS_NEW;
    }
    if (plan->stack != NULL) {
        *stack = plan->stack;
        return IS_KNOWN;
    }
    Subject subject;
    int instruction = instruction_of_link(chain->links[plan->waiting]);
    if (instruction == NO_INSTRUCTION || !find_subject(self, plan, chain, &subject)) {
        return IS_NAMED_BY_MORE;
    }
    Await *found = find_await(plan, instruction, &subject);
    if (found == NULL) {
        return IS_NEW;
    }
    *stack = found->stack;
    return IS_KNOWN;
}

/* ---- what is added */

static Plan *
make_plan(const Chain *chain, uint64_t hash, Stack *base, Stack *own)
{
    Plan *plan = PyMem_Calloc(1, sizeof(Plan) + chain->length * sizeof(PyObject *));
    if (plan == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    plan->hash = hash;
    Py_INCREF(base);
    plan->base = (PyObject *)base;
    Py_INCREF(own);
    plan->own = (PyObject *)own;
    plan->has_end = chain->end != NULL;
    plan->length = chain->length;
    for (int index = 0; index < chain->length; index++) {
        Py_INCREF(chain->codes[index]);
        plan->codes[index] = chain->codes[index];
    }
    return plan;
}

static Await *
make_await(int instruction, const Subject *subject, PyObject *stack)
{
    Await *await = PyMem_Calloc(1, sizeof(Await));
    if (await == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    PyObject *kind = (PyObject *)subject->kind;
    await->instruction = instruction;
    await->kind = subject->kind;
    Py_XINCREF(subject->text);
    await->text = subject->text;
    Py_INCREF(stack);
    await->stack = stack;
    if (kind != NULL && (subject->kind->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        Py_INCREF(kind); /* this may collect garbage */
        await->alive = PyWeakref_NewRef(kind, NULL);
        Py_DECREF(kind);
        if (await->alive == NULL) {
            free_awaits(await);
            return NULL;
        }
    }
    return await;
}

/* Add an await to a plan that is in no table. */
static int
add_await(Plans *self, Plan *plan, const Chain *chain, PyObject *stack)
{
    Subject subject;
    int instruction = instruction_of_link(chain->links[plan->waiting]);
    if (instruction == NO_INSTRUCTION || !find_subject(self, plan, chain, &subject)) {
        return 0;
    }
    Await *await = make_await(instruction, &subject, stack);
    if (await == NULL) {
        return -1;
    }
    await->next = plan->awaits;
    plan->awaits = await;
    plan->count += 1;
    return 0;
}

/* Take a plan out of the table. */
static void
take_out(Plans *self, Plan *plan)
{
    Plan **place = bucket_of(self, plan->hash);
    while (*place != plan) {
        place = &(*place)->next;
    }
    *place = plan->next;
    self->known -= 1;
}

static void
put_in(Plans *self, Plan *plan)
{
    Plan **bucket = bucket_of(self, plan->hash);
    plan->next = *bucket;
    *bucket = plan;
    self->known += 1;
}

int
add_stack(Plans *self, PyObject *coroutine, Stack *base, Stack *own, PyObject *stack, int waiting,
          int named_by)
{
    if (self->known >= MAX_PLANS) {
        forget_plans(self);
    }
    Chain chain;
    walk_chain(coroutine, self->between, &chain);
    if (waiting >= chain.length || named_by >= chain.length) {
        return 0; /* it has changed meanwhile */
    }
    uint64_t hash = hash_of(&chain, base, own);
    Plan *plan = find_plan(self, &chain, hash, base, own);
    if (plan != NULL && (plan->stack != NULL || plan->count >= MAX_AWAITS)) {
        return 0;
    }
    if (plan != NULL) {
        take_out(self, plan); /* what is called from here on may forget all that are in it */
    } else {
        plan = make_plan(&chain, hash, base, own);
        if (plan == NULL) {
            return -1;
        }
        plan->waiting = waiting;
        plan->named_by = named_by;
    }
    int failed = 0;
    if (waiting < 0) {
        Py_INCREF(stack);
        plan->stack = stack;
    } else {
        failed = add_await(self, plan, &chain, stack);
    }
    put_in(self, plan);
    return failed;
}
