from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from tracetools.integrations.file_names import file_name


def test_a_plain_id_is_shown_whole():
    name = file_name("tests/test_shop.py::test_report")
    assert name == "tests-test_shop.py--test_report.html"


def test_an_id_that_is_not_plain_has_a_hash():
    assert file_name("test_x.py::test_y[a/b]") == "test_x.py--test_y.a-b~cfe4be60.html"


def test_two_ids_that_clean_to_one_name_have_two_files():
    names = [file_name(f"test_x.py::test_y[{each}]") for each in ("a/b", "a-b", "a?b", "ä", "ö")]
    assert len(set(names)) == 5


def test_case_alone_makes_two_files_on_file_systems_that_do_not_see_it():
    names = {file_name(f"test_x.py::{each}").lower() for each in ("Test", "test", "TEST")}
    assert len(names) == 3


ids = st.text() | st.from_regex(r"([a-z_./\[\]:-]|::){1,150}", fullmatch=True)


@given(ids)
@example("test_x.py::test_y[" + "x" * 300 + "]")
@example("a" * 300)
@example("../../etc/passwd")
@example(".hidden::x")
@example("\ud800")
@example("")
def test_every_name_is_safe_and_short(test):
    name = file_name(test)
    assert re.fullmatch(r"[A-Za-z0-9_+=~-][A-Za-z0-9_.+=~-]*\.html", name)
    assert len(name) <= 120
    assert file_name(test) == name


@given(st.sets(ids, min_size=2, max_size=5))
def test_ids_that_differ_have_names_that_differ(tests):
    assert len({file_name(test).lower() for test in tests}) == len(tests)
