"""The SQL of ClickHouse: statements for old and new servers, and texts that end nowhere."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from tracetools.fleet.clickhouse_sql import ClickHouseSQL, create_tables


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_is_hexadecimal_digits(value):
    assert re.fullmatch(r"unhex\('[0-9a-f]*'\)", ClickHouseSQL().text(value))


def test_old_servers_are_not_asked_for_what_they_do_not_know():
    old = " ".join(create_tables((18, 16), "", 30, "x"))
    assert "CODEC" not in old
    assert "TTL" not in old
    assert "Distributed" not in old


def test_new_servers_forget_batches_before_hours():
    batches, hours, *_ = create_tables((26, 9), "", 30, "x")
    assert "TTL toDateTime(intDiv(hour, 24) * 86400) + toIntervalDay(31)" in batches
    assert "toIntervalDay(391)" in hours


def test_a_cluster_has_tables_of_each_server_and_tables_of_all():
    made = [sql.split(" (")[0] for sql in create_tables((26, 9), "fleet", 30, "x")]
    assert "CREATE TABLE IF NOT EXISTS tracetools_batches_here" in made
    assert any("tracetools_batches AS tracetools_batches_here" in sql for sql in made)
