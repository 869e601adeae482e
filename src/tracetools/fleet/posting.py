"""HTTP requests of ours: bounded in time and size, and never redirected."""

from __future__ import annotations

import http.client
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from tracetools.fleet.engine import EngineRefusesError, EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Answer", "Server", "seconds_to_wait"]

_LONGEST_ANSWER: Final = 100_000
_TIMEOUT: Final = 10.0
_SHOWN: Final = 200


class Answer(NamedTuple):
    """What a server has answered.

    Attributes:
        status: the status.
        body: the first 100,000 bytes.
        kind: its media type.
        retry_after: the seconds that it wants us to wait; ``None`` if it does not say.
        location: where it redirects to; empty if it does not.
    """

    status: int
    body: bytes
    kind: str = ""
    retry_after: float | None = None
    location: str = ""

    @property
    def text(self) -> str:
        """The beginning of the body in one line."""
        words = self.body.decode(errors="replace").split()
        shown = "".join(each if each.isprintable() else "?" for each in " ".join(words)[:_SHOWN])
        return shown or "no reason given"


class Server:
    """A server that takes requests.

    Args:
        url: where it is: ``http://HOST:PORT/PATH`` or ``https://...``, without a password.
        timeout: seconds that each part of a request may take.

    Raises:
        EngineRefusesError: the URL makes no sense, or has a password in it.
    """

    def __init__(self, url: str, timeout: float = _TIMEOUT) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise EngineRefusesError(f"the URL of the server makes no sense: {error}") from error
        if "@" in parts.netloc:
            raise EngineRefusesError(
                "the URL of a server has no name and no password: they would be seen in logs; put"
                " them into the environment"
            )
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
            raise EngineRefusesError(
                f"{url!r} is no URL of a server: give one such as http://127.0.0.1:4040"
            )
        self.name = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._is_secure = parts.scheme == "https"
        self._host, self._port = host, port
        self._path = parts.path.rstrip("/")
        self._timeout = timeout

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request, and return what is answered, whatever it is.

        Raises:
            EngineUnavailableError: there is no answer, or none of HTTP.
        """
        connection = self._connection()
        try:
            connection.request("POST", self._path + path, body, dict(headers))
            response = connection.getresponse()
            read = response.read(_LONGEST_ANSWER)
            return Answer(
                response.status,
                read,
                response.headers.get_content_type(),
                seconds_to_wait(response.headers.get("Retry-After")),
                response.headers.get("Location", ""),
            )
        except TimeoutError as error:
            raise EngineUnavailableError(
                f"{self.name} did not answer within {self._timeout:g} s"
            ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = getattr(error, "strerror", None) or f"{type(error).__name__} {error}".strip()
            raise EngineUnavailableError(f"{self.name} cannot be reached: {why}") from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._is_secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)


def seconds_to_wait(text: str | None, now: float | None = None) -> float | None:
    """Return the seconds of a header ``Retry-After``: a number, or a date; ``None`` for none."""
    if text is None:
        return None
    text = text.strip()
    if text.isdecimal() and text.isascii():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(until - (time.time() if now is None else now), 0.0)
