"""Which foreign suites there are, and in which variants our instrument is given to their runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

RUN: Final = "../run"
"""What the files of `tracetools run` are named, from the folder where the suite runs."""


@dataclass(frozen=True)
class Variant:
    """How our instruments are made, and to which runs they are given.

    Attributes:
        options: the options of our instruments.
        way: ``each`` run has one of its own; all runs of a process have one, which is ``shared``;
            or each has one that is added and removed ``midway``, from within a hook of another.
            Of `tracetools.record`: ``record`` is entered around the whole process, ``record-each``
            around each test. ``run`` is the command `tracetools run`, with nothing else of ours.
    """

    options: Mapping[str, object]
    way: str = "each"

    @property
    def command(self) -> list[str]:
        """The arguments of Python that have a program recorded by the command, if that is wanted.

        It says nothing but errors then.
        """
        if self.way != "run":
            return []
        return ["-m", "tracetools", "run", "-q", "-o", RUN, *self._switches()]

    def _switches(self) -> Iterator[str]:
        for name, value in self.options.items():
            switch = "--" + name.replace("_", "-")
            if value is True:
                yield switch
            elif value is False:
                yield f"--no-{switch[2:]}"
            else:
                yield from (switch, "none" if value is None else str(value))

    @property
    def has_threads(self) -> bool:
        """Whether threads of ours run beside it: one that flushes, one that watches."""
        flushes = self.options["flush_interval"] is not None
        return flushes or self.options.get("blocking", 0.1) is not None


EVERYTHING: Final = {
    "await_after": 0,
    "functions": True,
    "functions_interval": 0.0005,
    "blocking": 0.02,
    "scheduled": True,
}
ALL: Final = {"lens": "task", "task_names": True, "flush_interval": 0.05, **EVERYTHING}
# What is in one file for all of a process grows all the time: to write it takes longer than that.
GROWING: Final = {**ALL, "flush_interval": 0.5}

VARIANTS: Final[dict[str, Variant]] = {
    "plain": Variant({"flush_interval": None, "await_stacks": False, "blocking": None}),
    "scheduled": Variant({"flush_interval": None, "scheduled": True}),
    "flushing": Variant({"flush_interval": 0.05}),
    "full": Variant(ALL),
    "shared": Variant(GROWING, way="shared"),
    "midway": Variant(ALL, way="midway"),
    "recorded": Variant({"flush_interval": None}, way="record"),
    "recorded-full": Variant(GROWING, way="record"),
    "recorded-each": Variant({"flush_interval": None, **EVERYTHING}, way="record-each"),
    "run": Variant(GROWING, way="run"),
}
INSTRUMENTED: Final = ("plain", "full", "shared", "midway")
RECORDED: Final = ("recorded", "recorded-full", "recorded-each", "run")
RECORDED_FULLY: Final = ("recorded-full", "recorded-each")


@dataclass(frozen=True)
class Suite:
    """A foreign test suite.

    Attributes:
        needs: what pip is to install; the package that is tested comes first.
        tests: where its tests are, within its source; with wildcards, perhaps.
        part: those of them that are run unless the whole is asked for; none for all. For a runner
            the names of tests.
        source: where its source is: in the ``archive`` that pip downloads, in a ``git`` repository,
            ``installed`` with the package, or ``python`` for Python's own package of tests.
        repository: the one of ``git``, which has a tag for each version.
        runner: a module that runs the tests by `unittest`, in the place of pytest.
        arguments: for pytest, or for the runner.
        variables: for the environment.
        plugins: whether pytest loads the plugins that are installed.
        variants: those that it is run in by default.
        excluded: tests that cannot be equal or take too long, with the reason.
        excluded_beside_threads: those that cannot be while threads of ours write or sample.
        excluded_while_recorded: those that cannot be while `tracetools.record` is entered.
    """

    needs: Sequence[str]
    tests: str = "tests"
    part: Sequence[str] = ()
    source: str = "archive"
    repository: str = ""
    runner: str = ""
    arguments: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    plugins: bool = True
    variants: Sequence[str] = INSTRUMENTED
    excluded: Mapping[str, str] = field(default_factory=dict)
    excluded_beside_threads: Mapping[str, str] = field(default_factory=dict)
    excluded_while_recorded: Mapping[str, str] = field(default_factory=dict)

    def left_out(self, variant: Variant | None) -> Mapping[str, str]:
        """Return the tests that are not run, with the reasons; a name may be that of many."""
        has_threads = variant is not None and variant.has_threads
        recorded = variant is not None and variant.way in ("record", "record-each", "run")
        return {
            **self.excluded,
            **(self.excluded_beside_threads if has_threads else {}),
            **(self.excluded_while_recorded if recorded else {}),
        }


_FUTURES: Final = ("CFutureTests", "CSubFutureTests", "PyFutureTests")
_TASKS: Final = (
    *("CTask_CFuture_Tests", "CTask_CFuture_SubclassTests", "CTaskSubclass_PyFuture_Tests"),
    *("CTask_PyFuture_Tests", "PyTask_CFutureSubclass_Tests", "PyTask_CFuture_Tests"),
    *("PyTask_PyFuture_Tests", "PyTask_PyFuture_SubclassTests"),
)
TRIO_MODE: Final = ("-o", "trio_mode=true")
WITHOUT_OPTIONS: Final = ("-o", "addopts=")

SUITES: Final[dict[str, Suite]] = {
    "trio": Suite(
        # As trio's own CI runs them, less the tests of static tools (mypy, jedi, ...).
        needs=["trio", "pytest", "trustme", "pyopenssl", "async_generator"],
        tests=".",
        source="installed",
        arguments=[
            *("-p", "trio._tests.pytest_plugin", "--run-slow", "--skip-optional-imports"),
            *("--import-mode=importlib", "-W", "error", "-o", "xfail_strict=true"),
            *("-o", "markers=redistributors_should_skip"),
        ],
        plugins=False,
        # The others on demand: CI has 480 s, on a machine that does something else as well.
        variants=("full", "midway"),
        excluded={
            "_core/_tests/test_instrumentation.py::test_instrument_that_raises_on_getattr": (
                "asserts that the run has no instrument with these hooks"
            ),
        },
        excluded_beside_threads={
            "_tests/test_subprocess.py::test_for_leaking_fds": (
                "asserts that no file is opened or closed meanwhile, by whatever thread"
            ),
            "_tests/test_unix_pipes.py::test_del": (
                "closes a file descriptor a second time, which may be that of our file by then"
            ),
        },
    ),
    "hypercorn": Suite(
        needs=["hypercorn[trio]", "pytest", "pytest-trio", "pytest-asyncio", "pytest-cov", "httpx"],
        tests="tests/trio",
    ),
    "quart-trio": Suite(
        needs=["quart-trio", "pytest", "pytest-trio", "pytest-cov"], arguments=TRIO_MODE
    ),
    "tricycle": Suite(
        needs=["tricycle", "pytest", "pytest-trio", "trustme"], tests="tricycle/_tests"
    ),
    "trio-websocket": Suite(
        needs=["trio-websocket", "pytest", "pytest-trio", "trustme"], arguments=TRIO_MODE
    ),
    "anyio": Suite(
        # As its pyproject.toml has them run; the backends are asyncio, uvloop, eager tasks, trio.
        needs=[
            *("anyio", "pytest>=9", "pytest-mock", "pytest-timeout", "hypothesis", "psutil"),
            *("trustme", "truststore", "uvloop", "blockbuster"),
        ],
        part=[
            f"tests/test_{name}.py"
            for name in (
                *("taskgroups", "from_thread", "to_thread", "synchronization", "eventloop"),
                *("lowlevel", "futures", "debugging", "contextmanagers", "concurrency_utils"),
                "signals",
            )
        ],
        plugins=False,
        variants=RECORDED_FULLY,
        excluded={
            "tests/test_lazyimport.py::test_sourceless_install": (
                "compiles a copy of the package, 12 s, and runs nothing"
            ),
            "tests/test_sockets.py::TestUDPSocketBackpressure": (
                "needs a kernel whose buffers fill up; else 40 s of waiting"
            ),
            "tests/test_to_thread.py::test_asyncio_run_does_not_leak_event_loop": (
                "asks whether a worker thread has gone by the time that its loop has: on a machine"
                " that is busy it fails without us too, in 458 of 1500 tries"
            ),
        },
    ),
    "asyncio": Suite(
        # CPython's own, of the running interpreter; some builds leave them out.
        needs=["pytest>=9"],
        tests="test_asyncio",
        part=[
            f"test_asyncio/test_{name}.py"
            for name in (
                *("tasks", "futures", "runners", "base_events", "locks", "queues", "waitfor"),
                *("streams", "unix_events", "context", "pep492", "threads", "selector_events"),
                *(("taskgroups", "timeouts") if sys.version_info >= (3, 11) else ()),
                *(("eager_task_factory",) if sys.version_info >= (3, 12) else ()),
            )
        ],
        source="python",
        plugins=False,
        variants=RECORDED,
        excluded={
            f"test_asyncio/{name}": "collects garbage a hundred times: slow beside pytest, 8 s each"
            for name in (
                *(f"test_futures.py::{kind}::test_future_del_collect" for kind in _FUTURES),
                *(f"test_tasks.py::{kind}::test_task_del_collect" for kind in _TASKS),
            )
        },
    ),
    "tornado": Suite(
        # By its own runner, which fails if anything is logged or written to stderr.
        needs=["tornado", "twisted", "hypothesis"],
        tests="",
        source="installed",
        runner="tornado.test.runtests",
        variables={"ASYNC_TEST_TIMEOUT": "25"},  # as its tox.ini has it
        variants=("recorded-full",),
    ),
    "janus": Suite(
        needs=["janus", "pytest", "pytest-asyncio", "pytest-codspeed"],
        arguments=WITHOUT_OPTIONS,
        variants=("recorded-full",),
    ),
    "websockets": Suite(
        # Its source archive has no tests.
        needs=["websockets", "pytest", "trio", "werkzeug", "python-socks[asyncio]"],
        source="git",
        repository="https://github.com/python-websockets/websockets",
        arguments=["--tb=short"],  # a long report on a failure kills Python 3.13.0
        variables={"WEBSOCKETS_TESTS_TIMEOUT_FACTOR": "50"},  # of a release it is 100
        plugins=False,
        variants=("recorded-full",),
    ),
    "aiohttp": Suite(
        # As its pytest.ini has them run, but in one process and without coverage.
        needs=[
            *("aiohttp", "coverage", "pytest", "pytest-mock", "pytest-timeout", "pytest-codspeed"),
            *("blockbuster", "freezegun", "trustme", "uvloop", "zlib_ng", "gunicorn"),
        ],
        tests="tests/test_[rw]*.py",  # its server, routes and websockets
        part=[
            f"tests/test_{name}.py"
            for name in (
                *("web_app", "web_protocol", "web_request_handler", "web_runner", "web_server"),
                *("web_sendfile_functional", "web_websocket", "web_middleware"),
            )
        ],
        arguments=[
            *(*WITHOUT_OPTIONS, "--strict-markers", "-p", "no:codspeed"),
            *("-m", "not dev_mode and not autobahn and not internal"),
        ],
        variants=("recorded-full",),
    ),
    "starlette": Suite(
        needs=[
            *("starlette[full]", "pytest", "blockbuster", "httpx2[zstd]", "opentelemetry-sdk"),
        ],
        variants=("recorded-full",),
    ),
}
