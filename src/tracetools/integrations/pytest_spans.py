"""Spans of tests, by their ids, in a recording of a whole run of pytest.

A loop that starts in a test stands below the test's span, and so does a task that a test starts in
a loop of several tests. anyio has such a loop run tests in a task of its own: there, the test's
function has the span.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tracetools.core.stacks import Frame
from tracetools.guest.messages import common
from tracetools.recording.outer_spans import OuterSpan
from tracetools.recording.spans import function_frame, observe

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["TestSpans"]


class TestSpans:
    """Opens a span around each test."""

    __test__ = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Open the span of a test around its call, without its set-up and its tear-down."""
        with ExitStack() as stack:
            try:
                _open(item, stack)
            except Exception:  # noqa: BLE001  # the test comes first
                common.exception("the span of %s could not be opened", item.nodeid)
            return (yield)


def _open(item: pytest.Item, stack: ExitStack) -> None:
    if _runs_in_task(item):
        owner: Any = item
        name = "obj"
        inner = getattr(owner.obj, "hypothesis", None)
        if inner is not None:
            owner, name = inner, "inner_test"
        before = getattr(owner, name)
        setattr(owner, name, observe(before, name=item.nodeid))
        stack.callback(setattr, owner, name, before)
    else:
        stack.enter_context(OuterSpan(_frame_of(item)))


def _runs_in_task(item: pytest.Item) -> bool:
    """Whether anyio runs the test in a task that lives already, for a fixture has started it."""
    is_anyios = bool(getattr(item, "funcargs", {}).get("anyio_backend"))
    plugin = sys.modules.get("anyio.pytest_plugin")
    return is_anyios and getattr(plugin, "_current_runner", None) is not None


def _frame_of(item: pytest.Item) -> Frame:
    """Return the frame of a test: its id, and the location of its function."""
    if isinstance(item, pytest.Function):
        return function_frame(item.obj, item.nodeid)
    return Frame(item.nodeid, str(item.path), (item.location[1] or 0) + 1)
