"""Metrics of a profile, as Prometheus and OpenMetrics read them."""

import shutil
import subprocess
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given

from tests.output.formats.mutations import PROFILE, relaxed
from tests.strategies import PROFILES, histogram_of
from tracetools.core.profile import Profile
from tracetools.core.stacks import BLOCKS_THE_LOOP, COLLECTIONS, ROOT, Blocks, Frame, Times
from tracetools.output.formats.prometheus import format_prometheus

S = 10**9
MAIN, SPAN, WORK = Frame("main", "app.py", 1), Frame('GET "/x"\n\\', "app.py", 5), Frame("work")
AWAIT = Frame("await Lock", "app.py", 7)


def samples(text, name):
    """Return the values of a metric by their labels, as they are written."""
    lines = [line for line in text.splitlines() if line.partition("{")[0].split(" ")[0] == name]
    return {line.removeprefix(name).rpartition(" ")[0]: line.split(" ")[-1] for line in lines}


def both(profile, **how):
    """Return what two parsers of Prometheus's own client read."""
    parser = pytest.importorskip("prometheus_client.parser")
    openmetrics = pytest.importorskip("prometheus_client.openmetrics.parser")
    plain = [*parser.text_string_to_metric_families(format_prometheus(profile, **how))]
    text = format_prometheus(profile, openmetrics=True, **how)
    return plain, [*openmetrics.text_string_to_metric_families(text)]


def test_time_is_that_of_the_innermost_span_and_exact():
    path = (ROOT, MAIN, SPAN)
    stacks = {
        (ROOT,): Times(busy=100),
        (ROOT, MAIN): Times(busy=1, entries=1),
        path: Times(busy=2, idle=3 * S + 1, thread=4, entries=1),
        (*path, AWAIT): Times(idle=5),
        (*path, WORK): Times(busy=6),
        (*path, COLLECTIONS[0]): Times(busy=7, entries=2),
    }
    text = format_prometheus(Profile(stacks, duration=116))
    name = r'{span="GET \"/x\"\n\\",location="app.py:5",state='
    assert samples(text, "tracetools_task_seconds_total") == {
        '{span="main",location="app.py:1",state="busy"}': "0.000000001",
        f'{name}"busy"}}': "0.000000015",
        f'{name}"idle"}}': "3.000000006",
        f'{name}"thread"}}': "0.000000004",
    }


def test_what_cannot_be_shown_becomes_a_blank():
    path = (ROOT, Frame("a\r\0\ud800b", "x\x85.py", 2))
    text = format_prometheus(Profile({path: Times(idle=1, entries=1)}))
    assert 'span="a   b",location="x .py:2"' in text
    text.encode()


def test_latencies_are_histograms_with_exact_sums():
    values = [1, 3_000_000, 100_000_000, 120_000_000, 90 * S]
    text = format_prometheus(Profile(latencies={(ROOT, MAIN): histogram_of(values)}))
    labels = 'span="main",location="app.py:1"'
    name = "tracetools_span_duration_seconds"
    found = samples(text, f"{name}_bucket")
    counts = {bound: found[f'{{{labels},le="{bound}"}}'] for bound in ("0.0001", "0.005", "0.25")}
    assert counts == {"0.0001": "1", "0.005": "2", "0.25": "4"}
    assert (found[f'{{{labels},le="60.0"}}'], found[f'{{{labels},le="+Inf"}}']) == ("4", "5")
    assert samples(text, f"{name}_sum") == {f"{{{labels}}}": "90.223000001"}
    assert samples(text, f"{name}_count") == {f"{{{labels}}}": "5"}


def test_blocking_steps_are_counted_by_line():
    line = Frame(BLOCKS_THE_LOOP, "db.py", 9)
    blocking = {
        (ROOT, MAIN, WORK, line): Blocks(2, 3 * S, 2 * S),
        (ROOT, WORK, line): Blocks(1, S, S),
    }
    text = format_prometheus(Profile(blocking=blocking))
    labels = '{function="work",location="db.py:9"}'
    assert samples(text, "tracetools_blocking_steps_total") == {labels: "3"}
    assert samples(text, "tracetools_blocking_seconds_total") == {labels: "4.000000000"}


def test_what_is_beyond_the_heaviest_is_one_series():
    frames = [Frame(f"task {number}", "app.py", number) for number in range(1, 9)]
    profile = Profile(
        {(ROOT, each): Times(idle=each.line, entries=1) for each in frames},
        latencies={(ROOT, each): histogram_of([each.line]) for each in frames},
        blocking={(ROOT, each): Blocks(1, each.line, 1) for each in frames},
    )
    text = format_prometheus(profile, most=2)
    other = '{span="(other)",location=""'
    assert samples(text, "tracetools_task_seconds_total") == {
        '{span="task 8",location="app.py:8",state="idle"}': "0.000000008",
        '{span="task 7",location="app.py:7",state="idle"}': "0.000000007",
        f'{other},state="idle"}}': "0.000000021",
    }
    assert samples(text, "tracetools_span_duration_seconds_count")[f"{other}}}"] == "6"
    assert samples(text, "tracetools_blocking_steps_total") == {
        '{function="task 8",location="app.py:8"}': "1",
        '{function="task 7",location="app.py:7"}': "1",
        '{function="(other)",location=""}': "6",
    }


@relaxed
@given(PROFILES)
def test_the_sums_are_those_of_the_profile(profile):
    text = format_prometheus(profile, most=3)
    sums = Counter()
    for labels, value in samples(text, "tracetools_task_seconds_total").items():
        sums[labels.rpartition("state=")[2].strip('"}')] += round(Fraction(value) * S)
    assert sums["busy"] == profile.busy
    assert sums["idle"] + sums["scheduled"] == profile.task_time - profile.busy
    loops = samples(text, "tracetools_loop_seconds_total")
    assert sum(round(Fraction(value) * S) for value in loops.values()) == profile.duration


@relaxed
@given(PROFILES)
def test_both_formats_are_read_by_prometheus_own_client(profile):
    plain, openmetrics = both(profile, most=3)
    assert [each.samples for each in plain] == [each.samples for each in openmetrics]
    assert [each.type for each in plain] == [each.type for each in openmetrics]
    assert {each.unit for each in openmetrics} <= {"", "seconds"}


def test_labels_come_back_as_they_were():
    plain, openmetrics = both(Profile({(ROOT, SPAN): Times(idle=1, entries=1)}))
    for families in (plain, openmetrics):
        [found] = [each for each in families if each.name == "tracetools_task_seconds"]
        assert found.samples[0].labels["span"] == SPAN.name


def test_openmetrics_ends_with_a_line_that_says_so():
    assert format_prometheus(PROFILE, openmetrics=True).endswith("\n# EOF\n")
    assert "# EOF" not in format_prometheus(PROFILE)
    assert "# TYPE tracetools_loop_seconds counter" in format_prometheus(PROFILE, openmetrics=True)
    assert "# TYPE tracetools_loop_seconds_total counter" in format_prometheus(PROFILE)


def test_an_empty_profile_has_loops_that_did_nothing():
    text = format_prometheus(Profile())
    assert samples(text, "tracetools_loop_utilization_ratio") == {"": "0.0"}
    assert "span" not in text.replace("innermost span", "")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Debian's prometheus")
def test_promtool_finds_no_fault():
    text = format_prometheus(PROFILE)
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
