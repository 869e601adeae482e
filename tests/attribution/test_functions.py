"""Which functions are shown below the stack of a task."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from types import ModuleType

import pytest

import tracetools.demo
from tracetools import observe, span
from tracetools.attribution.functions import (
    FunctionStacks,
    is_ours,
    is_step,
    owner_of,
    qualified_name,
    register_opener,
    register_step,
)
from tracetools.core.labels import code_frame
from tracetools.core.stacks import Frame, StackTree, frames_between


def task():
    pass


def between():
    pass


def spanning():
    with span("inner"):
        pass


def leaf():
    pass


def frame_of(function, *, name=None, below=0):
    """Return the frame of a function, or of a line below its first."""
    code = function.__code__
    return Frame(name or function.__name__, __file__, code.co_firstlineno + below)


def shown(functions, *spans):
    """Return the names below a task's stack, in which spans may be open."""
    tree = StackTree()
    base = own = tree.child(tree.root, frame_of(task))
    for frame in spans:
        own = tree.child(own, frame)
    codes = [getattr(function, "__code__", function) for function in functions]
    found = FunctionStacks().stack(codes, base, own, tree)
    return [frame.name for frame in frames_between(own, found)[1:]]


@pytest.mark.parametrize("name", ["IPython", "ipykernel"])
def test_functions_that_run_the_cells_of_notebooks_are_runtime_functions(monkeypatch, name):
    module = ModuleType(name)
    module.__file__ = f"/a notebook/{name}/__init__.py"
    monkeypatch.setitem(sys.modules, name, module)
    files = [f"/a notebook/{name}/core/shell.py", f"/a notebook/{name}_extension.py"]
    assert [owner_of(file) for file in files] == ["runtime", "program"]


def test_the_functions_of_a_program_have_frames_below_the_tasks_own():
    assert shown([task, between, leaf]) == ["between", "leaf"]


def test_what_lies_around_a_function_that_has_a_frame_has_none():
    assert shown([between, task, leaf]) == ["leaf"]


def test_without_functions_the_stack_is_the_tasks_own():
    assert shown([]) == []


def test_an_observed_function_has_no_second_frame():
    assert shown([task, between, leaf], frame_of(between)) == ["leaf"]


def test_a_function_that_a_span_is_open_in_has_no_second_frame():
    assert shown([task, between, spanning, leaf], frame_of(spanning, name="inner", below=1)) == [
        "leaf"
    ]


def test_each_frame_stands_for_one_call():
    assert shown([task, task, between, between]) == ["task", "between", "between"]


@pytest.mark.parametrize(
    "function",
    [asyncio.sleep, contextlib.ExitStack.close, observe, FunctionStacks.stack],
    ids=lambda function: function.__qualname__,
)
def test_functions_of_backends_and_of_tracetools_have_none(function):
    assert shown([task, function, leaf]) == ["leaf"]


def test_whose_a_function_is_is_known_by_its_file():
    assert is_ours(observe.__code__)
    assert not is_ours(leaf.__code__)
    assert not is_ours(asyncio.sleep.__code__)
    assert not is_ours(compile("", tracetools.demo.__file__, "exec"))  # a program as any other


def test_a_function_has_its_qualified_name():
    def inner():
        pass

    expected = inner.__qualname__ if sys.version_info >= (3, 11) else "inner"
    assert qualified_name(inner.__code__) == expected


def test_a_register_step_what_was_noted():
    def runner():
        pass

    before = is_step(runner.__code__)
    register_step(runner.__code__)
    assert (before, is_step(runner.__code__), is_step(leaf.__code__)) == (False, True, False)


def test_what_is_in_a_span_of_ours_begins_at_the_function_that_has_opened_it():
    def outer(): ...

    def opener(): ...

    def inner(): ...

    outer_code, opener_code, inner_code = (each.__code__ for each in (outer, opener, inner))
    register_opener(opener_code)
    tree = StackTree()
    task = tree.child(tree.root, code_frame("task", outer_code))
    span = tree.child(task, Frame("span", ""))
    codes = [outer_code, inner_code, opener_code, inner_code]
    [found] = FunctionStacks().frames(codes, task, span)
    assert found.line == inner_code.co_firstlineno
    assert len(FunctionStacks().frames(codes, task, task)) == len(codes[1:])  # it has opened none


def test_a_span_at_the_line_of_a_function_that_it_is_around_is_its_frame():
    def opener(): ...

    def library(): ...

    def endpoint(): ...

    codes = [each.__code__ for each in (opener, library, endpoint)]
    register_opener(codes[0])
    tree = StackTree()
    task = tree.child(tree.root, Frame("task", ""))
    span = tree.child(task, code_frame("span", codes[2]))
    assert FunctionStacks().frames(codes, task, span) == []
