"""What the frames of a flame graph say, read from its SVG: ours, and inferno's."""

import re
from typing import NamedTuple
from xml.etree import ElementTree as ET

from tracetools.output.flamegraph import layout
from tracetools.output.formats.folded import pack

SVG = "{http://www.w3.org/2000/svg}"


class Frame(NamedTuple):
    depth: int
    start: int
    width: int
    title: str
    label: str = ""


def lay_out(stacks, min_width=0, max_frames=None):
    """The layout of stacks with positive counts, at least one: of a table, and of sorted stacks."""
    counts = [(pack(stack), count) for stack, count in stacks.items()]
    found = layout.lay_out(counts, min_width, max_frames)
    assert found == layout.place(layout.arrange(counts), min_width, max_frames)
    return found


def read_frames(text):
    """The frames of our graph, in its order."""
    rows = [node for node in parse(text).iter(f"{SVG}g") if node.get("class") == "row"]
    return [read_frame(node, depth) for depth, row in enumerate(rows) for node in row]


def read_frame(node, depth):
    title, _, *labels = node
    label = "".join(each.text for each in labels)
    return Frame(depth, int(node.get("data-x")), int(node.get("data-w")), title.text, label)


def parse(text):
    """The root element; fails if the text is no well-formed XML 1.0 of UTF-8."""
    return ET.fromstring(text.encode())


def read_inferno_frames(text):
    """The frames of inferno's graph; its rows are 16 pixels apart, the root the lowest."""
    found = re.findall(
        r'<title>([^<]*)</title><rect x="[^"]*" y="(\d+)"[^>]* fg:x="(\d+)" fg:w="(\d+)"', text
    )
    lowest = max(int(y) for _, y, _, _ in found)
    return [Frame((lowest - int(y)) // 16, int(x), int(w), title) for title, y, x, w in found]
