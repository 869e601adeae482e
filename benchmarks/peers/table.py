"""Make the tables of `docs/explanation/which-tool.md` from what `run.py` has found.

python benchmarks/peers/table.py            prints them
python benchmarks/peers/table.py --write    puts them into the page
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from questions import QUESTIONS

HERE: Final = Path(__file__).parent
FOUND: Final = HERE / "found.json"
PAGE: Final = HERE.parents[1] / "docs" / "explanation" / "which-tool.md"
PLACE: Final = re.compile(r"(?s)(?<=<!-- measured -->\n).*?(?=<!-- end of measured -->)")


NOISY: Final = """\
**The machine did other work meanwhile**, so the ratios are rough: some are below 1, which cannot
be. Whether a thing is named is hardly touched by that; a sampler that gets no processor counts too
little time."""


def tables(found: Mapping[str, Any]) -> str:
    """Return what stands in the page: what was measured with, what is answered, what it costs."""
    tools = found["tools"]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    busy = " and ".join(map(str, found["load average"]))
    about = (
        f"Measured on {found['date']}: {found['machine']}, load average {busy} at the start and the"
        f" end, rounds: {found['rounds']}. {versions}."
    )
    if max(found["load average"]) > 1:
        about += f"\n\n{NOISY}"
    return "\n".join(["", *_lines(_answers(tools)), "", *_lines(_costs(tools)), "", about, "", ""])


def _answers(tools: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    return [
        ["its own output says", *QUESTIONS.values()],
        *(
            [
                f"`{tool['name']}`",
                *("yes" if tool["answers"][question] else "no" for question in QUESTIONS),
            ]
            for tool in tools
        ),
    ]


def _costs(tools: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    head = ["", "request, CPU", "request, wall", "tasks, CPU", "tasks, wall", "size of output"]
    return [head, *([f"`{tool['name']}`", *_of(tool)] for tool in tools)]


def _of(tool: Mapping[str, Any]) -> list[str]:
    ratios = [tool[f"{what} {kind}"] for what in ("request", "tasks") for kind in ("cpu", "wall")]
    return [*map(_ratio, ratios), _size(tool["size"])]


def _ratio(values: Sequence[float]) -> str:
    low, middle, high = values
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def _size(count: float) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *others = (f"| {' | '.join(row)} |" for row in rows)
    return [head, "|---" * len(rows[0]) + "|", *others]


def main() -> None:
    text = tables(json.loads(FOUND.read_text()))
    if "--write" in sys.argv:
        PAGE.write_text(PLACE.sub(lambda _: text, PAGE.read_text()))
    else:
        print(text)


if __name__ == "__main__":
    main()
