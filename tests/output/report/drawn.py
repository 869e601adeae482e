"""What a graph of a report shows, read from its text."""

import re
import xml.etree.ElementTree as ET

SVG = "{http://www.w3.org/2000/svg}"


def frames_of(svg):
    """Return depth, start, width and title of each frame, the root first."""
    root = ET.fromstring(svg)
    return [
        (depth, int(frame.get("data-x")), int(frame.get("data-w")), frame.find(f"{SVG}title").text)
        for depth, row in enumerate(root.findall(f".//{SVG}g[@class='row']"))
        for frame in row
    ]


def stacks_of(svg):
    """Return the width of each frame below the root, by the names from there."""
    shown = {}
    open_frames = []
    for depth, start, width, title in sorted(frames_of(svg), key=lambda each: (each[1], each[0])):
        name = re.sub(r" \([^()]*%[^()]*\)$", "", title)
        open_frames[depth:] = [name]
        if depth:
            shown[tuple(open_frames[1:])] = width
        assert start >= 0
    return shown
