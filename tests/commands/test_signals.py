"""Signals that would end the process at once: held up, and otherwise what they were."""

import os
import signal
import textwrap

import pytest

from tests.commands.programs import assert_same

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a matter of Unix")


def test_signals_that_are_ignored_or_handled_stay_so(tmp_path):
    program = """
        import signal
        print(signal.getsignal(signal.SIGHUP))
        signal.signal(signal.SIGTERM, lambda *_: print("handled"))
        signal.raise_signal(signal.SIGTERM)
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        assert_same("app.py", folder=tmp_path)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_forked_child_finds_the_default_signal_handlers(tmp_path):
    program = """
        import os, signal
        child = os.fork()
        if not child:
            print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, flush=True)
            signal.raise_signal(signal.SIGTERM)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    assert assert_same("app.py", folder=tmp_path, covered=False).count("tracetools:") == 1
