"""What the source says of files: one place makes them, and no code runs from one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import tracetools

SOURCE = Path(tracetools.__file__).parent

MAKES_FILES = {
    "commands/attaching/entering.py": "in a folder of mode 0700 that mkdtemp makes",
    "commands/running/family.py": "likewise",
    "commands/running/kept.py": "likewise",
    "door/folder.py": "the folder of doors, 0700",
    "fleet/chdb_engine.py": "the folder of a store, 0700, which chdb fills",
    "fleet/folder.py": "the folder of minutes, 0700",
    "integrations/pytest_recording.py": "a .gitignore and a probe, which say nothing",
    "output/formats/files.py": "the one place",
}
"""Who makes files and folders, and why it may."""

MAKERS = {"mkdir", "makedirs", "mkstemp", "touch", "write_bytes", "write_text"}


RUNS_CODE = {"commands/running/program.py", "integrations/ipython.py"}
"""What users ask to be run."""


@cache
def tree_of(path):
    return [*ast.walk(ast.parse(path.read_text("utf-8")))]


def nodes_of(path, kind):
    return [each for each in tree_of(path) if isinstance(each, kind)]


def makes_files(call):
    """Whether a call makes a file or a folder, as far as its words say it."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    modes = [each.value for each in call.args[:2] if isinstance(each, ast.Constant)]
    is_written = any(re.fullmatch("[rwaxbt+]*[wax+][rwaxbt+]*", str(mode)) for mode in modes)
    flags = {each.attr for each in ast.walk(call) if isinstance(each, ast.Attribute)}
    if name == "touch":  # accounts are touched, too
        return not call.args
    return name in MAKERS or (name == "open" and (is_written or "O_CREAT" in flags))


def test_files_are_made_in_one_place():
    found = set()
    for path in SOURCE.rglob("*.py"):
        if any(makes_files(each) for each in nodes_of(path, ast.Call)):
            found.add(path.relative_to(SOURCE).as_posix())
    assert found == set(MAKES_FILES)


def test_no_code_runs_from_a_file():
    """Only the program that is to be run, and a cell of a notebook, are compiled."""
    for path in SOURCE.rglob("*.py"):
        imported = {alias.name for each in nodes_of(path, ast.Import) for alias in each.names}
        imported |= {each.module for each in nodes_of(path, ast.ImportFrom)}
        assert not imported & {"pickle", "shelve", "dill", "yaml"}, path
        called = {ast.unparse(each.func) for each in nodes_of(path, ast.Call)}
        assert not called & {"marshal.loads", "marshal.load"}, path
        if path.relative_to(SOURCE).as_posix() not in RUNS_CODE:
            assert not called & {"eval", "exec", "compile"}, path
