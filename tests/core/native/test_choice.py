"""Which core is used, and why: extensions that are missing, broken or of another version."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

import pytest

import tracetools
from tests.processes import not_root
from tracetools.core.native import choice
from tracetools.core.native.version import VERSION

SOURCE = Path(tracetools.__file__).parent
FILES = [
    file
    for suffix in EXTENSION_SUFFIXES
    if (file := SOURCE / "core" / "native" / f"_extension{suffix}").exists()
]
needs_extension = pytest.mark.skipif(not FILES, reason="no extension was built for this Python")

RECORD_AND_SAY = """
import json
from tracetools.core.native import native, why_not
from tracetools.testing import ScriptedLoop
loop = ScriptedLoop()
loop.begin_step(loop.spawn("task"))
loop.tick(3)
loop.end_step()
profile = loop.finish()
profile.check()
print(json.dumps([native is not None, why_not, profile.busy]))
"""


class Copy:
    """A copy of the package, without an extension at first."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "tracetools"
        self.native = self.package / "core" / "native"
        self.extension = self.native / f"_extension{EXTENSION_SUFFIXES[0]}"
        junk = shutil.ignore_patterns("__pycache__", "_extension.*")
        shutil.copytree(SOURCE, self.package, ignore=junk)

    def install(self, content: bytes | None = None) -> None:
        """Put an extension there: the one that was built, or whatever is given."""
        self.extension.write_bytes(FILES[0].read_bytes() if content is None else content)

    def change(self, name: str, old: str, new: str) -> None:
        file = self.native / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def why_not(
        self, path: Path | None = None, code: str = RECORD_AND_SAY, **variables: str
    ) -> str:
        """Record something, and return why that was done without the extension."""
        unset = ("TRACETOOLS_PURE", "COVERAGE")  # this copy is none of coverage's
        environment = {n: value for n, value in os.environ.items() if not n.startswith(unset)}
        variables["PYTHONPATH"] = str(path or self.package.parent)
        ran = subprocess.run(
            [sys.executable, "-c", code],
            env=environment | variables,
            stdout=subprocess.PIPE,
            timeout=60,
            check=True,
        )
        is_native, why_not, busy = json.loads(ran.stdout)
        assert (is_native, busy) == (not why_not, 3)
        assert "\n" not in why_not
        return why_not


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path)


@needs_extension
def test_an_extension_that_fits_is_used(copy):
    copy.install()
    assert copy.why_not() == ""


def test_without_an_extension_the_reference_is_used(copy):
    assert copy.why_not() == "it was installed without a compiler"


@needs_extension
@pytest.mark.parametrize("value", ["1", "yes"])
def test_a_variable_asks_for_the_reference(copy, value):
    copy.install()
    assert copy.why_not(TRACETOOLS_PURE=value) == "TRACETOOLS_PURE is set"


@needs_extension
@pytest.mark.parametrize("value", ["", "0"])
def test_a_variable_that_is_empty_or_0_asks_for_nothing(copy, value):
    copy.install()
    assert copy.why_not(TRACETOOLS_PURE=value) == ""


@needs_extension
def test_an_extension_of_another_version_is_refused(copy):
    copy.install()
    copy.change("version.py", f'"{VERSION}"', '"0.0.7"')
    assert copy.why_not() == f"its extension is of version {VERSION}"


@needs_extension
@pytest.mark.skipif(not (SOURCE / "core/native/native.h").exists(), reason="needs a checkout")
def test_in_a_checkout_an_extension_of_other_sources_is_refused(copy):
    copy.install()
    with (copy.native / "native.h").open("a") as file:
        file.write("/* changed since */\n")
    assert copy.why_not() == "its extension was built from other sources"


@needs_extension
@pytest.mark.skipif(find_spec("_testcapi") is None, reason="needs _testcapi")
def test_a_subinterpreter_has_the_reference(copy):
    copy.install()
    code = f"import _testcapi; _testcapi.run_in_subinterp({RECORD_AND_SAY!r})"
    assert "main interpreter alone" in copy.why_not(code=code)


@needs_extension
@pytest.mark.skipif(find_spec("_interpreters") is None, reason="of Python 3.13 and later")
def test_an_isolated_interpreter_has_the_reference(copy):
    copy.install()
    run = f"_interpreters.run_string(_interpreters.create(), {RECORD_AND_SAY!r})"
    code = f"import _interpreters; assert {run} is None"
    assert "does not support loading in subinterpreters" in copy.why_not(code=code)


@needs_extension
def test_without_its_sources_an_extension_is_known_by_its_version(copy):
    copy.install()
    for file in [*copy.native.glob("*.c"), *copy.native.glob("*.h")]:
        file.unlink()
    assert copy.why_not() == ""


def test_a_module_of_that_name_which_is_none_of_ours_is_refused(copy):
    (copy.native / "_extension.py").write_text("")
    assert copy.why_not() == "its extension is of version unknown"


def test_one_for_another_python_is_left_alone(copy):
    copy.extension.with_name("_extension.cpython-39-x86_64-linux-gnu.so").write_bytes(b"")
    assert copy.why_not() == "its extension was built for another Python"


OTHER = find_spec("_ctypes_test") or find_spec("_testcapi")


@pytest.mark.skipif(OTHER is None, reason="this Python has no extensions for its own tests")
def test_an_extension_that_is_none_of_ours_is_refused(copy):
    copy.install(Path(OTHER.origin).read_bytes())
    assert copy.why_not().startswith("its extension cannot be loaded: dynamic module does not")


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"no extension at all\n" * 1000])
def test_a_file_that_is_no_extension_is_refused(copy, content):
    copy.install(content)
    assert copy.why_not().startswith("its extension cannot be loaded: ")


@needs_extension
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, the loader sees it")
@pytest.mark.parametrize("part", [0.01, 0.25, 0.5, 0.75, 0.99])
def test_an_extension_that_is_cut_short_is_refused(copy, part):
    end = choice._end_of_segments(str(FILES[0]))
    copy.install(FILES[0].read_bytes()[: int(end * part)])
    assert copy.why_not().startswith("its extension cannot be loaded: ")


@needs_extension
@pytest.mark.parametrize("lost", [1, 64, 1000])
def test_an_extension_that_lacks_its_last_bytes_breaks_nothing(copy, lost):
    copy.install(FILES[0].read_bytes()[:-lost])
    why_not = copy.why_not()
    assert not why_not or why_not.startswith("its extension cannot be loaded: ")


def test_a_file_that_may_not_be_read_is_refused(monkeypatch):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = Path(folder, "_extension.own")
        file.touch()
        file.chmod(0)
        monkeypatch.setattr(choice, "_FOLDER", folder)
        monkeypatch.setattr(choice, "EXTENSION_SUFFIXES", [".own"])
        monkeypatch.delenv("TRACETOOLS_PURE", raising=False)
        with not_root():
            extension, why_not = choice.choose()
    assert extension is None
    assert "Permission denied" in why_not


def test_in_a_zip_file_the_reference_is_used(copy, tmp_path):
    file = shutil.make_archive(str(tmp_path / "all"), "zip", copy.package.parent, "tracetools")
    assert copy.why_not(Path(file)) == "its extension cannot be loaded from where it is"
