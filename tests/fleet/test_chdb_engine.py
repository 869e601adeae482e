"""A folder of chdb: tables of another version, and what is no folder. Answers: test_store."""

from __future__ import annotations

import stat

import pytest

from tests.fleet.simulated import Shop
from tracetools.fleet.engine import EngineUnavailableError, EngineUnusableError
from tracetools.fleet.engines import open_engine

BATCH = Shop(routes=1, below=1).minute("1", 0, 0)


def test_a_file_where_the_folder_should_be_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EngineUnavailableError, match=r"cannot open .*File exists"):
        open_engine(f"chdb:{tmp_path / 'file'}").send([BATCH])


def test_what_was_sent_is_there_when_the_folder_is_opened_again(tmp_path):
    url = f"chdb:{tmp_path / 'store'}"
    for _ in range(2):
        engine = open_engine(url)
        engine.send([BATCH])
        engine.close()
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700
    engine = open_engine(url)
    [known], _ = engine.known()
    engine._database._run(engine._database._open(), "ALTER TABLE tracetools_hours DROP COLUMN runs")
    engine.close()
    assert known.batches == 1
    with pytest.raises(EngineUnusableError, match=r"tracetools_hours in .* is of another version"):
        open_engine(url).send([BATCH])
