"""Questions to an engine, from the command line to the answer."""

from __future__ import annotations

import pytest

from tests.fleet.simulated import NOON, Shop
from tracetools.__main__ import main
from tracetools.commands import UsageError
from tracetools.commands.files.querying import moment_of
from tracetools.core.profile import Profile
from tracetools.fleet.engines import open_engine
from tracetools.fleet.store import Found, Store
from tracetools.output.formats.profile_json import read_profile

HOUR = 3_600 * 10**9


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    shop = Shop(routes=6, below=2, slower={("2", "GET /route1"): 2.0})
    url = f"duckdb:{tmp_path_factory.mktemp('fleet') / 'file'}"
    engine = open_engine(url)
    engine.send([shop.minute(v, n, m) for v in "12" for n in range(6) for m in range(12)])
    return url


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def asked(capsys, *arguments, status=0):
    assert main(["query", *arguments]) == status
    return capsys.readouterr()


def test_versions_are_listed(where, capsys):
    first, second, *_ = asked(capsys, where, "--list").out.splitlines()
    assert first.split() == [
        *["service", "version", "host", "processes", "batches", "first", "last"]
    ]
    assert second.split()[:5] == ["shop", "1", "host0", "2", "24"]


def test_the_only_service_need_not_be_named(where, capsys):
    said = asked(capsys, where).out
    assert "service 'shop': 144 batches of 12 processes" in said
    assert "GET /route1 (shop.py:11)" in said


@pytest.mark.parametrize("name", ["a.html", "a.svg", "a.folded", "a.pb.gz", "a.speedscope.json"])
def test_an_answer_is_written_in_any_format(where, capsys, tmp_path, name):
    assert f"wrote {name}" in asked(capsys, where, "--version", "2", "-o", name).err
    assert (tmp_path / name).stat().st_size > 100


def test_a_profile_of_one_span_has_no_other_stacks_and_keeps_the_laws(where, capsys):
    asked(capsys, where, "--span", "GET /route1", "-o", "a.profile.json")
    profile = read_profile("a.profile.json")
    profile.check()
    named = [{frame.name for frame in path} for path, t in profile.stacks.items() if any(t)]
    assert all("GET /route1" in names for names in named)


def test_a_difference_of_two_versions_is_printed_and_drawn(where, capsys, tmp_path):
    out, err = asked(capsys, where, "--version=2", "--compare=version=1", "-o", "d.svg")
    assert "frames that grew" in out
    assert "wrote d.svg" in err
    assert "version &#39;1&#39;" in (tmp_path / "d.svg").read_text().replace("'", "&#39;")


def test_the_regression_is_the_first_one(where, capsys):
    out = asked(capsys, where, "--version=2", "--compare=version=1", "--regressions").out
    [first] = [line for line in out.splitlines() if line.startswith("1. ")]
    at = out.splitlines().index(first)
    assert "GET /route1" in first + out.splitlines()[at + 2]
    assert "by chance: 1 in" in first or "no chance" in first


def test_latency_is_by_version(where, capsys):
    rows = asked(capsys, where, "--latency", "--span", "GET /route0").out.splitlines()
    assert [row.split()[3] for row in rows[1:3]] == ["1", "2"]


def test_hours_are_added_up_and_forgotten(where, capsys, tmp_path):
    url = f"duckdb:{tmp_path / 'old'}"
    shop = Shop(routes=1, below=1)
    open_engine(url).send([shop.minute("1", 0, -60 * 24 * 300)])  # long ago
    asked(capsys, url, "--roll-up")
    assert "added up 0 hours" in asked(capsys, url, "--roll-up").out
    asked(capsys, url, "--forget", "1")
    assert len(asked(capsys, url, "--list").out.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--version", "3"], "nothing was found of service 'shop', version '3'; its versions are"),
        (["--service", "x"], "nothing was found of service 'x'"),
        (["--span", "x"], "has a frame named 'x'"),
        (["--latency", "--span", "x"], "no latency was found"),
        (["--regressions"], "name the earlier one with --compare"),
        (["--compare", "version=1", "--regressions", "--lens", "chain"], "choose busy, idle"),
        (["--compare", "version=1", "-o", "x.html"], "a difference is drawn as SVG"),
        (["--from", "2h", "--to", "3h"], "--from is not earlier than --to"),
        (["--from", "soon"], "'soon' is no time"),
        (["-o", "x.y"], "unclear what x.y should be"),
        (["-o", "no/x.svg"], "no folder no"),
    ],
)
def test_a_question_that_makes_no_sense_is_answered_with_what_to_do(where, capsys, arguments, said):
    assert said in asked(capsys, where, *arguments, status=2).err


@pytest.mark.parametrize("arguments", [[], ["--service", "shop"]], ids=["all", "one"])
def test_where_nothing_is_found_what_did_not_answer_is_said(where, capsys, monkeypatch, arguments):
    missing = ("1 of 2 shards did not answer",)
    monkeypatch.setattr(Store, "known", lambda _: ([], missing))
    monkeypatch.setattr(Store, "profile", lambda *_: Found(Profile(), 0, 0, missing))
    said = asked(capsys, where, *arguments, status=2).err
    assert said.endswith("; missing: 1 of 2 shards did not answer\n")


def test_an_engine_that_is_not_there_is_said(capsys):
    assert "push something to it first" in asked(capsys, "duckdb:none", "--list", status=2).err


def test_hours_without_data_are_said_and_end_with_status_1(where, capsys):
    said = asked(capsys, where, "--from", "2027-01-15T00:00Z", "--to=2027-01-16T00:00Z", status=1)
    assert "missing: " in said.err
    assert "hours have no data" in said.err


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOON),
        ("2h", NOON - 2 * HOUR),
        ("30m", NOON - HOUR // 2),
        ("1970-01-02T00:00+00:00", 24 * HOUR),
        ("1970-01-02T00:00:00Z", 24 * HOUR),
        ("99999999999d", 0),
    ],
)
def test_moments_are_read(text, moment):
    assert moment_of(text, NOON) == moment


@pytest.mark.parametrize("text", ["", "h", "-1h", "1y", "٣h", "25:00", "2026-13-01", "9" * 5000])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(UsageError, match="is no time"):
        moment_of(text, NOON)
