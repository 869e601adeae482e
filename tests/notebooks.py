"""A notebook without IPython: modules and functions of its names, and cells that they run."""

from __future__ import annotations

import asyncio
import linecache
import sys
from types import ModuleType, SimpleNamespace

FILE = "/temporary/ipykernel_4711/1234.py"
"""The file of a cell, as ipykernel has it."""

_SHELL = """
class InteractiveShell:
    async def run_cell_async(self, raw_cell, *, transformed_cell=None):
        cell_name = self.compile.get_code_name(raw_cell, transformed_cell, self.execution_count)
        self.compile.numbers[cell_name] = self.execution_count
        self.execution_count += 1
        try:
            return await self.run_code(compile(raw_cell, cell_name, "exec", 0x2000))
        finally:
            self.events.trigger("post_execute")

    async def run_code(self, code):
        made = eval(code, self.user_ns)
        return made if made is None else await made
"""

_KERNEL = """
import asyncio

async def shell_main(cell):
    return await asyncio.ensure_future(cell)

async def shell_main_in_one_step(cell):
    try:
        cell.send(None)
    except StopIteration:
        pass
"""
"""How ipykernel runs a cell: one that awaits in a task of its own, any other within a step."""


class Events:
    """What is called when a cell has run."""

    def __init__(self):
        self.callbacks = []

    def register(self, event, callback):
        self.callbacks.append((event, callback))

    def unregister(self, event, callback):
        self.callbacks.remove((event, callback))

    def trigger(self, event):
        for wanted, callback in tuple(self.callbacks):
            if wanted == event:
                callback()


class Compiler:
    """Names the files of cells."""

    def __init__(self):
        self.numbers = {}
        self.next_file = FILE

    def get_code_name(self, raw_code, transformed_code, number):
        return self.next_file

    def format_code_name(self, name):
        return ("Cell", f"In[{self.numbers[name]}]") if name in self.numbers else None


class Notebook:
    """A notebook, as long as its modules are in the place of IPython's.

    Attributes:
        shell: what `get_ipython` returns.
        shown: what was displayed.
        kernel: the functions of the kernel.
    """

    def __init__(self, monkeypatch):
        self.shown = []
        shell_file, kernel_file = "/site-packages/IPython/core/shell.py", "/site/ipykernel/base.py"
        names = {}
        exec(compile(_SHELL, shell_file, "exec"), names)  # noqa: S102  # files of our choice
        kernel = {}
        exec(compile(_KERNEL, kernel_file, "exec"), kernel)  # noqa: S102  # likewise
        self.kernel = SimpleNamespace(**kernel)
        self.shell = names["InteractiveShell"]()
        vars(self.shell).update(
            kernel=self.kernel,
            execution_count=1,
            user_ns={},
            compile=Compiler(),
            events=Events(),
            display_formatter=SimpleNamespace(active_types=["text/plain", "text/html"]),
        )
        self._module(monkeypatch, "IPython.core.getipython", get_ipython=lambda: self.shell)
        self._module(monkeypatch, "IPython.core.interactiveshell", __file__=shell_file)
        self._module(monkeypatch, "IPython.display", display=self.shown.append, HTML=str)
        self._module(monkeypatch, "ipykernel", __file__="/site/ipykernel/__init__.py")

    @staticmethod
    def _module(monkeypatch, name, **names):
        module = ModuleType(name)
        vars(module).update(names)
        monkeypatch.setitem(sys.modules, name, module)

    def run(self, *cells, **names):
        """Run cells on one loop, as ipykernel does, with names that they know."""
        self.shell.user_ns.update(names)

        async def run_all():
            for cell in cells:
                made = self.shell.run_cell_async(cell)
                if "await" in cell or "async with" in cell:
                    await asyncio.create_task(self.kernel.shell_main(made))
                else:
                    await asyncio.create_task(self.kernel.shell_main_in_one_step(made))

        asyncio.run(run_all())


def keep_lines(monkeypatch, text, file=FILE):
    """Let Python know the lines of a cell, as IPython does."""
    entry = len(text), None, text.splitlines(keepends=True), file
    monkeypatch.setitem(linecache.cache, file, entry)
