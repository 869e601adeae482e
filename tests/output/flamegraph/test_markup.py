"""The escaping of text, and what security policies need."""

import base64
import hashlib
from html import unescape
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.output.flamegraph.markup import asset, csp_source, escape, nonce_attribute


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain é中", "plain é中"),
        ('<a href="x">&\'', "&lt;a href=&quot;x&quot;&gt;&amp;&#39;"),
        ("a\tb\nc\r", "a b c "),
        ("\x00\x1b\x7f\x9f\ud800\ufffe\uffff", "\ufffd" * 7),
    ],
)
def test_special_characters_are_replaced(text, escaped):
    assert escape(text) == escaped


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_well_formed_and_as_long_as_before(text):
    markup = f'<a b="{escape(text)}">{escape(text)}</a>'
    root = ET.fromstring(markup)
    assert len(root.text or "") == len(root.get("b")) == len(text)
    assert unescape(escape(text)) == (root.text or "")


def test_a_nonce_is_an_attribute():
    assert nonce_attribute(None) == ""
    assert nonce_attribute("abc=") == ' nonce="abc="'


def test_a_policy_has_the_sha256_of_a_text():
    digest = base64.b64encode(hashlib.sha256("é".encode()).digest()).decode()
    assert csp_source("é") == f"'sha256-{digest}'"


def test_an_asset_is_the_text_of_its_file():
    assert asset("tracetools.output.report", "report.css").startswith("/* The look of a report")
