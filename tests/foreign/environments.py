"""Where a foreign suite runs: an environment with what it needs, and its tests."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import debian

if TYPE_CHECKING:
    from collections.abc import Callable

    from suites import Suite

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
_SETTINGS: Final = re.compile(r"^\[(tool[.:])?pytest\b", re.MULTILINE)


def make_environment(name: str, suite: Suite, given: Path | None = None) -> Path:
    """Return a Python that has what the suite needs, and our own dependencies as they are here.

    The package that is tested comes from its source, if that is given.
    """
    release = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = ROOT / ".venv-foreign" / f"{name}-{release}"
    python = folder / "bin" / "python"
    tested, *others = suite.needs
    ours = (f"{package}=={version(package)}" for package in ("trio", "anyio"))
    wanted = [*ours, str(given or tested), *others]
    made = folder / "made-with.txt"
    if not made.exists() or made.read_text(encoding="utf-8").split() != wanted:
        print(f"making {folder}", flush=True)  # it takes a while
        venv.create(folder, with_pip=True, clear=True)
        pip(python, "install", *wanted)
        made.write_text("\n".join(wanted), encoding="utf-8")
    return python


def pip(python: Path, *arguments: str) -> None:
    """Run pip, quietly unless it fails."""
    command = [str(python), "-m", "pip", "-q", "--disable-pip-version-check", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{result.stdout}{result.stderr}")


def find_root(python: Path, suite: Suite, given: Path | None = None) -> Path:
    """Return the folder that the names of the tests are relative to.

    Args:
        python: the environment.
        suite: whose tests are wanted.
        given: where the source of the suite is, if that is known.
    """
    if given is not None:
        return given
    package = suite.needs[0].partition("[")[0]
    folder = python.parents[1] / "source"
    if suite.source == "installed":
        return Path(ask(python, f"import {package} as it; print(it.__path__[0])"))
    if suite.source == "python":
        if ask(python, _HAS_TESTS) == "True":
            return Path(ask(python, "import test; print(test.__path__[0])"))
        if not folder.exists():
            fill(folder, debian.unpack_tests)
    elif not folder.exists():
        exact = ask(python, f"from importlib.metadata import version; print(version({package!r}))")
        if suite.source == "git":
            fill(folder, partial(clone, suite.repository, exact))
        else:
            fill(folder, partial(unpack, python, f"{package}=={exact}"))
    return next(folder.iterdir())


_HAS_TESTS: Final = (
    "import importlib.util as it; print(it.find_spec('test.test_asyncio') is not None)"
)


def find_settings(root: Path) -> Path:
    """Return the file with the suite's own settings for pytest; an empty one if there is none.

    Left to itself, pytest would take ours, which is in a folder further out.
    """
    for name in ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"):
        file = root / name
        if file.exists() and _SETTINGS.search(file.read_text(encoding="utf-8")):
            return file
    return HERE / "empty.ini"


def fill(folder: Path, put: Callable[[Path], None]) -> None:
    """Have a folder filled, which is there only once it is complete."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        put(Path(place))
        shutil.copytree(place, folder, symlinks=True)


def unpack(python: Path, wanted: str, folder: Path) -> None:
    """Fetch and unpack the source archive of a version of a package."""
    with tempfile.TemporaryDirectory() as archives:
        options = ("--no-deps", "--no-binary", ":all:", "-d", archives)
        pip(python, "download", *options, wanted)
        with tarfile.open(next(Path(archives).glob("*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")


def clone(repository: str, tag: str, folder: Path) -> None:
    """Fetch one version of a git repository."""
    options = ("-q", "-c", "advice.detachedHead=false", "--depth", "1", "--branch", tag)
    command = ["git", "clone", *options, repository, str(folder / "repository")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(
            f"The archive of this package on PyPI has no tests, and {' '.join(command)} failed:\n"
            f"{result.stderr}Clone its version {tag} elsewhere, and pass the folder as --source."
        )


def ask(python: Path, code: str) -> str:
    """Return what a Python prints."""
    return subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
