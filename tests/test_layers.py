"""Rooms lie one above the other, and imports lead down.

Imports count wherever they stand: at the top of a module, within functions, under `TYPE_CHECKING`.
`python tests/house.py` shows the layout in figures.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import tracetools
from tests.house import House, circles, copies_of_the_step, parse, room

CHECKOUT = Path(__file__).parent.parent
HOUSE = House(CHECKOUT)

ROOMS = [
    "compat",
    "guest",
    "core",
    "timelines",
    "attribution",
    "recording",
    "sampling",
    "instruments",
    "libraries",
    "output",
    "live",
    "session",
    "door",
    "fleet",
    "minutes",
    "web",
    "__init__",  # the public face, which the rooms above use as any program does
    "integrations",
    "demo",
    "commands",
    "testing",
    "__main__",
]
"""From the lowest to the highest."""

BACKENDS = {"trio", "anyio", "asyncio", "sniffio", "outcome", "uvloop"}
MAY_IMPORT_BACKENDS = {"compat", "instruments", "web", "demo", "commands"}
MAY_NAME_BACKENDS = MAY_IMPORT_BACKENDS | {"session"}
"""In annotations: which loop is recorded is said to a session."""


def in_rooms(*rooms: str) -> list[str]:
    return [name for name in HOUSE.files if room(name) in rooms]


ARROWS = {(importer, found) for importer, below in HOUSE.arrows.items() for found in below}


def leads_down(arrow: tuple[str, str]) -> bool:
    importer, imported = map(room, arrow)
    return ROOMS.index(importer) >= ROOMS.index(imported)


def test_the_walk_sees_what_there_is():
    assert HOUSE.arrows["output.stack_file"] >= {"core.errors", "output.formats.folded"}
    assert "recording.recorder" in HOUSE.arrows["session.recording"]
    assert "session.record" in HOUSE.arrows["__init__"]  # for types only
    assert "inspect" in HOUSE.packages("recording.spans")  # within functions
    assert "trio" in HOUSE.packages("instruments.trio", types=False)


def test_every_room_has_its_place_in_the_order():
    assert {room(name) for name in HOUSE.files} <= set(ROOMS)


def test_every_import_leads_down():
    assert {arrow for arrow in ARROWS if not leads_down(arrow)} == set()


def test_there_is_no_circle():
    assert circles(HOUSE.arrows) == []


@pytest.mark.parametrize("name", in_rooms("core"))
def test_the_core_imports_nothing_but_itself_and_the_standard_library(name):
    others = {found for found in HOUSE.arrows[name] if room(found) != "core"}
    assert others == set()
    assert HOUSE.packages(name) - {"tracetools"} <= sys.stdlib_module_names - BACKENDS


IMPURE = {
    *("time", "datetime", "threading", "_thread", "signal", "gc", "subprocess", "socket"),
    *("io", "json", "pathlib", "shutil", "tempfile", "logging", "warnings", "contextvars"),
}


OF_FILES = {"open", "print"}
LOOKS_FOR_THE_EXTENSION = {"core.native.choice", "core.native.version"}
"""Modules that read the environment and files once, when the core is imported."""


@pytest.mark.parametrize("name", in_rooms("core"))
def test_the_core_touches_no_clock_no_thread_no_file_and_no_log(name):
    assert HOUSE.packages(name) & IMPURE == set()
    names = {n.id for n in ast.walk(parse(HOUSE.files[name])) if isinstance(n, ast.Name)}
    assert names & OF_FILES == ({"open"} if name in LOOKS_FOR_THE_EXTENSION else set())


@pytest.mark.parametrize("name", in_rooms("core"))
def test_the_core_sees_the_environment_only_where_it_looks_for_the_extension(name):
    names = {n.attr for n in ast.walk(parse(HOUSE.files[name])) if isinstance(n, ast.Attribute)}
    assert "environ" not in names or name in LOOKS_FOR_THE_EXTENSION


@pytest.mark.parametrize("name", in_rooms("output"))
def test_output_imports_of_ours_itself_and_values_and_the_guest(name):
    known = {"core", "timelines", "guest", "output"}
    others = {found for found in HOUSE.arrows[name] if room(found) not in known}
    assert others == set()


ROOMS_OF_COMMANDS = ["terminal", "files", "running", "attaching", "watching"]
"""From the lowest to the highest; the commands themselves are above them."""


def test_commands_use_their_rooms_and_rooms_those_below():
    def height(name: str) -> int:
        inner = name.split(".")[1:-1]
        return ROOMS_OF_COMMANDS.index(inner[0]) if inner else len(ROOMS_OF_COMMANDS)

    arrows = {arrow for arrow in ARROWS if set(map(room, arrow)) == {"commands"}}
    allowed = {("commands.running.startup", "commands.run")}  # a process that goes on with it
    shared = {"commands", "commands.values"}
    wrong = {(importer, found) for importer, found in arrows if height(importer) < height(found)}
    assert {arrow for arrow in wrong - allowed if arrow[1] not in shared} == set()


@pytest.mark.parametrize("name", in_rooms("demo"))
def test_the_demo_uses_tracetools_as_any_program_does(name):
    assert {room(found) for found in HOUSE.arrows[name]} <= {"demo", "__init__"}


def test_few_rooms_import_a_backend():
    found = {name for name in HOUSE.files if HOUSE.packages(name, types=False) & BACKENDS}
    assert "instruments" in {room(name) for name in found}
    assert {name for name in found if room(name) not in MAY_IMPORT_BACKENDS} == set()


def test_below_the_instruments_no_annotation_names_a_backend():
    found = {(n, package) for n in HOUSE.files for package in HOUSE.packages(n) & BACKENDS}
    wrong = {pair for pair in found if room(pair[0]) not in MAY_NAME_BACKENDS}
    assert wrong == set()


def test_the_accounting_of_a_step_stands_once():
    assert len(copies_of_the_step(HOUSE)) == 1


# ---------------------------------------------------------------------------------- the public face


def test_the_face_names_what_the_rooms_have_and_nothing_else():
    tree = parse(HOUSE.files["__init__"])
    ours = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("tracetools")
    ]
    assert sorted(alias.name for node in ours for alias in node.names) == tracetools.__all__
    defined = [
        node.name for node in ast.walk(tree) if hasattr(node, "body") and hasattr(node, "name")
    ]
    assert defined == ["__getattr__", "__dir__"]


def test_what_the_face_imports_late_comes_from_where_types_say():
    tree = parse(HOUSE.files["__init__"])
    [for_types] = [node for node in tree.body if isinstance(node, ast.If)]
    said = {a.name: node.module for node in for_types.body for a in node.names}
    assert said == tracetools._LATE


# ----------------------------------------------------------------------------- a test file for each

TESTED_ELSEWHERE = {
    "__main__": "commands/test_main.py: the command line, from the outside",
    "commands.running.start_on_path.sitecustomize": "commands/running/test_startup.py",
    "commands.completion_scripts": "commands/test_completion.py: in the shells",
    "commands.running.recording": "commands/test_run.py: in processes of their own",
    "door.entered": "commands/attaching/test_entering.py: by who enters",
    "core.errors": "test_public.py: names only",
    "fleet.engine": "fleet/test_batch.py: names only",
    "fleet.database": "fleet/test_store.py: by what is asked",
    "fleet.schema": "fleet/test_rows.py: by the rows",
    "fleet.selection": "fleet/test_store.py: by what is chosen",
    "core.steps": "core/test_accounting.py: the accounts that are made of them",
    "integrations.pytest_names": "integrations/test_pytest_plugin.py: names only",
    **dict.fromkeys(
        (name for name in in_rooms("demo") if name != "demo"), "commands/test_demo.py: one program"
    ),
}
"""Modules that need no test file of their own."""


def mirror(name: str) -> Path:
    """Return the test file of a module."""
    *folders, module = name.split(".")
    return CHECKOUT.joinpath("tests", *folders, f"test_{module}.py")


def test_every_module_has_a_test_file_that_mirrors_it():
    modules = {name for name, file in HOUSE.files.items() if file.name != "__init__.py"}
    without = {name for name in modules if not mirror(name).exists()}
    assert without - TESTED_ELSEWHERE.keys() == set()


def test_every_module_that_is_listed_as_without_one_is():
    assert {
        name for name in TESTED_ELSEWHERE if name not in HOUSE.files or mirror(name).exists()
    } == set()


def test_modules_that_are_tested_elsewhere_are_so():
    files = {where.partition(":")[0] for where in TESTED_ELSEWHERE.values()}
    assert [file for file in files if not (CHECKOUT / "tests" / file).exists()] == []
