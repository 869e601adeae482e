"""Where a foreign suite runs: an environment with what it needs, and its tests."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from suites import Suite

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
_SETTINGS: Final = re.compile(r"^\[(tool[.:])?pytest\b", re.MULTILINE)


def make_environment(name: str, suite: Suite) -> Path:
    """Return a Python that has what the suite needs, and our own dependencies as they are here."""
    release = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = ROOT / ".venv-foreign" / f"{name}-{release}"
    python = folder / "bin" / "python"
    wanted = [*(f"{package}=={version(package)}" for package in ("trio", "anyio")), *suite.needs]
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


def find_root(python: Path, suite: Suite) -> Path:
    """Return the folder that the names of the tests are relative to."""
    if suite.built_in:
        return Path(ask(python, "import test; print(test.__path__[0])"))
    if suite.installed:
        return Path(ask(python, f"import {suite.needs[0]} as it; print(it.__path__[0])"))
    folder = python.parents[1] / "source"
    if not folder.exists():
        unpack(python, suite.needs[0].partition("[")[0], folder)
    return next(folder.iterdir())


def find_settings(root: Path) -> Path:
    """Return the file with the suite's own settings for pytest; an empty one if there is none.

    Left to itself, pytest would take ours, which is in a folder further out.
    """
    for name in ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"):
        file = root / name
        if file.exists() and _SETTINGS.search(file.read_text(encoding="utf-8")):
            return file
    return HERE / "empty.ini"


def unpack(python: Path, package: str, folder: Path) -> None:
    """Fetch and unpack the source archive of the installed version of a package."""
    exact = ask(python, f"from importlib.metadata import version; print(version({package!r}))")
    with tempfile.TemporaryDirectory() as archives:
        wanted = ("--no-deps", "--no-binary", ":all:", "-d", archives, f"{package}=={exact}")
        pip(python, "download", *wanted)
        with tarfile.open(next(Path(archives).glob("*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")


def ask(python: Path, code: str) -> str:
    """Return what a Python prints."""
    return subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
