"""Drawing in another process gives what drawing here gives, and leaves no process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tracetools.core.errors import NoStacksError, TracetoolsError
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.web import rendering
from tracetools.web.drawing import NOTHING, draw, policy_of
from tracetools.web.rendering import render

WORK = Frame("work caf\u00e9 </script>", "app.py", 3)
PROFILE = Profile(
    {(ROOT,): Times(busy=10**6), (ROOT, WORK): Times(busy=10**9, entries=1)},
    duration=10**9 + 10**6,
    task_time=10**9,
    start=1_700_000_000 * 10**9,
)


@pytest.mark.parametrize("what", ["report", "svg", ".pb.gz", ".folded"])
def test_a_process_draws_what_would_be_drawn_here(what, monkeypatch):
    there = render(what, "busy", PROFILE)
    monkeypatch.setattr(rendering, "_command", lambda: None)
    here = render(what, "busy", PROFILE)
    assert there == here
    assert bool(here.policy) == (what in ("report", "svg"))
    assert here == (draw(what, "busy", PROFILE), policy_of(what))


def test_no_package_beside_ours_stands_for_one_of_python(tmp_path, monkeypatch):
    (tmp_path / "dataclasses.py").write_text("raise RuntimeError('a backport')")
    (tmp_path / "tracetools").symlink_to(f"{rendering._ROOT}/tracetools", target_is_directory=True)
    monkeypatch.setattr(rendering, "_ROOT", str(tmp_path))
    assert render(".folded", "busy", PROFILE).body == draw(".folded", "busy", PROFILE)


def test_nothing_to_draw_is_told():
    assert rendering._NOTHING == NOTHING
    with pytest.raises(NoStacksError, match="who ended waits was not recorded"):
        render("svg", "chain", PROFILE)


def test_a_process_that_fails_is_told_by_its_last_line(monkeypatch):
    code = "raise ValueError('no such thing')"
    monkeypatch.setattr(rendering, "_command", lambda: [sys.executable, "-c", code])
    with pytest.raises(TracetoolsError, match="could not be drawn: ValueError: no such thing"):
        render("svg", "busy", PROFILE)


def test_a_process_that_takes_too_long_is_ended(monkeypatch):
    made = []

    class Popen(subprocess.Popen):
        def __init__(self, *arguments, **how):
            super().__init__(*arguments, **how)
            made.append(self)

    code = "import signal; signal.pause()"
    monkeypatch.setattr(rendering, "_command", lambda: [sys.executable, "-c", code])
    monkeypatch.setattr(rendering, "_PATIENCE", 0.05)
    monkeypatch.setattr(rendering.subprocess, "Popen", Popen)
    with pytest.raises(TracetoolsError, match=r"more than 0\.05 seconds to draw"):
        render("svg", "busy", PROFILE)
    assert made[0].returncode is not None


def test_where_no_process_can_be_started_a_thread_draws(monkeypatch):
    monkeypatch.setattr(rendering, "_command", lambda: ["/nowhere/python"])
    assert render("svg", "busy", PROFILE).body == draw("svg", "busy", PROFILE)


@pytest.mark.parametrize("executable", ["", "/usr/bin/uwsgi", None])
def test_what_is_no_python_is_not_started(monkeypatch, executable):
    monkeypatch.setattr(sys, "executable", executable)
    assert rendering._command() is None


def test_the_process_has_no_token_and_is_not_recorded(monkeypatch):
    monkeypatch.setenv("TRACETOOLS_TOKEN", "a-secret")
    seen = []

    class Popen:
        def __init__(self, command, env, **_):
            seen.append((command, env))
            raise OSError

    monkeypatch.setattr(rendering.subprocess, "Popen", Popen)
    render(".folded", "busy", PROFILE)
    [(command, env)] = seen
    assert "TRACETOOLS_TOKEN" not in env
    assert command[1:3] == ["-I", "-S"]  # no .pth file has it recorded
