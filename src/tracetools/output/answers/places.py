"""Finds the program's own line in a stack, and for whom the work there is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import RUNTIME
from tracetools.output.folding import CALLERS, FOLDED
from tracetools.output.frame_kinds import KNOWN_PACKAGES, is_of_import, kinds_of, package_of
from tracetools.output.nodes import NO_PARENT, Nodes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracetools.core.origins import Origin
    from tracetools.core.profile import Profile
    from tracetools.core.stacks import Frame, StackPath

__all__ = ["Known", "Place", "Places", "in_import", "is_of_server"]

_SERVERS: Final = frozenset({"daphne", "granian", "gunicorn", "hypercorn", "uvicorn"})


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


class Known(NamedTuple):
    """What is known of a stack: it follows from its parent and its last frame.

    Attributes:
        own: the innermost place of the program's own; None if there is none.
        own_for: for whom the work there is done; see `Places.for_whom`.
        entered: the innermost task or span, whosever it is.
        entered_for: for whom the work there is done.
        first, second: the outermost tasks or spans of the program.
        route: the outermost span with a name that no function has.
    """

    own: Place | None = None
    own_for: str = ""
    entered: Place | None = None
    entered_for: str = ""
    first: Frame | None = None
    second: Frame | None = None
    route: Frame | None = None


class Places:
    """Finds places in the stacks of one profile.

    Args:
        profile: the profile.
        nodes: its stacks by number, where they are known already.

    Attributes:
        nodes: its stacks by number.
        kind_of: the kind of a frame.
        is_guessed: whether no file of the program's own was seen. Then installed packages that are
            not well known are taken for its own.
        known: what is known of each stack, by number.
        imports: whether something is imported in a stack, by number.
    """

    def __init__(self, profile: Profile, nodes: Nodes | None = None) -> None:
        self.nodes = nodes or Nodes(profile)
        self._others: dict[StackPath, Known] = {}  # that are no stacks of the profile
        self._of_others: dict[str, bool] = {}
        self._packages: dict[Frame, str] = {}
        self.is_guessed = not _sees_own(self.nodes)
        origins = _without_unknown(profile.origins) if self.is_guessed else profile.origins
        self.kind_of = kinds_of(origins)
        count = len(self.nodes.paths)
        self.known = [Known()] * count
        self.imports = [False] * count
        for number in reversed(self.nodes.from_below):
            self._learn(number)

    def _learn(self, number: int) -> None:
        """Note what is known of a stack; its parent is known already."""
        path, parent = self.nodes.paths[number], self.nodes.parents[number]
        if parent == NO_PARENT:
            self.imports[number] = in_import(path)
            above = self._node(path[:-1])
        else:
            self.imports[number] = self.imports[parent] or is_of_import(path[-1])
            above = self.known[parent]
        if len(path) > 1:
            is_entered = self.nodes.times[number].entries > 0
            self.known[number] = self._below(above, path, is_entered=is_entered)

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
        known = self._node(path[:depth])
        return _whom(path[:depth], known.first, known.second, known.route)

    def _node(self, path: StackPath) -> Known:
        """Return what is known of a stack. It is found once for all stacks below it."""
        missing: list[StackPath] = []
        node = self._found(path)
        while node is None:
            missing.append(path)
            path = path[:-1]
            node = self._found(path)
        for below in reversed(missing):
            node = self._others[below] = self._below(node, below, is_entered=False)
        return node

    def _found(self, path: StackPath) -> Known | None:
        if len(path) <= 1:
            return Known()
        number = self.nodes.numbers.get(path)
        return self._others.get(path) if number is None else self.known[number]

    def _below(self, above: Known, path: StackPath, *, is_entered: bool) -> Known:
        """Return what is known of a stack, by its parent."""
        frame = path[-1]
        kind = self.kind_of(frame)
        own = above.own
        if kind == "own" or (kind == "span" and frame.file and not self.is_of_others(frame)):
            own = Place(frame.file, frame.line, frame.name, len(path))
        elif kind in FOLDED and is_entered:
            is_started_by_own = self.kind_of(path[-2]) in CALLERS and not is_of_server(frame)
            own = own if is_started_by_own else None
        if not is_entered and own is above.own:
            return above
        entered, first, second, route = above.entered, above.first, above.second, above.route
        if is_entered:
            entered = Place(frame.file or None, frame.line, frame.name, len(path), is_own=False)
        if is_entered and kind in CALLERS:
            second = second or (frame if first else None)
            first = first or frame
            route = route or (frame if kind == "span" else None)
        whom = _whom(path, first, second, route)
        return Known(
            own,
            above.own_for if own is above.own else whom,
            entered,
            above.entered_for if entered is above.entered else whom,
            first,
            second,
            route,
        )

    def packages_below(self, path: StackPath, depth: int) -> list[str]:
        """Return the packages whose functions run below a place, the outermost first."""
        names = {self._package(frame): None for frame in path[depth:]}
        return [*filter(None, names)]

    def _package(self, frame: Frame) -> str:
        """Return the package of a frame of a library or of Python; nothing for any other."""
        name = self._packages.get(frame)
        if name is None:
            is_folded = self.kind_of(frame) in FOLDED
            name = self._packages[frame] = package_of(frame.file or "") if is_folded else ""
        return name

    def is_of_others(self, frame: Frame) -> bool:
        """Whether the file of a frame belongs to a library or to Python."""
        file = frame.file or ""
        known = self._of_others.get(file)
        if known is None:
            known = self.kind_of(frame._replace(name="f")) in FOLDED
            self._of_others[file] = known
        return known


def in_import(path: StackPath) -> bool:
    """Whether something is imported in a stack."""
    return any(map(is_of_import, path))


def is_of_server(frame: Frame) -> bool:
    """Whether a frame is a server's, or the backend's own."""
    return frame == RUNTIME or package_of(frame.file or "") in _SERVERS


def _sees_own(nodes: Nodes) -> bool:
    """Whether any file is the program's own. Python makes functions in ``<string>``, too."""
    profile = nodes.profile
    entered = zip(nodes.paths, nodes.times, strict=True)
    tasks = {path[-1] for path, times in entered if times.entries}
    stacks = zip(nodes.paths, nodes.parents, strict=True)
    whole = [path for path, parent in stacks if parent == NO_PARENT]
    frames = {frame for path in (*whole, *profile.blocking) for frame in path}
    frames.update(path[-1] for path in nodes.paths if path)
    return any(
        frame.file and frame.file not in profile.origins
        for frame in frames
        if frame.file != "<string>" or frame in tasks
    )


def _whom(path: StackPath, first: Frame | None, second: Frame | None, route: Frame | None) -> str:
    """Return for whom the work is done in a stack; nothing if it is its last frame itself."""
    is_first_of_all = second is not None and first == path[1]
    chosen = route or (second if is_first_of_all else first)
    return chosen.name if chosen is not None and chosen is not path[-1] else ""


def _without_unknown(origins: Mapping[str, Origin]) -> dict[str, Origin]:
    """Return the origins of all but the libraries that are not well known."""
    return {
        file: origin
        for file, origin in origins.items()
        if origin != "library" or package_of(file) in KNOWN_PACKAGES
    }
