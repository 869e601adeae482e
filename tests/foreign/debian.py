"""What Debian's unstable branch has of Python, for a Python that came from there.

`.ci/new-pythons` installs such Pythons; Debian keeps their tests in a package of their own.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

_KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
_MIRROR: Final = "http://deb.debian.org/debian"


def unpack_tests(folder: Path) -> None:
    """Put the package `test` of a Python like this one into a folder.

    Debian has a part of it with Python itself, and the tests in a package of their own.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = f"libpython{version}-testsuite"
    if shutil.which("apt-get") is None:
        sys.exit(f"{sys.executable} has no tests of its own, and there is no apt-get for {name}")
    with tempfile.TemporaryDirectory() as place:
        package = _download(name, Path(place))
        _run("dpkg-deb", "--extract", str(package), place)
        shutil.copytree(Path(sysconfig.get_path("stdlib"), "test"), folder / "test")
        tests = Path(place, "usr", "lib", f"python{version}", "test")
        shutil.copytree(tests, folder / "test", dirs_exist_ok=True)
    _, found, *_ = package.name.split("_")
    if not found.startswith(platform.python_version().rstrip("+")):
        print(f"the tests are those of Python {found}", flush=True)


def _download(name: str, folder: Path) -> Path:
    """Return a package, fetched with lists that are apart from the system's."""
    for each in ("lists/partial", "cache/archives/partial"):
        (folder / each).mkdir(parents=True)
    sources = folder / "sources.list"
    sources.write_text(f"deb [signed-by={_KEYRING}] {_MIRROR} sid main\n", encoding="utf-8")
    settings = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State": folder,
        "Dir::State::Lists": folder / "lists",
        "Dir::State::Status": "/dev/null",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Retries": 3,
    }
    apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in settings.items())]
    _run(*apt, "update", folder=folder)
    _run(*apt, "download", name, folder=folder)
    return next(folder.glob("*.deb"))


def _run(*command: str, folder: Path | None = None) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{result.stdout}{result.stderr}")
