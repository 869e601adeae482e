"""Around a fork, all is done in its order, and the program notices nothing."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from tests.processes import run
from tracetools.recording import forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


class Noting(forks.Follower):
    def __init__(self, name, said):
        self._name = name
        self._say = lambda what: said.append(f"{what} {self._name}")

    def before_fork(self):
        self._say("before")

    def after_fork(self):
        self._say("parent")

    def forked(self):
        self._say("child")


def fork_and_ask(ask):
    """Return what a function returns in a forked child, as a text."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, str(ask()).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def noted():
    said = []
    followers = [Noting(name, said) for name in "ab"]
    for follower in [*followers, followers[0]]:
        forks.follow(follower)
    yield said
    for follower in [*followers, followers[0]]:
        forks.unfollow(follower)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # beside threads of other tests
def test_followers_are_called_once_each_and_the_last_one_first_before_the_fork(noted, monkeypatch):
    monkeypatch.setattr(forks, "_renewals", [lambda: noted.append("renewed")])
    before = ["before b", "before a"]
    child = fork_and_ask(lambda: noted)
    assert child == str([*before, "renewed", "child a", "child b"])
    assert noted == [*before, "parent a", "parent b"]


def test_a_follower_that_two_threads_add_at_once_is_called_once(monkeypatch):
    class Resuming(Noting):
        def resume(self):
            """Do nothing."""

    said = []
    follower = Resuming("a", said)
    monkeypatch.setattr(forks, "_prepare", lambda: elsewhere(monkeypatch, follower))
    forks.follow(follower)
    fork_and_ask(lambda: None)
    forks.unfollow(follower)
    assert follower not in forks._followers
    assert said == ["before a", "parent a"]


def elsewhere(monkeypatch, follower):
    """Add a follower in another thread."""
    monkeypatch.undo()
    thread = threading.Thread(target=forks.follow, args=(follower,))
    thread.start()
    thread.join()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_follower_that_fails_does_not_take_the_others_with_it(noted, monkeypatch):
    class Failing(forks.Follower):
        def before_fork(self):
            raise OSError

    failing = Failing()
    forks.follow(failing)
    try:
        fork_and_ask(lambda: None)
    finally:
        forks.unfollow(failing)
    assert noted[:2] == ["before b", "before a"]


class Asking(forks.Follower):
    def __init__(self):
        self.answers = []

    def before_fork(self):
        self.answers.append(forks.is_for_exec())


@pytest.fixture
def asked(monkeypatch):
    monkeypatch.setitem(globals(), "__name__", "tracetools.tests")  # as followers are
    follower = Asking()
    forks.follow(follower)
    yield follower.answers
    forks.unfollow(follower)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forks_that_only_run_another_program_are_told_from_others(asked):
    words = [sys.executable, "-S", "-c", "0"]
    fork_and_ask(lambda: None)
    subprocess.run(words, check=True, preexec_fn=lambda: None)  # what is tested
    subprocess.run(words, check=True)  # without Python's fork
    os.spawnv(os.P_WAIT, sys.executable, words)  # noqa: S606  # what is tested
    assert asked == [False, True, True]


def test_a_thread_is_awaited_until_the_system_has_it_no_more():
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    go.set()
    forks.await_end(thread)
    assert not thread.is_alive()
    assert not os.path.exists(f"/proc/self/task/{thread.native_id}")


def test_a_thread_that_does_not_end_is_not_awaited_for_ever(monkeypatch):
    monkeypatch.setattr(forks, "_PATIENCE", 0.01)
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    forks.await_end(thread)
    assert thread.is_alive()
    go.set()
    thread.join()


STRUCK = """
import time
from tracetools.recording import forks

class Struck(forks.Follower):
    times = 0
    def resume(self):
        pass
    def {moment}(self):
        if not self.times:
            self.times += 1
            signal.raise_signal(signal.SIGINT)

forks.follow(Struck())
try:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    for _ in range({loops}):
        time.sleep(0.01)
except KeyboardInterrupt:
    print("heard", "in the parent" if child else "in the child", flush=True)
os._exit(0)
"""


@pytest.mark.parametrize(
    ("moment", "where"),
    [("before_fork", "parent"), ("after_fork", "parent"), ("forked", "child")],
)
def test_ctrl_c_that_comes_meanwhile_is_not_lost(moment, where):
    code = STRUCK.format(moment=moment, loops=1000 if where == "parent" else "0 if child else 1000")
    done = run(code, measured=False)
    assert (done.stdout, done.stderr) == (f"heard in the {where}\n", "")


THREADED = """
import asyncio
from tracetools import record
from tracetools.guest.threads import running

async def main():
    names = lambda: sorted(thread.name for thread in running())
    before = names()
    await asyncio.sleep(0.01)
    child = os.fork()
    if not child:
        print(names(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print(before == names(), before, flush=True)

with record("stack", functions=True, blocking=None) as recording:
    asyncio.run(main())
profile = recording.profile
profile.check()
print(profile.forks)
"""


def test_our_threads_end_before_a_fork_and_go_on_after_it(tmp_path):
    setup = "import warnings\nwarnings.simplefilter('always')\nimport os, threading\n"
    done = run(THREADED, tmp_path, setup=setup, measured=False)
    ours = ["tracetools flush", "tracetools sampler"]
    assert done.stdout == f"[]\nTrue {ours}\n1\n"
    assert done.stderr == ""


def test_signal_numbers_of_the_parent_are_not_the_childs(monkeypatch):
    monkeypatch.setattr(forks, "_struck", [signal.SIGINT])
    monkeypatch.setattr(forks, "_renewals", [])
    monkeypatch.setattr(forks, "_followers", {})
    forks._in_child()
    assert forks._struck == []
