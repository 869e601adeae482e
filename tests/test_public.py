"""The public face: its names, what it costs to import it, what it says of itself."""

from __future__ import annotations

import inspect
import json
import re
import typing
from pathlib import Path

import pytest

import tracetools
from tests.processes import run
from tracetools.core import errors
from tracetools.core.native.version import VERSION

CONTRACT = {
    *("FlamegraphInstrument", "Flamegrapher", "Profile", "TracetoolsError"),
    *("continuous", "observe", "record", "serve", "slow", "span", "web_app"),
}
"""The names that documentation and examples use."""


def test_all_is_the_contract_and_the_errors():
    assert set(tracetools.__all__) == CONTRACT | set(_errors())
    assert tracetools.__all__ == sorted(tracetools.__all__)


def _errors() -> list[str]:
    return [name for name, found in vars(errors).items() if inspect.isclass(found)]


def test_every_error_is_a_tracetools_error_and_not_a_builtin_one():
    for name in _errors():
        assert issubclass(getattr(errors, name), tracetools.TracetoolsError)
    assert tracetools.TracetoolsError.__bases__ == (Exception,)


@pytest.mark.parametrize("name", tracetools.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name):
    found = getattr(tracetools, name)
    assert found.__name__ == name
    assert found.__doc__
    assert found.__doc__.strip()


def test_every_public_method_says_what_it_does():
    silent = [
        f"{name}.{method}"
        for name in tracetools.__all__
        for method, found in getattr(getattr(tracetools, name), "__dict__", {}).items()
        if not method.startswith("_") and (callable(found) or isinstance(found, property))
        if not inspect.getdoc(getattr(getattr(tracetools, name), method))
    ]
    assert silent == []


def test_dir_has_the_public_names_and_nothing_else():
    assert dir(tracetools) == sorted(tracetools.__all__)


def test_a_name_that_there_is_not_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'tracetools' has no attribute 'flamegraf'"):
        _ = tracetools.flamegraf


def in_a_new_process(code: str) -> object:
    done = run(code, setup="import json, sys\n", measured=False)
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.mark.parametrize("statement", ["import tracetools", "from tracetools import observe, span"])
def test_importing_imports_no_backend_and_nothing_dear(statement):
    dear = {"trio", "anyio", "asyncio", "inspect", "dataclasses", "logging", "pathlib", "argparse"}
    loaded = in_a_new_process(f"{statement}\nprint(json.dumps(list(sys.modules)))")
    assert dear.isdisjoint(loaded)
    assert not [name for name in loaded if name.startswith("tracetools.output.flamegraph")]
    assert not [name for name in loaded if name.startswith("tracetools.instruments")]


def test_the_package_alone_imports_its_errors_and_nothing_else():
    loaded = in_a_new_process("import tracetools\nprint(json.dumps(list(sys.modules)))")
    ours = {name for name in loaded if name.startswith("tracetools")}
    assert ours == {"tracetools", "tracetools.core", "tracetools.core.errors"}


def test_a_name_is_looked_up_once():
    tracetools.span("wait")
    assert vars(tracetools)["span"] is tracetools.span


def test_the_instrument_imports_trio_and_neither_anyio_nor_asyncio():
    loaded = in_a_new_process(
        "from tracetools import FlamegraphInstrument\nprint(json.dumps(list(sys.modules)))"
    )
    assert "trio" in loaded
    assert {"anyio", "asyncio"}.isdisjoint(loaded)


def test_the_graph_can_be_drawn_without_what_records():
    loaded = in_a_new_process(
        "from tracetools import Flamegrapher\nprint(json.dumps(list(sys.modules)))"
    )
    assert {"trio", "tracetools.recording.recorder", "tracetools.output.stack_file"}.isdisjoint(
        loaded
    )


def test_types_are_delivered():
    assert (Path(tracetools.__file__).parent / "py.typed").exists()
    assert set(typing.get_type_hints(tracetools.Profile)) >= {"stacks", "duration", "task_time"}


def test_the_version_is_the_first_in_the_changelog():
    folder = Path(__file__).parent.parent
    heading = re.search(
        r"^## \[?(\S+?)\]?(?: |$)", (folder / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert heading[1] == VERSION
