"""The extension of IPython: ``%load_ext tracetools``, then ``%%tracetools`` and ``%tracetools``.

A cell that begins with the magic becomes a ``with`` statement around its code, so top-level
``await`` works in it, its lines keep their numbers, and what it ends with is its value. First the
text becomes ordinary code that begins with a mark (`_mark_cell`); then that code is put into the
statement (`_Wrapper`).
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError

from tracetools.core.errors import TracetoolsError
from tracetools.integrations.ipython_options import HELP, OptionError, parse, split
from tracetools.output.answers.of_profile import answers_of
from tracetools.output.answers.source import lines_of
from tracetools.output.lints import amount
from tracetools.recording import notebooks
from tracetools.session.record import Record, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeVar

    _Node = TypeVar("_Node", bound=ast.AST)

    from tracetools.core.profile import Profile
    from tracetools.session.recording import Recording

__all__ = ["load_ipython_extension", "recorded", "text_of", "unload_ipython_extension"]

_NAME: Final = "tracetools"
_MARK: Final = "__tracetools_cell__"
_VALUE: Final = "__tracetools_value__"
_TAKE_VALUE: Final = f"__import__('builtins').locals().pop({_VALUE!r})"
"""Shows what a cell ends with, and leaves no name of ours behind, which would keep it alive."""

_MOST: Final = 3
"""Answers of each kind that a terminal shows."""


def load_ipython_extension(shell: Any) -> None:
    """Add the magics to a shell. IPython calls this for ``%load_ext tracetools``."""
    unload_ipython_extension(shell)
    shell.input_transformers_cleanup.insert(0, _mark_cell)
    shell.ast_transformers.append(_Wrapper())
    shell.register_magic_function(_run_line, "line", _NAME)
    shell.register_magic_function(_run_cell, "cell", _NAME)


def unload_ipython_extension(shell: Any) -> None:
    """Remove the magics from a shell. IPython calls this for ``%unload_ext tracetools``."""
    for transformers in (shell.input_transformers_cleanup, shell.ast_transformers):
        ours = [each for each in transformers if each is _mark_cell or type(each) is _Wrapper]
        for each in ours:
            transformers.remove(each)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop(_NAME, None)


# -- cells, as text and as trees ---------------------------------------------------------------


def _mark_cell(lines: list[str]) -> list[str]:
    """Replace the magic that a cell begins with by a call, which `_Wrapper` finds again."""
    first = next((place for place, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return lines
    found = _magic_of(lines[first])
    if found is None:
        return lines
    magic, line = found
    is_cell = magic == f"%%{_NAME}"
    options, statement = (line, "") if is_cell else split(line)
    if not (is_cell or statement) or line.startswith("?"):
        return lines  # the magic itself says how it is used
    mark = f"{_MARK}({options!r}, {is_cell})"
    marked = f"{mark}; {statement}\n" if statement else f"{mark}\n"
    return [*lines[:first], marked, *lines[first + 1 :]]


def _magic_of(line: str) -> tuple[str, str] | None:
    """Return our magic that a line begins with, and what follows it; None if it is none."""
    magic, _, rest = line.strip().partition(" ")
    is_ours = magic in {f"%{_NAME}", f"%%{_NAME}"} and line.startswith(magic)
    return (magic, rest.strip()) if is_ours else None


class _Wrapper:
    """Puts the code of a marked cell into a ``with`` statement."""

    def visit(self, tree: ast.Module) -> ast.Module:
        """Return the tree of a cell, changed if it is marked. IPython calls this."""
        options, is_cell = _marked(tree)
        if options is None:
            return tree
        mark, *body = tree.body
        rest = [] if is_cell else [each for each in body if each.lineno != mark.lineno]
        body = [each for each in body if each not in rest]
        value = body[-1] if body and not rest else None
        after: list[ast.stmt] = rest
        if isinstance(value, ast.Expr):
            kept = ast.Assign([ast.Name(_VALUE, ast.Store())], value.value)
            body[-1] = ast.copy_location(kept, value)
            after = [_placed(ast.Expr(_parsed(_TAKE_VALUE)), value)]
        call = f"__import__({__name__!r}, fromlist=['recorded']).recorded({options!r})"
        item = ast.withitem(_placed(_parsed(call), mark))
        around = ast.copy_location(ast.With([item], body or [ast.Pass()]), mark)
        tree.body = [around, *after]
        return ast.fix_missing_locations(tree)


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _placed(tree: _Node, place: ast.AST) -> _Node:
    """Give all of a tree the place of another node."""
    for node in ast.walk(tree):
        ast.copy_location(node, place)
    return tree


def _marked(tree: ast.Module) -> tuple[str | None, bool]:
    """Return the options of a marked cell, and whether the mark is for all of it."""
    match tree.body[:1]:
        case [ast.Expr(ast.Call(ast.Name(id=name), [ast.Constant(options), ast.Constant(all_)]))]:
            return (str(options), bool(all_)) if name == _MARK else (None, False)
    return None, False


# -- magics, where the code is not a cell of its own -------------------------------------------


def _run_line(line: str) -> None:
    """Record a statement: %tracetools [options] statement."""
    options, statement = split(line)
    if not statement or statement == "?":
        raise UsageError(HELP)
    _run(options, statement)


def _run_cell(line: str, cell: str) -> None:
    """Record a cell: %%tracetools [options]."""
    if line.startswith("?"):
        raise UsageError(HELP)
    _run(line, cell)


def _run(options: str, text: str) -> None:
    """Run code within a magic of a cell. It can await nothing."""
    from IPython.core.getipython import get_ipython  # noqa: PLC0415  # that of now

    shell: Any = get_ipython()
    try:
        code = compile(shell.transform_cell(text), "<tracetools>", "exec")
    except SyntaxError as error:
        why = "; an await has to stand in a cell that begins with the magic" * ("await" in text)
        raise UsageError(f"%tracetools: {error.msg}{why}") from None
    with recorded(options):
        exec(code, shell.user_global_ns, shell.user_ns)  # noqa: S102  # as the user has asked


# -- recordings --------------------------------------------------------------------------------


class _Recorded:
    """A context manager that records, and shows what was recorded where HTML cannot be shown."""

    def __init__(self, made: Record) -> None:
        self._record = made
        self._recording: Recording | None = None

    def __enter__(self) -> Recording:
        self._recording = self._record.__enter__()
        return self._recording

    def __exit__(self, *error: object) -> None:
        self._record.__exit__(*error)
        recording = self._recording
        if recording is None:
            return
        file = None if recording.is_to_be_shown else recording.file.path
        if file is not None or not notebooks.shows_html():
            print("\n".join(text_of(recording.profile)))  # noqa: T201  # below the cell
        if file is not None:
            print(f"Written: {file}")  # noqa: T201  # likewise


def recorded(options: str) -> _Recorded:
    """Return what records a cell.

    Raises:
        UsageError: of IPython, which shows it in one line: an option is wrong.
    """
    try:
        file, chosen = parse(options)
        return _Recorded(record(file, **chosen))
    except (OptionError, TracetoolsError, TypeError, ValueError) as error:
        raise UsageError(f"%%tracetools: {error}") from None


def text_of(profile: Profile) -> Iterator[str]:
    """Yield the lines that a terminal shows of a profile."""
    if not profile.runs:
        yield "tracetools: no event loop ran"
        return
    loops = "1 loop" if profile.runs == 1 else f"{profile.runs:,} loops"
    yield (
        f"tracetools: {amount(profile.duration)} of {loops} ({', '.join(profile.backends)}),"
        f" {amount(profile.busy)} of it busy"
    )
    for group in answers_of(profile, lines_of(profile)).groups:
        if group.answers:
            yield group.heading
        for answer in group.answers[:_MOST]:
            yield f"  {answer.sentence}"
