"""The line of the program at which a task is woken is found, through frames of the runtime."""

import functools
import inspect

from tracetools.core.wake_sites import (
    find_wake_site,
    frame_of_site,
    know_runtime,
    set_runtime_folders,
)


def calls(function):
    return function()


def test_a_line_has_one_number():
    know_runtime()
    numbers = {find_wake_site() for _ in range(3)}
    [number] = numbers
    frame = frame_of_site(number)
    assert (frame.name.rpartition(".")[2], frame.file) == ("<setcomp>", __file__) or (
        frame.name,
        frame.file,
    ) == ("test_a_line_has_one_number", __file__)
    assert find_wake_site() != number


def test_frames_of_the_runtime_are_passed_over():
    know_runtime()
    wrapped = functools.lru_cache(maxsize=None)(find_wake_site)
    line = inspect.currentframe().f_lineno + 1
    frame = frame_of_site(wrapped())
    assert (frame.name, frame.file, frame.line) == (
        "test_frames_of_the_runtime_are_passed_over",
        __file__,
        line,
    )


def test_nobody_is_found_outside_of_the_functions_that_run_loops():
    set_runtime_folders((__file__,), ("calls",))
    try:
        assert calls(find_wake_site) == 0
    finally:
        know_runtime()


def test_what_no_site_has_as_its_number_has_no_frame():
    assert frame_of_site(0) is None
    assert frame_of_site(1 << 15) is None
