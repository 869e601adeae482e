"""Completion in the real shells."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

import pytest

from tracetools.__main__ import main, make_parsers

OF_ALL = pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])


@pytest.fixture
def script(capsys):
    def made(shell):
        assert main(["completion", shell]) == 0
        return capsys.readouterr().out

    return made


def needs(shell):
    if shutil.which(shell) is None:
        if os.environ.get("CI"):
            raise FileNotFoundError(shell)
        pytest.skip(f"needs {shell}")
    return shell


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.py").touch()
    (tmp_path / "a b.folded").touch()
    return tmp_path


CASES = {
    "tracetools comp": {"completion"},
    "tracetools --ver": {"--version"},
    "tracetools run --len": {"--lens"},
    "tracetools run --lens i": {"idle"},
    "tracetools run --no-f": {"--no-functions"},
    "tracetools run -q --clock w": {"wall"},
    "tracetools run --output ap": {"app.py"},
    "tracetools run ap": {"app.py"},
    "tracetools run -o x ap": {"app.py"},
    "tracetools run app.py --le": set(),
    "tracetools run app.py ap": {"app.py"},
    "tracetools run -m app ap": {"app.py"},
    "tracetools render --fram": {"--frame-height"},
    "tracetools render --lens sch": {"scheduled"},
    "tracetools completion z": {"zsh"},
}


def in_bash(script, line, folder):
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    program = (
        f"{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
        '_tracetools; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    return shell_prints("bash", program, folder)


def in_fish(script, line, folder):
    return shell_prints("fish", f"{script}\ncomplete -C '{line}'\n", folder)


def shell_prints(shell, program, folder):
    ran = subprocess.run(
        [shell], input=program, cwd=folder, capture_output=True, text=True, check=False
    )
    assert ran.stderr == ""
    return {line.partition("\t")[0] for line in ran.stdout.splitlines() if line}


@pytest.mark.parametrize("line", CASES)
@pytest.mark.parametrize(("shell", "complete"), [("bash", in_bash), ("fish", in_fish)])
def test_words_are_completed(script, folder, shell, complete, line):
    assert complete(script(needs(shell)), line, folder) == CASES[line]


def test_names_of_files_may_have_spaces_in_bash(script, folder):
    assert in_bash(script("bash"), "tracetools render a", folder) == {"app.py", "a b.folded"}


def test_an_equals_sign_is_a_word_of_its_own_in_bash(script, folder):
    assert in_bash(script("bash"), "tracetools run --lens = i", folder) == {"idle"}
    assert in_bash(script("bash"), "tracetools run --output = x ap", folder) == {"app.py"}


class Zsh:
    """A zsh at a terminal, in which `tracetools` prints what it was given."""

    def __init__(self, script, folder):
        (folder / "script").write_text(script)
        pid, self._fd = pty.fork()
        if not pid:
            os.chdir(folder)
            os.environ.update(TERM="dumb", ZDOTDIR=str(folder))
            os.execvp("zsh", ["zsh", "-f", "-i"])  # noqa: S606
        self._pid = pid
        self.say("PS1= PS2=; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -D -u")
        self.say("source ./script; tracetools() { print -r -- \"got<$*>\" }; print rea''dy")
        self.hear("ready")

    def say(self, text):
        os.write(self._fd, text.encode() + b"\n")

    def hear(self, pattern):
        heard, end = "", time.monotonic() + 30
        while not (found := re.search(pattern, heard)):
            left = end - time.monotonic()
            assert left > 0, heard
            assert select.select([self._fd], [], [], left)[0], heard
            heard += os.read(self._fd, 4096).decode(errors="replace")
        return found

    def complete(self, line):
        self.say(f"{line}\t")
        return self.hear(r"got<(.*)>")[1].strip()

    def close(self):
        os.write(self._fd, b"\nexit\n")
        os.waitpid(self._pid, 0)
        os.close(self._fd)


def test_words_are_completed_in_zsh(script, folder):
    zsh = Zsh(script(needs("zsh")), folder)
    try:
        for line, found in CASES.items():
            if found:
                start, _, _ = line.removeprefix("tracetools ").rpartition(" ")
                assert zsh.complete(line) == f"{start} {next(iter(found))}".strip()
    finally:
        zsh.close()


@OF_ALL
def test_each_command_and_option_is_in_each_script(script, shell):
    text = script(shell)
    for name, parser in make_parsers()[1].items():
        assert name in text
        for action in parser._actions:
            for option in action.option_strings if action.help != "==SUPPRESS==" else ():
                assert option.lstrip("-") in text


def test_an_unknown_shell_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["completion", "tcsh"])
    assert ended.value.code == 2
    assert "usage: tracetools completion" in capsys.readouterr().err


def test_no_backend_is_imported(tmp_path):
    program = (
        "import sys\nfrom tracetools.__main__ import main\nmain(['completion', 'bash'])\n"
        "sys.exit(len({'trio', 'asyncio'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=False)
    assert ran.returncode == 0
