"""Text as markup. Graphs and pages escape here and nowhere else."""

from __future__ import annotations

import base64
import hashlib
import pkgutil
import re
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
_ESCAPED: Final = re.compile(f"[{re.escape(''.join(map(chr, _ESCAPES)))}]")


def escape(text: str) -> str:
    """Return a text that is safe in XML and HTML, between tags and in quoted attributes.

    Browsers refuse a whole document for a single character that XML 1.0 forbids. So control
    characters, lone surrogates, U+FFFE and U+FFFF become U+FFFD. All white space becomes blanks.
    """
    if _ESCAPED.search(text) is None:  # so it is mostly, and that is fast to see
        return text
    return text.translate(_ESCAPES)


def nonce_attribute(nonce: str | None) -> str:
    """Return the nonce attribute of scripts and styles, or an empty text."""
    return "" if nonce is None else f' nonce="{escape(nonce)}"'


def csp_source(text: str) -> str:
    """Return the hash of a script or style as content security policies have it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def asset(package: str, name: str) -> str:
    """Return the text of a file in a package's `assets/`."""
    return (pkgutil.get_data(package, f"assets/{name}") or b"").decode()
