"""Looks at everything around it that a recording could change, and prints it."""

import asyncio
import atexit
import gc
import inspect
import io
import itertools
import json
import logging
import os
import signal
import sys
import threading
import traceback
import warnings
import weakref
from contextlib import suppress

seen = {}
PYTHON = sys.version_info


def name(value):
    """Return what a value is, without its address."""
    return getattr(value, "__qualname__", None) or type(value).__qualname__


def handlers():
    return {
        int(number): name(signal.getsignal(number))
        for number in signal.valid_signals()
        if signal.getsignal(number) not in (None, signal.SIG_DFL)
    }


def wakeup_fd():
    fd = signal.set_wakeup_fd(-1)
    if fd != -1:
        signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    return fd != -1


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def surroundings():
    return {
        "handlers": handlers(),
        "wakeup fd": wakeup_fd(),
        "excepthook": name(sys.excepthook),
        "threading.excepthook": name(threading.excepthook),
        "unraisablehook": name(sys.unraisablehook),
        "breakpointhook": name(sys.breakpointhook),
        "displayhook": name(sys.displayhook),
        "trace": [sys.gettrace(), sys.getprofile(), threading.settrace(None)],
        "monitoring": [sys.monitoring.get_tool(tool) for tool in range(6)]
        if PYTHON >= (3, 12)
        else [],
        "origins": sys.get_coroutine_origin_tracking_depth(),
        "warnings": [str(each) for each in warnings.filters],
        "path": sys.path,
        "path hooks": [name(hook) for hook in sys.path_hooks],
        "environment": {k: v for k, v in os.environ.items() if k != "LINES"},
        "argv": sys.argv,
        "main": sorted(k for k in vars(sys.modules["__main__"]) if k != "__annotations__"),
        "umask": umask(),
        "threads": [thread.name for thread in threading.enumerate()],
        "cwd": os.getcwd(),
        "streams": [(s.encoding, s.errors, s.line_buffering) for s in (sys.stdout, sys.stderr)],
        "recursion": sys.getrecursionlimit(),
        "gc": [gc.isenabled(), gc.get_threshold()],
        "loggers": [logging.root.handlers, logging.root.level, logging.lastResort.level],
        "unhandled": str(sys.exc_info()),
        "digits": getattr(sys, "get_int_max_str_digits", int)(),
    }


def stack_of_inspect():
    return [(frame.function, os.path.basename(frame.filename)) for frame in inspect.stack()[1:]]


def stack_of_traceback():
    return [
        (frame.name, os.path.basename(frame.filename)) for frame in traceback.extract_stack()[:-1]
    ]


def printed(function, *args, **options):
    file = io.StringIO()
    function(*args, file=file, **options)
    return [line for line in file.getvalue().splitlines() if "/" in line and "Task" not in line]


def warned(level):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("x", stacklevel=level)
    return [(os.path.basename(each.filename), each.lineno) for each in caught]


def logged(level):
    found = []
    handler = logging.Handler()
    handler.emit = found.append
    logger = logging.getLogger("looks")
    logger.addHandler(handler)
    logger.warning("x", stacklevel=level, stack_info=True)
    logger.removeHandler(handler)
    return [(r.filename, r.lineno, r.funcName, r.stack_info.count("\n")) for r in found]


def frames():
    found, frame = [], sys._getframe(1)
    while frame:
        found.append((frame.f_code.co_name, os.path.basename(frame.f_code.co_filename)))
        frame = frame.f_back
    return found


def state_of(task):
    coroutine = task.get_coro()
    return {
        "name": task.get_name(),
        "coroutine": [type(coroutine).__name__, name(coroutine)],
        "state": inspect.getcoroutinestate(coroutine),
        "await": type(coroutine.cr_await).__name__,
        "stack": [(f.f_code.co_name, f.f_lineno) for f in task.get_stack()],
        "print_stack": printed(task.print_stack),
        "repr": repr(task).split(" at ")[0],
        "is": type(task).__name__,
    }


async def inner(event):
    await event.wait()


async def leaf():
    return {
        "inspect": stack_of_inspect(),
        "traceback": stack_of_traceback(),
        "printed": printed(traceback.print_stack),
        "warned": [warned(level) for level in range(1, 6)],
        "logged": [logged(level) for level in range(1, 5)],
        "surroundings": surroundings(),
    }


async def look(loop):
    event = asyncio.Event()
    task = asyncio.create_task(inner(event), name="inner")
    waiter = asyncio.create_task(inner(event))
    await asyncio.sleep(0)
    found = {
        "task": state_of(task),
        "main": state_of(asyncio.current_task()),
        "tasks": sorted(each.get_name().partition("-")[0] for each in asyncio.all_tasks()),
        "loop": [loop.is_running(), loop.is_closed(), loop.get_debug(), type(loop).__qualname__],
        "factory": name(loop.get_task_factory()),
        "handler": name(loop.get_exception_handler()),
        "executor": loop._default_executor if hasattr(loop, "_default_executor") else None,
        "in main": await leaf(),
        "in a task": await asyncio.create_task(leaf()),
        "growth": await growth(),
        "dropped": await dropped(),
    }
    waiter.cancel()
    event.set()
    with suppress(asyncio.CancelledError):
        await waiter
    await task
    found["done"] = [
        task.get_stack(),
        printed(task.print_stack),
        repr(task.get_coro()).split(" at ")[0],
    ]
    called = loop.create_future()
    loop.call_soon(lambda: called.set_result([stack_of_inspect(), stack_of_traceback(), warned(2)]))
    found["in a callback"] = await called
    if PYTHON >= (3, 14):
        file = io.StringIO()
        asyncio.print_call_graph(file=file)
        graph = asyncio.capture_call_graph()
        found["graph"] = [each.frame.f_code.co_name for each in graph.call_stack]
        found["graph printed"] = [
            line.split(" at ")[0].split("(")[0] for line in file.getvalue().splitlines()
        ]
    if PYTHON >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
        found["eager"] = [loop.get_task_factory() is asyncio.eager_task_factory]
        if type(loop).__module__.startswith("asyncio"):
            found["eager"].append(await asyncio.create_task(leaf()))
        loop.set_task_factory(None)

    def factory(loop, coro, **options):
        return asyncio.Task(coro, loop=loop, **options)

    loop.set_task_factory(factory)
    found["a factory"] = [loop.get_task_factory() is factory, await asyncio.create_task(leaf())]
    loop.set_task_factory(None)
    return found


async def growth():
    """Return what each of five times a thousand tasks leaves behind, by type.

    Samples of functions may pile up for a while, as many as a busy machine takes; they stop.
    """

    async def nothing():
        await asyncio.sleep(0)

    async def spawn(number):
        await asyncio.gather(*(nothing() for _ in range(number)))

    def kinds():
        gc.collect()
        counts = {}
        for each in gc.get_objects():
            counts[type(each).__name__] = counts.get(type(each).__name__, 0) + 1
        return counts

    counts = []
    for _ in range(6):
        await spawn(1000)
        counts.append(kinds())
    least = {
        kind: min(b.get(kind, 0) - a.get(kind, 0) for a, b in itertools.pairwise(counts))
        for kind in counts[-1]
    }
    return {kind: number for kind, number in least.items() if number > 100}


async def dropped():
    """Return when a task and its coroutine are collected."""
    heard = []

    async def waits():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            heard.append("closed")

    coroutine = waits()
    task = asyncio.create_task(coroutine)
    watched = [
        weakref.ref(task, lambda _: heard.append("task")),
        weakref.ref(coroutine, lambda _: heard.append("coroutine")),
    ]
    await asyncio.sleep(0)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    del task, coroutine
    gc.collect()
    heard.append("collected")
    asyncio.get_running_loop().set_exception_handler(None)
    return heard if PYTHON < (3, 15) else sorted(heard), len(watched)


def run_asyncio(make):
    loop = make()
    try:
        return loop.run_until_complete(look(loop))
    finally:
        loop.close()


def run_trio():
    import trio

    async def child(task_status):
        task_status.started()
        await trio.sleep_forever()

    async def main():
        root = trio.lowlevel.current_root_task()
        async with trio.open_nursery() as nursery:
            await nursery.start(child)
            await trio.testing.wait_all_tasks_blocked()
            task = trio.lowlevel.current_task()
            other = next(iter(nursery.child_tasks))
            found = {
                "children": [
                    sorted(each.name for each in nursery.child_tasks)
                    for nursery in root.child_nurseries
                ],
                "task": [
                    task.name,
                    name(task.coro),
                    str(task.parent_nursery)[:5],
                ],
                "state": [inspect.getcoroutinestate(each.coro) for each in (task, other)],
                "frames": [f.f_code.co_name for f, _ in other.iter_await_frames()],
                "in a task": await leaf(),
            }
            nursery.cancel_scope.cancel()
        return found

    import trio.testing

    return trio.run(main)


if __name__ == "__main__":
    seen["before"] = surroundings()
    atexit.register(lambda: print("at exit", flush=True))
    which = sys.argv[1]
    if which == "trio":
        seen[which] = run_trio()
    elif which == "uvloop":
        import uvloop

        seen[which] = run_asyncio(uvloop.new_event_loop)
    else:
        if which == "debug":
            os.environ["PYTHONASYNCIODEBUG"] = "1"

        def make():
            loop = asyncio.new_event_loop()
            loop.set_debug(which == "debug")
            return loop

        seen[which] = run_asyncio(make)
    seen["after"] = surroundings()
    print(json.dumps(seen, default=name, indent=1))
