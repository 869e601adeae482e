"""Debian's ClickHouse as two shards, the first with a replica, and one of them killed."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import fields, replace
from functools import reduce

import pytest

from tests.fleet.clickhouse_servers import HOST, Cluster, Server
from tests.fleet.simulated import MINUTE, NOON, Shop
from tracetools.core.profile import Profile
from tracetools.fleet.engine import EngineUnavailableError, EngineUnusableError
from tracetools.fleet.engines import open_engine
from tracetools.fleet.selection import Selection
from tracetools.fleet.store import ADDED_UP

SHOP = Shop(routes=2, below=1)
ALL = Selection("shop")


def minutes(of: range) -> list:
    return [SHOP.minute("1", number, minute) for number in range(8) for minute in of]


def check_same(found: Profile, batches) -> None:
    found.check()
    expected = reduce(Profile.merge, [batch.profile for batch in batches])
    names = [field.name for field in fields(Profile)]
    assert [n for n in names if getattr(found, n) != getattr(expected, n)] == []


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


def test_a_killed_shard_loses_and_doubles_nothing_and_is_said(cluster):
    engine = open_engine(f"{cluster.url}&timeout=20")
    first, second = minutes(range(3)), minutes(range(3, 6))
    engine.send(first)
    engine.send(first[:5])  # again
    found = engine.profile(ALL)
    check_same(found.profile, first)
    assert (found.batches, found.missing) == (24, ())

    lone = cluster.shards[1][0]  # the shard without a replica
    here = {*lone.ask("SELECT id FROM tracetools_batches_here FORMAT TSV").split()}
    assert 0 < len(here) < 24
    lone.kill()
    with pytest.raises(EngineUnavailableError):
        engine.send(second)
    found = engine.profile(ALL)
    assert found.missing[:1] == (
        f"1 of 2 shards did not answer (127.0.0.1:{lone.tcp}): what they have is missing",
    )
    there = [batch for batch in first if batch.id not in here]
    some = replace(ALL, end=NOON + 3 * MINUTE)  # of the second half, some may be there already
    check_same(engine.profile(some).profile, there)
    with pytest.raises(EngineUnavailableError, match="nothing was added up"):
        engine.roll_up(NOON + 60 * MINUTE)

    lone.start()
    lone.wait()
    engine.send(second)  # as a sender does that was refused
    found = engine.profile(ALL)
    check_same(found.profile, [*first, *second])
    assert (found.batches, found.missing) == (48, ())

    replica = cluster.shards[0][1]
    replica.kill()
    found = engine.profile(ALL)  # the other replica has it all
    check_same(found.profile, [*first, *second])
    assert found.missing == ()
    replica.start()
    replica.wait()
    assert engine.roll_up(NOON + 60 * MINUTE) == 1
    check_same(engine.profile(ALL).profile, [*first, *second])


def test_what_was_acknowledged_is_there_after_kills_at_any_moment(cluster):
    """The shard is killed while batches are on their way; each that was acknowledged is there."""
    engine = open_engine(f"{cluster.url}&timeout=20")
    lone = cluster.shards[1][0]
    shop = Shop(routes=2, below=1, seed=7)
    acknowledged, waiting = [], [shop.minute("9", n, m) for m in range(4) for n in range(6)]
    failures = 0
    for turn in range(4):
        some, waiting = waiting[:6], waiting[6:]
        with Killer(lone, after=0.004 * turn):
            try:
                engine.send(some)
            except EngineUnavailableError:
                failures += 1
        lone.start()
        lone.wait()
        for _ in range(2):  # once for what failed, once for an acknowledgement that was lost
            engine.send(some)
        acknowledged += some
        found = engine.profile(replace(ALL, version="9"))
        check_same(found.profile, acknowledged)
        assert (found.batches, found.missing) == (len(acknowledged), ())


def test_of_hours_that_were_added_up_is_said_that_later_ones_may_miss(cluster):
    """While a shard is dead, nobody knows how many batches an hour has by now."""
    engine = open_engine(cluster.url)
    lone = cluster.shards[1][0]
    of_this = replace(ALL, version="late")
    first = [SHOP.minute("late", number, 0) for number in range(12)]
    engine.send(first)
    engine.roll_up(NOON + 60 * MINUTE)
    on_lone = {*lone.ask("SELECT id FROM tracetools_batches_here FORMAT TSV").split()}
    [there, *_] = [n for n, batch in enumerate(first) if batch.id not in on_lone]
    later = SHOP.minute("late", there, 1)
    engine.send([later])
    check_same(engine.profile(of_this).profile, [*first, later])
    lone.kill()
    found = engine.profile(of_this)
    assert found.batches == len(first)
    assert ADDED_UP in found.missing
    lone.start()
    lone.wait()
    check_same(engine.profile(of_this).profile, [*first, later])


def test_a_connection_that_ends_in_a_packet_refuses_no_batch(cluster):
    """A server that is killed while it answers another one may have sent half a packet."""
    engine = open_engine(f"{cluster.url}&timeout=20")
    batches = [SHOP.minute("cut", number, 0) for number in range(8)]
    lone = cluster.shards[1][0]
    lone.kill()
    with Cutting(lone.tcp, b"\x00\x0aCli"):  # a greeting that goes on
        with pytest.raises(EngineUnavailableError, match="Cannot read all data"):
            engine.send(batches)
        with pytest.raises(EngineUnavailableError, match="Cannot read all data"):
            engine.profile(ALL)
    lone.start()
    lone.wait()
    engine.send(batches)
    check_same(engine.profile(replace(ALL, version="cut")).profile, batches)


class Cutting:
    """Answers each connection with some bytes, and ends it."""

    def __init__(self, port: int, data: bytes) -> None:
        self._listening = socket.create_server((HOST, port))
        self._data = data
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                connection, _ = self._listening.accept()
                with connection, suppress(OSError):
                    connection.recv(1000)
                    connection.sendall(self._data)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


def test_a_question_is_to_one_of_two_replicas_that_differ(cluster):
    """One that was down lacks what was not acknowledged; a sum is not of both."""
    batches = [SHOP.minute("differ", number, 0) for number in range(8)]
    replica, lone = cluster.shards[0][1], cluster.shards[1][0]
    replica.kill()
    with pytest.raises(EngineUnavailableError):
        open_engine(cluster.url).send(batches)
    replica.start()
    replica.wait()
    # A server of the other shard has to choose one of the two for each query.
    other = open_engine(f"clickhouse://{lone.host}/default?cluster={cluster.NAME}")
    for _ in range(8):
        found = other.profile(replace(ALL, version="differ"))
        found.profile.check()
        assert found.profile.runs == found.batches
    open_engine(cluster.url).send(batches)
    check_same(other.profile(replace(ALL, version="differ")).profile, batches)


@pytest.mark.parametrize(("most", "said"), [(1, False), (100, True)])
def test_batches_that_come_while_a_question_is_asked_break_no_law(cluster, monkeypatch, most, said):
    engine = open_engine(cluster.url)
    version = f"coming{most}"
    batches = [SHOP.minute(version, number, 0) for number in range(100)]
    engine.send(batches[:4])
    ask, count = engine._database.ask, 4

    def ask_as_one_comes(sql):
        nonlocal count
        answer = ask(sql)
        if count < 4 + most and "ARRAY JOIN" in sql:
            engine.send([batches[count]])
            count += 1
        return answer

    monkeypatch.setattr(engine._database, "ask", ask_as_one_comes)
    found = engine.profile(replace(ALL, version=version))
    found.profile.check()
    assert any("batches came in" in note for note in found.notes) is said
    assert said or found.profile.runs == found.batches == 5
    monkeypatch.setattr(engine._database, "ask", ask)
    check_same(engine.profile(replace(ALL, version=version)).profile, batches[:count])


class Killer:
    """Kills a server from another thread, some time after the block has begun."""

    def __init__(self, server: Server, after: float) -> None:
        self._server = server
        self._timer = threading.Timer(after, server.kill)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.join()


def test_a_database_of_any_name_is_found_after_a_restart(cluster):
    for server in cluster.servers:
        server.ask("CREATE DATABASE fleets")
    engine = open_engine(cluster.url.replace("/default?", "/fleets?"))
    first, second = minutes(range(1)), minutes(range(1, 2))
    engine.send(first)
    for server in cluster.servers:
        server.kill()
        server.start()
    for server in cluster.servers:
        server.wait()
    engine.send(second)
    found = engine.profile(ALL)
    check_same(found.profile, [*first, *second])
    assert found.missing == ()


def test_names_are_texts_and_nothing_else(cluster):
    names = ["' OR 1=1 --", "\\", "\\'; DROP TABLE tracetools_batches; --", "a\nb\tc", "😀", '"`']
    engine = open_engine(cluster.url)
    batches = []
    for at, name in enumerate(names):
        batch = SHOP.minute("1", 100 + at, 0)
        source = replace(batch.source, service=name, version=name, host=name)
        batches.append(replace(batch, source=source))
    engine.send(batches)
    for name, batch in zip(names, batches, strict=True):
        found = engine.profile(Selection(name, name, name))
        check_same(found.profile, [batch])
    listed = {each.service for each in engine.known()[0]}
    assert set(names) <= listed


def test_what_is_old_is_forgotten_on_all_servers(cluster):
    engine = open_engine(cluster.url)
    batch = SHOP.minute("old", 0, -60 * 24 * 40)
    engine.send([batch])
    engine.forget(NOON - 60 * 24 * MINUTE)
    assert engine.profile(replace(ALL, version="old")).batches == 0
    assert engine.profile(replace(ALL, version="1")).batches == 48


def test_a_server_that_was_killed_between_two_tables_makes_the_rest(tmp_path):
    server = Server(tmp_path)
    server.configure()
    server.start()
    try:
        server.wait()
        url = f"clickhouse://{server.host}/default"
        first, second = minutes(range(1)), minutes(range(1, 2))
        open_engine(url).send(first)
        names = server.ask("SHOW TABLES").split()
        server.kill()  # as if the last one had not been made yet
        (tmp_path / "data/metadata/default/tracetools_known_view.sql").unlink()
        server.start()
        server.wait()
        open_engine(url).send(second)
        assert server.ask("SHOW TABLES").split() == names
        check_same(open_engine(url).profile(ALL).profile, [*first, *second])
    finally:
        server.kill()


def test_a_wrong_password_and_a_missing_database_are_said(tmp_path, monkeypatch):
    server = Server(tmp_path, password="geheim")  # noqa: S106
    server.configure()
    server.start()
    try:
        server.wait()
        batch = SHOP.minute("1", 0, 0)
        with pytest.raises(EngineUnusableError, match="the user or the password is wrong"):
            open_engine(f"clickhouse://{server.host}/default").send([batch])
        monkeypatch.setenv("TRACETOOLS_CLICKHOUSE_PASSWORD", "geheim")
        with pytest.raises(EngineUnusableError, match="there is no such database: create it first"):
            open_engine(f"clickhouse://{server.host}/nothing").send([batch])
        engine = open_engine(f"clickhouse://{server.host}/default")
        engine.send([batch])
        assert engine.profile(ALL).batches == 1
    finally:
        server.kill()
