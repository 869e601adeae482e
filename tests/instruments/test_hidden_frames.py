"""Frames of ours are in no stack that Python's own functions show."""

import asyncio
import contextlib
import functools
import inspect
import linecache
import logging
import os
import re
import sys
import traceback
import warnings

import pytest
import trio

import tracetools
from tracetools import FlamegraphInstrument, record
from tracetools.instruments import hidden_frames

FOLDER = os.path.dirname(tracetools.__file__) + os.sep
FUNCTIONS = [
    (inspect, "getouterframes"),
    (traceback, "walk_stack"),
    (logging, "_is_internal_frame"),
    (warnings, "warn"),
    (warnings, "_warn_unawaited_coroutine"),
]
PYTHON = [getattr(module, name, None) for module, name in FUNCTIONS]


@pytest.fixture(autouse=True)
def _is_left_as_it_was():
    yield
    assert [getattr(module, name, None) for module, name in FUNCTIONS] == PYTHON


def files():
    """Return the files of what is on the stack, as each function shows it."""
    return [
        [info.filename for info in inspect.stack()],
        [info.filename for info in inspect.getouterframes(inspect.currentframe())],
        [summary.filename for summary in traceback.extract_stack()],
        [frame.f_code.co_filename for frame, _ in traceback.walk_stack(None)],
        [s.filename for s in traceback.StackSummary.extract(traceback.walk_stack(None))],
        [frame.f_code.co_filename for frame, _ in traceback.walk_stack(sys._getframe())],
    ]


def both(folder, function):
    """Return what a function returns, without a recording and within one, called at one line."""
    results = []
    for context in (contextlib.nullcontext(), record(folder / "stack")):
        with context:
            results.append(function())
    return results


async def look():
    return files()


def assert_none_is_ours(found):
    for each in found:
        assert len(each) > 5
        assert [file for file in each if file.startswith(FOLDER)] == []
        assert __file__ in each


def run_asyncio(function, *args):
    async def main():
        return await asyncio.create_task(function(*args))

    return asyncio.run(main())


RUNS = {"asyncio": run_asyncio, "trio": trio.run}
everywhere = pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)


@everywhere
def test_stacks_have_none_while_a_task_steps(run, tmp_path):
    plain, recorded = both(tmp_path, lambda: run(look))
    assert recorded == plain
    assert_none_is_ours(recorded)


def test_an_instrument_hides_them_too(tmp_path):
    instrument = FlamegraphInstrument(tmp_path / "stack")
    assert_none_is_ours(trio.run(look, instruments=[instrument]))


async def warn(level):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("text", UserWarning, level)
    return [(each.filename, each.lineno, each.category) for each in caught]


@everywhere
@pytest.mark.parametrize("level", [-1, 0, 1, 2, 3, 4, 5, 200])
def test_a_warning_points_to_where_it_would(run, level, tmp_path):
    plain, recorded = both(tmp_path, lambda: run(warn, level))
    assert recorded == plain


class Number:
    def __index__(self):
        return 3


@everywhere
@pytest.mark.parametrize("level", [sys.maxsize, -sys.maxsize, True, Number()])
def test_a_level_may_be_any_number(run, level, tmp_path):
    plain, recorded = both(tmp_path, lambda: run(warn, level))
    assert recorded == plain


@everywhere
@pytest.mark.parametrize("level", [1, 2, 3, 4, 5, 6])
def test_a_warning_of_a_module_that_a_task_imports_points_to_where_it_would(
    run, level, tmp_path, monkeypatch
):
    async def import_it():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import warns_when_imported  # noqa: F401
        del sys.modules["warns_when_imported"]
        return [(each.filename, each.lineno) for each in caught]

    (tmp_path / "warns_when_imported.py").write_text(
        f"import warnings\nwarnings.warn('text', stacklevel={level})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    plain, recorded = both(tmp_path, lambda: run(import_it))
    assert recorded == plain


async def warn_with(**options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            warnings.warn("text", **options)
        except TypeError as error:
            return str(error)
    return [(each.filename, each.lineno) for each in caught]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="came with Python 3.12")
@everywhere
@pytest.mark.parametrize("level", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("prefixes", [(), ("nowhere",), (os.path.dirname(__file__),), (1,), []])
def test_files_that_warnings_skip_are_skipped(run, level, prefixes, tmp_path):
    def function():
        return run(functools.partial(warn_with, stacklevel=level, skip_file_prefixes=prefixes))

    plain, recorded = both(tmp_path, function)
    assert recorded == plain


async def warn_with_error(*arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            warnings.warn(*arguments)
        except Exception as error:  # any
            return type(error), str(error), traceback.format_tb(error.__traceback__)


@pytest.mark.parametrize("arguments", [("text",), ("text", 3), ("text", UserWarning, "1"), ()])
def test_a_warning_that_is_an_error_has_no_frame_of_ours(arguments, tmp_path):
    plain, recorded = both(tmp_path, lambda: run_asyncio(warn_with_error, *arguments))
    assert recorded[0] is plain[0]
    if sys.version_info >= (3, 11):  # before, frames cannot be taken out
        assert recorded[2] == plain[2]


async def log(level):
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger("test_hidden_frames")
    logger.addHandler(handler)
    try:
        logger.warning("text", stacklevel=level, stack_info=True)
    finally:
        logger.removeHandler(handler)
    return [(each.pathname, each.lineno, each.stack_info) for each in records]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="logging asks no function")
@everywhere
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_a_log_record_points_to_where_it_would(run, level, tmp_path):
    plain, recorded = both(tmp_path, lambda: run(log, level))
    assert recorded == plain


async def forget():
    async def never_awaited():
        pass

    before = sys.get_coroutine_origin_tracking_depth()
    sys.set_coroutine_origin_tracking_depth(1000)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            never_awaited()
    finally:
        sys.set_coroutine_origin_tracking_depth(before)
    return [(str(each.message), each.filename, each.lineno, each.category) for each in caught]


@everywhere
def test_a_coroutine_that_was_never_awaited_was_created_where_it_was(run, tmp_path):
    plain, recorded = both(tmp_path, lambda: run(forget))
    assert recorded == plain
    assert linecache.getline(__file__, plain[0][2]).strip() == "never_awaited()"
    assert "Coroutine created at" in plain[0][0]


def test_without_tracking_the_text_says_so(tmp_path):
    async def main():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            look()
        return [str(each.message) for each in caught]

    with record(tmp_path / "stack"):
        assert asyncio.run(main()) == ["coroutine 'look' was never awaited"]


# ------------------------------------------------------------------------------- asyncio's own


def test_debug_mode_shows_where_tasks_and_handles_were_made(tmp_path):
    async def make():
        loop = asyncio.get_running_loop()
        made = [
            asyncio.create_task(look()),
            loop.create_future(),
            loop.call_soon(len, ""),
            loop.call_later(0, len, ""),
        ]
        await made[0]
        return [[(f.filename, f.lineno, f.name) for f in each._source_traceback] for each in made]

    async def main():
        return await asyncio.create_task(make())

    plain, recorded = both(tmp_path, lambda: asyncio.run(main(), debug=True))
    assert recorded == plain


@pytest.mark.parametrize("limit", [None, 0, 1, 2, 3, 100])
def test_a_running_task_has_the_stack_that_it_would_have(limit, tmp_path):
    async def look():
        task = asyncio.current_task()
        return [(f.f_code.co_filename, f.f_lineno) for f in task.get_stack(limit=limit)]

    plain, recorded = both(tmp_path, lambda: run_asyncio(look))
    assert recorded == plain


@pytest.mark.skipif(sys.version_info < (3, 14), reason="came with Python 3.14")
@pytest.mark.parametrize("limit", [None, 0, 1, 2, -1, -2, 100])
def test_a_call_graph_has_the_frames_of_the_program(limit, tmp_path):
    async def inner():
        graph = asyncio.capture_call_graph(limit=limit)
        return (
            [entry.frame.f_code.co_name for entry in graph.call_stack],
            [entry.frame.f_code.co_name for by in graph.awaited_by for entry in by.call_stack],
            re.sub(r"id=\w+|Task-\d+", "", asyncio.format_call_graph(limit=limit)),
        )

    async def outer():
        return await inner()

    plain, recorded = both(tmp_path, lambda: run_asyncio(outer))
    assert recorded == plain


@pytest.mark.skipif(sys.version_info < (3, 14), reason="came with Python 3.14")
def test_a_call_graph_outside_of_tasks_is_what_it_would_be(tmp_path):
    with record(tmp_path / "stack"):
        asyncio.run(look())
        with pytest.raises(RuntimeError, match="outside of a running"):
            asyncio.capture_call_graph()


# ------------------------------------------------------------------------- who asks for it


def test_the_last_one_leaves_all_as_it_was():
    hidden_frames.hide("a")
    hidden_frames.hide("a")
    hidden_frames.hide("b")
    hidden_frames.show("a")
    assert traceback.walk_stack is not PYTHON[1]
    hidden_frames.show("b")
    hidden_frames.show("b")
    assert traceback.walk_stack is PYTHON[1]


def test_a_user_that_asks_again_changes_nothing(monkeypatch):
    waiting = []
    monkeypatch.setattr(hidden_frames, "when_imported", lambda *asked: waiting.append(asked))
    for _ in range(3):
        hidden_frames.hide("a")
    assert len(waiting) == 1
    hidden_frames.show("a")


def test_functions_that_someone_else_has_put_in_place_since_are_left_alone(monkeypatch):
    hidden_frames.hide("a")
    ours = inspect.getouterframes

    def theirs(*args):
        return ours(*args)

    monkeypatch.setattr(inspect, "getouterframes", theirs)
    hidden_frames.show("a")
    assert inspect.getouterframes is theirs
    assert len(inspect.stack()) > 5
    monkeypatch.undo()
    inspect.getouterframes = PYTHON[0]
