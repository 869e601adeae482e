"""Runs foreign test suites without and with our instrument, and compares test by test.

With: every trio run of the suite carries a `FlamegraphInstrument`, in guest mode, in threads and
in Python subprocesses too (`with_instrument`); or all that it runs on any backend is recorded by
`tracetools.record` (`recorded`), or by `tracetools run`. The outcome of each test must be the same,
trio must not disable our instrument, our logger must be silent, and every profile must keep the
laws::

    python tests/foreign/run.py                        # what CI runs, parts of some suites
    python tests/foreign/run.py --suite anyio --whole
    python tests/foreign/run.py --suite tornado --variant run
    python tests/foreign/run.py --suite trio --variant shared -k guest

A suite runs in an environment that is made for it under ``.venv-foreign`` (kept for the next time),
with the versions of trio and anyio that the running interpreter has. The exit code is 0 only if
all is equal.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final

from environments import HERE, ROOT, find_root, find_settings, make_environment
from outcomes import WHOLE
from suites import RUN, SUITES, VARIANTS, Suite, Variant

from tracetools import TracetoolsError
from tracetools.output.formats.profile_json import read_profile

RETRIES: Final = 5
SHOWN: Final = 10
TIME_LIMIT: Final = 900
DEFAULT_SUITES: Final = ("trio", "anyio", "janus", "starlette")

# ------------------------------------------------------------------------------------------ running


@dataclass
class Result:
    """What one run of a suite gave."""

    outcomes: dict[str, str]
    reasons: dict[str, str]
    tasks_alive: int
    seconds: float
    runs: int = 0
    processes: int = 0
    refused: int = 0
    complaints: list[str] = field(default_factory=list)

    def reason(self, name: str) -> str:
        """Return the end of pytest's report on a test that failed, indented."""
        lines = self.reasons.get(name, "").splitlines()[-20:]
        return "".join(f"\n      {line}" for line in lines)


@dataclass(frozen=True)
class Runner:
    """Runs tests of one suite, in one environment."""

    python: Path
    suite: Suite
    root: Path
    arguments: Sequence[str]
    whole: bool = False

    def run(self, variant: Variant | None, only: Sequence[str] = ()) -> Result:
        """Run the suite, or only some of its tests; with our instrument if there is a variant."""
        with tempfile.TemporaryDirectory(prefix="foreign-") as name:
            folder = Path(name)
            started = time.monotonic()
            output = self._run(folder, variant, only)
            seconds = time.monotonic() - started
            outcomes = folder / "outcomes.json"
            if not outcomes.exists():
                sys.exit(f"no outcomes were written, the output ends with:\n{output[-5000:]}")
            result = Result(**json.loads(outcomes.read_text()), seconds=seconds)
            if variant is not None and variant.command:
                read_profile_of_run(folder / "work" / RUN, output, result)
            elif variant is not None:
                read_reports(folder, result)
            return result

    def _run(self, folder: Path, variant: Variant | None, only: Sequence[str]) -> str:
        """Run, and return the output."""
        make = self._pytest if not self.suite.runner else self._unittest
        program = make(variant, only or self._tests())
        command = [str(self.python), *(variant.command if variant is not None else ()), *program]
        work = folder / "work"
        work.mkdir()
        with (folder / "output").open("w+", encoding="utf-8") as output:
            # A file and no pipe: a subprocess that a test leaves behind would hold it open.
            try:
                subprocess.run(
                    command,
                    env=self._variables(folder, variant),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    cwd=work,
                    timeout=TIME_LIMIT,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                output.write(f"\nstopped after {TIME_LIMIT} s")
            output.seek(0)
            return output.read()

    def _pytest(self, variant: Variant | None, tests: Sequence[str]) -> Iterable[str]:
        yield from ("-m", "pytest", "-p", "outcomes", "-p", "no:cacheprovider")
        if variant is not None and not variant.command:
            yield from ("-p", "with_instrument")
        yield from ("--rootdir", str(self.root), "-c", str(find_settings(self.root)))
        yield from ("-o", "faulthandler_timeout=120", "-q")
        yield from self.suite.arguments
        yield from self.arguments
        yield from (f"--deselect={name}" for name in self.suite.left_out(variant))
        yield from (f"{self.root}/{name}" for name in tests)

    def _unittest(self, variant: Variant | None, tests: Sequence[str]) -> Iterable[str]:
        yield from ("-m", "unittest_outcomes", self.suite.runner)
        yield from self.suite.arguments
        yield from self.arguments
        yield from tests

    def _tests(self) -> Sequence[str]:
        if self.suite.runner:
            return self.suite.part if not self.whole else []
        if not self.whole and self.suite.part:
            return self.suite.part
        if "*" not in self.suite.tests:
            return [self.suite.tests]
        return [str(path.relative_to(self.root)) for path in self.root.glob(self.suite.tests)]

    def _variables(self, folder: Path, variant: Variant | None) -> dict[str, str]:
        variables = {**os.environ, **self.suite.variables}
        ours = [ROOT / "src", HERE, HERE / "startup"]
        variables["PYTHONPATH"] = os.pathsep.join(map(str, ours))
        variables["PYTHONDONTWRITEBYTECODE"] = "1"
        variables["TRACETOOLS_OUTCOMES"] = str(folder / "outcomes.json")
        if self.suite.runner:
            variables["TRACETOOLS_LEFT_OUT"] = json.dumps([*self.suite.left_out(variant)])
        if not self.suite.plugins:
            variables["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        if variant is not None and not variant.command:
            settings = {"folder": str(folder), **asdict(variant)}
            variables["TRACETOOLS_FOREIGN"] = json.dumps(settings)
        return variables


def read_profile_of_run(path: Path, output: str, result: Result) -> None:
    """Check what `tracetools run` has written, and that it has said nothing."""
    result.complaints += [line for line in output.splitlines() if line.startswith("tracetools: ")]
    try:
        profile = read_profile(path.with_suffix(".profile.json"))
        profile.check()
    except TracetoolsError as error:
        result.complaints.append(str(error))
    else:
        result.runs, result.processes = profile.runs, 1


def read_reports(folder: Path, result: Result) -> None:
    """Add up what the processes of a run have written down."""
    for report in folder.glob("*.jsonl"):
        lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
        result.processes += 1
        result.runs += sum(line["count"] for line in lines if line["kind"] == "run")
        result.refused += sum(line["kind"] == "refused" for line in lines)
        result.complaints += [
            f"{line['test'] or report.stem}: {line['text']}"
            for line in lines
            if line["kind"] == "complaint"
        ]


# ---------------------------------------------------------------------------------------- comparing


def differing(without: Result, with_ours: Result, left_out: Iterable[str]) -> list[str]:
    """Return the names of the tests whose outcomes are not the same."""
    names = without.outcomes.keys() | with_ours.outcomes.keys()
    names = {name for name in names if not name.startswith(tuple(left_out))}
    return sorted(
        name for name in names if without.outcomes.get(name) != with_ours.outcomes.get(name)
    )


def find_differences(
    runner: Runner, variant: Variant, without: Result, with_ours: Result
) -> Iterator[str]:
    """Return what differs for good: alone, tried several times, or else in a second whole run.

    A test that can end without us as it does with us is flaky.
    """
    left_out = runner.suite.left_out(variant)
    flaky = []
    names = differing(without, with_ours, left_out)
    for name in names[SHOWN:]:
        outcomes = f"without {without.outcomes.get(name)}, with {with_ours.outcomes.get(name)}"
        yield f"{name}: {outcomes}; too many differ to try it alone{with_ours.reason(name)}"
    for name in names[:SHOWN]:
        if name == WHOLE:
            flaky.append(name)
            continue
        seen, seen_with_ours = (alone(runner, name, choice) for choice in (None, variant))
        if seen_with_ours.keys() <= {*seen, without.outcomes.get(name)}:
            flaky.append(name)
        else:
            yield f"{name}: without {seen}, with {seen_with_ours}{with_ours.reason(name)}"
    again = differing(runner.run(None), runner.run(variant), left_out) if flaky else []
    for name in flaky:
        outcomes = f"without {without.outcomes.get(name)}, with {with_ours.outcomes.get(name)}"
        if name in again:
            reason = with_ours.reason(name)
            yield f"{name}: {outcomes}; the same alone, but not among others{reason}"
        else:
            print(f"  flaky: {name}: {outcomes}; the same when tried again")


def alone(runner: Runner, name: str, variant: Variant | None) -> dict[str, int]:
    """Return how often a test had which outcome when it was run alone."""
    runs = [runner.run(variant, only=[name]) for _ in range(RETRIES)]
    return dict(Counter(run.outcomes.get(name, "not run") for run in runs))


def compare(runner: Runner, name: str, without: Result) -> tuple[int, int]:
    """Run with our instrument and report on it; return how many tests ran and what is wrong."""
    with_ours = runner.run(VARIANTS[name])
    runs = f"{with_ours.runs} runs were recorded, in {with_ours.processes} processes"
    if with_ours.refused:
        runs += f"; {with_ours.refused} tests began in a running loop and were not"
    print(f"{name}: {describe(with_ours)}; {runs}", flush=True)
    wrong = list(find_differences(runner, VARIANTS[name], without, with_ours))
    wrong += with_ours.complaints
    if not with_ours.runs:
        wrong.append("no run was recorded")
    if with_ours.tasks_alive > without.tasks_alive:
        alive = f"{with_ours.tasks_alive} tasks are alive at the end, {without.tasks_alive} without"
        wrong.append(alive)
    for what in wrong[: 2 * SHOWN]:
        print(f"  WRONG: {what}", flush=True)
    if len(wrong) > 2 * SHOWN:
        print(f"  and {len(wrong) - 2 * SHOWN} more")
    return len(with_ours.outcomes), len(wrong)


def describe(result: Result) -> str:
    """Return the counts of a run in one line."""
    counts = Counter(result.outcomes.values())
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    return f"{len(result.outcomes)} tests ({kinds}) in {result.seconds:.0f} s"


# --------------------------------------------------------------------------------------------- main


def parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Return our own arguments, and those for pytest."""
    parser = argparse.ArgumentParser(
        description="Runs foreign test suites without and with our instrument, and compares.",
        epilog="Further arguments go to pytest.",
    )
    parser.add_argument(
        "--suite",
        choices=SUITES,
        action="append",
        help=f"can be repeated; by default {', '.join(DEFAULT_SUITES)}",
    )
    parser.add_argument(
        "--variant",
        choices=VARIANTS,
        action="append",
        help="can be repeated; by default those of the suite",
    )
    parser.add_argument(
        "--whole", action="store_true", help="all of a suite of which a part is run otherwise"
    )
    parser.add_argument(
        "--source", type=Path, help="where the source of the tested package is, with its tests"
    )
    parser.add_argument(
        "--here", action="store_true", help="use the running interpreter's own environment"
    )
    return parser.parse_known_args(arguments)


def compare_suite(
    name: str, options: argparse.Namespace, for_pytest: Sequence[str]
) -> tuple[int, int]:
    """Run a suite without us and in all variants; return how many tests ran and what is wrong."""
    suite = SUITES[name]
    python = Path(sys.executable) if options.here else make_environment(name, suite)
    runner = Runner(
        python, suite, find_root(python, suite, options.source), for_pytest, options.whole
    )
    part = " (a part)" if suite.part and not options.whole else ""
    versions = ", ".join(f"{package} {version(package)}" for package in ("trio", "anyio"))
    print(f"{name}{part}, Python {sys.version.split()[0]}, {versions}")
    for left_out, reason in suite.excluded.items():
        print(f"  excluded: {left_out}: {reason}")
    for left_out, reason in suite.excluded_beside_threads.items():
        print(f"  excluded beside threads of ours: {left_out}: {reason}")
    for left_out, reason in suite.excluded_while_recorded.items():
        print(f"  excluded where record() is entered: {left_out}: {reason}")
    without = runner.run(None)
    print(f"without: {describe(without)}", flush=True)
    failed = list(without.reasons)
    for test in failed[:SHOWN]:
        print(f"  {without.outcomes[test]} without us as well: {test}")
    if len(failed) > SHOWN:
        print(f"  and {len(failed) - SHOWN} more")
    variants = options.variant or suite.variants
    counts = [compare(runner, variant, without) for variant in variants]
    compared, wrong = (sum(column) for column in zip(*counts, strict=True))
    return compared, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and compare; return 0 if all is equal."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    options, for_pytest = parse(arguments)
    suites = options.suite or DEFAULT_SUITES
    counts = [compare_suite(name, options, for_pytest) for name in suites]
    compared, wrong = (sum(column) for column in zip(*counts, strict=True))
    print(f"{max(compared - wrong, 0)} passed, {wrong} failed")
    return 1 if wrong or not all(count for count, _ in counts) else 0


if __name__ == "__main__":
    sys.exit(main())
