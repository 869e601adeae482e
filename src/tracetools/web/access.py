"""Who may see anything: whoever has the token, or passes the program's own check."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import inspect
import os
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tracetools.web.messages import RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tracetools.web.messages import Request, Scope

__all__ = ["VARIABLE", "Access", "Check"]

Check: TypeAlias = "Callable[[Scope], bool | Awaitable[bool]]"

VARIABLE: Final = "TRACETOOLS_TOKEN"
"""The environment variable that may have the token."""

SHORTEST: Final = 16
"""Characters of a token."""

_HOW: Final = "make one by: python -c 'import secrets; print(secrets.token_urlsafe())'"
_ASKS: Final = {"www-authenticate": 'Basic realm="tracetools", charset="UTF-8"'}
_LET_IN: Final = (
    "send the token as 'Authorization: Bearer TOKEN', or as the password of any user (Basic)"
)


class Access:
    """Lets in who may see a program.

    Args:
        token: what opens; without one and without a check, that of the environment.
        check: gets the scope of a request, and returns whether it is let in.

    Raises:
        ValueError: there is neither, or the token is too short.
        TypeError: they are of another type.
    """

    def __init__(self, token: str | None, check: Check | None) -> None:
        if check is not None and not callable(check):
            raise TypeError(f"check is a function of the scope of a request, not {check!r}")
        if token is None and check is None:
            token = os.environ.get(VARIABLE)
            if token is None:
                raise ValueError(
                    "web_app() shows a program to whoever may see it, so it needs to know who"
                    f" that is: give token=..., or set {VARIABLE}, or give check=..., a function"
                    f" of the scope that returns whether a request is let in. A token: {_HOW}"
                )
        self._digest = None if token is None else _digest(_checked(token))
        self._check = check

    async def admit(self, scope: Scope, request: Request) -> None:
        """Let a request in.

        Raises:
            RefusedError: it is not let in.
        """
        given = _token_in(request.headers.get("authorization", ""))
        digest = b"" if given is None else _digest(given)
        if self._digest is not None and hmac.compare_digest(digest, self._digest):
            return
        if self._check is not None and await _passes(self._check, scope):
            return
        if self._digest is None:
            raise RefusedError(403, "you may not see this")
        raise RefusedError(401, f"you may not see this without its token: {_LET_IN}", _ASKS)


async def _passes(check: Check, scope: Scope) -> bool:
    found: Any = check(scope)
    if inspect.isawaitable(found):
        found = await found
    return found is True


def _checked(token: object) -> str:
    if not isinstance(token, str):
        raise TypeError("the token is no text")  # it is not shown, whatever it is
    if len(token) < SHORTEST:
        raise ValueError(
            f"the token has {len(token)} characters, and could be guessed: take {SHORTEST} at"
            f" least; {_HOW}"
        )
    if token != token.strip() or not token.isascii() or not token.isprintable():
        raise ValueError(f"the token has characters that no header can have: {_HOW}")
    return token


def _digest(token: str) -> bytes:
    """Return what tokens are compared by; it is as long for all of them."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _token_in(header: str) -> str | None:
    """Return the token of a header ``Authorization``: of Bearer, or the password of Basic."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return None
    try:
        plain = base64.b64decode(rest.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return plain.partition(":")[2]
