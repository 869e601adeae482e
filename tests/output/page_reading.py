"""A page as a reader without a browser sees it: its elements, and whether they nest."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "input", "br", "hr", "img", "link"}


class Page(HTMLParser):
    """Takes a page apart; fails where an end tag does not fit."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.elements = []
        self.texts = {}
        # What stands in CDATA sections of the graphs is no markup; this parser does not know them.
        self.feed(re.sub(r"<!\[CDATA\[.*?\]\]>", "", text, flags=re.DOTALL))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and data.strip():
            self.texts.setdefault(self.open[-1], []).append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def values(self, attribute):
        return [found[attribute] for _, found in self.elements if attribute in found]
