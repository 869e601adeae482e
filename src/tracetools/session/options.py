"""The one list of what can be chosen of a recording.

`record`, `FlamegraphInstrument` and the command line are made from the fields of `Options`: their
names, types, defaults and descriptions.
"""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tracetools.core.labels import Labels
from tracetools.core.profile import Lens

if TYPE_CHECKING:
    import os
    from typing import Concatenate, TypeAlias

    from typing_extensions import ParamSpec

    P = ParamSpec("P")
    FilePath: TypeAlias = "str | os.PathLike[str]"

__all__ = ["Options", "function_taking", "initialiser_taking", "nanoseconds"]

_Self = TypeVar("_Self")
_Options = TypeVar("_Options", bound="Options")
_Result = TypeVar("_Result")
_Callable = TypeVar("_Callable", bound="Callable[..., Any]")

_LONGEST: Final = 10 * 86_400.0
"""Seconds: ten days."""


def _option(text: str, **how: Any) -> dict[str, Any]:
    """Describe an option: its text, and in `how` what is special about it.

    `least` and `most` bound a number of seconds. `command` is False for what no command line can
    give, or a text that is better there.
    """
    return {"text": text, **how}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen of a recording.

    Raises:
        ValueError, TypeError: a switch or a number of seconds has no such value.
    """

    lens: Lens = field(
        default="busy",
        metadata=_option(
            "which time the graph and the stack file show: ``busy``, ``idle``, ``scheduled``,"
            " ``task``, ``chain`` or ``critical``, which needs `keep`; see `Profile.lens`"
        ),
    )
    labels: Labels = field(
        default="name",
        metadata=_option(
            "``name`` for labels such as ``fetch (app.py:12)``, ``location`` for ``app.py:12``"
        ),
    )
    task_names: bool = field(
        default=False,
        metadata=_option(
            "name tasks by the names that they were given, not by their functions. Names that"
            " differ from task to task make as many stacks"
        ),
    )
    scheduled: bool | None = field(
        default=None,
        metadata=_option(
            "tell scheduled time from idle time. By default this is done where the lens shows it",
            command="tell scheduled time, in which a task could step, from idle time",
        ),
    )
    await_stacks: bool = field(
        default=True,
        metadata=_option(
            "show idle time by what the task awaits: the functions between its own and the await,"
            " then the await, as in ``await Event.wait (app.py:12)``. What is not known is"
            " named ``?``"
        ),
    )
    await_after: float = field(
        default=100e-6,
        metadata=_option(
            "seconds from which on a wait is shown so; the time of shorter waits stays with the"
            " task",
            least=0,
            most=_LONGEST,
        ),
    )
    functions: bool = field(
        default=False,
        metadata=_option(
            "divide busy time over the functions that run within steps, and the time of spans in"
            " worker threads likewise, by samples"
        ),
    )
    functions_interval: float = field(
        default=0.000_25,
        metadata=_option(
            "seconds between two samples, on average. Samples take a fiftieth of the time at most,"
            " so on many machines there are fewer."
            " What a thread of Python samples, as worker threads, it samples 200 times a second"
            " at most",
            least=0.000_2,
            most=10,
        ),
    )
    integrations: bool = field(
        default=True,
        metadata=_option(
            "make spans of what libraries do for the program, as soon as it has imported them:"
            " routes of Starlette, FastAPI, aiohttp and Quart, dependencies of FastAPI, tools,"
            " resources and prompts of MCP servers, and spans of OpenTelemetry"
        ),
    )
    resources: bool = field(
        default=False,
        metadata=_option(
            "record who holds and who waits for locks, semaphores and capacity limiters, and how"
            " long queues and memory channels are: `Profile.resources`",
            command="record who holds and who waits for locks, semaphores and capacity limiters,"
            " and how long queues and memory channels are",
        ),
    )
    wakers: bool = field(
        default=False,
        metadata=_option(
            "record who ends each wait, with the line: a task, a callback, a timer, a thread or the"
            " loop: `Profile.edges`. The lens ``chain`` and the option `keep` do so in any case",
            command="record who ends each wait, with the line: a task, a callback, a timer, a"
            " thread or the loop. The lens chain and --keep do so in any case",
        ),
    )
    blocking: float | None = field(
        default=0.1,
        metadata=_option(
            "seconds that a step may take before it blocks the loop. It is then logged at once,"
            " with the line, and kept in `Profile.blocking`. None for any time",
            least=0.001,
            most=_LONGEST,
        ),
    )
    keep: float | None = field(
        default=None,
        metadata=_option(
            "seconds from which on a span is slow, and is kept: a timeline of what all tasks did"
            " around it, in a file of its own beside the stack file. With 0, the ten slowest spans"
            " of each name. `slow` says more exactly what is kept. None keeps none",
            least=0,
            most=_LONGEST,
            command="seconds from which on a span is slow, and is kept: a timeline of what all"
            " tasks did around it, in a file of its own. With 0, the ten slowest spans of each"
            " name. none keeps none",
        ),
    )
    flush_interval: float | None = field(
        default=5.0,
        metadata=_option(
            "seconds between two writes of the stack file while the program runs. None for none",
            least=0.000_001,
            most=1e12,
        ),
    )
    max_stacks: int = field(
        default=10_000,
        metadata=_option("how many stacks are kept; later ones are charged to ``(other)``"),
    )
    max_depth: int = field(
        default=256,
        metadata=_option("how deep stacks may get; what is deeper is charged to ``(deeper)``"),
    )
    clock: Callable[[], int] = field(
        default=perf_counter_ns,
        metadata=_option(
            "any monotonic clock in integer nanoseconds. With `time.thread_time_ns`, busy time is"
            " CPU time",
            command="``wall``, or ``cpu`` for CPU time: a function that sleeps has none",
        ),
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if str(each.type).startswith("bool"):
                _check_switch(each.name, value, may_be_none="None" in str(each.type))
            if "least" in each.metadata and (value is not None or "None" not in str(each.type)):
                nanoseconds(each.name, value)
        if self.lens == "critical" and self.keep is None:
            raise ValueError(
                "lens 'critical' shows slow spans that are kept: give keep as well, such as"
                " keep=slow(0.5)"
            )


def _check_switch(name: str, value: object, *, may_be_none: bool) -> None:
    if not isinstance(value, bool) and not (may_be_none and value is None):
        choice = "True, False or None" if may_be_none else "True or False"
        raise TypeError(f"{name} is {choice}, not {value!r}")


def nanoseconds(name: str, seconds: object) -> int:
    """Return the nanoseconds of an option that is a number of seconds.

    Raises:
        TypeError, ValueError: it is no number, or out of bounds.
    """
    [how] = [each.metadata for each in fields(Options) if each.name == name]
    least, most = how["least"], how["most"]
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name} is a number of seconds, not {seconds!r}")
    if not least <= seconds <= most:
        raise ValueError(
            f"{name} is a number of seconds from {least:g} to {most:,g}, not {seconds!r}"
        )
    return round(seconds * 1e9)


def function_taking(
    make: Callable[P, _Options],
) -> Callable[[Callable[[_Options], _Result]], Callable[P, _Result]]:
    """Let a function of one value take what that value is made of.

    Args:
        make: a class of options, whose fields are the arguments.
    """

    def decorate(function: Callable[[_Options], _Result]) -> Callable[P, _Result]:
        name, signature = function.__qualname__, inspect.signature(make)

        @functools.wraps(function)
        def call(*arguments: P.args, **options: P.kwargs) -> _Result:
            _check(name, signature, arguments, options)
            return function(make(*arguments, **options))

        return _described(call, signature)

    return decorate


def initialiser_taking(
    make: Callable[P, _Options],
) -> Callable[[Callable[[_Self, _Options], None]], Callable[Concatenate[_Self, P], None]]:
    """Let the `__init__` of a class take what its one argument is made of; see above."""

    def decorate(
        method: Callable[[_Self, _Options], None],
    ) -> Callable[Concatenate[_Self, P], None]:
        name, signature = method.__qualname__.rpartition(".")[0], inspect.signature(make)

        @functools.wraps(method)
        def call(self: _Self, /, *arguments: P.args, **options: P.kwargs) -> None:
            _check(name, signature, arguments, options)
            method(self, make(*arguments, **options))

        itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        parameters = [itself, *signature.parameters.values()]
        return _described(call, signature.replace(parameters=parameters))

    return decorate


def _check(
    name: str, signature: inspect.Signature, arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    """Refuse what a function does not take, by the name of the function.

    Raises:
        TypeError: an argument is missing, or there is one too many.
    """
    for option in options:
        if option not in signature.parameters:
            raise TypeError(f"{name}() has no option {option!r}{_suggestion(option, signature)}")
    try:
        signature.bind(*arguments, **options)
    except TypeError as error:
        raise TypeError(f"{name}() cannot be called so: {error}") from None


def _suggestion(option: str, signature: inspect.Signature) -> str:
    import difflib  # noqa: PLC0415  # takes a while

    alike = difflib.get_close_matches(option, signature.parameters, 1, 0.5)
    return f"; did you mean {alike[0]!r}?" if alike else ""


def _described(call: _Callable, signature: inspect.Signature) -> _Callable:
    """Give a function the signature and the documentation of all options."""
    described: Any = call
    described.__signature__ = signature.replace(return_annotation=inspect.Signature.empty)
    described.__doc__ = describe(call.__doc__)
    return call


def describe(doc: str | None) -> str | None:
    """Put the descriptions of all options where a docstring says ``{options}``."""
    if doc is None or "{options}" not in doc:
        return doc
    indent = " " * (doc.index("{options}") - doc.rindex("\n", 0, doc.index("{options}")) - 1)
    lines = [
        textwrap.fill(
            f"{each.name}: {each.metadata['text']}.",
            100,
            initial_indent=indent,
            subsequent_indent=indent + "    ",
        )
        for each in fields(Options)
    ]
    return doc.replace(f"{indent}{{options}}", "\n".join(lines))
