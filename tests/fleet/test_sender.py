"""The sender: all that is there, oldest first, once; and what it does when it cannot."""

from __future__ import annotations

import threading

import pytest

from tracetools import Profile, StackFileError
from tracetools.core.stacks import ROOT, Times
from tracetools.fleet.backoff import Backoff
from tracetools.fleet.batch import Batch, Source
from tracetools.fleet.engine import (
    EngineError,
    EngineRefusesError,
    EngineUnavailableError,
    EngineUnusableError,
)
from tracetools.fleet.folder import Folder
from tracetools.fleet.sender import Round, Sender, SenderThread

MINUTE = 60_000_000_000
NOW = 1_800_000_000 * 1_000_000_000
SOURCE, OTHER = Source("a" * 32, "shop"), Source("b" * 32, "till")
URL = "duckdb:x"


class Store:
    """Plays an engine: it fails as it is told, and keeps each batch once."""

    def __init__(self, *fails: Exception | None) -> None:
        self.fails = list(fails)
        self.kept: dict[str, Batch] = {}
        self.sizes: list[int] = []
        self.refused: set[int] = set()
        self.fatal: set[int] = set()
        self.closed = 0
        self.asked, self.sent = threading.Event(), threading.Event()

    def send(self, batches) -> None:
        self.sizes.append(len(batches))
        self.asked.set()
        fails = self.fails.pop(0) if self.fails else None
        if fails is not None:
            raise fails
        if any(batch.start in self.fatal for batch in batches):
            raise EngineUnavailableError("it fails for this")
        if any(batch.start in self.refused for batch in batches):
            raise EngineRefusesError("too old")
        self.kept.update({batch.id: batch for batch in batches})
        self.sent.set()

    def close(self) -> None:
        self.closed += 1
        raise EngineError("it cannot even be closed")

    @property
    def minutes(self) -> list[int]:
        return [(batch.start - NOW) // MINUTE for batch in self.kept.values()]


class Said:
    """Keeps messages."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def warning(self, text, *values, **_) -> None:
        self.texts.append(text % values)

    error = exception = warning


@pytest.fixture
def folder(tmp_path) -> Folder:
    found = Folder(tmp_path / "minutes")
    found.make()
    return found


def fill(folder: Folder, count: int, source: Source = SOURCE, first: int = 0) -> None:
    for index in range(first, first + count):
        start = NOW + index * MINUTE
        profile = Profile(stacks={(ROOT,): Times(busy=5)}, duration=5, start=start)
        folder.write(Batch(source, start, start + MINUTE, profile))


def sender(folder: Folder, store: Store, **options) -> Sender:
    backoff = Backoff(1, 100, draw=lambda _, most: most)
    return Sender(folder, URL, opened=lambda _: store, backoff=backoff, **options)


def test_all_is_sent_the_oldest_first_in_bounded_requests(folder):
    fill(folder, 23)
    store = Store()
    assert sender(folder, store).send_all() == Round(sent=23)
    assert store.sizes == [10, 10, 3]
    assert store.minutes == list(range(23))


def test_so_many_are_sent_at_once_as_is_said(folder):
    fill(folder, 23)
    store = Store()
    assert sender(folder, store, at_once=20).send_all() == Round(sent=23)
    assert store.sizes == [20, 3]


def test_what_was_sent_is_not_sent_again(folder):
    fill(folder, 3)
    store = Store()
    sender(folder, store).send_all()
    fill(folder, 1, first=3)
    assert sender(folder, store).send_all() == Round(sent=1)
    assert store.sizes == [3, 1]


def test_only_its_own_are_sent_if_it_is_of_one_process(folder):
    fill(folder, 2)
    fill(folder, 2, OTHER)
    store = Store()
    sender(folder, store, instance=OTHER.instance).send_all()
    assert {batch.source.instance for batch in store.kept.values()} == {OTHER.instance}


def test_what_fails_is_left_and_tried_again_after_ever_longer_waits(folder):
    fill(folder, 12)
    store = Store(None, *[EngineUnavailableError("it is down")] * 2)
    sends = sender(folder, store)
    assert sends.send_all() == Round(sent=10, left=2, error="it is down", wait=1)
    assert sends.send_all() == Round(left=2, error="it is down", wait=2)
    assert sends.send_all() == Round(sent=2)
    assert store.closed == 2  # a connection that has failed is not used again
    store.fails = [EngineUnavailableError("it is full", retry_after=30)]
    fill(folder, 1, first=12)
    assert sends.send_all().wait == 31


def test_a_minute_that_always_fails_is_in_nobodys_way(folder):
    fill(folder, 12)
    store = Store()
    store.fatal = {NOW + 3 * MINUTE}
    sends = sender(folder, store)
    assert sends.send_all() == Round(left=12, error="it fails for this", wait=1)
    assert sends.send_all() == Round(sent=5, left=7, error="it fails for this", wait=1)
    fill(folder, 2, first=12)
    assert sends.send_all() == Round(sent=5, left=4, error="it fails for this", wait=1)
    assert sends.send_all() == Round(left=4, error="it fails for this", wait=2)
    assert sends.send_all() == Round(sent=3, left=1, error="it fails for this", wait=1)
    assert store.minutes == [10, 11, 0, 1, 2, 12, 13, 7, 8, 9, 4, 5, 6]
    assert store.sizes == [10, 2, 1, 2, 4, 2, 1, 2, 4, 1, 1, 2, 1]
    store.fatal = set()
    fill(folder, 1, first=14)
    assert sends.send_all() == Round(sent=2)
    assert store.minutes[-2:] == [14, 3]


@pytest.mark.parametrize("fatal", [{18}, {3, 13}, {0, 9, 10, 19}, set(range(0, 20, 2))])
def test_minutes_that_always_fail_are_in_nobodys_way_wherever_they_are(folder, fatal):
    fill(folder, 20)
    store = Store()
    store.fatal = {NOW + minute * MINUTE for minute in fatal}
    sends = sender(folder, store)
    for _ in range(20):
        sends.send_all()
    assert set(store.minutes) == set(range(20)) - fatal


@pytest.mark.parametrize(("failures", "requests"), [(1, 7), (2, 7), (3, 7), (4, 6)])
def test_after_an_outage_minutes_are_sent_in_few_requests(folder, failures, requests):
    fill(folder, 35)
    store = Store(*[EngineUnavailableError("it is down")] * failures)
    sends = sender(folder, store)
    for _ in range(failures):
        assert sends.send_all().left == 35
    assert sends.send_all() == Round(sent=35)
    assert len(store.sizes) - failures == requests


def test_what_was_kept_before_the_mark_counts_once(folder):
    """As after a kill between the acknowledgement and the mark."""
    fill(folder, 3)
    store, mark = Store(), folder.mark
    folder.mark = _killed
    with pytest.raises(KeyboardInterrupt):
        sender(folder, store).send_all()
    folder.mark = mark
    assert sender(folder, store).send_all() == Round(sent=3)
    assert len(store.kept) == 3


def _killed(*_):
    raise KeyboardInterrupt


def test_of_those_that_are_refused_the_others_are_sent(folder):
    fill(folder, 5)
    store = Store()
    store.refused = {NOW + 2 * MINUTE}
    sends = sender(folder, store)
    assert sends.send_all() == Round(sent=4, refused=1)
    assert store.minutes == [0, 1, 3, 4]
    assert sends.errors == ["too old"]
    assert sends.send_all() == Round()


def test_a_broken_file_is_left_out_and_said(folder):
    fill(folder, 3)
    folder.files()[1].path.write_text("no profile")
    store = Store()
    sends = sender(folder, store)
    assert sends.send_all() == Round(sent=2, refused=1)
    assert "is left out" in sends.errors[0]
    assert len(folder.files()) == 3


def test_a_file_that_goes_away_meanwhile_is_passed_over(folder):
    fill(folder, 2)
    store, read = Store(), folder.read
    gone = folder.files()[0].path

    def read_late(file, sources):
        gone.unlink(missing_ok=True)
        return read(file, sources)

    folder.read = read_late
    assert sender(folder, store).send_all() == Round(sent=1)


def test_an_engine_that_does_not_exist_refuses_no_file(folder):
    fill(folder, 1)

    def refuses(_):
        raise EngineRefusesError("duckdb is not installed")

    with pytest.raises(EngineRefusesError, match="not installed"):
        Sender(folder, URL, opened=refuses).send_all()
    assert len(folder.unsent(Sender(folder, URL).mark)) == 1


def test_an_engine_that_is_set_up_wrong_refuses_no_file(folder):
    fill(folder, 3)
    store = Store(EngineUnusableError("the password is wrong"))
    sends = sender(folder, store)
    failed = sends.send_all()
    assert (failed.sent, failed.refused, failed.left) == (0, 0, 3)
    assert failed.error == "the password is wrong"
    assert sends.send_all() == Round(sent=3)


def test_it_stops_when_it_is_told(folder):
    fill(folder, 30)
    store = Store()
    assert sender(folder, store).send_all(lambda: bool(store.kept)) == Round(sent=10, left=20)


def test_a_folder_that_is_gone_is_an_error_of_its_own(tmp_path):
    with pytest.raises(StackFileError, match="cannot read"):
        sender(Folder(tmp_path / "none"), Store()).send_all()


# ------------------------------------------------------------------------------------- the thread


def test_the_thread_sends_what_it_is_told_of_and_the_rest_at_its_end(folder):
    store, said = Store(), Said()
    thread = SenderThread(sender(folder, store), said)
    thread.start()
    fill(folder, 1)
    thread.wake()
    assert store.sent.wait(10)
    fill(folder, 2, first=1)
    thread.end(10)
    assert store.minutes == [0, 1, 2]
    assert said.texts == []
    assert (thread.sent, thread.refused) == (3, 0)


def test_a_failure_is_said_once_and_so_is_that_it_works_again(folder):
    down = EngineUnavailableError("it is down")
    store, said = Store(*[down] * 3), Said()
    sends = Sender(folder, URL, opened=lambda _: store, backoff=Backoff(draw=lambda *_: 0.001))
    thread = SenderThread(sends, said, rest=0.001)
    fill(folder, 2)
    thread.start()
    assert store.sent.wait(10)
    thread.end(10)
    assert said.texts == [
        "profiles cannot be sent just now: it is down; 2 minutes wait; the program goes on",
        "profiles are sent again",
    ]


def test_whatever_goes_wrong_nothing_is_raised(folder):
    store, said = Store(*[RuntimeError("a bug")] * 2), Said()
    thread = SenderThread(sender(folder, store), said, rest=0.001)
    fill(folder, 1)
    thread.start()
    assert store.sent.wait(10)
    thread.end(10)
    assert said.texts[0] == (
        "profiles cannot be sent just now: RuntimeError: a bug; the program goes on"
    )


def test_it_ends_within_its_time_though_the_engine_hangs(folder):
    hangs, goes_on = threading.Event(), threading.Event()

    class Hanging(Store):
        def send(self, batches) -> None:
            hangs.set()
            goes_on.wait(10)

    thread = SenderThread(sender(folder, Hanging()), Said())
    fill(folder, 1)
    thread.start()
    assert hangs.wait(10)
    thread.end(0.01)
    goes_on.set()


def test_at_the_end_it_does_not_wait_for_the_next_try(folder):
    store = Store(EngineUnavailableError("it is down", retry_after=1000))
    thread = SenderThread(sender(folder, store), Said())
    fill(folder, 1)
    thread.start()
    assert store.asked.wait(10)
    thread.end(10)
    assert store.minutes == [0]


def test_a_pause_at_the_begin_of_a_round_is_not_missed(folder):
    store = Store()
    thread = SenderThread(sender(folder, store), Said())

    class Event(threading.Event):
        """The thread is paused just before it looks for what is new."""

        def clear(self):
            thread._over.set()
            self.set()
            super().clear()

    thread._there_is_more = Event()
    thread.start()
    running = thread._thread
    running.join(10)
    assert not running.is_alive()


def test_after_a_pause_it_goes_on(folder):
    store = Store()
    thread = SenderThread(sender(folder, store), Said())
    thread.start()
    paused = thread.pause()
    paused.join(10)
    assert not paused.is_alive()
    fill(folder, 1)
    thread.start()
    assert store.sent.wait(10)
    thread.end(10)
