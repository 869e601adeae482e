"""Finds the program's own line in a stack, and for whom the work there is done."""

from __future__ import annotations

from array import array
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import ROOT
from tracetools.output.answers.traits import TraitsOfFrames
from tracetools.output.frame_kinds import KNOWN_PACKAGES, is_of_import, kinds_of, package_of
from tracetools.output.nodes import NO_PARENT, Nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tracetools.core.origins import Origin
    from tracetools.core.profile import Profile
    from tracetools.core.stacks import StackPath

__all__ = ["NOWHERE", "Place", "Places", "in_import"]

NOWHERE: Final = -1
"""The number of no stack."""


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


class Callers(NamedTuple):
    """The tasks and spans of the program in a stack, by the numbers of their stacks.

    Attributes:
        first, second: the outermost ones.
        route: the outermost span with a name that no function has.
        chosen: the one that work is done for.
    """

    first: int = NOWHERE
    second: int = NOWHERE
    route: int = NOWHERE
    chosen: int = NOWHERE


_NOBODY: Final = Callers()


class Places:
    """Finds places in the stacks of one profile.

    What is known of a stack follows from its parent and its last frame. So there are columns, with
    a row for each stack by its number; further rows are those of stacks that the profile does not
    have, but only parts of, or what lies below.

    Args:
        profile: the profile.
        nodes: its stacks by number, where they are known already.

    Attributes:
        nodes: its stacks by number.
        is_guessed: whether no file of the program's own was seen. Then installed packages that are
            not well known are taken for its own.
        parents: the parent of each stack.
        ends: the last frame of each stack, by a number.
        last: what is known of it.
        depths: how many frames each stack has.
        tops: what is known of the frame below the root.
        owns: the stack of the innermost place of the program's own. Where what runs there is not
            its, that is `NOWHERE`. A task of a library is the program's if the program started it;
            what that task starts, and all tasks of servers, are not.
        entered: the stack of the innermost task or span, whosever it is.
        libraries: the package of the outermost function that runs below the program's own place.
        imports: whether something is imported there.
        in_functions: the stacks that are in functions of the program, by function. They are no
            awaits, imports or the like, so all answers count them for these functions.
        elsewhere: all other stacks of the profile.
        whoms: the route, span or task that work in each stack is done for; nothing if it is done
            for nobody in particular, or for the stack itself.
    """

    def __init__(self, profile: Profile, nodes: Nodes | None = None) -> None:
        self.nodes = Nodes(profile) if nodes is None else nodes
        self.is_guessed = not _sees_own(self.nodes)
        origins = _without_unknown(profile.origins) if self.is_guessed else profile.origins
        self.traits = TraitsOfFrames(kinds_of(origins))
        self._others: dict[StackPath, int] = {}
        nodes, nothing = self.nodes, self.traits[ROOT]
        count = len(nodes)
        self.parents = array("q", nodes.parents)
        self.depths = array("q", nodes.depths)
        traits = [self.traits[frame] for frame in nodes.frames]
        self._index_of = {frame: index for index, frame in enumerate(nodes.frames)}
        self.ends = array("q", nodes.last)
        self.last = [traits[index] for index in self.ends]
        self.tops = [nothing] * count
        self.owns = array("q", [NOWHERE]) * count
        self.entered = array("q", [NOWHERE]) * count
        self.libraries = [""] * count
        self.imports = [False] * count
        self.whoms = [""] * count
        self.elsewhere: list[int] = []
        self._entries = [*nodes.entries]
        self._callers = [_NOBODY] * count
        self._has_one_main = 1 == sum(  # noqa: SIM300  # what it counts is long
            entries > 0 and depth == _OF_TOP and last.is_caller
            for entries, depth, last in zip(nodes.entries, self.depths, self.last, strict=True)
        )
        self._learn(self._from_above())
        self.in_functions = self._grouped()

    @cached_property
    def whoms_of_places(self) -> list[str]:
        """The one of `whoms` of the place that each stack is in, or else of its task or span."""
        places = zip(self.owns, self.entered, strict=True)
        return [self.whoms[entered if own == NOWHERE else own] for own, entered in places]

    def _from_above(self) -> Iterator[int]:
        """Yield the numbers of the stacks of the profile below a root, each after its parent."""
        nodes = self.nodes
        for number in reversed(nodes.from_below):
            if self.depths[number] > 1:
                if self.parents[number] == NO_PARENT:
                    self.parents[number] = self.number(nodes.path(number)[:-1])
                yield number
            elif self.depths[number]:
                self.imports[number] = self.last[number].is_import

    def _learn(self, numbers: Iterable[int]) -> None:
        """Note what is known of stacks by their parents, of which it is known."""
        # There are many stacks, and few frames: what is not looked up here takes no time.
        lasts, owns, imports, libraries = self.last, self.owns, self.imports, self.libraries
        parents, entries, entered, all_callers = (
            self.parents,
            self._entries,
            self.entered,
            self._callers,
        )
        for number in numbers:
            parent, last = parents[number], lasts[number]
            self.tops[number] = last if self.depths[number] <= _OF_TOP else self.tops[parent]
            imports[number] = imports[parent] or last.is_import
            own, callers = owns[parent], all_callers[parent]
            is_entered = entries[number] > 0
            if last.is_own:
                own = number
            elif own != NOWHERE:
                if (
                    is_entered
                    and last.is_folded
                    and (last.is_server or not lasts[parent].is_caller)
                ):
                    own = NOWHERE  # the program did not start it
                else:
                    libraries[number] = libraries[parent] or last.package
            if is_entered:
                entered[number] = number
                if last.is_caller and (
                    callers.second == NOWHERE or (last.is_span and callers.route == NOWHERE)
                ):
                    callers = self._with_caller(callers, number, is_span=last.is_span)
            else:
                entered[number] = entered[parent]
            owns[number], all_callers[number] = own, callers
            chosen = callers.chosen
            if chosen not in (NOWHERE, number):
                self.whoms[number] = lasts[chosen].frame.name

    def _grouped(self) -> list[list[int]]:
        """Return `in_functions`, and note all other stacks."""
        is_usual = [
            not (last.wait or last.is_cut or last.is_collection)
            for last in map(self.traits.__getitem__, self.nodes.frames)
        ]
        found: dict[int, list[int]] = {}
        columns = (self.nodes.are_of_loop, self.imports, self.owns, self.ends, self.tops)
        stacks = enumerate(zip(*columns, strict=False))  # those of others are further on
        for number, (is_of_loop, is_import, own, end, top) in stacks:
            if own == NOWHERE or is_of_loop or is_import or top.is_backend or not is_usual[end]:
                self.elsewhere.append(number)
                continue
            end_of_place = self.ends[own]
            numbers = found.get(end_of_place)
            if numbers is None:
                found[end_of_place] = [number]
            else:
                numbers.append(number)
        return [*found.values()]

    def _with_caller(self, above: Callers, number: int, *, is_span: bool) -> Callers:
        """Return the callers of a stack that ends in one.

        Work is done for the outermost one, but for the task in which all others were started. If
        there is one such task in the whole program, it says nothing.
        """
        first, second, route, _ = above
        if first == NOWHERE:
            first = number
        elif second == NOWHERE:
            second = number
        if route == NOWHERE and is_span:
            route = number
        is_main = self._has_one_main or second != NOWHERE
        is_first_of_all = is_main and self.depths[first] <= _OF_TOP
        outermost = second if is_first_of_all else first
        return Callers(first, second, route, outermost if route == NOWHERE else route)

    def number(self, path: StackPath) -> int:
        """Return the number of any stack; it gets one if it has none."""
        missing: list[StackPath] = []
        number = self._found(path)
        while number is None:
            missing.append(path)
            path = path[:-1]
            number = self._found(path)
        for below in reversed(missing):
            number = self._add(below, number)
        return number

    def _found(self, path: StackPath) -> int | None:
        found = self.nodes.number(path)
        number = self._others.get(path) if found == NO_PARENT else found
        return self._add(path, NOWHERE) if number is None and len(path) <= 1 else number

    def _add(self, path: StackPath, parent: int) -> int:
        """Give a number to a stack that the profile does not have."""
        number = self._others[path] = len(self.last)
        last = self.traits[path[-1] if path else ROOT]
        self.parents.append(parent)
        self.ends.append(self._index_of.setdefault(last.frame, len(self._index_of)))
        self.last.append(last)
        self.depths.append(len(path))
        self.tops.append(last)
        self.owns.append(NOWHERE)
        self.entered.append(NOWHERE)
        self.libraries.append("")
        self.imports.append(last.is_import)
        self.whoms.append("")
        self._entries.append(0)
        self._callers.append(_NOBODY)
        if len(path) > 1:
            self._learn([number])
        return number

    def place(self, number: int) -> Place:
        """Return the place that a stack ends in."""
        last = self.last[number]
        file, line, name = last.frame.file, last.frame.line, last.frame.name
        return Place(file or None, line, name, self.depths[number], is_own=last.is_own)

    def own(self, path: StackPath) -> Place | None:
        """Return the innermost place of the program's own; None if what runs there is not its."""
        own = self.owns[self.number(path)]
        return None if own == NOWHERE else self.place(own)

    def line(self, path: StackPath) -> Place | None:
        """Return the place of a path that ends in a line: an await, or what blocks the loop.

        If the line is not the program's own, that is the function of the program around it.
        """
        above, last = path[:-1], path[-1]
        if not last.file or self.traits[last].is_of_others:
            return self.own(above)
        frames = [f for f in above[1:] if f.file == last.file and f.line <= last.line]
        function = frames[-1].name if frames else above[-1].name if above[1:] else last.name
        return Place(last.file, last.line, function, len(path))

    def for_whom(self, path: StackPath, depth: int) -> str:
        """Return the one of `whoms` of the first `depth` frames of a stack."""
        return self.whoms[self.number(path[:depth])]

    def packages_below(self, path: StackPath, depth: int) -> list[str]:
        """Return the packages whose functions run below a place, the outermost first."""
        names = {self.traits[frame].package: None for frame in path[depth:]}
        return [*filter(None, names)]

    def innermost_package(self, number: int) -> str:
        """Return the package whose functions run innermost; nothing if there is none."""
        while self.depths[number] > 1 and not self.last[number].package:
            number = self.parents[number]
        return self.last[number].package if self.depths[number] > 1 else ""


_OF_TOP: Final = 2
"""How many frames a stack right below the root has."""


def in_import(path: StackPath) -> bool:
    """Whether something is imported in a stack."""
    return any(map(is_of_import, path))


def _sees_own(nodes: Nodes) -> bool:
    """Whether any file is the program's own. Python makes functions in ``<string>``, too."""
    profile = nodes.profile
    ends = zip(nodes.last, nodes.entries, strict=True)
    tasks = {nodes.frames[index] for index in {last for last, entries in ends if entries}}
    tops = (number for number, parent in enumerate(nodes.parents) if parent == NO_PARENT)
    frames = {frame for number in tops for frame in nodes.path(number)}
    frames.update(frame for path in profile.blocking for frame in path)
    frames.update(nodes.frames[index] for index in {*nodes.last})
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
