"""Builds the native core, where there is a compiler; pyproject.toml says all else."""

from __future__ import annotations

import shutil
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

STARTUP = "tracetools_processes.pth"


class BuildWithStartup(build_py):
    """Puts our .pth file beside the package, where Python runs it at each start.

    With it, `tracetools run --subprocesses` needs no PYTHONPATH.
    """

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            Path(self.build_lib).mkdir(parents=True, exist_ok=True)
            shutil.copy(Path("src") / STARTUP, Path(self.build_lib) / STARTUP)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Name the file among what is installed, so that it is removed as well."""
        own = [] if self.editable_mode else [str(Path(self.build_lib) / STARTUP)]
        return [*super().get_outputs(include_bytecode), *own]


setup(
    cmdclass={"build_py": BuildWithStartup},
    ext_modules=[
        Extension(
            "tracetools.core.native._extension",
            sources=sorted(glob("src/tracetools/core/native/*.c")),
            depends=sorted(glob("src/tracetools/core/native/*.h")),
            optional=True,
        )
    ],
)
