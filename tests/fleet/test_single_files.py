"""Files of profiles that are sent one by one."""

from __future__ import annotations

import pytest

from tracetools import Profile, StackFileError
from tracetools.core.stacks import ROOT, Times
from tracetools.fleet.batch import Batch, Source
from tracetools.fleet.engine import EngineRefusesError, EngineUnavailableError
from tracetools.fleet.folder import Folder, mark_of
from tracetools.fleet.sender import Round
from tracetools.fleet.single_files import Given, batch_of, send_files
from tracetools.output.formats.profile_json import write_profile

URL = "duckdb:any"
MINUTE = 60_000_000_000
PROFILE = Profile(
    stacks={(ROOT,): Times(busy=5)}, duration=5, start=7 * MINUTE, programs=("shop.py",)
)


class Engine:
    """Keeps what it is sent, once, and fails as it is told."""

    def __init__(self) -> None:
        self.batches: dict[str, Batch] = {}
        self.fails: list[Exception | None] = []
        self.is_closed = False

    def send(self, batches) -> None:
        error = self.fails.pop(0) if self.fails else None
        if error is not None:
            raise error
        for batch in batches:
            self.batches.setdefault(batch.id, batch)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def engine():
    made = Engine()
    yield made
    assert made.is_closed or not made.batches


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "stack.profile.json"
    write_profile(path, PROFILE)
    return path


@pytest.fixture
def minute(tmp_path):
    folder = Folder(tmp_path / "minutes")
    folder.make()
    source = Source("a" * 32, "shop", "1.0", "here", 12)
    folder.write_source(source)
    return folder.write(Batch(source, 0, MINUTE, PROFILE)).path


def send(engine, *paths, given=Given()):  # noqa: B008  # a plain value
    return send_files(paths, URL, given, lambda _: engine)


def test_a_file_says_when_and_of_which_program_it_is(file):
    batch = batch_of(file, Given())
    assert (batch.source.service, batch.source.version, batch.source.host) == ("shop", "", "")
    assert (batch.start, batch.end, batch.profile) == (7 * MINUTE, 7 * MINUTE + 5, PROFILE)


def test_what_is_given_is_said_in_place_of_it(file):
    source = batch_of(file, Given("other", "2.0", "there\n")).source
    assert (source.service, source.version, source.host) == ("other", "2.0", "there")


def test_the_same_content_counts_once_under_whatever_name(engine, file, tmp_path):
    (tmp_path / "copy.json").write_bytes(file.read_bytes())
    assert send(engine, file, tmp_path / "copy.json") == (Round(sent=2), [])
    assert send(engine, file) == (Round(sent=1), [])
    assert len(engine.batches) == 1
    write_profile(file, PROFILE.merge(PROFILE))
    send(engine, file)
    assert len(engine.batches) == 2


def test_a_minute_is_what_it_is_in_its_folder(engine, minute):
    [in_folder] = Folder(minute.parent).files()
    batch = Folder(minute.parent).read(in_folder)
    assert send(engine, minute) == (Round(sent=1), [])
    assert engine.batches == {batch.id: batch}
    [marked] = Folder(minute.parent).files()
    assert marked.is_done(mark_of(URL))
    assert send(engine, marked.path) == (Round(), [])


def test_what_is_given_holds_for_a_minute_too(minute):
    source = batch_of(minute, Given(version="2.0")).source
    assert (source.service, source.version, source.host) == ("shop", "2.0", "here")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "not a profile"),
        (Profile(programs=("a",)), "does not say when"),
        (Profile(start=1), "of no program: name the service"),
        (Profile(start=1, programs=("a", "b")), "of a, b: name the service"),
    ],
)
def test_what_does_not_say_enough_is_refused_and_others_are_sent(engine, file, tmp_path, text, why):
    bad = tmp_path / "bad.profile.json"
    if isinstance(text, str):
        bad.write_text(text)
    else:
        write_profile(bad, text)
    done, errors = send(engine, bad, file)
    assert done == Round(sent=1, refused=1)
    assert errors[0].startswith("bad.profile.json is left out: ")
    assert why in errors[0]


def test_several_programs_may_be_one_service(tmp_path):
    path = tmp_path / "a.profile.json"
    write_profile(path, Profile(start=1, programs=("a", "b")))
    assert batch_of(path, Given(service="both")).source.service == "both"


def test_a_file_that_is_gone_is_an_error(tmp_path):
    with pytest.raises(StackFileError, match="cannot read"):
        batch_of(tmp_path / "none", Given())


def test_after_a_failure_the_others_are_left(engine, file, minute):
    engine.fails = [None, EngineUnavailableError("it is down")]
    assert send(engine, file, minute, file) == (Round(sent=1, left=2, error="it is down"), [])
    assert minute.exists()


def test_what_the_engine_refuses_is_said(engine, file):
    engine.fails = [EngineRefusesError("too old")]
    done, errors = send(engine, file)
    assert done == Round(refused=1)
    assert errors == ["stack.profile.json is left out: too old"]
