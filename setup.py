"""Builds the native core, where there is a compiler; pyproject.toml says all else.

The environment variable TRACETOOLS_BUILD may say what is built:

- ``native``: a package with the native core, or none: what fails then is an error. For wheels.
- ``pure``: a package without it, for every Python.

Otherwise the native core is left out if it cannot be built.
"""

from __future__ import annotations

import contextlib
import os
import platform
import runpy
import shutil
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

STARTUP = "tracetools_processes.pth"
NATIVE = Path("src", "tracetools", "core", "native")
BUILD = os.environ.get("TRACETOOLS_BUILD", "")


class BuildWithStartup(build_py):
    """Puts our .pth file beside the package, where Python runs it at each start.

    With it, `tracetools run --subprocesses` needs no PYTHONPATH.
    """

    def run(self) -> None:
        """Build the package, and the file; an editable install finds its own way."""
        super().run()
        if not self.editable_mode:
            Path(self.build_lib).mkdir(parents=True, exist_ok=True)
            shutil.copy(Path("src") / STARTUP, Path(self.build_lib) / STARTUP)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Name the file among what is installed, so that it is removed as well."""
        own = [] if self.editable_mode else [str(Path(self.build_lib) / STARTUP)]
        return [*super().get_outputs(include_bytecode), *own]


class BuildAfresh(build_ext):
    """Builds the extension anew each time, and leaves none that is older where that fails."""

    def finalize_options(self) -> None:
        """Trust no date of a file: what was built may be newer, and of other sources."""
        super().finalize_options()
        self.force = True

    def build_extension(self, extension: Extension) -> None:
        """Build the extension; what an earlier build has left goes first."""
        Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
        if self.compiler.compiler_type == "unix":
            extension.extra_compile_args.append("-fvisibility=hidden")  # calls within are direct
        super().build_extension(extension)

    def copy_extensions_to_source(self) -> None:
        """Replace the extension in a checkout at once: processes may load it just now."""
        for extension in self.extensions:
            built = Path(self.build_lib, self.get_ext_filename(extension.name))
            target = NATIVE / built.name
            if built.exists():
                fresh = target.with_suffix(f".{os.getpid()}")
                shutil.copy(built, fresh)
                fresh.replace(target)
            else:
                with contextlib.suppress(OSError):  # Windows keeps what is in use
                    target.unlink()


def native_core() -> list[Extension]:
    """Return the extension, where it may be built."""
    has_gil = not sysconfig.get_config_var("Py_GIL_DISABLED")
    if BUILD == "pure" or platform.python_implementation() != "CPython" or not has_gil:
        return []
    ours = runpy.run_path(str(NATIVE / "version.py"))
    macros = {
        "TRACETOOLS_VERSION": ours["VERSION"],
        "TRACETOOLS_SOURCES": ours["checksum"](str(NATIVE)),
    }
    return [
        Extension(
            "tracetools.core.native._extension",
            sources=sorted(map(str, NATIVE.glob("*.c"))),
            depends=sorted(map(str, NATIVE.glob("*.h"))),
            define_macros=[(name, f'"{value}"') for name, value in macros.items()],
            optional=BUILD != "native",
        )
    ]


setup(cmdclass={"build_py": BuildWithStartup, "build_ext": BuildAfresh}, ext_modules=native_core())
