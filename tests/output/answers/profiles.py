"""Profiles made by hand, as a server with some routes and a plain program would have them."""

from tracetools.core.profile import Profile
from tracetools.core.stacks import (
    COLLECTIONS,
    IMPORTING,
    ROOT,
    RUNTIME,
    WAITING,
    Blocks,
    Frame,
    Times,
    Tokens,
)

MS = 10**6

SERVE = Frame("Server.serve", "uvicorn/server.py", 88)
MAIN_LOOP = Frame("await sleep", "uvicorn/server.py", 248)
LIFESPAN = Frame("LifespanOn.main", "uvicorn/lifespan/on.py", 78)
RECEIVE = Frame("await Queue.get", "uvicorn/lifespan/on.py", 137)
CYCLE = Frame("RequestResponseCycle.run_asgi", "uvicorn/protocols/h11_impl.py", 409)
ROUTER = Frame("Router.app", "starlette/routing.py", 30)
IN_THREAD = Frame("run_in_threadpool", "starlette/concurrency.py", 32)
THREAD = Frame("await to_thread (static)", "starlette/concurrency.py", 34)
LOAD = Frame("_find_and_load", "<frozen importlib._bootstrap>", 1349)

GET_REPORT = Frame("GET /report/{year}", "app.py", 17)
GET_ROW = Frame("GET /row/{n}", "app.py", 29)
GET_SETTINGS = Frame("GET /settings", "app.py", 24)
GET_STATIC = Frame("GET /static", "app.py", 35)
REPORT = Frame("report", "app.py", 17)
DIGEST = Frame("digest", "app.py", 11)
DUMPS = Frame("dumps", "json/__init__.py", 183)
ENCODE = Frame("JSONEncoder.encode", "json/encoder.py", 183)
SETTINGS = Frame("settings", "app.py", 24)
READ = Frame("read_settings", "app.py", 20)
ROW = Frame("row", "app.py", 29)
POOL = Frame("await Semaphore", "app.py", 31)
SLEEP = Frame("await sleep", "app.py", 32)

ORIGINS = {
    "uvicorn/server.py": "library",
    "uvicorn/lifespan/on.py": "library",
    "uvicorn/protocols/h11_impl.py": "library",
    "starlette/routing.py": "library",
    "starlette/concurrency.py": "library",
    "json/__init__.py": "runtime",
    "json/encoder.py": "runtime",
    "<frozen importlib._bootstrap>": "runtime",
}

REQUEST = (ROOT, SERVE, CYCLE)


def line(file, number):
    return Frame("blocks the loop", file, number)


SERVER = Profile(
    stacks={
        (ROOT,): Times(busy=10 * MS),
        (ROOT, WAITING): Times(busy=100 * MS),
        (ROOT, RUNTIME): Times(),
        (ROOT, RUNTIME, LIFESPAN): Times(entries=1, scheduled=1 * MS),
        (ROOT, RUNTIME, LIFESPAN, RECEIVE): Times(idle=1400 * MS),
        (ROOT, SERVE): Times(entries=1),
        (ROOT, SERVE, LOAD): Times(busy=50 * MS),
        (ROOT, SERVE, MAIN_LOOP): Times(idle=900 * MS),
        REQUEST: Times(entries=100, scheduled=300 * MS, steps=100),
        (*REQUEST, ROUTER): Times(busy=40 * MS),
        (*REQUEST, GET_REPORT): Times(entries=40, steps=40, scheduled=60 * MS),
        (*REQUEST, GET_REPORT, ROUTER, REPORT, DIGEST): Times(busy=600 * MS),
        (*REQUEST, GET_REPORT, ROUTER, REPORT, DIGEST, COLLECTIONS[0]): Times(busy=20 * MS),
        (*REQUEST, GET_REPORT, ROUTER, REPORT, DUMPS): Times(busy=30 * MS),
        (*REQUEST, GET_REPORT, ROUTER, REPORT, DUMPS, ENCODE): Times(busy=50 * MS),
        (*REQUEST, GET_SETTINGS): Times(entries=8, steps=8),
        (*REQUEST, GET_SETTINGS, ROUTER, SETTINGS, READ): Times(busy=500 * MS),
        (*REQUEST, GET_SETTINGS, ROUTER, REPORT, DIGEST): Times(busy=100 * MS),
        (*REQUEST, GET_ROW): Times(entries=40, steps=120, scheduled=120 * MS),
        (*REQUEST, GET_ROW, ROUTER, ROW, POOL): Times(idle=4000 * MS),
        (*REQUEST, GET_ROW, ROUTER, ROW, SLEEP): Times(idle=5000 * MS),
        (*REQUEST, GET_STATIC): Times(entries=12, steps=24),
        (*REQUEST, GET_STATIC, ROUTER, IN_THREAD, THREAD): Times(idle=1000 * MS),
    },
    duration=1500 * MS,
    task_time=0,
    runs=1,
    samples=700,
    scheduled_measured=True,
    blocking_threshold=100 * MS,
    blocking={
        (*REQUEST, GET_SETTINGS, ROUTER, SETTINGS, READ, line("app.py", 22)): Blocks(
            3, 470 * MS, 160 * MS, calling=460 * MS
        ),
        (ROOT, SERVE, IMPORTING, line("uvicorn/importer.py", 9)): Blocks(1, 50 * MS, 50 * MS),
    },
    origins=ORIGINS,
    backends=("asyncio",),
    programs=("uvicorn",),
    pythons=("3.13.0",),
)
"""Its laws do not hold: what is left out here is left out of the answers too."""

MAIN = Frame("main", "plain.py", 19)
HANDLE = Frame("handle", "plain.py", 11)
FETCH = Frame("fetch", "plain.py", 7)
LIMITER = Frame("await CapacityLimiter", "plain.py", 8)
GROUP = Frame("await TaskGroup", "plain.py", 24)

PLAIN = Profile(
    stacks={
        (ROOT,): Times(busy=100 * MS),
        (ROOT, MAIN): Times(busy=5 * MS, entries=1, steps=2),
        (ROOT, MAIN, GROUP): Times(idle=1000 * MS),
        (ROOT, MAIN, HANDLE): Times(busy=95 * MS, entries=60, steps=180),
        (ROOT, MAIN, HANDLE, FETCH, LIMITER): Times(idle=3000 * MS),
    },
    duration=200 * MS,
    task_time=4100 * MS,
    runs=1,
    limiters={(ROOT, MAIN, HANDLE, FETCH, LIMITER): Tokens(2, 60)},
)
