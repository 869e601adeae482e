"""Imports point one way: edge, adapters, run time, core."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import tracetools

SOURCE = Path(tracetools.__file__).parent
CORE = {
    "accounting",
    "allowance",
    "durations",
    "errors",
    "findings",
    "labels",
    "lints",
    "pace",
    "profile",
    "shares",
    "sizes",
    "spread",
    "stacks",
}
RUN_TIME = {
    "alarm",
    "awaits",
    "current",
    "functions",
    "looks",
    "punctual",
    "recorder",
    "snapshot",
    "spans",
    "stack_file",
    "surroundings",
    "watch",
}
BACKENDS = {"trio", "anyio", "asyncio", "sniffio", "outcome", "uvloop"}


def module_name(file: Path) -> str:
    """Return the name of a module below the package; of a package's own file, the package's."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


FILES = {module_name(file): file for file in sorted(SOURCE.rglob("*.py"))}


class Imports(ast.NodeVisitor):
    """Collects the modules that a module imports when it runs, wherever in it; no types."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.found: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        typing_only = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in node.orelse if typing_only else node.body + node.orelse:
            self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        self.found |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, f"{self.name} has a relative import"
        names = {f"{node.module}.{alias.name}" for alias in node.names}
        ours = {name for name in names if name.removeprefix("tracetools.") in FILES}
        self.found |= ours | ({str(node.module)} if ours != names else set())


def imports(name: str) -> set[str]:
    visitor = Imports(name)
    visitor.visit(ast.parse(FILES[name].read_text()))
    return visitor.found


def ours(name: str) -> set[str]:
    """Return what a module imports of this package, and the packages that this runs first."""
    whole = {found for found in imports(name) if found.split(".")[0] == "tracetools"}
    return {found.partition(".")[2] for found in whole}


# A profile and a graph show themselves in notebooks, which ask the value itself for HTML. They
# import the report when they are asked, and not before.
LATE = {
    "profile": {"report.of_profile"},
    "flamegraph.flamegrapher": {"report.notebook"},
}
GRAPH = {name: ours(name) - LATE.get(name, set()) for name in FILES}
FOREIGN = {name: {found.split(".")[0] for found in imports(name)} for name in FILES}


def reached(name: str) -> set[str]:
    """Return all that a module imports, directly or not."""
    found: set[str] = set()
    todo = [name]
    while todo:
        fresh = GRAPH[todo.pop()] - found
        found |= fresh
        todo += fresh
    return found


def package(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def test_the_walk_sees_what_there_is():
    assert FILES.keys() >= CORE | RUN_TIME
    assert GRAPH["stack_file"] >= {"errors", "formats.folded", "labels", "profile"}
    assert "profile" not in GRAPH["labels"]  # for types only
    assert "trio" in FOREIGN["instruments.trio"]
    assert "inspect" in FOREIGN["spans"]  # within functions, too


@pytest.mark.parametrize("name", sorted(CORE))
def test_the_core_imports_nothing_but_itself_and_the_standard_library(name):
    assert reached(name) <= CORE
    assert FOREIGN[name] - {"tracetools"} <= set(sys.stdlib_module_names) - BACKENDS


@pytest.mark.parametrize("name", sorted(CORE))
def test_the_core_touches_no_clock_no_thread_and_no_output(name):
    assert FOREIGN[name].isdisjoint({"time", "threading", "json", "logging", "pathlib", "io"})


@pytest.mark.parametrize("name", sorted(RUN_TIME))
def test_the_run_time_imports_no_instrument_no_graph_and_no_edge(name):
    assert {package(found) for found in reached(name)} <= CORE | RUN_TIME | {"formats"}


def test_only_the_stack_file_knows_a_format():
    knowing = {n for n in RUN_TIME if any(package(found) == "formats" for found in reached(n))}
    assert knowing == {"stack_file"}


OUTPUT = {"formats", "flamegraph", "report"}


@pytest.mark.parametrize("name", [name for name in FILES if package(name) in OUTPUT])
def test_output_never_imports_what_records(name):
    assert {package(found) for found in reached(name)} <= CORE | OUTPUT


@pytest.mark.parametrize("name", [name for name in FILES if package(name) == "formats"])
def test_formats_do_not_know_the_graph_and_no_page(name):
    assert {package(found) for found in reached(name)}.isdisjoint({"flamegraph", "report"})


def test_graphs_know_no_more_of_reports_than_the_frame_for_notebooks():
    found = set().union(*(GRAPH[name] for name in FILES if package(name) == "flamegraph"))
    assert {name for name in found if package(name) == "report"} <= {"report.notebook"}


@pytest.mark.parametrize("name", LATE)
def test_what_is_imported_late_is_imported_in_no_module_body(name):
    body = ast.parse(FILES[name].read_text()).body
    at_once = {node.module for node in body if isinstance(node, ast.ImportFrom)}
    late = {f"tracetools.{found}" for found in LATE[name]}
    assert late <= imports(name)
    assert late.isdisjoint(at_once)


@pytest.mark.parametrize("name", [name for name in FILES if package(name) == "instruments"])
def test_instruments_do_not_know_the_edge(name):
    edge = {"commands", "demo", "__main__", "testing"}
    assert {package(found) for found in reached(name)}.isdisjoint(edge)


def test_only_the_instruments_and_what_runs_programs_import_a_backend():
    importing = {package(name) for name in FILES if FOREIGN[name] & BACKENDS}
    assert "instruments" in importing
    assert importing <= {"instruments", "demo", "commands"}


def test_there_is_no_cycle():
    assert [name for name in FILES if name in reached(name)] == []
