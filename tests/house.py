"""How the source is laid out, in figures: what imports what, and what stands more than once.

    python tests/house.py [CHECKOUT ...]

prints a column for each checkout, this one if none is given. So a commit is compared with another:

    git worktree add ../before COMMIT
    python tests/house.py ../before .

What the figures are:

- modules at the top: files ``*.py`` directly in ``src/tracetools``.
- rooms: the folders there, and each module at the top.
- arrows between rooms: pairs of rooms of which one imports from the other, wherever in a module: at
  its top, within functions, under ``TYPE_CHECKING``. Imports between rooms: pairs of modules.
- arrows back up: the fewest arrows without which no room imports itself by way of others.
- circles: groups of modules of which each imports all others, directly or not.
- copies of the step: functions that start a step on their own: they subtract from a ``busy``, and
  set a ``began`` and a ``current``.
- moves of a wait: see `one_wait.py`, the fewest of some runs, for a step may do other work as well.
- noqa: comments that switch a lint rule off.
"""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
Graph = Mapping[str, set[str]]
"""What each module, or each room, imports."""

# ------------------------------------------------------------------------------------ what there is


class Imported(NamedTuple):
    """A name that a module imports, in full; and whether it does so for types only."""

    name: str
    for_types: bool


class House:
    """The modules of a checkout, and what they import.

    A module's name is its path below the package: ``output.stack_file``. That of a folder's
    ``__init__`` is the folder's.

    Attributes:
        files: the file of each module.
        imports: all that each module imports.
        arrows: what each module imports of ours.
    """

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.source = checkout / "src" / "tracetools"
        self.files = {self._name(file): file for file in sorted(self.source.rglob("*.py"))}
        self.imports = {name: set(imported(parse(file))) for name, file in self.files.items()}
        self.arrows = {
            name: {ours for each in found if (ours := self._ours(each.name))} - {name}
            for name, found in self.imports.items()
        }

    def _name(self, file: Path) -> str:
        parts = file.relative_to(self.source).with_suffix("").parts
        return ".".join(part for part in parts if part != "__init__") or "__init__"

    def _ours(self, imported: str) -> str | None:
        """Return the module that an import takes something from, if it is ours."""
        package, _, name = imported.partition(".")
        if package != "tracetools":
            return None
        return next((n for n in (name, name.rpartition(".")[0]) if n in self.files), "__init__")

    def packages(self, module: str, *, types: bool = True) -> set[str]:
        """Return the packages that a module imports, ours and others."""
        found = self.imports[module]
        return {each.name.partition(".")[0] for each in found if types or not each.for_types}

    def rooms(self) -> Graph:
        """Return what each room imports of other rooms."""
        rooms: dict[str, set[str]] = {room(module): set() for module in self.files}
        for importer, imported in self.crossing():
            rooms[room(importer)].add(room(imported))
        return rooms

    def crossing(self) -> list[tuple[str, str]]:
        """Return the imports between modules of different rooms."""
        return [(a, b) for a, found in self.arrows.items() for b in found if room(a) != room(b)]


def room(module: str) -> str:
    return module.partition(".")[0]


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


class _Imports(ast.NodeVisitor):
    def __init__(self) -> None:
        self.found: list[Imported] = []
        self.for_types = False

    def visit_If(self, node: ast.If) -> None:
        outer, self.for_types = self.for_types, self.for_types or _is_for_types(node)
        for child in node.body:
            self.visit(child)
        self.for_types = outer
        for child in node.orelse:
            self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [Imported(alias.name, self.for_types) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level:
            raise ValueError(f"there is a relative import of {node.module}")
        self.found += [Imported(f"{node.module}.{a.name}", self.for_types) for a in node.names]


def _is_for_types(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imported(tree: ast.Module) -> list[Imported]:
    """Return all that a module imports, wherever in it."""
    visitor = _Imports()
    visitor.visit(tree)
    return visitor.found


# ------------------------------------------------------------------------------------------- graphs


def reached(graph: Graph, start: str) -> set[str]:
    """Return all that is imported, directly or not."""
    found: set[str] = set()
    todo = [start]
    while todo:
        fresh = graph[todo.pop()] - found
        found |= fresh
        todo += fresh
    return found


def circles(graph: Graph) -> list[list[str]]:
    """Return the groups of which each member imports all others, directly or not."""
    below = {name: reached(graph, name) for name in graph}
    found = {frozenset(m for m in below[n] if n in below[m]) for n in graph if n in below[n]}
    return sorted(map(sorted, found))


def back_up(graph: Graph) -> list[tuple[str, str]]:
    """Return the fewest arrows without which there is no circle."""
    cuts = (_cut(graph, most) for most in itertools.count())
    return next(cut for cut in cuts if cut is not None)


def _cut(graph: Graph, most: int) -> list[tuple[str, str]] | None:
    """Return arrows without which there is no circle; None if it takes more than `most`."""
    circle = _shortest_circle(graph)
    if not circle:
        return []
    for start, end in circle if most else []:  # one of these it must be
        rest = _cut({**graph, start: graph[start] - {end}}, most - 1)
        if rest is not None:
            return [(start, end), *rest]
    return None


def _shortest_circle(graph: Graph) -> list[tuple[str, str]]:
    """Return the arrows of one of the shortest circles; none if there is none."""
    ways = (_way_round(graph, start) for start in sorted(graph))
    return min(filter(None, ways), key=len, default=[])


def _way_round(graph: Graph, start: str) -> list[tuple[str, str]]:
    """Return the arrows of a shortest way from `start` back to it; none if there is none."""
    ways: dict[str, list[tuple[str, str]]] = {}
    todo = [start]
    for name in todo:  # breadth first: it grows meanwhile
        for below in sorted(graph[name] - ways.keys()):
            ways[below] = [*ways.get(name, []), (name, below)]
            todo.append(below)
    return ways.get(start, [])


# -------------------------------------------------------------------------- what stands in the code


class _Steps(ast.NodeVisitor):
    """Finds functions that start a step, by what they change in their own body."""

    CHANGES = frozenset({"busy -=", "began", "current"})

    def __init__(self) -> None:
        self.found: list[str] = []
        self.changed: list[set[str]] = [set()]

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.changed.append(set())
        self.generic_visit(node)
        if self.changed.pop() >= self.CHANGES:
            self.found.append(node.name)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Attribute) and isinstance(node.op, ast.Sub):
            self.changed[-1].add(f"{node.target.attr} -=")
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Store):
            self.changed[-1].add(node.attr)
        self.generic_visit(node)


def copies_of_the_step(house: House) -> list[str]:
    """Return the functions in which the start of a step is written out."""
    found = []
    for name, file in house.files.items():
        visitor = _Steps()
        visitor.visit(parse(file))
        found += [f"{name}.{function}" for function in visitor.found]
    return found


NOQA = re.compile(r"#\s*noqa\b")


def noqa(folders: Iterable[Path]) -> int:
    """Count the comments that switch a lint rule off."""
    texts = (
        file.read_text(encoding="utf-8") for folder in folders for file in folder.rglob("*.py")
    )
    return sum(len(NOQA.findall(text)) for text in texts)


def lines(house: House) -> int:
    return sum(len(file.read_text("utf-8").splitlines()) for file in house.files.values())


# ------------------------------------------------------------------------------ what a wait crosses

RUNS = 6


def one_wait(checkout: Path) -> dict[str, tuple[int, int]]:
    """Return the moves that a wait of 20 ms takes and the modules that it crosses.

    That of the first wait of its kind, and of a later one.
    """
    runs = [_run_one_wait(checkout) for _ in range(RUNS)]
    return {name: min(run[name] for run in runs) for name in runs[0]}


def _run_one_wait(checkout: Path) -> dict[str, tuple[int, int]]:
    done = subprocess.run(
        [sys.executable, HERE / "one_wait.py"],
        env={**os.environ, "PYTHONPATH": str(checkout / "src")},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    return {name: tuple(found) for name, found in json.loads(done.stdout).items()}


# ---------------------------------------------------------------------------------------- the table


def figures(checkout: Path) -> dict[str, object]:
    """Return all figures of a checkout by their names, as they are shown."""
    return _of_imports(House(checkout)) | _of_waits(checkout) | _of_text(House(checkout))


def _of_imports(house: House) -> dict[str, object]:
    rooms = house.rooms()
    sizes = ", ".join(str(len(circle)) for circle in circles(house.arrows))
    return {
        "modules at the top": len(list(house.source.glob("*.py"))),
        "modules": len(house.files),
        "rooms": len(rooms),
        "arrows between rooms": sum(map(len, rooms.values())),
        "imports between rooms": len(house.crossing()),
        "arrows back up": len(back_up(rooms)),
        "circles of modules": len(circles(house.arrows)),
        "modules in each": sizes or "-",
    }


def _of_waits(checkout: Path) -> dict[str, object]:
    found = one_wait(checkout)
    return {
        f"{what} of the {which} wait of its kind": found[which][index]
        for which in found
        for index, what in enumerate(["moves", "modules"])
    }


def _of_text(house: House) -> dict[str, object]:
    others = [house.checkout / name for name in ("tests", "benchmarks", "examples")]
    return {
        "copies of the step": len(copies_of_the_step(house)),
        "noqa in src": noqa([house.source]),
        "noqa in tests, benchmarks, examples": noqa(others),
        "lines of src": lines(house),
    }


def table(columns: list[dict[str, object]]) -> Iterator[str]:
    """Give the lines of a table: a name, then its figure in each checkout."""
    for name in columns[0]:
        yield f"{name:<40}" + "".join(f"{column[name]!s:>10}" for column in columns)


def main(checkouts: list[str]) -> None:
    columns = [figures(Path(checkout).resolve()) for checkout in checkouts or [HERE.parent]]
    sys.stdout.writelines(f"{line}\n" for line in table(columns))


if __name__ == "__main__":
    main(sys.argv[1:])
