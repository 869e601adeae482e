"""What kind of frame one is, known or guessed."""

import pytest

from tracetools.core.profile import IDLE, SCHEDULED
from tracetools.core.stacks import COLLECTIONS, IMPORTING, ROOT, RUNTIME, WAITING, Frame
from tracetools.output.frame_kinds import (
    frame_of_label,
    is_of_import,
    kind_of_frame,
    kind_of_label,
    kinds_by_guess,
    kinds_of,
    package_of,
)

ORIGINS = {
    "starlette/routing.py": "library",
    "json/encoder.py": "runtime",
    "<frozen importlib._bootstrap>": "runtime",
}

FRAMES = [
    (Frame("report", "app.py", 17), "own"),
    (Frame("Shop.<locals>.<lambda>", "src/shop/a.py", 1), "own"),
    (Frame("f", "<string>", 1), "own"),
    (Frame("__create_fn__.<locals>.__init__", "<string>", 2), "runtime"),
    (Frame("Route.handle", "starlette/routing.py", 280), "library"),
    (Frame("(starlette, asyncio)", ""), "library"),
    (Frame("(asyncio, queue)", ""), "runtime"),
    (Frame("dumps", "json/encoder.py", 3), "runtime"),
    (Frame("await Semaphore", "app.py", 31), "await"),
    (Frame("await Event.wait", "starlette/routing.py", 3), "await"),
    (Frame("GET /report/{year}", "app.py", 17), "span"),
    (Frame("wait for the line", "starlette/routing.py", 17), "span"),
    (Frame("query"), "span"),
    (Frame("a name of the user", ""), "span"),
    (Frame("blocks the loop", "app.py", 3), "state"),
    (Frame("holds the GIL", None), "state"),
    *((frame, "state") for frame in (ROOT, IDLE, SCHEDULED, RUNTIME, WAITING, IMPORTING)),
    (COLLECTIONS[1], "state"),
]


@pytest.mark.parametrize(("frame", "kind"), FRAMES)
def test_kind_of_a_frame(frame, kind):
    assert kind_of_frame(frame, ORIGINS) == kind
    kind_of = kinds_of(ORIGINS)
    assert kind_of(frame) == kind_of(frame) == kind


@pytest.mark.parametrize(("frame", "kind"), FRAMES)
def test_labels_are_guessed_right(frame, kind):
    assert kind_of_label(frame.label) == kind
    assert kinds_by_guess()(frame) == kind


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("f (venv/lib/python3.13/site-packages/shop/a.py:3)", "library"),
        ("Loop.run (uvloop/loop.pyx:3)", "library"),
        ("f (shop/a.py:3)", "own"),
        ("f (tracetools/demo/app.py:3)", "own"),
        ("f (tracetools/core/stacks.py:3)", "library"),
        ("f (asyncio/events.py:3)", "runtime"),
        ("main", "span"),
    ],
)
def test_kind_of_a_label(label, kind):
    assert kind_of_label(label) == kind


@pytest.mark.parametrize(("frame", "_"), FRAMES)
def test_a_label_becomes_its_frame_again(frame, _):
    assert frame_of_label(frame.label) == frame


@pytest.mark.parametrize("label", ["", "(", "f (a.py:x)", "f (a.py:)", "f (:1)", "a (b) (c.py)"])
def test_any_other_label_is_a_name(label):
    assert frame_of_label(label) == Frame(label, "")


def test_a_line_of_too_many_digits_is_cut():
    assert frame_of_label(f"f (a.py:{'9' * 5000})") == Frame("f", "a.py", 999_999_999)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("starlette/routing.py", "starlette"),
        ("queue.py", "queue"),
        ("uvloop/loop.pyx", "uvloop"),
        ("<frozen importlib._bootstrap>", "importlib"),
        ("<frozen os>", "os"),
        ("/home/me/.venv/lib/python3.13/site-packages/h11/_events.py", "h11"),
        ("C:\\Python313\\Lib\\json\\decoder.py", "json"),
        ("/usr/lib/python3.12/json/decoder.py", "json"),
        ("<string>", ""),
        ("", ""),
    ],
)
def test_package_of_a_file(file, name):
    assert package_of(file) == name


def test_frames_of_imports():
    assert is_of_import(IMPORTING)
    assert is_of_import(Frame("_find_and_load", "<frozen importlib._bootstrap>", 1))
    assert not is_of_import(Frame("listdir", "<frozen os>", 1))
    assert not is_of_import(Frame("f"))
