"""Texts in HTML: the one place that escapes for pages, as the drawing does for graphs.

What may live here: text to markup. What must not: what the text means.
"""

from __future__ import annotations

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
    """Make any text safe in HTML, between tags and in quoted attributes alike.

    Control characters, lone surrogates, U+FFFE and U+FFFF are replaced by U+FFFD, blanks of any
    kind by a blank.
    """
    return text.translate(_ESCAPES)


def nonce_attribute(nonce: str | None) -> str:
    """Give the attribute that a content security policy asks of scripts and styles, or nothing."""
    return "" if nonce is None else f' nonce="{escape(nonce)}"'
