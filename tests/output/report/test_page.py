"""The page as text: well formed, whole in itself, and proof against any name."""

import dataclasses
import re

import pytest

from tests.output.page_reading import Page
from tracetools.core.errors import GraphFileError
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.output.flamegraph.options import GraphOptions
from tracetools.output.formats.folded import pack
from tracetools.output.report import write_report
from tracetools.output.report.of_profile import report_of_profile
from tracetools.output.report.of_stacks import report_of_stacks

NAMESPACES = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml")
ATTACKS = [
    "<script>alert(1)</script>",
    "</style></script><img src=x onerror=alert(1)>",
    '" onclick="alert(1)" x=\'',
    "]]><b>",
    "<!-- --",
    "&lt;b&gt; &amp;",
    "\ud800\udfff\x00\x1b\x85\ufffe",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_name_title_or_note_becomes_markup(profile, attack):
    plain = Page(report_of_profile(profile, GraphOptions(notes="n", title="t")))
    renamed = {
        tuple(frame if frame is ROOT else Frame(frame.name + attack, attack) for frame in path): t
        for path, t in profile.stacks.items()
    }
    hostile = dataclasses.replace(profile, stacks=renamed, programs=(attack,), backends=(attack,))
    text = report_of_profile(hostile, GraphOptions(notes=attack, title=attack))
    text.encode()
    page = Page(text)
    shape = [(tag, set(found)) for tag, found in page.elements if tag not in ("span", "text")]
    expected = [(tag, set(found)) for tag, found in plain.elements if tag not in ("span", "text")]
    assert sorted(map(str, shape)) == sorted(map(str, expected))


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_name_of_a_file_becomes_markup(attack):
    plain = Page(report_of_stacks({"a": [(b"b", 1)]}, GraphOptions()))
    page = Page(report_of_stacks({attack: [(pack((attack,)), 1)]}, GraphOptions()))
    tags = [tag for tag, _ in page.elements if tag not in ("span", "text")]
    assert tags == [tag for tag, _ in plain.elements if tag not in ("span", "text")]


def test_the_page_has_no_address_outside_itself(profile):
    text = report_of_profile(profile, GraphOptions())
    addresses = set(re.findall(r"\w+://[^\s\"'<>]*", text))
    assert {address for address in addresses if not address.startswith(NAMESPACES)} == set()
    page = Page(text)
    assert page.values("src") == page.values("href") == []
    assert "@import" not in text
    assert "url(" not in text


def test_every_id_is_there_once(eventful):
    page = Page(report_of_profile(eventful, GraphOptions()))
    ids = page.values("id")
    assert len(ids) == len(set(ids)) > 0


def test_nothing_needs_inline_styles_or_handlers(eventful):
    page = Page(report_of_profile(eventful, GraphOptions()))
    names = {name for _, found in page.elements for name in found}
    assert not {name for name in names if name == "style" or name.startswith("on")}


def test_a_nonce_stands_on_the_pages_styles_and_script(profile):
    page = Page(report_of_profile(profile, GraphOptions(nonce="abc=")))
    assert page.all("script")[-1] == {"nonce": "abc="}
    assert page.all("style")[0] == {"nonce": "abc="}


def test_each_graph_keeps_its_state_under_the_name_of_its_lens(profile):
    page = Page(report_of_profile(profile, GraphOptions()))
    assert page.values("data-state") == ["busy", "idle", "task", "scheduled"]


def test_the_same_profile_gives_the_same_page(eventful):
    turned = dataclasses.replace(
        eventful,
        stacks=dict(reversed(eventful.stacks.items())),
        blocking=dict(reversed(eventful.blocking.items())),
    )
    assert report_of_profile(eventful, GraphOptions()) == report_of_profile(turned, GraphOptions())


def test_answers_come_first_then_the_graphs_and_all_else_after_them(eventful):
    page = Page(report_of_profile(eventful, GraphOptions()))
    kinds = ["answers", "graphs", "findings", "figures", "blocking", "about"]
    assert [one.get("class") for one in page.all("section") if one.get("class") in kinds] == kinds


def test_a_profile_without_findings_has_no_section_for_them(profile):
    page = Page(report_of_profile(profile, GraphOptions()))
    assert not {"findings", "blocking"} & set(page.values("class"))


def test_a_profile_without_time_says_so():
    page = Page(report_of_profile(Profile(stacks={(ROOT,): Times()}), GraphOptions()))
    assert any("Nothing was recorded" in text for text in page.texts["p"])
    assert page.all("svg") == []


def test_a_lens_without_time_has_no_graph():
    profile = Profile(stacks={(ROOT,): Times(busy=5)}, duration=5)
    page = Page(report_of_profile(profile, GraphOptions()))
    assert page.values("data-lens") == ["busy"]


def test_report_is_written_as_a_whole_or_not_at_all(profile, tmp_path):
    path = tmp_path / "report.html"
    write_report(path, profile, title="Mine", colors="blue")
    assert path.read_text(encoding="utf-8") == report_of_profile(
        profile, GraphOptions(title="Mine", colors="blue")
    )
    with pytest.raises(GraphFileError, match=r"cannot write report .*nowhere"):
        write_report(tmp_path / "nowhere" / "report.html", profile)
    with pytest.raises(TypeError, match="no option colour"):
        write_report(path, profile, colour="blue")
