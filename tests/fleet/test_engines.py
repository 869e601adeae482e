"""Engines by their URLs; what is wrong with one is said with what to do."""

from __future__ import annotations

import sys

import pytest

from tracetools.fleet.engine import EngineRefusesError
from tracetools.fleet.engines import SCHEMES, check_url, open_engine
from tracetools.fleet.pyroscope import Pyroscope


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "a URL begins with one of duckdb:, chdb:, clickhouse:"),
        ("fleet.duckdb", "a URL begins with one of"),
        ("postgres://x", "no engine is named by 'postgres://x'"),
        ("duckdb:", "names no file"),
        ("chdb:", "names no folder"),
        ("clickhouse://", "names no host"),
        ("clickhouse://a:b", "no URL of ClickHouse"),
        ("clickhouse://a:99999/x", "no URL of ClickHouse"),
        ("clickhouse://me:secret@a/x", "set TRACETOOLS_CLICKHOUSE_PASSWORD in the environment"),
        ("clickhouse://a/x;DROP", "is no name"),
        ("clickhouse://a/x?cluster=a.b", "is no name"),
        ("clickhouse://a/x?colour=red", "there are cluster=NAME, keep=DAYS"),
        ("clickhouse://a/x?keep=0", "keep=DAYS from 1 up"),
        ("clickhouse://a/x?timeout=nan", "timeout=SECONDS"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused(url, said):
    with pytest.raises(EngineRefusesError) as caught:
        open_engine(url)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("package", "extra"), [("duckdb", "fleet"), ("chdb", "chdb")])
def test_a_package_that_is_missing_is_named_with_what_to_install(monkeypatch, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EngineRefusesError, match=rf"pip install 'trio-tracetools\[{extra}\]'"):
        open_engine(f"{package}:x")


def test_a_url_names_its_engine():
    assert isinstance(open_engine("pyroscope+http://127.0.0.1:4040"), Pyroscope)


@pytest.mark.parametrize("url", ["", "x", "http://127.0.0.1", "pyroscope", "redis://a"])
def test_what_names_none_is_refused_with_the_list_of_all(url):
    with pytest.raises(EngineRefusesError, match=r"pyroscope\+http:") as caught:
        check_url(url)
    assert all(f"{scheme}:" in str(caught.value) for scheme in SCHEMES)
