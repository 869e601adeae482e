"""Notebooks: which cell runs, what the files of cells are called, what is the kernel's own."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace

import pytest

from tests.notebooks import FILE, Notebook, keep_lines
from tracetools.core.stacks import Frame
from tracetools.recording import notebooks


@pytest.fixture
def notebook(monkeypatch):
    return Notebook(monkeypatch)


# -------------------------------------------------------------------------------------------- files


def test_the_file_of_a_cell_has_the_number_of_its_last_execution(notebook):
    notebook.run("1", "2")
    assert notebooks.cell_of_file(FILE) == "In [2]"


@pytest.mark.parametrize("file", ["/home/me/app.py", "<string>", "", "/temporary/ipykernel/x.py"])
def test_other_files_are_no_cells(notebook, file):
    assert notebooks.cell_of_file(file) is None


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("<ipython-input-3-0123456789ab>", "In [3]"),
        ("/temporary/ipykernel_4711/99.py", "ipykernel/99.py"),
        (r"C:\Temp\ipykernel_4711\99.py", "ipykernel/99.py"),
    ],
)
def test_without_a_shell_the_file_itself_is_read_and_no_number_of_a_process_is_shown(file, name):
    assert notebooks.cell_of_file(file) == name


def test_an_older_ipython_is_asked_for_what_it_has_run(notebook, monkeypatch):
    notebook.shell.compile = SimpleNamespace()
    notebook.shell.user_ns["In"] = ["", "x = 1\n", "y = 2", "x = 1", "z = 3"]
    assert notebooks.cell_of_file(FILE) == "ipykernel/1234.py"
    keep_lines(monkeypatch, "x = 1\n")
    assert notebooks.cell_of_file(FILE) == "In [3]"
    assert notebooks.cell_of_file("/home/me/app.py") is None


def test_a_shell_that_fails_costs_the_number_only(notebook):
    notebook.shell.compile.format_code_name = lambda _: 1 / 0
    assert notebooks.cell_of_file(FILE) == "ipykernel/1234.py"


# -------------------------------------------------------------------------------------------- cells


async def nothing():
    pass


@pytest.mark.parametrize(
    ("cell", "awaits"), [("found = call()", False), ("await nothing(); found = call()", True)]
)
def test_a_cell_that_calls_is_found_and_whether_it_awaits(notebook, cell, awaits):
    notebook.run(cell, call=notebooks.calling_code, nothing=nothing)
    code = notebook.shell.user_ns["found"]
    assert code.co_filename == FILE
    assert notebooks.awaits(code) == awaits


def test_of_the_functions_that_a_cell_calls_the_innermost_is_found(notebook):
    async def awaits():
        return notebooks.calling_code()

    def calls():
        return notebooks.calling_code()

    notebook.run("first = calls()", "second = await awaits()", calls=calls, awaits=awaits)
    found = notebook.shell.user_ns
    assert [found["first"], found["second"]] == [calls.__code__, awaits.__code__]
    assert [notebooks.awaits(found[name]) for name in ("first", "second")] == [False, True]


def test_a_task_that_a_cell_has_made_is_not_called_by_it(notebook):
    async def task():
        return notebooks.calling_code()

    notebook.run("found = await create(task())", create=asyncio.create_task, task=task)
    assert notebook.shell.user_ns["found"] is None


def test_outside_of_cells_none_is_found(notebook):
    assert notebooks.calling_code() is None


# --------------------------------------------------------------------------------------- the kernel


def test_the_kernels_files_are_known(notebook):
    assert notebooks.is_of_kernel("/site/ipykernel/base.py")
    for file in (None, "", "/site/ipykernel_other/base.py", FILE):
        assert not notebooks.is_of_kernel(file)


def test_without_a_kernel_no_file_is_its_own():
    assert not notebooks.is_of_kernel("/site/ipykernel/base.py")
    assert not notebooks.is_kernel_here()


def test_the_kernels_callbacks_are_those_of_its_own_and_of_zmq(notebook, monkeypatch):
    zmq = SimpleNamespace(__file__="/site/zmq/__init__.py")
    monkeypatch.setitem(sys.modules, "zmq", zmq)
    files = ["/site/ipykernel/iostream.py", "/site/zmq/eventloop/zmqstream.py", "/app.py", None]
    found = [notebooks.is_callback_of_kernel(Frame("f", file, 1)) for file in files]
    assert found == [True, True, False, False]


def test_a_shell_without_a_kernel_is_no_notebook(notebook):
    assert notebooks.is_kernel_here()
    del notebook.shell.kernel
    assert not notebooks.is_kernel_here()
    assert notebooks.notebook_name() is None


def test_a_notebook_has_the_name_that_its_server_gave(notebook, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert notebooks.notebook_name() == "notebook"
    notebook.shell.user_ns["__vsc_ipynb_file__"] = "/home/me/two.ipynb"
    assert notebooks.notebook_name() == "two.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/one.ipynb")
    assert notebooks.notebook_name() == "one.ipynb"
    monkeypatch.delenv("JPY_SESSION_NAME")
    notebook.shell.user_ns = None
    assert notebooks.notebook_name() == "notebook"


# ------------------------------------------------------------------------------------------ showing


def shown(notebook, cell, *, is_to_be_shown=True):
    recording = SimpleNamespace(is_to_be_shown=is_to_be_shown)
    notebook.run(cell, show=lambda: notebooks.show_after_cell(recording), recording=recording)
    assert notebook.shell.events.callbacks == []
    return notebook.shown == [recording]


def test_a_recording_is_shown_when_its_cell_has_run(notebook):
    assert shown(notebook, "show()")


def test_a_recording_that_the_cell_has_shown_is_not_shown_again(notebook):
    assert not shown(notebook, "show(); recording.is_to_be_shown = False")


def test_of_many_recordings_of_a_cell_the_first_are_shown_and_the_others_counted(notebook):
    recordings = [SimpleNamespace(is_to_be_shown=True) for _ in range(1234)]
    cell = "for recording in recordings: show(recording)"
    notebook.run(cell, show=notebooks.show_after_cell, recordings=recordings)
    *shown, last = notebook.shown
    assert shown == recordings[:10]
    assert last == "<p>tracetools: 1,224 more recordings of this cell are not shown.</p>"
    notebook.run(cell, show=notebooks.show_after_cell, recordings=recordings[:1])
    assert notebook.shown[11:] == recordings[:1]


def test_nothing_is_shown_where_there_is_only_text(notebook):
    notebook.shell.display_formatter.active_types = ["text/plain"]
    assert not shown(notebook, "show()")


def test_nothing_is_shown_outside_of_cells(notebook):
    notebooks.show_after_cell(SimpleNamespace(is_to_be_shown=True))
    assert (notebook.shown, notebook.shell.events.callbacks) == ([], [])
