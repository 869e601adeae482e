/* Steps, and what leads to them: the methods of `LoopSteps` and `TaskSteps` in core/steps.py.

   A number or a pointer is changed before anything is called or any reference is dropped: both may
   run Python code, which must find a whole account. */

#include "native.h"

/* Call a method that returns nothing. */
static int
call_for_nothing(PyObject *self, const char *name)
{
    PyObject *found = PyObject_CallMethod(self, name, NULL);
    Py_XDECREF(found);
    return found == NULL ? -1 : 0;
}

static void
begin_change(LoopSteps *loop)
{
    loop->changing += 1;
}

static void
end_change(LoopSteps *loop)
{
    loop->changes += 1;
    loop->changing -= 1;
}

/* Note what a task did, if there is a journal. */
static inline void
note(LoopSteps *loop, int kind, const TaskSteps *task, int64_t begin, int64_t end)
{
    if (loop->journal != NULL && !task->is_callback) {
        note_event(loop->journal, kind, loop->number,
                   &(Event){.begin = begin, .end = end, .task = task->number});
    }
}

/* Note that a task becomes ready, and what acts just then. */
static void
record_wake(LoopSteps *loop, const TaskSteps *task, int64_t ready)
{
    const TaskSteps *waker = loop->current;
    Event event = {.begin = ready, .end = ready, .task = task->number};
    if (waker != NULL) {
        event.other = waker->number;
        event.stack = waker->stack->number;
        if (task->woken.kind == BY_TASK || task->woken.kind == BY_CALLBACK) {
            event.site = (uint16_t)task->woken.site;
        }
    }
    note_event(loop->journal, EVENT_WAKE, loop->number, &event);
}

/* ---- who ends waits */

#define SOON 5000000 /* as in core/steps.py */

/* Whether a child has exited since a moment, and the loop has done little since. */
static int
child_has_exited(const LoopSteps *loop, const TaskSteps *task, int64_t since, int64_t now)
{
    if (task->child == 0 || task->child_end <= since) {
        return 0;
    }
    return loop->poller != 0 ? task->child_end >= loop->polled : now - task->child_end <= SOON;
}

/* Note who ends the wait of a task just now. Where no task acts, a thread or a child of the task
   may have acted just before. */
static void
note_waker(const LoopSteps *loop, TaskSteps *task, int64_t now, int64_t late)
{
    const TaskSteps *by = loop->current;
    int64_t since = task->parked == NEVER ? task->born : task->parked;
    Waker found = {.stack = by == NULL ? 0 : by->stack->number};
    if (by != NULL && !by->is_of_runtime) {
        found.kind = BY_TASK;
        found.site = by == task ? 0 : find_wake_site(); /* of its step, which goes on */
    } else if (task->worked != 0 && task->worked_at > since) {
        found.kind = BY_THREAD;
        found.stack = task->worked;
    } else if (by == NULL && late >= 0) {
        found.kind = BY_TIMER;
    } else if (child_has_exited(loop, task, since, now)) {
        found = (Waker){.stack = task->child, .site = found.stack, .kind = BY_CHILD};
    } else if (by == NULL) {
        found.kind = BY_LOOP;
    } else if (by->is_callback) {
        found.kind = BY_CALLBACK;
        found.site = find_wake_site();
    } else {
        found.kind = BY_TASK;
    }
    task->woken = found;
}

/* Add up what is left of the wait of a task, which has ended, with who has ended it. */
static void
end_wait(LoopSteps *loop, TaskSteps *task, int64_t until)
{
    int64_t since = task->parked == NEVER ? task->born : task->parked;
    if (loop->edges != NULL && until > since && !task->is_callback) {
        add_edge(loop->edges, task->stack->number, &task->woken, until - since);
    }
    task->woken = (Waker){0};
}

/* ---- the queue */

void
touch(LoopSteps *loop, int64_t now)
{
    if (loop->paused != NONE) {
        loop->paused = now;
    }
}

static void
put_in_queue(LoopSteps *loop, TaskSteps *task, int64_t ready)
{
    task->ready = ready;
    loop->usual_wait = NONE;
    loop->plain_wait = ALWAYS;
    loop->queued += 1;
    add_to_histogram(loop->queue, loop->queued);
}

void
wake(LoopSteps *loop, TaskSteps *task, int64_t now, int64_t late)
{
    touch(loop, now);
    if (task->ready != NONE) {
        return;
    }
    int64_t ready = now;
    if (late > 0) {
        int64_t rests_since = task->parked == NEVER ? task->born : task->parked;
        ready = now - late > rests_since ? now - late : rests_since;
        ready = ready < now ? ready : now;
    }
    put_in_queue(loop, task, ready);
    if (loop->edges != NULL) {
        note_waker(loop, task, now, late);
    }
    if (loop->journal != NULL) {
        record_wake(loop, task, ready);
    }
    Py_XINCREF(loop->current);
    Py_XSETREF(task->waker, loop->current);
}

void
give_wait(TaskSteps *task, Stack *stack, int64_t idle)
{
    LoopSteps *loop = task->loop;
    if (loop->journal != NULL) {
        note_event(loop->journal, EVENT_WAIT, loop->number,
                   &(Event){.begin = task->parked, .end = task->parked + idle,
                            .task = task->number, .stack = stack->number});
    }
    if (loop->edges != NULL) {
        add_edge(loop->edges, stack->number, &task->woken, idle);
    }
    task->stack->rest -= idle;
    stack->rest += idle;
    task->parked += idle;
    loop->changes += 1;
}

void
take_from_queue(LoopSteps *loop, TaskSteps *task, int64_t now)
{
    int64_t delay = now - task->ready;
    task->stack->scheduled += delay;
    task->ready = NONE;
    loop->changes += 1;
    loop->queued -= 1;
    add_to_histogram(loop->delays, delay);
    Py_CLEAR(task->waker);
}

int
is_interrupted(const LoopSteps *loop, const TaskSteps *task)
{
    const TaskSteps *inner = loop->current;
    while (inner != NULL && inner->within != task) {
        inner = inner->within;
    }
    return inner != NULL;
}

void
settle_wait(LoopSteps *loop, TaskSteps *task, int64_t now)
{
    if (task->ready != NONE && task != loop->current) {
        if (loop->edges != NULL && !is_interrupted(loop, task)) {
            end_wait(loop, task, task->ready);
        }
        task->stack->scheduled += now - task->ready;
        task->ready = now;
    }
}

/* ---- the beginning */

/* Let a step interrupt the one that goes on. */
static void
interrupt(LoopSteps *loop, TaskSteps *task, int64_t now)
{
    TaskSteps *outer = loop->current;
    outer->busy += now;
    if (outer->ready != NONE) {
        outer->ready = now;
    }
    task->busy -= now;
    task->interrupts = now;
    note(loop, EVENT_INTERRUPT, task, now, now);
    TaskSteps *before = task->within;
    task->within = outer; /* with the loop's reference */
    Py_INCREF(task);
    loop->current = task;
    loop->changes += 1;
    Py_XDECREF(before);
}

/* Prepare for a step that is not plain. Return whether it begins, at `*now`; 0 if it has begun or
   is not recorded. */
static int
begin_other_step(LoopSteps *loop, TaskSteps *task, int64_t *now)
{
    if (loop->current == task) { /* its step has begun, and its wait is over */
        return 0;
    }
    if (loop->usual_wait != NONE) {
        loop->plain_wait = loop->usual_wait;
        loop->usual_wait = NONE;
    }
    if (loop->paused != NONE && call_for_nothing((PyObject *)loop, "runs_again") < 0) {
        return -1;
    }
    if (*now - task->parked > loop->least_wait && !task->is_callback &&
        wait_ends(task, now) < 0) {
        return -1;
    }
    if (!loop->running) {
        return 0;
    }
    int64_t ready = task->ready;
    if (ready != NONE) {
        take_from_queue(loop, task, *now);
    }
    if (*now < loop->collected) { /* a call may collect */
        *now = loop->collected;
    }
    if (loop->edges != NULL) {
        end_wait(loop, task, ready == NONE ? *now : ready);
    }
    if (loop->current == NULL) {
        return 1;
    }
    if (loop->current != task) {
        interrupt(loop, task, *now);
    }
    return 0;
}

int
begin_step(TaskSteps *task, int64_t now)
{
    LoopSteps *loop = task->loop;
    if (loop->current != NULL || now - task->parked > loop->plain_wait) {
        int begins = begin_other_step(loop, task, &now);
        if (begins <= 0) {
            return begins;
        }
    }
    task->busy -= now;
    loop->began = now;
    Py_INCREF(task);
    loop->current = task;
    Py_CLEAR(loop->began_object); /* an integer: nothing is called */
    return 0;
}

/* ---- the end */

PyObject *
began_as_object(LoopSteps *loop)
{
    if (loop->began_object == NULL) {
        loop->began_object = PyLong_FromLongLong(loop->began);
    }
    Py_XINCREF(loop->began_object);
    return loop->began_object;
}

static int
call_step_ended(LoopSteps *loop, TaskSteps *task, int64_t now)
{
    PyObject *began = began_as_object(loop);
    if (began == NULL) {
        return -1;
    }
    PyObject *found = PyObject_CallMethod((PyObject *)loop, "step_ended", "ONL", task, began,
                                          (long long)now);
    Py_XDECREF(found);
    return found == NULL ? -1 : 0;
}

/* End a step that is not plain, and go on with the one that it has interrupted. */
static int
end_other_step(LoopSteps *loop, TaskSteps *task, int64_t now, int wakes_itself)
{
    now = now > loop->collected ? now : loop->collected;
    task->busy += now;
    task->stack->steps += 1;
    task->parked = now;
    TaskSteps *outer = task->within;
    note(loop, EVENT_STEP, task, outer == NULL ? loop->began : now, now);
    if (outer != NULL) {
        int64_t rested = (outer->ready == NONE ? now : outer->ready) - task->interrupts;
        if (loop->edges != NULL && rested > 0 && !outer->is_callback) {
            Waker inner = {.stack = task->stack->number, .kind = BY_TASK};
            add_edge(loop->edges, outer->stack->number, &inner, rested);
        }
        if (outer->ready != NONE) {
            outer->stack->scheduled += now - outer->ready;
            outer->ready = now;
        }
        outer->busy -= now;
        task->within = NULL;
    }
    loop->current = outer; /* with the reference that `within` had; the own one is dropped below */
    if (task->ready != NONE) { /* it woke itself while it ran: it queues from now on */
        task->ready = now;
        wakes_itself = 1;
    }
    task->stack->self_wakes += wakes_itself;
    loop->changes += 1;
    int failed = outer == NULL && now > loop->due ? call_step_ended(loop, task, now) : 0;
    Py_DECREF(task);
    return failed;
}

/* Whether a step that ends is plain: it has interrupted no other, and nothing has woken its task. */
static int
is_plain(const TaskSteps *task)
{
    return task->within == NULL && task->ready == NONE;
}

static int
end_plain_step(LoopSteps *loop, TaskSteps *task, int64_t now, int kind)
{
    task->busy += now;
    task->stack->steps += 1;
    task->parked = now;
    note(loop, kind, task, loop->began, now);
    loop->current = NULL; /* its reference is dropped below */
    int failed = now > loop->due ? call_step_ended(loop, task, now) : 0;
    Py_DECREF(task);
    return failed;
}

int
end_step(TaskSteps *task, int64_t now, int wakes_itself)
{
    LoopSteps *loop = task->loop;
    if (loop->current != task) {
        return 0;
    }
    if (!is_plain(task)) {
        return end_other_step(loop, task, now, wakes_itself);
    }
    task->stack->self_wakes += wakes_itself;
    return end_plain_step(loop, task, now, EVENT_STEP);
}

int
yield_step(TaskSteps *task, int64_t now)
{
    LoopSteps *loop = task->loop;
    if (loop->current != task || !is_plain(task)) {
        return end_step(task, now, 1);
    }
    task->stack->self_wakes += 1;
    put_in_queue(loop, task, now);
    return end_plain_step(loop, task, now, EVENT_YIELD);
}

/* ---- a task's life */

TaskSteps *
spawn(LoopSteps *loop, Stack *parent, PyObject *frame, int64_t now, PyObject *attached)
{
    touch(loop, now);
    Stack *stack = find_child(loop, parent, frame, NULL);
    if (stack == NULL) {
        return NULL;
    }
    TaskSteps *task = make_task(loop->account_type, loop, stack, now);
    if (task != NULL && PyDict_SetItem(loop->tasks, (PyObject *)task, attached) < 0) {
        Py_CLEAR(task);
    }
    if (task != NULL) {
        stack->entries += 1;
        loop->changes += 1;
    }
    Py_DECREF(stack);
    return task;
}

int
finish_task(TaskSteps *task, int64_t now)
{
    if (task->innermost != NULL) {
        PyObject *done = PyObject_CallMethod((PyObject *)task, "close_all", "L", (long long)now);
        if (done == NULL) {
            return -1;
        }
        Py_DECREF(done);
    }
    task->ready = NONE;
    task->base->busy += task->busy;
    if (!task->is_callback) {
        task->base->rest += now - task->busy - task->born;
    }
    Py_CLEAR(task->waker);
    return 0;
}

static int
exit_known_task(LoopSteps *loop, TaskSteps *task, int64_t now, int over)
{
    touch(loop, now);
    if (task->ready != NONE) {
        loop->queued -= 1;
    }
    if (loop->current == task) {
        task->ready = NONE;
        if (end_step(task, now, 0) < 0) {
            return -1;
        }
    }
    settle_wait(loop, task, now);
    if (over && task->innermost != NULL &&
        call_for_nothing((PyObject *)task, "note_left_open") < 0) {
        return -1;
    }
    int known = PyDict_Contains(loop->tasks, (PyObject *)task);
    if (known <= 0) { /* the recording was stopped by what was called */
        return known;
    }
    if (finish_task(task, now) < 0) {
        return -1;
    }
    if (over) {
        add_latency(task->base, now - task->born);
    }
    TaskSteps *spawner = (TaskSteps *)task->spawner;
    if (spawner != NULL) {
        spawner->child = task->base->number;
        spawner->child_end = now;
    }
    if (loop->journal != NULL) {
        note_event(loop->journal, EVENT_EXIT, loop->number,
                   &(Event){.begin = task->born, .end = now, .task = task->number,
                            .stack = task->base->number,
                            .other = spawner == NULL ? 0 : spawner->number});
    }
    loop->lifetimes += now - task->born;
    loop->exited = now;
    return PyDict_DelItem(loop->tasks, (PyObject *)task);
}

int
exit_task(LoopSteps *loop, TaskSteps *task, int64_t now, int over)
{
    int known = PyDict_Contains(loop->tasks, (PyObject *)task);
    if (known <= 0) {
        return known;
    }
    begin_change(loop);
    now = now > loop->collected ? now : loop->collected;
    Py_INCREF(task);
    int failed = exit_known_task(loop, task, now, over);
    Py_DECREF(task);
    end_change(loop);
    return failed;
}
