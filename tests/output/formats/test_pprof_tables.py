"""The tables of a pprof file."""

import pytest

from tests.output.formats.test_pprof import foreign
from tracetools.output.formats import pprof_tables
from tracetools.output.formats.content import MalformedError
from tracetools.output.formats.pprof_tables import Location, Sample, read_tables
from tracetools.output.formats.wire import message, number, packed, string


def test_all_tables_are_read():
    tables = read_tables(foreign(([2, 1], [3, 30]), default="samples"))
    assert tables.types == [("samples", "count"), ("cpu", "nanoseconds")]
    assert tables.default == "samples"
    assert tables.location(1, 0) == Location(((1, 8),), 0, 0)
    assert tables.location(2, 0).lines == ((1, 0), (2, 0))  # what calls an inlined one is its last
    assert tables.function(1, 0) == ("main", "a.py", 7)
    [sample] = tables.samples()
    assert sample[:2] == Sample([2, 1], [3, 30], 0)[:2]


def test_what_has_no_symbols_has_its_address_and_file():
    data = foreign(([3], [1, 1])) + message(3, number(1, 5), number(5, 3))
    data += message(4, number(1, 4), number(2, 5), number(3, 0xCAFE))
    assert read_tables(data).labels(3, 0) == [b"0xbeef"]
    assert read_tables(data).labels(4, 0) == [b"0xcafe (a.py)"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x08\x01", "a number where there should be a message"),
        (b"\x72\x01a", "a message where there should be a number"),
    ],
)
def test_a_field_of_another_type_is_refused(data, said):
    with pytest.raises(MalformedError, match=said):
        read_tables(foreign() + data)


def test_tables_and_samples_are_bounded(monkeypatch):
    monkeypatch.setattr(pprof_tables, "MAX_ROWS", 10)
    with pytest.raises(MalformedError, match="a table has more than 10 rows"):
        read_tables(foreign() + string(6, b"") * 10)
    monkeypatch.setattr(pprof_tables, "MAX_DEPTH", 5)
    tables = read_tables(foreign() + message(2, packed(1, [1] * 6), packed(2, [1, 1])))
    with pytest.raises(MalformedError, match="too many numbers"):
        list(tables.samples())
