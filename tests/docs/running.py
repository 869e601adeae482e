"""Runs a page of the documentation from its first block to its last, in a folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement

import tracetools
from tests.docs.blocks import CHECKOUT, Block, Command, blocks_of, commands_of, file_name, says
from tests.ports import free_port

SECONDS: Final = 100
"""The longest that a command may take."""
PORT: Final = "8000"
"""The port of servers in pages. A free one takes its place."""
INTERRUPTED: Final = {0, 130, -signal.SIGINT}
"""How a server may end after Ctrl-C."""

NOT_RUN: Final = {"text", "{toctree}", "{eval-rst}", "{include}", "{figure}", "{image}"}
"""Blocks that are neither commands nor programs."""

RUN_PYTHON: Final = """
import ast, asyncio, inspect, sys
source = open(sys.argv[1], encoding="utf-8").read()
code = compile(source, sys.argv[1], "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
if code.co_flags & inspect.CO_COROUTINE:
    asyncio.run(eval(code, {"__name__": "__main__"}))
else:
    exec(code, {"__name__": "__main__"})
"""
RUN_CELLS: Final = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in json.load(open(sys.argv[1], encoding="utf-8")):
    shell.run_cell(cell, store_history=True).raise_error()
"""


class PageError(AssertionError):
    """A block of a page does not do what the page says."""


class Page:
    """A page that is run.

    Args:
        path: the file.
        folder: where its programs are written and its commands run.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self._home = self._folder = folder
        self._port = str(free_port())
        self._cells: list[str] = []
        self._background = contextlib.ExitStack()
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("COV_")},
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(Path(tracetools.__file__).parents[1]),
            "NO_COLOR": "1",
            "COLUMNS": "100",
            "UVICORN_PORT": self._port,
        }

    def run(self) -> None:
        """Run all blocks.

        Raises:
            PageError: one of them fails, or writes other lines than the page shows.
        """
        with self._background:
            for block in blocks_of(self.path.read_text(encoding="utf-8")):
                with self._named(block):
                    self._run(block)
            self._run_cells()

    @contextlib.contextmanager
    def _named(self, block: Block) -> Iterator[None]:
        try:
            yield
        except PageError as error:
            where = self.path.relative_to(CHECKOUT)
            raise PageError(f"{where}:{block.line}: {error}") from error

    def _run(self, block: Block) -> None:
        for name in block.notes.get("with", "").split():
            self._copy(CHECKOUT / name)
        if "not run" in block.notes or block.language in NOT_RUN:
            return
        how = {
            "console": self._run_commands,
            "python": self._run_python,
            "ipython": self._keep_cell,
            "{literalinclude}": self._include,
        }
        if block.language not in how:
            raise PageError(f"nothing runs a block of {block.language or 'no language'!r}")
        how[block.language](block)

    # ------------------------------------------------------------------------------------ programs

    def _copy(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        (self._home / path.name).write_text(self._with_port(text), encoding="utf-8")

    def _include(self, block: Block) -> None:
        self._copy(self.path.parent / block.argument)

    def _run_python(self, block: Block) -> None:
        source = f"{block.notes.get('before', '')}\n{self._with_port(block.text)}\n"
        if name := file_name(block.text):
            (self._home / name).write_text(self._with_port(block.text) + "\n", encoding="utf-8")
            return
        path = self._home / f"line_{block.line}.py"
        path.write_text(source, encoding="utf-8")
        self._check(self._call([sys.executable, "-c", RUN_PYTHON, path.name]), 0)
        path.unlink()

    def _keep_cell(self, block: Block) -> None:
        if before := block.notes.get("before"):
            self._cells.append(before)
        self._cells.append(block.text)

    def _run_cells(self) -> None:
        if self._cells:
            (self._home / "cells.json").write_text(json.dumps(self._cells), encoding="utf-8")
            self._check(self._call([sys.executable, "-c", RUN_CELLS, "cells.json"]), 0)

    # ------------------------------------------------------------------------------------ commands

    def _run_commands(self, block: Block) -> None:
        commands = commands_of(block.text)
        for command in commands:
            is_last = command is commands[-1]
            if command.text.startswith("pip install "):
                check_install(command.text)
            elif command.text.startswith("cd "):
                self._folder = self._folder / command.text[3:]
            elif command.text.endswith(" &"):
                self._background.enter_context(self._served(command.text.removesuffix(" &")))
            elif meanwhile := block.notes.get("meanwhile"):
                self._see(command, self._serve(command.text, meanwhile), INTERRUPTED)
            else:
                status = int(block.notes.get("exit", "0")) if is_last else 0
                self._see(command, self._bash(command.text), {status})

    def _bash(self, text: str) -> subprocess.CompletedProcess[str]:
        return self._call(["bash", "-o", "pipefail", "-c", self._with_port(text)])

    def _serve(self, text: str, meanwhile: str) -> subprocess.CompletedProcess[str]:
        with self._served(text) as server:
            asked = self._bash(meanwhile)
            server.send_signal(signal.SIGINT)
            output, _ = server.communicate(timeout=SECONDS)
        self._check(asked, 0)
        return subprocess.CompletedProcess(text, server.returncode, output)

    @contextlib.contextmanager
    def _served(self, text: str) -> Iterator[subprocess.Popen[str]]:
        """Start a server, and wait until it answers; it does not outlive the block."""
        command = ["bash", "-c", f"exec {self._with_port(text)}"]
        with subprocess.Popen(command, **self._how()) as server:
            try:
                self._wait_for(server)
                yield server
            finally:
                server.kill()

    def _wait_for(self, server: subprocess.Popen[str]) -> None:
        until = time.monotonic() + SECONDS
        while server.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(self._address, 1):
                return
            time.sleep(0.05)
        server.kill()
        output, _ = server.communicate()
        raise PageError(f"the server does not answer:\n{output}")

    def _see(
        self, command: Command, done: subprocess.CompletedProcess[str], statuses: set[int]
    ) -> None:
        self._check(done, *statuses)
        for line in command.shown:
            if not says(done.stdout, line):
                raise PageError(f"{command.text!r} does not write {line!r}, but:\n{done.stdout}")

    def _check(self, done: subprocess.CompletedProcess[str], *statuses: int) -> None:
        if done.returncode not in statuses:
            raise PageError(f"{done.args} ended with {done.returncode}:\n{done.stdout}")

    def _call(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(arguments, **self._how(), timeout=SECONDS, check=False)

    def _how(self) -> dict[str, Any]:
        return {
            "cwd": self._folder,
            "env": self._environment,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
            "encoding": "utf-8",
        }

    @property
    def _address(self) -> tuple[str, int]:
        return "127.0.0.1", int(self._port)

    def _with_port(self, text: str) -> str:
        return re.sub(rf"\b{PORT}\b", self._port, text)


def check_install(command: str) -> None:
    """See that what is to be installed is ours, with an extra that there is, or is tested here.

    It is not installed: the tests of wheels do that.

    Raises:
        PageError: it is something else.
    """
    import tomllib  # from Python 3.11 on

    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = project["optional-dependencies"]
    known = {Requirement(each).name for extra in extras.values() for each in extra}
    for word in shlex.split(command)[2:]:
        if word.startswith("--"):
            continue
        requirement = Requirement(word)
        if requirement.name not in {project["name"], *known} or not requirement.extras <= set(
            extras
        ):
            raise PageError(f"pyproject.toml does not know {word!r}")
