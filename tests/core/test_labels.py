"""How frames are named: short paths, stable names, labels of both kinds."""

from __future__ import annotations

import gc
import os
import weakref

import pytest

from tracetools.core.labels import (
    LABELS,
    PathShortener,
    code_frame,
    label_path,
    memoised_frames,
    stable_name,
    thread_name,
)
from tracetools.core.profile import IDLE
from tracetools.core.stacks import DEEPER, OTHER, ROOT, Frame


def shortened(file, directory="/project", path=()):
    return PathShortener(directory, path)(Frame("f", file, 3)).file


# ----------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/project/app.py", "app.py"),
        ("/project/pkg/mod.py", "pkg/mod.py"),
        ("/project/pkg/../mod.py", "mod.py"),
        ("app.py", "app.py"),
        ("./pkg/app.py", "pkg/app.py"),
        ("../other/app.py", "../other/app.py"),
        ("/project2/app.py", "/project2/app.py"),
        ("/elsewhere/app.py", "/elsewhere/app.py"),
        ("/lib/py/asyncio/tasks.py", "asyncio/tasks.py"),
        ("/lib/py/site-packages/trio/run.py", "trio/run.py"),
        ("/project/.venv/lib/py/site-packages/trio/run.py", "trio/run.py"),
        ("/project/vendor/dist-packages/six.py", "/project/vendor/dist-packages/six.py"),
        ("<string>", "<string>"),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>"),
        ("<stdin>", "<stdin>"),
    ],
)
def test_files_are_relative_to_the_directory_or_the_longest_entry(file, expected):
    path = ["/lib/py", "/lib/py/site-packages", "/project/.venv/lib/py/site-packages"]
    assert shortened(file, "/project", path) == expected


def test_it_remembers_whose_the_files_are():
    cells = {"<ipython-input-1>": "cell 1"}
    path = ["/lib/py/site-packages", "/project/src"]
    shortener = PathShortener("/project", path, cells.get)
    for file in (
        "/project/app.py",
        "/project/src/shop.py",
        "/lib/py/site-packages/trio/run.py",
        "<frozen runpy>",
        "<ipython-input-1>",
        "uvloop/loop.pyx",
        os.__file__,
    ):
        shortener(Frame("f", file, 3))
    assert shortener.origins == {
        "trio/run.py": "library",
        "<frozen runpy>": "runtime",
        "uvloop/loop.pyx": "library",
        os.__file__: "runtime",
    }


def test_an_installed_file_is_not_relative_to_the_directory():
    path = ["", "/project", "/project/env/site-packages"]
    assert shortened("/project/env/site-packages/trio/run.py", "/project", path) == "trio/run.py"


def test_an_installed_file_is_relative_to_its_entry_or_stays_whole():
    file = "/project/env/site-packages/trio/run.py"
    assert shortened(file, "/project", []) == file
    assert shortened(file, "/project", ["/project"]) == "env/site-packages/trio/run.py"


def test_relative_entries_are_relative_to_the_directory():
    assert shortened("/project/env/site-packages/a.py", "/project", ["env/site-packages"]) == "a.py"


def test_in_the_root_directory_files_are_relative_to_it():
    assert shortened("/app/main.py", "/", []) == "app/main.py"


def test_a_frame_without_a_file_stays_as_it_is():
    short = PathShortener("/project", [])
    assert [short(frame) for frame in (ROOT, Frame("f"))] == [ROOT, Frame("f")]


def test_shortening_changes_the_file_alone():
    short = PathShortener("/project", [])
    frame = Frame("f", "/project/a.py", 3)
    assert short(frame) == short(frame) == Frame("f", "a.py", 3)


def test_directory_and_path_are_read_at_construction(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    monkeypatch.chdir(first)
    monkeypatch.setattr("sys.path", [""])
    short = PathShortener()
    monkeypatch.chdir(second)
    monkeypatch.setattr("sys.path", [str(second)])
    assert short(Frame("f", str(first / "a.py"))).file == "a.py"
    assert short(Frame("f", str(second / "a.py"))).file == str(second / "a.py")


def test_the_working_directory_may_be_gone(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr("sys.path", ["", "relative", "/lib/py"])
    try:
        short = PathShortener()
    finally:
        os.chdir(tmp_path)
    files = ["/lib/py/asyncio/tasks.py", "/etc/a.py", "b.py"]
    assert [short(Frame("f", file)).file for file in files] == [
        "asyncio/tasks.py",
        "/etc/a.py",
        "b.py",
    ]


def test_entries_that_are_not_text_are_ignored_as_python_ignores_them(tmp_path):
    entries = [None, b"/lib", tmp_path, 7, "/lib/py"]
    assert shortened("/lib/py/a.py", "/project", entries) == "a.py"


# ----------------------------------------------------------------------------------------- names


class Plain:
    pass


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("f", "f"),
        ("<C object at 0x7f0a>", "<C object>"),
        ("<a at 0xA> of <b at 0x0b>", "<a> of <b>"),
        ("at 0x7", "at 0x7"),
        ("", ""),
        ("\ud800;\n\0", "\ud800;\n\0"),
        (7, "7"),
    ],
)
def test_stable_names_have_no_addresses(name, expected):
    assert stable_name(name) == expected


def test_two_objects_of_one_kind_have_one_name():
    first, second = Plain(), Plain()
    assert stable_name(first) == stable_name(second)


def test_the_location_of_a_function_is_where_its_code_begins():
    code = compile("\n\ndef f(): pass", "some.py", "exec").co_consts[0]
    assert code_frame("f", code) == Frame("f", "some.py", 3)
    nowhere = code.replace(co_filename="")
    assert code_frame("f", nowhere).location == "unknown"


def test_labels_with_a_name_or_a_location_alone():
    path = (ROOT, Frame("f", "a.py", 3), Frame("g"), OTHER, DEEPER, IDLE)
    assert LABELS == ("name", "location")
    assert label_path(path, "name") == (
        "all-spans",
        "f (a.py:3)",
        "g (unknown)",
        "(other)",
        "(deeper)",
        "[idle]",
    )
    assert label_path(path, "location") == (
        "all-spans",
        "a.py:3",
        "unknown",
        "(other)",
        "(deeper)",
        "[idle]",
    )


# ---------------------------------------------------------------------------------------- memory


def made() -> object:
    return compile("def f(): pass", "made.py", "exec").co_consts[0]


def test_a_function_has_one_frame_object_and_equal_code_an_equal_one():
    frame = memoised_frames()
    first, second = made(), made()
    assert frame("f", first) is frame("f", first)
    assert frame("f", first) == frame("f", second) == Frame("f", "made.py", 1)
    assert frame("g <x at 0x1f>", first) == Frame("g <x>", "made.py", 1)


def test_the_memory_of_frames_is_emptied_when_it_is_full():
    frame = memoised_frames(limit=3)
    codes = [made() for _ in range(4)]
    first = frame("f", codes[0])
    assert [frame("f", code) for code in codes[1:]] == [first] * 3
    assert frame("f", codes[3]) is frame("f", codes[3])
    assert frame("f", codes[0]) is not first
    assert frame("f", codes[0]) == first


def test_the_memory_of_frames_does_not_keep_functions_for_ever():
    frame = memoised_frames(limit=3)

    def short_lived():
        code = compile("", "file.py", "exec")
        frame("f", code)
        return weakref.ref(code)

    codes = [short_lived() for _ in range(10)]
    gc.collect()
    assert sum(code() is not None for code in codes) <= 3


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Thread-12 (work)", "Thread (work)"),
        ("Thread-3", "Thread"),
        ("ThreadPoolExecutor-0_3", "ThreadPoolExecutor"),
        ("asyncio_12", "asyncio"),
        ("Trio thread 7", "Trio thread"),
        ("worker-1", "worker-1"),  # somebody gave it that name
        ("MainThread", "MainThread"),
    ],
)
def test_thread_names_have_no_numbers_of_python(name, shown):
    assert thread_name(name) == shown


def test_the_file_of_a_notebook_cell_is_shown_as_the_cell():
    cells = {"/kernel_47/1.py": "In [3]", "<input>": "In [4]"}
    shorten = PathShortener("/", [], cells.get)
    frames = [
        Frame("main", "/kernel_47/1.py", 2),
        Frame("<module>", "/kernel_47/1.py", 1),
        Frame("main", "<input>", 5),
        Frame("<module>", "/app.py", 1),
    ]
    assert [shorten(frame).label for frame in frames] == [
        "main (In [3]:2)",
        "cell (In [3]:1)",
        "main (In [4]:5)",
        "<module> (app.py:1)",
    ]
    assert shorten(frames[1]).label == "cell (In [3]:1)"  # from memory
