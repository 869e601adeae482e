"""A file of DuckDB: one process at a time has it, and only ours will do."""

from __future__ import annotations

import stat
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.fleet.simulated import Shop
from tracetools.fleet.duckdb_engine import DuckDB
from tracetools.fleet.engine import EngineUnavailableError, EngineUnusableError
from tracetools.fleet.engines import open_engine
from tracetools.fleet.selection import Selection
from tracetools.fleet.store import Store

BATCH = Shop(routes=1, below=1).minute("1", 0, 0)


@contextmanager
def another_process(path):
    """Let another process have the file."""
    code = f"import duckdb; c = duckdb.connect({str(path)!r}); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        yield process
        process.stdin.close()


def test_only_its_owner_may_read_the_file(tmp_path):
    open_engine(f"duckdb:{tmp_path / 'file'}").send([BATCH])
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_a_file_that_another_process_has_is_unavailable_until_it_is_free(tmp_path):
    path = tmp_path / "file"
    engine = Store(DuckDB(path, patience=0.0))
    engine.send([BATCH])
    with another_process(path):
        for act in (lambda: engine.send([BATCH]), engine.known):
            with pytest.raises(EngineUnavailableError, match=r"another process has .* open"):
                act()
    engine.send([BATCH])


def test_a_file_that_becomes_free_is_waited_for(tmp_path, monkeypatch):
    path = tmp_path / "file"
    engine = Store(DuckDB(path, patience=60.0))
    engine.send([BATCH])
    with another_process(path) as process:
        pauses = []

        def pause(_):
            pauses.append(1)
            if len(pauses) == 1:
                process.stdin.close()
                process.wait()

        monkeypatch.setattr("tracetools.fleet.duckdb_engine.time.sleep", pause)
        engine.send([BATCH])
    assert pauses


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"something else")
    with pytest.raises(EngineUnusableError, match="is no file of DuckDB: name another one"):
        open_engine(f"duckdb:{path}").send([BATCH])
    assert path.read_bytes() == b"something else"


def test_a_database_of_somebody_else_is_refused_and_left_alone(tmp_path):
    import duckdb

    path = tmp_path / "file"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE theirs (x INT)")
    for act in (lambda e: e.send([BATCH]), lambda e: e.profile(Selection("shop"))):
        with pytest.raises(EngineUnusableError, match="other tables, and no tracetools_batches"):
            act(open_engine(f"duckdb:{path}"))
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (1,)


def test_tables_of_another_version_are_refused(tmp_path):
    path = tmp_path / "file"
    import duckdb  # which is not there on all Pythons

    open_engine(f"duckdb:{path}").send([BATCH])
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE tracetools_hours ADD COLUMN later INT")
    with pytest.raises(EngineUnusableError, match=r"tracetools_hours in .* is of another version"):
        open_engine(f"duckdb:{path}").send([BATCH])


def test_a_question_to_a_file_that_is_not_there_makes_none(tmp_path):
    with pytest.raises(EngineUnavailableError, match="push something to it first"):
        open_engine(f"duckdb:{tmp_path / 'file'}").known()
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(EngineUnavailableError, match=r"cannot make .*No such file or directory"):
        open_engine(f"duckdb:{tmp_path / 'no' / 'file'}").send([BATCH])
