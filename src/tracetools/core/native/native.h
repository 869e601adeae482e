/* What the files of the native core share.

   The core keeps the numbers of stacks, tasks and loops in C, and does what happens at every step
   and span. What happens now and then is Python code, which the reference shares: it uses the types
   of this core as it uses those of the reference. All times are nanoseconds of one clock. */

#ifndef TRACETOOLS_NATIVE_H
#define TRACETOOLS_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <stdint.h>

#ifndef TRACETOOLS_SOURCES
#error "setup.py builds this: it says of which version and of which sources"
#endif

/* Later than any moment, and less than any wait: as in core/steps.py. */
#define NEVER ((int64_t)1 << 62)
#define ALWAYS (-((int64_t)1 << 62))

/* ---- objects that are over, to be used again where one is made for every span */

#define MOST_SPARE 64

typedef struct Spare {
    PyObject *objects[MOST_SPARE];
    int count;
} Spare;

/* Return one, as if it was just made; NULL if there is none. */
static inline PyObject *
take_spare(Spare *spare, PyTypeObject *type)
{
    return spare->count == 0 ? NULL : PyObject_Init(spare->objects[--spare->count], type);
}

/* Keep one; return whether there was room. It refers to nothing, and is not tracked. */
static inline int
keep_spare(Spare *spare, void *object)
{
    if (spare->count == MOST_SPARE) {
        return 0;
    }
    spare->objects[spare->count++] = object;
    return 1;
}

/* ---- stacks.c: core/stacks.py */

typedef struct Stack {
    PyObject_HEAD
    PyObject *frame;
    struct Stack *parent;   /* NULL for the root */
    PyObject *children;     /* a dict: frame -> Stack */
    struct Stack *recent;   /* the child that was found last, or NULL */
    struct Histogram *latency; /* NULL as long as there is none */
    uint32_t number;
    int64_t slow_after, depth, busy, scheduled, rest, thread;
    int64_t steps, entries, self_wakes, left_open;
} Stack;

extern PyTypeObject StackType;

/* The child of a stack, borrowed. NULL if there is none, perhaps with an error set. */
Stack *known_child(Stack *stack, PyObject *frame);

/* Count one duration of a span or task. Nothing of Python's is called, and nothing fails. */
void add_latency(Stack *stack, int64_t duration);

/* ---- clock.c */

typedef struct LoopSteps LoopSteps;

/* Read the clock of a loop. Return -1 with an error set if it fails. */
int read_clock(LoopSteps *loop, int64_t *now);

/* Whether a clock is one that is read in C. */
int is_perf_counter(PyObject *clock);

/* Find `time.perf_counter_ns`, when the module is made. */
int find_clock(void);

/* ---- histograms.c: core/buckets.py */

typedef struct Histogram Histogram;

extern PyTypeObject HistogramType;

Histogram *make_histogram(void);
void add_to_histogram(Histogram *self, int64_t value);

/* ---- journal.c: core/journal.py */

enum {
    EVENT_STEP = 1,
    EVENT_INTERRUPT,
    EVENT_WAKE,
    EVENT_WAIT,
    EVENT_SPAN,
    EVENT_SLOW,
    EVENT_EXIT,
    EVENT_YIELD = 9, /* the one between is noted by Python code alone */
};

typedef struct Event {
    int64_t begin, end;
    uint32_t task, stack, other;
    uint16_t site;
} Event;

typedef struct Record {
    int64_t begin, end;
    uint32_t task, stack, other;
    uint16_t kind_and_loop, site;
} Record;

#define LOOP_BITS 12

/* A ring: `next` is the record that is written next, and `end` the place behind the last one. */
typedef struct Journal {
    PyObject_HEAD
    Record *records, *next, *end;
    int64_t most, noted, slow;
} Journal;

extern PyTypeObject JournalType;

#if defined(__GNUC__)
#define PREFETCH_TO_WRITE(address) __builtin_prefetch(address, 1)
#else
#define PREFETCH_TO_WRITE(address) ((void)(address))
#endif

/* Note an event of the loop with this number. Nothing is called, and nothing fails. */
static inline void
note_event(Journal *self, int kind, uint32_t loop, const Event *event)
{
    Record *record = self->next;
    record->begin = event->begin;
    record->end = event->end;
    record->task = event->task;
    record->stack = event->stack;
    record->other = event->other;
    record->kind_and_loop = (uint16_t)(kind << LOOP_BITS | loop % (1 << LOOP_BITS));
    record->site = event->site;
    self->next = record + 1 == self->end ? self->records : record + 1;
    PREFETCH_TO_WRITE(record + 4); /* past the end it does nothing */
    self->noted += 1;
    self->slow += kind == EVENT_SLOW;
}

/* ---- edges.c: core/edge_table.py */

enum { BY_UNKNOWN, BY_TASK, BY_CALLBACK, BY_LOOP, BY_TIMER, BY_THREAD, BY_CHILD, BY_OTHER };

/* Who has ended a wait: the last columns of the key of an `EdgeRow`. */
typedef struct Waker {
    uint32_t stack, site;
    uint8_t kind;
} Waker;

typedef struct EdgeTable EdgeTable;

extern PyTypeObject EdgeTableType;

/* Add a wait that has ended. Nothing is called, and nothing fails. */
void add_edge(EdgeTable *self, uint32_t waiter, const Waker *by, int64_t time);

/* ---- wake_sites.c: core/wake_sites.py */

/* The number of the line of the program that runs just now; 0 if none is known. No Python code
   runs, and nothing fails. */
uint16_t find_wake_site(void);

/* ---- opened.c, tasks.c, loops.c, steps.c: core/steps.py */

typedef struct Opened {
    PyObject_HEAD
    PyObject *account;      /* a TaskSteps, or the account of a thread */
    struct Opened *outer;   /* NULL for none */
    Stack *stack;
    int64_t since, busy;
    char lasts;
} Opened;

extern PyTypeObject OpenedType;

struct LoopSteps {
    PyObject_HEAD
    PyObject *weakrefs;
    PyObject *tree;         /* a StackTree */
    PyObject *clock;        /* NULL until it is set; then what returns the time */
    PyObject *tasks;        /* a dict: TaskSteps -> what is attached to it */
    PyTypeObject *account_type; /* a class of TaskSteps */
    struct TaskSteps *current; /* NULL between steps */
    PyObject *coroutine;    /* what steps just now; NULL if that is not known */
    PyObject *began_object; /* `began` as an object, the same one for all of a step; or NULL */
    PyObject *waits;        /* a WaitEnds, or NULL */
    PyObject *known;        /* a dict: the callbacks that were called before */
    Histogram *queue, *delays;
    Journal *journal;       /* NULL for none */
    EdgeTable *edges;       /* NULL for none */
    uint32_t number;
    int64_t slow_after;
    int64_t began, exited, lifetimes, queued;
    int64_t least_wait, plain_wait, due, collected, changes, changing;
    int64_t usual_wait, paused; /* NONE for none */
    int64_t late, polled;
    unsigned long long poller; /* the identity of what it waits for events with; 0 for none */
    char running, measures_delays, measures_scheduled;
    char clock_is_ours;     /* whether C reads that clock itself */
};

extern PyTypeObject LoopStepsType;

typedef struct TaskSteps {
    PyObject_HEAD
    PyObject *weakrefs;
    LoopSteps *loop;
    Stack *base, *stack;
    Opened *innermost;      /* NULL for none */
    PyObject *closed;       /* a dict: identity -> Opened; NULL as long as it is empty */
    PyObject *function;     /* a frame, or NULL */
    PyObject *spawner;      /* a TaskSteps, or NULL */
    struct TaskSteps *within; /* NULL for none */
    struct TaskSteps *waker; /* who has made it ready; NULL for the loop, and while it is not */
    PyObject *stepped;      /* the stepped coroutine that it runs, borrowed; NULL for none */
    int64_t born, busy, parked, until_sweep;
    int64_t ready;          /* NONE for none */
    int64_t child_end, worked_at, interrupts;
    uint32_t number, child, worked;
    Waker woken;            /* who has ended its wait, where edges are added up */
    char is_callback, is_of_runtime;
} TaskSteps;

extern PyTypeObject TaskStepsType;

/* What follows does as the methods of the same name do. -1 is returned with an error set, where
   Python code was called and has failed. */

int begin_step(TaskSteps *task, int64_t now);
int end_step(TaskSteps *task, int64_t now, int wakes_itself);

/* End a step after which the task can step again at once. What `end_step` and `wake` do is done in
   one, and is one event; but where another step goes on, the task is still to be woken. */
int yield_step(TaskSteps *task, int64_t now);

void touch(LoopSteps *loop, int64_t now);

/* Give the wait that ends now to a stack that stands on the task's; as `LoopAccount.move_wait`. */
void give_wait(TaskSteps *task, Stack *stack, int64_t idle);

/* Note a span that has ended, if there is a journal, and how long it lasted. */
void note_span(TaskSteps *task, const Opened *opened, int64_t now);
void wake(LoopSteps *loop, TaskSteps *task, int64_t now, int64_t late);
void take_from_queue(LoopSteps *loop, TaskSteps *task, int64_t now);
void settle_wait(LoopSteps *loop, TaskSteps *task, int64_t now);
int is_interrupted(const LoopSteps *loop, const TaskSteps *task);

/* A new reference, or NULL. */
TaskSteps *spawn(LoopSteps *loop, Stack *parent, PyObject *frame, int64_t now, PyObject *attached);
int exit_task(LoopSteps *loop, TaskSteps *task, int64_t now, int over);
int finish_task(TaskSteps *task, int64_t now);

/* Make an account, of a class of TaskSteps: a new reference, or NULL. */
TaskSteps *make_task(PyTypeObject *type, LoopSteps *loop, Stack *stack, int64_t now);

/* As `TaskSteps.open`: a new reference, or NULL; without an error set if there is none to close. */
Opened *open_in_task(TaskSteps *task, PyObject *frame, int64_t now, int64_t entries, int lasts);

/* As `TaskSteps.close_current`: whether it was closed. It calls nothing and never fails. */
int close_current(TaskSteps *task, Opened *opened, int64_t now);

/* The child of a stack, a new reference; it is made if there is none. If `now` is not NULL, it
   becomes the moment at which that is done. */
Stack *find_child(LoopSteps *loop, Stack *stack, PyObject *frame, int64_t *now);

/* `began` as an object: a new reference, or NULL. */
PyObject *began_as_object(LoopSteps *loop);

/* ---- fields.c */

/* An attribute that is an object: the closure of `get_field` and `set_field`. */
typedef struct Field {
    Py_ssize_t offset;
    PyTypeObject *type; /* NULL for any */
    int may_be_none;
} Field;

PyObject *get_field(PyObject *self, void *closure);
int set_field(PyObject *self, PyObject *value, void *closure);

/* An attribute that is an int64_t, and None where it is NONE; the closure is MOMENT. */
#define NONE INT64_MIN
#define MOMENT(type, name) ((void *)(intptr_t)offsetof(type, name))

PyObject *get_moment(PyObject *self, void *closure);
int set_moment(PyObject *self, PyObject *value, void *closure);

/* ---- errors.c */

/* Take the error that is set, with its traceback; NULL if none is. */
PyObject *take_error(void);

/* Set an error that was taken; it takes the reference. */
void give_error(PyObject *error);

/* Set an error that was taken before. If another one is set, it becomes the context of that. */
void give_error_after(PyObject *earlier);

/* Whether an error that struck in our code is the program's; see core/interruptions.py. */
int is_interruption(PyObject *error);

/* ---- stepped.c: instruments/stepped.py */

extern PyTypeObject SteppedCoroutineType;

/* Make one for a task of trio: a new reference, or NULL. */
PyObject *make_stepped(PyObject *coroutine, TaskSteps *account, PyObject *owner,
                       PyObject *checkpoint, int hears_wakes);

/* Make one that sets `context_task` to the account in the context of its first step. */
PyObject *make_marking(PyObject *coroutine, TaskSteps *account, PyObject *owner,
                       PyObject *context_task);

/* Note that a task can step, by what it runs, in each recording. Return 0 if that is no stepped
   coroutine; -1 with an error set if a clock has failed. */
int wake_stepped(PyObject *coroutine);

/* What a stepped or observed coroutine stands for, borrowed. */
PyObject *coroutine_within(PyObject *stepped);

/* What a stepped coroutine steps, borrowed; any other as it is. */
PyObject *coroutine_stepped(PyObject *coroutine);

/* ---- chains.c: what attribution/wait_names.py and awaits.py read of await chains */

#define MAX_LINKS 64

/* An await chain: coroutines and generators, and what the last of them awaits. All is borrowed. */
typedef struct Chain {
    int length;
    PyObject *links[MAX_LINKS], *codes[MAX_LINKS];
    PyObject *end;          /* NULL for None */
} Chain;

#define NO_INSTRUCTION INT32_MIN

/* Walk a chain. `between` is a tuple of the types that C code puts between two links. */
void walk_chain(PyObject *coroutine, PyObject *between, Chain *chain);

/* The instruction that a link waits at; `NO_INSTRUCTION` if it has ended. */
int instruction_of_link(PyObject *link);

/* The qualified name of a link; NULL if it is no link. Borrowed, as all that follow. */
PyObject *qualname_of_link(PyObject *link);

/* The class of the object whose method a link is, by the name of the class; NULL if unknown.
   `known` is one that has that name, or NULL. */
PyTypeObject *class_of_method(PyObject *link, PyObject *owner, PyTypeObject *known);

/* The future of an iterator of asyncio's; NULL if there is none. */
PyObject *future_of_iterator(PyObject *iterator, PyTypeObject *future);

/* The name of a compiled coroutine, and its type; NULL if it is none. */
PyObject *name_of_compiled(PyObject *end, PyTypeObject **kind);

/* The name of a type, without its module. */
const char *name_of_type(PyTypeObject *type);

/* Find what Python's own types say of links, when the module is made. */
int find_link_types(void);

/* ---- plans.c */

#define PLAN_BUCKETS 1024 /* a power of two */

/* What names an await, if not the link of an index: the end of the chain; or more than is known. */
#define BY_END (-1)
#define BY_MORE (-2)

/* The stacks of the chains that were seen before. */
typedef struct Plans {
    PyObject *between;      /* as for `walk_chain` */
    PyTypeObject *future, *task, *future_iterator; /* of asyncio; NULL until they are found */
    PyObject *get_coroutine, *noted;
    int known;
    struct Plan *buckets[PLAN_BUCKETS];
} Plans;

typedef enum Knowledge { IS_NEW, IS_KNOWN, IS_NAMED_BY_MORE } Knowledge;

/* Find the stack of what a chain awaits: borrowed, if it is known. */
Knowledge find_stack(Plans *plans, const Chain *chain, Stack *base, Stack *own, PyObject **stack);

/* Remember the stack of what a chain awaits, the plan of which Python code has made.
   `waiting` is the link whose line matters; less than 0 if no await is shown. */
int add_stack(Plans *plans, PyObject *coroutine, Stack *base, Stack *own, PyObject *stack,
              int waiting, int named_by);

/* Forget all of them. */
void forget_plans(Plans *plans);

/* ---- waits.c: attribution/wait_ends.py */

extern PyTypeObject WaitEndsType;

/* Give the wait of a task that is about to step to what its coroutine awaited. `now` is then the
   moment at which the step begins. */
int wait_ends(TaskSteps *task, int64_t *now);

/* ---- methods.c */

/* A method in C that a class has in place of another one. */
typedef struct Method {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *weakrefs;
    PyObject *original;     /* the method that it replaces */
    PyObject *uses;         /* what `call` needs besides */
    PyTypeObject *memo;     /* for `call`; `uses` keeps it alive */
} Method;

extern PyTypeObject MethodType;

/* Make a method that does what `call` does. Its arguments begin with the object. */
PyObject *make_method(vectorcallfunc call, PyObject *original, PyObject *uses);

/* Make one of a type that derives from `MethodType`, and has its attributes once more: Python gives
   each type a `__doc__` of its own. */
extern PyGetSetDef attributes_of_method[];
PyObject *make_method_of(PyTypeObject *type, vectorcallfunc call, PyObject *original,
                         PyObject *uses);

/* What a method gets from Python, in a vectorcall. */
typedef struct Call {
    PyObject *const *args;
    size_t nargsf;
    PyObject *kwnames;
} Call;

/* Call the original. */
PyObject *pass_to_original(Method *self, PyObject *const *args, size_t nargsf, PyObject *kwnames);

/* ---- spawns.c: instruments/tasks.py, task_parents.py */

#define FUNCTIONS 512 /* a power of two */

/* A function whose coroutines all have one frame; NULL for none. */
typedef struct Known {
    PyObject *code, *name, *frame;
    PyObject *under;        /* the frame under which the backend's own stand; NULL for others */
} Known;

/* How the types begin that open the accounts of tasks. */
typedef struct Spawns {
    PyObject_HEAD
    PyObject *owner;
    PyObject *context_task;
    LoopSteps *loop;        /* the one whose tasks are opened here; NULL for none */
    unsigned long thread;
    Known functions[FUNCTIONS];
} Spawns;

void begin_spawns(Spawns *self, PyObject *owner, PyObject *context_task, LoopSteps *loop);
int traverse_spawns(Spawns *self, visitproc visit, void *arg);

/* Let go of all but what methods need. */
void clear_spawns(Spawns *self);
void drop_spawns(Spawns *self);

/* Remember a function: the method `learn`. */
PyObject *learn_function(Spawns *self, PyObject *args);

/* The function of a coroutine; NULL if it is not known, perhaps with an error set. */
const Known *known_function(Spawns *self, PyObject *coroutine);

/* A task; if it has exited, the nearest one above that has not: borrowed, or NULL. */
TaskSteps *living_task(TaskSteps *task);

/* Open the account of a task that `by` spawns, or nobody: a new reference. NULL if its stack is not
   there yet, or with an error set. */
TaskSteps *spawn_known(Spawns *self, TaskSteps *by, const Known *function, PyObject *attached);

/* Undo that. An error is set. */
void undo_spawn(TaskSteps *account);

/* Forget an error that is set, if any: another way may do, or it says so. Return -1 with it set if it
   is the program's. */
int pass_over_error(void);

/* ---- trio.c: instruments/trio_spawns.py */

/* Whether the Python function that calls just now is the one of trio that schedules tasks. */
int is_scheduling(void);

/* Note that a task of trio becomes runnable, and how late the timer is that has woken it, by the
   owner of the recording; NULL if none has. It fails in silence. */
void note_wake(TaskSteps *account, PyObject *owner);

/* Whether a task of trio exits without the end of its coroutine, by what that has yielded. */
int detaches(PyObject *yielded);

/* ---- current.c: recording/current.py */

/* Whether anything is recorded, in any thread. */
extern int is_recording;

/* As `open_span`. It `lasts` if it is open from its entry to its exit. Return -1 with an error set if it is the program's; `*opened` may be NULL. */
int open_here(PyObject *frame, int64_t entries, int lasts, PyObject **opened);

/* As `close_span`. Return -1 with an error set if it is the program's. */
int close_here(PyObject *opened);

/* Note that an error ends a span, which is open, if such spans are kept. Return as `close_here` does;
   after -1 the span is closed. */
int note_error(PyObject *opened, PyObject *error);

/* Close a span, and return what is to be returned: `result`, or NULL if that or the closing has
   failed. Takes both references. `opened` may be NULL. */
PyObject *close_and_return(PyObject *opened, PyObject *result);

/* Stop recording for an error of ours that is set. Return -1 with it set if it is the program's. */
int sort_out_error(void);

/* ---- sites.c and spans.c: `span` of recording/spans.py */

/* Finds the frame of a span by its name, for the caller; None until the module is given it. */
extern PyObject *find_site_by;

/* The frame of a span that is made just now, by its name; a new reference. */
PyObject *find_frame(PyObject *name);

/* ---- depth.c */

/* Call a function, or step a coroutine or generator, on another C stack where little is left. */
PyObject *call_deep(PyObject *function, PyObject *const *args, size_t count, PyObject *names);
PySendResult send_deep(PyObject *inner, PyObject *value, PyObject **result);

/* Add to how deep Python lets C code go: 1 for each call of a method, where Python calls it for what
   needs no C stack without us. */
void add_to_limit(int units);

/* ---- observed.c: `observe` of recording/spans.py */

/* A function that is observed. */
typedef struct ObservedFunction {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *weakrefs, *dict;
    PyObject *function, *frame;
    int kind;
    PyObject *name, *qualname, *module, *doc; /* NULL for those of the function */
    PyObject *annotations, *annotate, *type_params;
} ObservedFunction;

extern PyTypeObject ObservedFunctionType;

/* Whether an observed function is async, or a generator. */
enum { IS_PLAIN, IS_COROUTINE, IS_GENERATOR };

/* ---- through.c: what coroutines and generators of observed functions have in common */

enum { CREATED, SUSPENDED, RUNNING, ENDED };

typedef struct Through {
    PyObject_HEAD
    PyObject *weakrefs;
    PyObject *inner;        /* the function's; NULL once it was finalised */
    PyObject *frame;
    PyObject *opened;       /* of a coroutine, from its first step on; or NULL */
    int64_t entries;        /* of a generator, for its next step */
    int state;
} Through;

/* Make one of a type. Takes the reference to `inner`, and returns that where memory fails. */
PyObject *make_through(PyTypeObject *type, Spare *spare, PyObject *inner, PyObject *frame);
void drop_through(Through *self, Spare *spare);
int traverse_through(Through *self, visitproc visit, void *arg);
int clear_through(Through *self);

/* Whether `inner` has ended, by the attribute that has its frame. An error that is set stays. */
int inner_has_ended(PyObject *inner, const char *frame_name);

/* Whether a step is for `inner` to refuse. */
int passes_through(Through *self, PyObject *value);

/* End without a further step. An error that is set stays. */
void end_inner(Through *self);

/* Refuse a step of what was finalised. */
PySendResult refuse_step(PyObject **result);

/* Return what a step has given as `__next__` does, which may end without an error; or as `send`. */
PyObject *given_as_iteration(PySendResult sent, PyObject *result);
PyObject *given_as_method(PySendResult sent, PyObject *result);

/* An attribute of `inner`; None once that is gone. */
PyObject *get_through(PyObject *self, void *closure);
int set_through(PyObject *self, PyObject *value, void *closure);
PyObject *repr_through(PyObject *self, const char *format);

/* ---- coroutines.c and generators.c */

extern PyTypeObject ObservedCoroutineType;
extern PyTypeObject ObservedGeneratorType;

/* Wrap what a call of an observed function gave. Takes that reference. */
PyObject *observe_coroutine(PyObject *coroutine, PyObject *frame);
PyObject *observe_generator(PyObject *generator, PyObject *frame);

/* ---- moments.c, rows.c, paths.c: recording/snapshot.py */

/* The numbers of a stack in a row. */
enum { BUSY, REST, SCHEDULED, THREAD, STEPS, ENTRIES, SELF_WAKES, LEFT_OPEN, NUMBERS };

void copy_numbers(int64_t *numbers, const Stack *stack);

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

/* What changes of a task, copied. The tree keeps the stacks. */
typedef struct TaskRow {
    Stack *base, *stack;
    Opened *innermost;
    int64_t born, busy, ready;
    char is_callback, steps;
} TaskRow;

/* The state of a loop at one moment. */
typedef struct Moment {
    PyObject_HEAD
    PyObject *loop;
    TaskSteps *current;     /* NULL for none */
    PyObject *stacks;       /* a list of Stack */
    int64_t *numbers;       /* those of each of them */
    Py_ssize_t stack_count;
    TaskRow *tasks;
    Py_ssize_t task_count;
    int64_t began, lifetimes, paused, changing;
} Moment;

extern PyTypeObject MomentType;

typedef struct Row {
    Stack *stack;
    Py_ssize_t parent; /* -1 for none */
    int64_t numbers[NUMBERS];
} Row;

typedef struct Rows {
    PyObject_HEAD
    char polite;
    int64_t since;      /* when it got the lock */
    Row *rows;
    Py_ssize_t count, room;
    int32_t *table;     /* an index and 1, by the identity of the stack; 0 for none */
    size_t mask;
} Rows;

#define CHUNK 64 /* `breathe` is called after so many rows */

/* Let other threads run, if it is time. */
void breathe(Rows *self);

int64_t sum_of_busy(const Rows *self);

/* Methods of `Rows`. */
PyObject *rows_keep_laws(Rows *self, PyObject *args);
PyObject *rows_paths(Rows *self, PyObject *args);

/* ---- stack_table.c, stack_lines.c, stack_boxes.c: output/formats/stack_table.py */

/* The text of a frame. Each is there once. */
typedef struct Name {
    size_t offset;          /* in `text` of the table */
    uint32_t length, hash;
    char is_usual;          /* whether lines may have it that are read here */
} Name;

typedef struct Node {
    uint32_t parent, name;  /* a parent comes before its children; the root has number 0 */
    int64_t count;          /* of the stack that ends here */
} Node;

/* Numbers and 1, by hash; 0 for none. The size is a power of two. */
typedef struct Slots {
    uint32_t *slots;
    size_t mask;
} Slots;

/* Counts by stack: a tree of frames. It has no other objects of Python. */
typedef struct StackTable {
    PyObject_HEAD
    char *text;
    size_t text_length, text_room;
    Name *names;
    size_t name_count, name_room;
    Slots by_text;
    Node *nodes;
    size_t node_count, node_room;
    Slots by_parent;
    uint32_t *stacks;       /* the nodes that have a count, the first one first */
    size_t stack_count, stack_room;
    uint64_t parent_factor, name_factor; /* of hashes: secret, and odd */
    int64_t total;
    Py_ssize_t last_line;
} StackTable;

extern PyTypeObject StackTableType;

#define MOST_TOTAL ((int64_t)1 << 62) /* as in output/formats/stack_table.py */
#define NO_NAME UINT32_MAX

/* Let an array have room for so many things of a size. Return -1 with an error set if it fails. */
int reserve(void *array, size_t *room, size_t needed, size_t size);

/* The name of a text, which is added if it is new; `NO_NAME` with an error set if that fails. */
uint32_t find_name(StackTable *self, const char *text, size_t length);

/* The child of a node; it is made if there is none. 0 with an error set if that fails. */
uint32_t find_node(StackTable *self, uint32_t parent, uint32_t name);

/* Make a child that a node does not have. 0 with an error set if that fails. */
uint32_t add_node(StackTable *self, uint32_t parent, uint32_t name);

/* Say that a child is going to be looked for, or made: memory is slow, but fetches much at a time. */
void prefetch_node(const StackTable *self, size_t parent, uint32_t name);

/* Add to the count of a node; the total must bear it. Return -1 with an error set if it fails. */
int add_to_node(StackTable *self, uint32_t node, int64_t count);

/* The method `read`. */
PyObject *table_read(StackTable *self, PyObject *args);

/* ---- each file adds its types and functions to the module */

int add_stacks(PyObject *module);
int add_histograms(PyObject *module);
int add_journal(PyObject *module);
int add_edges(PyObject *module);
int add_wake_sites(PyObject *module);
int add_opened(PyObject *module);
int add_tasks(PyObject *module);
int add_loops(PyObject *module);
int add_stepped(PyObject *module);
int add_waits(PyObject *module);
int add_sampler(PyObject *module);
int add_methods(PyObject *module);
int add_callbacks(PyObject *module);
int add_event_waits(PyObject *module);
int add_wakeups(PyObject *module);
int add_spawns(PyObject *module);
int add_asyncio_spawns(PyObject *module);
int add_trio(PyObject *module);
int add_current(PyObject *module);
int add_observed(PyObject *module);
int add_coroutines(PyObject *module);
int add_spans(PyObject *module);
int add_generators(PyObject *module);
int add_moments(PyObject *module);
int add_rows(PyObject *module);
int add_stack_table(PyObject *module);
int add_stack_boxes(PyObject *module);

/* Ready a type and add it under the last part of its name. */
int add_type(PyObject *module, PyTypeObject *type);

/* Make the string of a name, when the module is made for the first time. */
int make_name(PyObject **place, const char *name);

#endif
