/* Calls of what is observed, as deep as the program goes without us.

   Where Python calls a Python function, it needs no C stack. Where it calls what is observed, it
   does, and a program that has raised the recursion limit may go deeper than the stack of its thread
   reaches. So a call that finds half of the stack used gets another stack, for as long as it lasts. */

#include "native.h"

/* What 3.12 and 3.13 count for code that C calls (PY_EVAL_C_STACK_UNITS); for code that Python calls
   they count nothing, so neither do we. */
#define UNITS 2

typedef struct Deep {
    PyObject *callee;           /* a function, or a coroutine or generator */
    PyObject *const *args;
    size_t count;
    PyObject *names;
    PyObject *sent;             /* NULL for a call */
    PyObject *result;
    PySendResult given;
} Deep;

static void
run(Deep *deep)
{
    if (deep->sent == NULL) {
        deep->result = PyObject_Vectorcall(deep->callee, deep->args, deep->count, deep->names);
    } else {
        deep->given = PyIter_Send(deep->callee, deep->sent, &deep->result);
    }
}

#if defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__)) && \
    !defined(__SANITIZE_ADDRESS__)

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#define LEAST_SIZE ((size_t)1 << 20)
#define MOST_SIZE ((size_t)1 << 26)
#define GUARD ((size_t)1 << 16) /* no page is larger */


#if PY_VERSION_HEX >= 0x030E0000
/* Not in each release of 3.14. */
#pragma weak PyUnstable_ThreadState_SetStackProtection
#pragma weak PyUnstable_ThreadState_ResetStackProtection
#endif

/* The stack that a thread uses just now. */
typedef struct Reach {
    uintptr_t low, high, half;
    int is_own;                 /* whether it is the thread's own */
} Reach;

/* As long as nothing is known, all is beyond the half. */
static __thread Reach reach = {0, 0, UINTPTR_MAX, 1};

static __thread struct Stretch *starting;

/* What runs on another stack. */
typedef struct Stretch {
    ucontext_t around, within;
    Deep *deep;
} Stretch;

static void
begin_stretch(void)
{
    Stretch *self = starting;
    run(self->deep);
    /* What it did to the mask of signals stays. */
    pthread_sigmask(SIG_BLOCK, NULL, &self->around.uc_sigmask);
}

/* Find the stack of a thread, when something is called in it for the first time. */
static void
find_reach(void)
{
    pthread_attr_t attributes;
    void *low;
    size_t size;
    reach = (Reach){0, UINTPTR_MAX, 0, 1}; /* where that fails, no call is deep */
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) {
        return;
    }
    if (pthread_attr_getstack(&attributes, &low, &size) == 0) {
        reach = (Reach){(uintptr_t)low, (uintptr_t)low + size, (uintptr_t)low + size / 2, 1};
    }
    pthread_attr_destroy(&attributes);
}

/* Whether a thread may be given another stack. greenlet copies stacks, so it may not. */
static int
may_stretch(void)
{
#if PY_VERSION_HEX >= 0x030E0000
    if (&PyUnstable_ThreadState_SetStackProtection == NULL) {
        return 0;
    }
#endif
    PyObject *modules = PyImport_GetModuleDict(); /* borrowed */
    PyObject *greenlet = modules == NULL ? NULL : PyDict_GetItemString(modules, "greenlet");
    return greenlet == NULL;
}

/* Tell Python which stack is used from now on. */
static void
tell_python(void)
{
#if PY_VERSION_HEX >= 0x030E0000
    PyThreadState *thread = PyThreadState_Get();
    if (reach.is_own) {
        PyUnstable_ThreadState_ResetStackProtection(thread);
    } else {
        (void)PyUnstable_ThreadState_SetStackProtection(thread, (void *)reach.low,
                                                        reach.high - reach.low);
    }
#endif
}

/* Run on another stack; return whether there was one. */
static int
stretch(Deep *deep)
{
    size_t size = reach.high - reach.low;
    size = size < LEAST_SIZE ? LEAST_SIZE : size > MOST_SIZE ? MOST_SIZE : size;
    size = (size + GUARD - 1) / GUARD * GUARD;
    char *room = mmap(NULL, size + GUARD, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (room == MAP_FAILED) {
        return 0;
    }
    Stretch self;
    self.deep = deep;
    if (mprotect(room, GUARD, PROT_NONE) != 0 || getcontext(&self.within) != 0) {
        munmap(room, size + GUARD);
        return 0;
    }
    self.within.uc_stack.ss_sp = room + GUARD;
    self.within.uc_stack.ss_size = size;
    self.within.uc_link = &self.around;
    makecontext(&self.within, begin_stretch, 0);
    Reach before = reach;
    uintptr_t low = (uintptr_t)room + GUARD;
    reach = (Reach){low, low + size, low + size / 2, 0};
    tell_python();
    starting = &self;
    swapcontext(&self.around, &self.within);
    reach = before;
    tell_python();
    munmap(room, size + GUARD);
    return 1;
}

/* Run where half of the stack is used, or that is not known. */
static void
run_deep(Deep *deep)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (reach.high == 0) {
        find_reach();
    }
    /* Elsewhere than its stack, a thread is where other code has put it. */
    if (here > reach.half || here < reach.low) {
        run(deep);
    } else if (may_stretch() && stretch(deep)) {
        return;
    } else if (here - reach.low >= (reach.high - reach.low) / 8) {
        run(deep);
    } else {
        PyErr_SetString(PyExc_RecursionError, "maximum recursion depth exceeded");
    }
}

static int
is_shallow(void)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    return here > reach.half && here < reach.high;
}

void
add_to_limit(int units)
{
#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030E0000
    PyThreadState_Get()->c_recursion_remaining += units;
#else
    (void)units;
#endif
}

#else

static void
run_deep(Deep *deep)
{
    run(deep);
}

static int
is_shallow(void)
{
    return 1;
}

void
add_to_limit(int Py_UNUSED(units))
{
}

#endif

PyObject *
call_deep(PyObject *function, PyObject *const *args, size_t count, PyObject *names)
{
    PyObject *result;
    add_to_limit(UNITS);
    if (is_shallow()) {
        result = PyObject_Vectorcall(function, args, count, names);
    } else {
        Deep deep = {function, args, count, names, NULL, NULL, PYGEN_ERROR};
        run_deep(&deep);
        result = deep.result;
    }
    add_to_limit(-UNITS);
    return result;
}

PySendResult
send_deep(PyObject *inner, PyObject *value, PyObject **result)
{
    PySendResult given;
    add_to_limit(UNITS);
    if (is_shallow()) {
        given = PyIter_Send(inner, value, result);
    } else {
        Deep deep = {inner, NULL, 0, NULL, value, NULL, PYGEN_ERROR};
        run_deep(&deep);
        *result = deep.result;
        given = deep.given;
    }
    add_to_limit(-UNITS);
    return given;
}
