"""What kind of frame one is: the program's own function, a library's, an await, and so on.

Graphs colour frames by it, and fold those of libraries. With a profile it is known whose a file is;
with the labels of folded stacks it is guessed.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from tracetools.core.edges import BY_NOBODY
from tracetools.core.origins import guessed_origin
from tracetools.core.profile import IDLE, SCHEDULED
from tracetools.core.slow_spans import CRITICAL
from tracetools.core.stacks import (
    BLOCKS_THE_LOOP,
    DEEPER,
    HOLDS_THE_GIL,
    IMPORTING,
    OF_LOOP,
    OTHER,
    ROOT,
    RUNTIME,
    Frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tracetools.core.origins import Origin

__all__ = [
    "AWAIT",
    "FRAME_KINDS",
    "KNOWN_PACKAGES",
    "FrameKind",
    "frame_of_label",
    "is_of_import",
    "kind_of_frame",
    "kind_of_label",
    "kinds_by_guess",
    "kinds_of",
    "package_of",
]

FrameKind: TypeAlias = Literal["own", "library", "runtime", "await", "state", "span"]
"""What a frame is:

- ``own``: a function of the program, or a span that has the name of one.
- ``library``, ``runtime``: a function of an installed package, or of Python itself; also several of
  them that were folded into one frame.
- ``await``: what a task waits for.
- ``state``: a frame of tracetools, such as ``[idle]``, ``(runtime)`` or ``blocks the loop``.
- ``span``: a span with a name that no function can have, such as ``GET /report/{year}``; and what
  has no known file.
"""

FRAME_KINDS: Final[tuple[FrameKind, ...]] = get_args(FrameKind)

_DEMO: Final = "tracetools/demo/"
"""Where the program of `tracetools demo` is, which is a program like any other."""

AWAIT: Final = "await "
"""How the names of frames begin that say what a task waits for."""

_STATES: Final = frozenset(
    frame.name
    for frame in (
        ROOT,
        IDLE,
        SCHEDULED,
        OTHER,
        DEEPER,
        IMPORTING,
        RUNTIME,
        CRITICAL,
        *OF_LOOP,
        *BY_NOBODY,
    )
)
_ENDS: Final = (BLOCKS_THE_LOOP, HOLDS_THE_GIL)
_NO_FUNCTION: Final = re.compile(r"[\s/:]")
"""What no name of a function has."""

_MADE: Final = ("__create_fn__", "<lambda>")
"""How the names of functions begin that `dataclasses` and `namedtuple` make. Their file is that of
code given by ``-c``."""

_GENERATED: Final = ("<attrs generated", "<sqlalchemy", "<template")
"""How the files begin of functions that libraries make."""

_LABEL: Final = re.compile(r"(.*) \((?:unknown|(.+):(\d+))\)", re.DOTALL)
_INSTALLED: Final = re.compile(r".*(?:^|/)(?:site|dist)-packages/")
_STANDARD: Final = re.compile(r".*/(?:python3\.\d+t?|[Ll]ib)/")

_PACKAGES: Final = """
    _pytest aiofiles aiohttp aioredis anyio asgiref asyncpg attr attrs cattrs celery certifi
    charset_normalizer click daphne django distributed dns exceptiongroup fastapi flask fsspec
    google greenlet grpc gunicorn h11 h2 hpack httpcore httptools httpx hypercorn hyperframe idna
    ipykernel IPython itsdangerous jinja2 jsonschema kombu litestar logfire markupsafe mcp motor
    msgpack msgspec multidict numpy openai opentelemetry orjson outcome pandas pluggy psycopg
    pydantic pydantic_core pydantic_settings pymongo pytest pytest_asyncio pytest_trio quart redis
    requests rich sanic scrapy sniffio sortedcontainers sqlalchemy sse_starlette starlette structlog
    textual tornado tracetools trio trio_asyncio trio_websocket twisted typing_extensions
    typing_inspection urllib3 uvicorn uvloop watchfiles websockets werkzeug wsproto yarl zmq
"""
KNOWN_PACKAGES: Final = frozenset(_PACKAGES.split())
"""Packages that are taken for libraries, where nothing says whose a file is."""


def kind_of_frame(frame: Frame, origins: Mapping[str, Origin]) -> FrameKind:
    """Return what kind of frame one is; `origins` are those of its profile."""
    return _kind(frame) or _own(frame, origins.get(frame.file or "", "own"))


def kinds_of(origins: Mapping[str, Origin]) -> Callable[[Frame], FrameKind]:
    """Return `kind_of_frame` for one profile. It remembers the frames that it was asked for."""
    return lru_cache(maxsize=None)(lambda frame: kind_of_frame(frame, origins))


def kinds_by_guess() -> Callable[[Frame], FrameKind]:
    """Return the same for frames that nothing is known of. Well-known packages are libraries."""
    return lru_cache(maxsize=None)(
        lambda frame: _kind(frame) or _own(frame, _guessed(frame.file or ""))
    )


def kind_of_label(label: str) -> FrameKind:
    """Return what kind of frame the label of a folded stack is likely to be."""
    frame = frame_of_label(label)
    return _kind(frame) or _own(frame, _guessed(frame.file or ""))


def frame_of_label(label: str) -> Frame:
    """Return the frame of a label such as ``name (file:line)``.

    A label that has no location is a frame without one, as those of tracetools are.
    """
    match = _LABEL.fullmatch(label)
    if match is None:
        return Frame(label, "")
    name, file, line = match.groups()
    return Frame(name, file, int(line[:9]) if line else 0)


@lru_cache(maxsize=1 << 14)
def is_of_import(frame: Frame) -> bool:
    """Whether a frame is one of Python's import system, or says that something is imported."""
    return frame == IMPORTING or (frame.file or "").startswith("<frozen importlib")


@lru_cache(maxsize=4096)
def package_of(file: str) -> str:
    """Return the name of the package or module that a file belongs to; nothing if it has none.

    That is the first part of ``starlette/routing.py``, as profiles show files of libraries.
    """
    if file.startswith("<"):
        name = file.strip("<>").removeprefix("frozen ").partition(".")[0]
        return name if file.startswith("<frozen ") else ""
    path = _STANDARD.sub("", _INSTALLED.sub("", file.replace("\\", "/")))
    return path.lstrip("/").partition("/")[0].partition(".")[0]


def _kind(frame: Frame) -> FrameKind | None:
    """Return what a frame is by its name; None if that depends on whose the file is."""
    name, file = frame.name, frame.file
    if name in _ENDS or (file == "" and name in _STATES):
        return "state"
    if name.startswith(AWAIT):
        return "await"
    if file == "":
        return _folded(name)
    return "span" if file is None or _NO_FUNCTION.search(name) else None


def _folded(name: str) -> FrameKind:
    """Return the kind of a frame that stands for several; of any other name it is a span."""
    if not (name.startswith("(") and name.endswith(")")):
        return "span"
    names = name[1:-1].split(", ")
    return "runtime" if all(each in sys.stdlib_module_names for each in names) else "library"


def _own(frame: Frame, origin: Origin) -> FrameKind:
    """Return the kind of a function, by whose its file is said to be."""
    file = frame.file or ""
    if origin == "own" and file.startswith("<"):
        if file == "<string>" and frame.name.startswith(_MADE):
            return "runtime"
        return "library" if file.startswith(_GENERATED) else "own"
    return origin


def _guessed(file: str) -> Origin:
    if file.startswith(_DEMO):
        return "own"
    origin = guessed_origin(file)
    return "library" if origin == "own" and package_of(file) in KNOWN_PACKAGES else origin
