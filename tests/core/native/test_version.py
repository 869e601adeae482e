"""The checksum by which the C sources are known."""

from __future__ import annotations

import pytest

from tracetools.core.native.version import checksum


@pytest.fixture
def sources(tmp_path):
    (tmp_path / "a.c").write_text("int a;")
    (tmp_path / "b.h").write_text("int b;")
    (tmp_path / "other.py").write_text("")
    return tmp_path


def test_the_same_sources_have_the_same_checksum(sources):
    before = checksum(str(sources))
    (sources / "other.py").write_text("changed")
    (sources / "a.c").write_text("int a;")
    assert checksum(str(sources)) == before
    assert len(before) == 8


def test_a_change_a_new_name_and_a_new_file_change_it(sources):
    found = [checksum(str(sources))]
    (sources / "a.c").write_text("int c;")
    found.append(checksum(str(sources)))
    (sources / "b.h").rename(sources / "c.h")
    found.append(checksum(str(sources)))
    (sources / "empty.c").touch()
    found.append(checksum(str(sources)))
    assert len(set(found)) == 4


def test_without_sources_there_is_none(tmp_path):
    assert checksum(str(tmp_path)) == ""
