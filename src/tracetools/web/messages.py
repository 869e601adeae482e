"""ASGI: requests and responses as values, and a client that goes away."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping
    from typing import TypeAlias

    Scope: TypeAlias = MutableMapping[str, Any]
    Message: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]

_Result = TypeVar("_Result")

__all__ = [
    "HTML",
    "JSON",
    "TEXT",
    "GoneError",
    "RefusedError",
    "Request",
    "Response",
    "goes_within",
    "in_thread",
    "in_thread_shielded",
    "request_of",
    "respond",
]

TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"

_LONGEST_HEADER: Final = 8_192
_PIECE: Final = 1 << 16
"""So many bytes of a body are sent at once."""

_WORTH_COMPRESSING: Final = 1_000

_NO_CONTENT: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
_SAFE: Final = (
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("vary", "accept, accept-encoding, authorization"),
)


class GoneError(Exception):
    """The client has gone away."""


class RefusedError(Exception):
    """A request is answered by a sentence that says what is wrong, and what to do.

    Args:
        status: the status of HTTP.
        why: the sentence.
        headers: what else is said.
    """

    def __init__(self, status: int, why: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.response = Response(
            f"{why}\n".encode("utf-8", "replace"), TEXT, status, dict(headers or {})
        )


class Request(NamedTuple):
    """What is asked for.

    Attributes:
        method: such as ``GET``.
        path: what comes after the place where the application is mounted; empty, or from its slash.
        query: what comes after the question mark, as it was sent.
        headers: by their names in small letters.
        root: where the application is mounted.
    """

    method: str
    path: str
    query: bytes
    headers: Mapping[str, str]
    root: str

    def accepts(self, kind: str) -> bool:
        """Whether the client names a content type among those that it likes to get."""
        return kind in self.headers.get("accept", "").lower()


class Response(NamedTuple):
    """An answer.

    Attributes:
        body: its bytes.
        kind: its content type.
        status: the status of HTTP.
        headers: further headers.
        policy: what the content security policy allows beyond nothing at all.
    """

    body: bytes
    kind: str = TEXT
    status: int = 200
    headers: Mapping[str, str] = {}
    policy: str = ""


def request_of(scope: Scope) -> Request:
    """Return the request of a scope.

    Servers and frameworks differ in whether the path has the place where we are mounted.
    """
    path, root = str(scope.get("path", "")), str(scope.get("root_path") or "").rstrip("/")
    if root and (path == root or path.startswith(f"{root}/")):
        path = path[len(root) :]
    headers: dict[str, str] = {}
    for name, value in scope.get("headers") or ():
        key = bytes(name).lower().decode("latin-1")
        headers[key] = headers.get(key, bytes(value).decode("latin-1"))[:_LONGEST_HEADER]
    return Request(
        str(scope.get("method", "GET")).upper(),
        path,
        bytes(scope.get("query_string") or b""),
        headers,
        root,
    )


async def respond(send: Send, request: Request, response: Response) -> None:
    """Send a response; to HEAD, only what stands above the body."""
    body, headers = response.body, dict(response.headers)
    if _may_be_compressed(request, response):
        body = await in_thread(gzip.compress, body, 5)
        headers["content-encoding"] = "gzip"
    policy = f"{_NO_CONTENT}; {response.policy}" if response.policy else _NO_CONTENT
    told = {
        "content-type": response.kind,
        **({} if request.method == "HEAD" and not body else {"content-length": str(len(body))}),
        "content-security-policy": policy,
        **dict(_SAFE),
        **headers,
    }
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in told.items()],
        }
    )
    if request.method == "HEAD":
        body = b""
    for begin in range(0, max(len(body), 1), _PIECE):
        await send(
            {
                "type": "http.response.body",
                "body": body[begin : begin + _PIECE],
                "more_body": begin + _PIECE < len(body),
            }
        )


def _may_be_compressed(request: Request, response: Response) -> bool:
    if len(response.body) < _WORTH_COMPRESSING or "content-encoding" in response.headers:
        return False
    known = request.headers.get("accept-encoding", "").replace(" ", "").split(",")
    is_text = response.kind.startswith(("text/", "image/svg", "application/openmetrics", JSON))
    return is_text and "gzip" in known


async def goes_within(receive: Receive, seconds: float) -> bool:
    """Wait, and return whether the client goes away meanwhile. Its request's body is passed over.

    There is no task for that, which would be recorded.
    """
    with anyio.move_on_after(seconds):
        has_more = True
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return True
            if not has_more:  # there is nothing to come but that it goes
                await anyio.sleep_forever()
            has_more = bool(message.get("more_body"))
    return False


async def in_thread(function: Callable[..., _Result], *arguments: object) -> _Result:
    """Call a function in a worker thread that no others wait for."""
    return await anyio.to_thread.run_sync(function, *arguments, limiter=anyio.CapacityLimiter(1))


async def in_thread_shielded(function: Callable[[], _Result]) -> _Result:
    """Do so, although the work is cancelled."""
    done: list[_Result] = []
    with anyio.CancelScope(shield=True):
        done.append(await in_thread(function))
    return done[0]
