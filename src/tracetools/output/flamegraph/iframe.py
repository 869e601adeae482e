"""Pages within other pages, such as notebooks: each in a frame, so that two of them never meet."""

from __future__ import annotations

from typing import Final

from tracetools.output.flamegraph.markup import escape

GRAPH_HEIGHT: Final = 480
"""Pixels for one graph."""

PAGE_HEIGHT: Final = 720
"""Pixels for a whole report, which scrolls."""


def iframe_of_page(page_html: str, height: int = PAGE_HEIGHT, title: str = "tracetools") -> str:
    """Return a frame with a whole page in it.

    JupyterLab, VS Code and Colab run scripts in a frame; beside one they do not always. The page
    may run scripts and do nothing else: it can neither see nor change the notebook.
    """
    page = page_html.replace("&", "&amp;").replace('"', "&quot;")
    return (
        f'<iframe title="{escape(title)}" sandbox="allow-scripts" width="100%" height="{height}"'
        f' frameborder="0" srcdoc="{page}"></iframe>'
    )


def iframe_of_svg(svg_text: str, title: str, height: int = GRAPH_HEIGHT) -> str:
    """Return a frame with one graph in it, which was drawn with the option `embedded`."""
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n"
        "<style>body { margin: 0; } svg.tracetools { display: block; }</style>\n"
        f"</head>\n<body>\n{svg_text}</body>\n</html>\n"
    )
    return iframe_of_page(page, height, title)
