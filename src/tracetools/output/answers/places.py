"""Finds the program's own line in a stack, and for whom the work there is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import RUNTIME
from tracetools.output.frame_kinds import KNOWN_PACKAGES, is_of_import, kinds_of, package_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracetools.core.origins import Origin
    from tracetools.core.profile import Profile
    from tracetools.core.stacks import Frame, StackPath

__all__ = ["Place", "Places", "in_import", "is_of_server"]

_SERVERS: Final = frozenset({"daphne", "granian", "gunicorn", "hypercorn", "uvicorn"})
_OWN: Final = ("own", "span")
_FOLDED: Final = ("library", "runtime")


class Place(NamedTuple):
    """A line of a stack.

    Attributes:
        file: the file; None if there is none.
        line: the line; 0 if it is not known.
        function: the name of the function or span.
        depth: how many frames of the stack go down to it.
        is_own: whether it is the program's own.
    """

    file: str | None
    line: int
    function: str
    depth: int
    is_own: bool = True


class Places:
    """Finds places in the stacks of one profile.

    Attributes:
        kind_of: the kind of a frame.
        is_guessed: whether no file of the program's own was seen. Then installed packages that are
            not well known are taken for its own.
    """

    def __init__(self, profile: Profile) -> None:
        self._entered = {path for path, times in profile.stacks.items() if times.entries}
        self.is_guessed = not _sees_own(profile)
        origins = _without_unknown(profile.origins) if self.is_guessed else profile.origins
        self.kind_of = kinds_of(origins)

    def own(self, path: StackPath) -> Place | None:
        """Return the innermost place of the program's own; None if what runs there is not its.

        A task of a library is the program's if the program started it; what that task starts, and
        all tasks of servers, are not.
        """
        for depth in range(len(path), 1, -1):
            frame = path[depth - 1]
            kind = self.kind_of(frame)
            if kind == "own" or (kind == "span" and frame.file and not self.is_of_others(frame)):
                return Place(frame.file, frame.line, frame.name, depth)
            if kind in _FOLDED and path[:depth] in self._entered:
                above = self.kind_of(path[depth - 2])
                if above not in _OWN or is_of_server(frame):
                    return None
        return None

    def line(self, path: StackPath) -> Place | None:
        """Return the place of a path that ends in a line: an await, or what blocks the loop.

        If the line is not the program's own, that is the function of the program around it.
        """
        above, last = path[:-1], path[-1]
        if not last.file or self.is_of_others(last):
            return self.own(above)
        frames = [f for f in above[1:] if f.file == last.file and f.line <= last.line]
        function = frames[-1].name if frames else above[-1].name if above[1:] else last.name
        return Place(last.file, last.line, function, len(path))

    def entered(self, path: StackPath) -> Place | None:
        """Return the innermost task or span, whosever it is."""
        for depth in range(len(path), 1, -1):
            if path[:depth] in self._entered:
                frame = path[depth - 1]
                return Place(frame.file or None, frame.line, frame.name, depth, is_own=False)
        return None

    def is_task_or_span(self, path: StackPath) -> bool:
        """Whether tasks were spawned or spans opened with this stack."""
        return path in self._entered

    def for_whom(self, path: StackPath, depth: int) -> str:
        """Return the route, span or task that work is done for; nothing if it is the place itself.

        That is the outermost one, but for the task in which all others were started.
        """
        found: list[Frame] = []
        for until in range(2, depth + 1):
            frame = path[until - 1]
            if self.kind_of(frame) in _OWN and path[:until] in self._entered:
                found.append(frame)
        routes = [frame for frame in found if self.kind_of(frame) == "span"]
        others = found[1:] if len(found) > 1 and found[0] == path[1] else found
        chosen = (routes or others)[:1]
        return chosen[0].name if chosen and chosen[0] is not path[depth - 1] else ""

    def packages_below(self, path: StackPath, depth: int) -> list[str]:
        """Return the packages whose functions run below a place, the outermost first."""
        frames = [frame for frame in path[depth:] if self.kind_of(frame) in _FOLDED]
        names = (package_of(frame.file or "") for frame in frames)
        return [*dict.fromkeys(filter(None, names))]

    def is_of_others(self, frame: Frame) -> bool:
        """Whether the file of a frame belongs to a library or to Python."""
        return self.kind_of(frame._replace(name="f")) in _FOLDED


def in_import(path: StackPath) -> bool:
    """Whether something is imported in a stack."""
    return any(map(is_of_import, path))


def is_of_server(frame: Frame) -> bool:
    """Whether a frame is a server's, or the backend's own."""
    return frame == RUNTIME or package_of(frame.file or "") in _SERVERS


def _sees_own(profile: Profile) -> bool:
    """Whether any file is the program's own. Python makes functions in ``<string>``, too."""
    tasks = {path[-1] for path, times in profile.stacks.items() if times.entries}
    frames = {frame for path in (*profile.stacks, *profile.blocking) for frame in path}
    return any(
        frame.file and frame.file not in profile.origins
        for frame in frames
        if frame.file != "<string>" or frame in tasks
    )


def _without_unknown(origins: Mapping[str, Origin]) -> dict[str, Origin]:
    """Return the origins of all but the libraries that are not well known."""
    return {
        file: origin
        for file, origin in origins.items()
        if origin != "library" or package_of(file) in KNOWN_PACKAGES
    }
