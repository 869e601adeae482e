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


class _Node(NamedTuple):
    """What is known of a stack: it follows from its parent and its last frame.

    Attributes:
        own: the innermost place of the program's own; None if there is none.
        entered: the innermost task or span, whosever it is.
        first, second: the outermost tasks or spans of the program.
        route: the outermost span with a name that no function has.
    """

    own: Place | None = None
    entered: Place | None = None
    first: Frame | None = None
    second: Frame | None = None
    route: Frame | None = None


class Places:
    """Finds places in the stacks of one profile.

    Attributes:
        kind_of: the kind of a frame.
        is_guessed: whether no file of the program's own was seen. Then installed packages that are
            not well known are taken for its own.
    """

    def __init__(self, profile: Profile) -> None:
        self._stacks = profile.stacks
        self._nodes: dict[StackPath, _Node] = {}
        self._of_others: dict[str, bool] = {}
        self.is_guessed = not _sees_own(profile)
        origins = _without_unknown(profile.origins) if self.is_guessed else profile.origins
        self.kind_of = kinds_of(origins)

    def own(self, path: StackPath) -> Place | None:
        """Return the innermost place of the program's own; None if what runs there is not its.

        A task of a library is the program's if the program started it; what that task starts, and
        all tasks of servers, are not.
        """
        return self._node(path).own

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
        return self._node(path).entered

    def for_whom(self, path: StackPath, depth: int) -> str:
        """Return the route, span or task that work is done for; nothing if it is the place itself.

        That is the outermost one, but for the task in which all others were started.
        """
        node = self._node(path[:depth])
        is_first_of_all = node.second is not None and node.first == path[1]
        chosen = node.route or (node.second if is_first_of_all else node.first)
        return chosen.name if chosen is not None and chosen is not path[depth - 1] else ""

    def _node(self, path: StackPath) -> _Node:
        """Return what is known of a stack. It is found once for all stacks below it."""
        missing: list[StackPath] = []
        above = path
        node = self._nodes.get(above)
        while node is None and len(above) > 1:
            missing.append(above)
            above = above[:-1]
            node = self._nodes.get(above)
        node = node or _Node()
        for below in reversed(missing):
            node = self._nodes[below] = self._below(node, below)
        return node

    def _below(self, above: _Node, path: StackPath) -> _Node:
        """Return what is known of a stack, by its parent."""
        frame = path[-1]
        kind = self.kind_of(frame)
        times = self._stacks.get(path)
        is_entered = times is not None and times.entries > 0
        own = above.own
        if kind == "own" or (kind == "span" and frame.file and not self.is_of_others(frame)):
            own = Place(frame.file, frame.line, frame.name, len(path))
        elif kind in _FOLDED and is_entered:
            is_started_by_own = self.kind_of(path[-2]) in _OWN and not is_of_server(frame)
            own = own if is_started_by_own else None
        if not is_entered:
            return above._replace(own=own)
        entered = Place(frame.file or None, frame.line, frame.name, len(path), is_own=False)
        if kind not in _OWN:
            return above._replace(own=own, entered=entered)
        return _Node(
            own,
            entered,
            above.first or frame,
            above.second or (frame if above.first else None),
            above.route or (frame if kind == "span" else None),
        )

    def packages_below(self, path: StackPath, depth: int) -> list[str]:
        """Return the packages whose functions run below a place, the outermost first."""
        frames = [frame for frame in path[depth:] if self.kind_of(frame) in _FOLDED]
        names = (package_of(frame.file or "") for frame in frames)
        return [*dict.fromkeys(filter(None, names))]

    def is_of_others(self, frame: Frame) -> bool:
        """Whether the file of a frame belongs to a library or to Python."""
        file = frame.file or ""
        known = self._of_others.get(file)
        if known is None:
            known = self.kind_of(frame._replace(name="f")) in _FOLDED
            self._of_others[file] = known
        return known


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
