"""The answers of a profile on a terminal, in at most a screen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tracetools.commands.terminal.latency_lines import slow_in_lines
from tracetools.commands.terminal.resources import resources_in_lines
from tracetools.commands.terminal.screen import Screen, style_of, width_of, wrapped
from tracetools.commands.terminal.tables import lint_line
from tracetools.core.stacks import KINDS
from tracetools.output.answers.of_profile import answers_of
from tracetools.output.answers.source import lines_of
from tracetools.output.answers.words import before_steps, listed, percent
from tracetools.output.lints import amount, find_lints

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetools.core.profile import Profile
    from tracetools.output.answers.data import Answer, Answers, Group

__all__ = ["MOST", "answers_in_lines", "at_end", "summary", "what_else_stands_out"]

MOST: Final = 3
"""How many entries a group has at most."""

_LINES: Final = 24
"""How many lines the answers have at the end of a program, as far as that is possible."""

_STDERR: Final = 2

_LEAST_SHARE: Final = 0.001
"""Entries with less than this part of a whole are left out, but for what blocks the loop."""

_TOLD: Final = frozenset(
    {
        *("blocks", "importing", "limiter-saturated", "scheduling-delay", "gil-held", "starved"),
        *("stopped", "garbage-collection"),
    }
)
"""Lints that answers tell already."""

_KIND_WORDS: Final = {"blocking-call": KINDS["calling"], "computing": KINDS["computing"]}
_NUMBERS: Final = 20
"""How many columns the numbers of an entry take."""

_STEPS: Final = "Steps of "
_UNSAID: Final = ("Not measured", "Folded stacks", "Blocking steps were not", "No step")
"""How notes begin that say all there is to say of a group without entries."""


def at_end(profile: Profile, fd: int = _STDERR) -> str:
    """Return what is written of a profile after its program, in a part of a screen.

    Args:
        profile: what was recorded.
        fd: the descriptor that it is written to: stderr, or another one.
    """
    answers = answers_of(profile, lines_of(profile))
    return summary(profile, answers, Screen(width_of(fd), style_of(fd), _LINES))


def summary(profile: Profile, answers: Answers, screen: Screen) -> str:
    """Return the answers of a profile, and what else stands out, as text."""
    others = what_else_stands_out(profile, screen.width)
    resources = resources_in_lines(profile, screen, most=2)
    slow = slow_in_lines(profile, screen, most=2)
    rest = len(others) + len(resources) + len(slow)
    left = None if screen.lines is None else screen.lines - rest
    lines = answers_in_lines(answers, replace(screen, lines=left))
    parts = (slow, lines, resources, others)
    return "\n\n".join("\n".join(part) for part in parts if part)


def answers_in_lines(
    answers: Answers, screen: Screen, *, most: int = MOST, has_quiet: bool = False
) -> list[str]:
    """Return all four groups as lines, with empty lines between them.

    Args:
        answers: those of a profile.
        screen: where they are shown. If it has too few lines, groups get fewer entries, but at
            least one.
        most: how many entries a group has at most.
        has_quiet: whether to show what is no answer, too.
    """
    lines: list[str] = []
    for fewer in range(most, 0, -1):
        groups = [_group(group, screen, fewer, has_quiet=has_quiet) for group in answers]
        lines = [line for group in groups for line in (*group, "")][:-1]
        if screen.lines is None or len(lines) <= screen.lines:
            break
    return lines


def what_else_stands_out(profile: Profile, width: int, most: int = MOST) -> list[str]:
    """Return a line for each of the heaviest lints that no answer tells, and how many more."""
    found, _ = find_lints(profile)
    others = [lint for lint in found if lint.kind not in _TOLD]
    lines = [lint_line(lint, width) for lint in others[:most]]
    if more := len(others) - len(lines):
        lines.append(f"  ... and {more:,} more: see the report")
    return ["What else stands out", *lines] if lines else []


# -- groups ----------------------------------------------------------------------------------------


def _group(group: Group, screen: Screen, most: int, *, has_quiet: bool) -> list[str]:
    shown = [answer for answer in group.answers if _is_worth_a_row(group, answer)]
    quiet = [answer.sentence for answer in group.quiet] if has_quiet else []
    if shown:
        of_steps, note = _steps_and_note(group)
        parts = f"parts of {amount(group.whole)} {group.of_what}"
        lines = _heading(f"{group.heading} ({parts}{of_steps})", screen)
    else:
        note = ""
        lines = _heading(f"{group.heading}: {_nothing(group)}", screen)
    for answer in shown[:most]:
        lines += _entry(group, answer, screen)
    more = len(shown[most:])
    if more and group.name == "blocks":  # each of them is to be mended
        lines.append(screen.style("dim", f"  ... and {more:,} more"))
    for text in filter(None, (note, *quiet)):
        lines += [screen.style("dim", line) for line in wrapped(f"  {text}", screen.width, "  ")]
    return lines


def _is_worth_a_row(group: Group, answer: Answer) -> bool:
    return group.name == "blocks" or answer.share >= _LEAST_SHARE


def _steps_and_note(group: Group) -> tuple[str, str]:
    """Return what a note says of the length of steps, for the heading; and any other note."""
    if group.note.startswith(_STEPS):
        return f"; steps of {_length(group)}", ""
    return "", group.note


def _length(group: Group) -> str:
    return group.note.removeprefix(_STEPS).removesuffix(" each.")


def _nothing(group: Group) -> str:
    """Return what is said of a group without entries."""
    if group.note.startswith(_UNSAID):
        return group.note[:1].lower() + group.note[1:]
    if group.name == "late":
        return "no task."
    return f"nothing of the program's own. {group.note}".rstrip()


def _heading(text: str, screen: Screen) -> list[str]:
    first, *rest = wrapped(text, screen.width, "  ")
    ends = [at for at in (first.find(" ("), first.find(": ")) if at > 0]
    end = min(ends, default=len(first))
    shown = screen.style("bold", first[:end]) + screen.style("dim", first[end:])
    return [shown, *(screen.style("dim", line) for line in rest)]


# -- entries ---------------------------------------------------------------------------------------


def _entry(group: Group, answer: Answer, screen: Screen) -> list[str]:
    numbers = f"  {amount(answer.total):>9}  {percent(answer.share):>5}  "
    name = _name(answer, screen.width - _NUMBERS)
    details = ", ".join(_details(group, answer))
    whom = f", for {listed(answer.for_whom)}" if answer.for_whom else ""
    text = f"{name}: {details}{whom}" if details else f"{name}{whom}"
    first, *rest = wrapped(text, screen.width - len(numbers))
    return [screen.style(group.name, numbers) + first, *(" " * len(numbers) + ln for ln in rest)]


def _name(answer: Answer, width: int) -> str:
    """Return the function and the line; without folders if they do not fit."""
    if not answer.location:
        return answer.function or answer.what
    name = f"{answer.function} ({answer.location})"
    if len(name) <= width:
        return name
    return f"{answer.function} ({answer.location.replace(chr(92), '/').rpartition('/')[2]})"


def _details(group: Group, answer: Answer) -> Iterator[str]:
    what = answer.what or _KIND_WORDS.get(answer.kind, "")
    if what and (answer.location or answer.function):
        yield what
    if group.name == "blocks":
        yield _often(answer)
    if group.name == "late" and answer.count:
        yield before_steps(answer.count, answer.total)
    if group.name == "waits" and answer.count:
        yield f"wanted by {answer.count:,} tasks at one time"


def _often(answer: Answer) -> str:
    if answer.count == 1:
        return "once"
    return f"{answer.count:,} times, {amount(answer.max)} at most"
