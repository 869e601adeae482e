"""Text in markup: the one place that escapes, for graphs and for pages alike.

What may live here: text to markup, and the files in `assets/`. What must not: what a text means.
"""

from __future__ import annotations

import base64
import hashlib
import pkgutil
from typing import Final

_BLANKS: Final = "\t\n\v\f\r"
_ESCAPES: Final = str.maketrans(
    {
        **{chr(code): "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0))},
        **{chr(code): "\ufffd" for code in range(0xD800, 0xE000)},
        **dict.fromkeys("\ufffe\uffff", "\ufffd"),
        **dict.fromkeys(_BLANKS, " "),
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "'": "&#39;",
    }
)


def escape(text: str) -> str:
    """Make any text safe in XML and HTML, between tags and in quoted attributes alike.

    What XML 1.0 has no place for (control characters, lone surrogates, U+FFFE and U+FFFF) is
    replaced by U+FFFD, one for one, since a single such character makes browsers refuse a whole
    document; blanks of any kind become a blank.
    """
    return text.translate(_ESCAPES)


def nonce_attribute(nonce: str | None) -> str:
    """Give the attribute that a content security policy asks of scripts and styles, or nothing."""
    return "" if nonce is None else f' nonce="{escape(nonce)}"'


def csp_source(text: str) -> str:
    """Give the hash of a script or style as content security policies write it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def asset(package: str, name: str) -> str:
    """Give a file of a package's `assets/`, as it was written."""
    return (pkgutil.get_data(package, f"assets/{name}") or b"").decode()
