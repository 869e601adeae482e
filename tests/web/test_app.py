"""Every route, on every backend: what is answered, with which headers, and what is not."""

from __future__ import annotations

import asyncio
import gzip
import json

import anyio
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import tracetools
from tests.web.asking import BEARER, TOKEN, ask, scope_of, until
from tracetools import web_app
from tracetools.output.formats.profile_json import parse_profile
from tracetools.output.formats.reading import read
from tracetools.recording.current import recorders
from tracetools.web import app as web_module
from tracetools.web.recordings import OURS

SECONDS = "seconds=0.05"
RECORDS = ("/flamegraph", "/report", "/profile", "/debug/pprof/profile")


def answer(app, path, query="", **how):
    return asyncio.run(ask(app, path, query, **how))


async def work():
    """Be seen by whoever records."""
    while True:
        await anyio.sleep(0.001)
        sum(range(10_000))


async def ask_at_work(app, *arguments, **how):
    async with anyio.create_task_group() as group:
        group.start_soon(work)
        found = await ask(app, *arguments, **how)
        group.cancel_scope.cancel()
    return found


# -- recordings ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("draws_here")
def test_a_flame_graph_is_of_the_next_seconds(app, run):
    found = run(ask_at_work(app, "/flamegraph", SECONDS))
    assert (found.status, found.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert ">work (" in found.text
    assert 'data-lens="busy"' in found.text
    assert 'data-lens="idle"' not in found.text
    assert "script-src 'sha256-" in found.headers["content-security-policy"]
    assert recorders == set()


@pytest.mark.usefixtures("draws_here")
def test_a_flame_graph_may_be_an_svg_of_any_lens(app, run):
    found = run(ask_at_work(app, "/flamegraph", f"{SECONDS}&format=svg&lens=idle"))
    assert found.headers["content-type"] == "image/svg+xml"
    assert found.text.startswith("<?xml") or found.text.startswith("<svg")
    assert "await sleep" in found.text


@pytest.mark.usefixtures("draws_here")
def test_a_report_opens_with_the_lens_that_is_asked_for(app, run):
    found = run(ask_at_work(app, "/report", f"{SECONDS}&lens=task"))
    assert found.status == 200
    first, *others = found.text.split('data-lens="')[1:]
    assert first.startswith("task")
    assert any(other.startswith("busy") for other in others)


@pytest.mark.usefixtures("draws_here")
@pytest.mark.parametrize(
    ("name", "suffix"), [("profile", ".profile.json"), ("folded", ".folded"), ("gecko", ".json")]
)
def test_a_profile_is_a_file_of_any_format(app, name, suffix):
    found = asyncio.run(ask_at_work(app, "/profile", f"{SECONDS}&format={name}"))
    assert found.status == 200
    assert found.headers["content-disposition"].endswith(f'{suffix}"')
    if name == "profile":
        profile = parse_profile(found.text)
        profile.check()
        assert profile.scheduled_measured


@pytest.mark.usefixtures("draws_here")
def test_pprof_is_gzipped_and_has_labels(app, run, tmp_path):
    found = run(ask_at_work(app, "/debug/pprof/profile", f"{SECONDS}&debug=0"))
    plain = gzip.decompress(found.body)
    for label in (b"task", b"state", b"scheduled"):
        assert label in plain
    path = tmp_path / "profile.pb.gz"
    path.write_bytes(found.body)
    names = {frame.name for stack in read(path).content.stacks for frame in stack}
    assert {"work", "tracetools.web_app"} <= names


@pytest.mark.usefixtures("draws_here")
def test_what_records_has_a_span_and_no_task_of_its_own(app, run):
    found = run(ask_at_work(app, "/profile", SECONDS))
    stacks = parse_profile(found.text).stacks
    assert sum(times.idle for path, times in stacks.items() if OURS in path) > 40_000_000
    tasks = {path[1] for path, times in stacks.items() if times.steps and len(path) > 1}
    assert [task for task in tasks if "tracetools/web/" in str(task.file)] == []


@pytest.mark.parametrize("path", RECORDS)
def test_head_records_nothing(app, monkeypatch, path):
    monkeypatch.setattr(web_module, "record_for", None)
    found = answer(app, path, method="HEAD")
    assert (found.status, found.body) == (200, b"")
    assert "content-length" not in found.headers


@pytest.mark.parametrize("path", RECORDS)
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_records_nothing(app, path, site):
    found = answer(app, path, SECONDS, headers={**BEARER, "sec-fetch-site": site})
    assert found.status == 403


@pytest.mark.parametrize("path", [path for path in RECORDS if "pprof" not in path])
@pytest.mark.parametrize("query", ["seconds=nan", "seconds=-1", "seconds=1e9", "lens=x", "a=b"])
def test_a_query_that_makes_no_sense_is_refused(app, path, query):
    assert answer(app, path, query).status == 400


def test_pprof_refuses_seconds_that_make_no_sense(app):
    assert answer(app, "/debug/pprof/profile", "seconds=1e9").status == 400


# -- what there is already -------------------------------------------------------------------------


def test_the_page_says_what_runs(app, run):
    found = run(ask(app, "/"))
    assert found.status == 200
    for text in ("Flame graph", 'action="flamegraph"', "Slow requests", "debug/pprof/"):
        assert text in found.text
    assert "http" not in found.text.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("headers", "query", "kind"),
    [
        ({}, "", "text/plain"),
        ({"accept": "application/json"}, "", "application/json"),
        ({"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}, "", "text/html"),
        ({"accept": "*/*"}, "", "text/plain"),
        ({"accept": "text/html"}, "format=json", "application/json"),
        ({}, "format=html", "text/html"),
    ],
)
def test_tasks_come_as_they_are_wanted(app, run, headers, query, kind):
    found = run(ask_at_work(app, "/tasks", query, headers={**BEARER, **headers}))
    assert (found.status, found.headers["content-type"].partition(";")[0]) == (200, kind)
    if kind == "application/json":
        [loop] = json.loads(found.text)["loops"]
        assert any(task["function"][0] == "work" for task in loop["tasks"])
    else:
        assert "work (" in found.text
        assert "waits" in found.text


def test_tasks_have_no_other_format(app):
    assert answer(app, "/tasks", "format=xml").status == 400


def test_metrics_begin_when_they_are_read_and_go_on(app, run):
    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            await ask(app, "/metrics")
            await anyio.sleep(0.05)
            found = await ask(app, "/metrics")
            group.cancel_scope.cancel()
        return found

    assert recorders == set()
    found = run(main())
    assert found.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    for text in ('span="work"', "tracetools_ready_tasks_bucket", "loop_utilization_ratio"):
        assert text in found.text
    assert app._always.is_on
    app.close()
    assert recorders == set()


def test_metrics_are_openmetrics_for_those_who_like_them(app):
    wanted = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    found = answer(app, "/metrics", headers={**BEARER, "accept": wanted})
    assert found.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert found.text.endswith("# EOF\n")


def test_without_a_recording_there_are_no_metrics(make_app):
    app = make_app(records=False)
    found = answer(app, "/metrics")
    assert (found.status, recorders) == (404, set())
    assert "records=False" in answer(app, "/").text


def test_requests_say_how_to_keep_some(app):
    found = answer(app, "/requests")
    assert found.status == 404
    assert "web_app(keep=slow(0.5))" in found.text


def test_slow_spans_are_kept_and_those_of_ours_are_not(make_app, run, draws_here):
    app = make_app(keep=0.02)

    async def slow():
        with tracetools.span("slow one"):
            await anyio.sleep(0.03)

    async def main():
        await ask(app, "/requests")
        async with anyio.create_task_group() as group:
            group.start_soon(slow)
        await ask(app, "/profile", SECONDS)
        await until(lambda: app._always.pages.pages)
        listed = await ask(app, "/requests")
        key = listed.text.partition('<a href="requests/')[2].partition('"')[0]
        return listed, await ask(app, f"/requests/{key}"), await ask(app, "/requests/999")

    listed, page, missing = run(main())
    assert "tracetools.web_app" not in listed.text
    assert page.status == 200
    assert "slow" in page.text
    assert "style-src 'sha256-" in page.headers["content-security-policy"]
    assert missing.status == 404


def test_a_recording_of_the_programs_own_is_used(make_app, tmp_path):
    async def main():
        async with tracetools.record(tmp_path / "stack", keep=0.01) as recording:
            app = make_app(recording=recording)
            with tracetools.span("slow one"):
                await anyio.sleep(0.02)
            found = await ask(app, "/metrics")
            await until(lambda: "slow-one" in str(recording.kept))
            listed = await ask(app, "/requests")
            names = [path.name for path in recording.kept]
            page = await ask(app, f"/requests/{names[0]}")
            for path in recording.kept:
                path.unlink()
            return found, listed, page, await ask(app, f"/requests/{names[0]}"), len(recorders)

    metrics, listed, page, gone, count = asyncio.run(main())
    assert 'span="slow one"' in metrics.text
    assert "slow-one" in listed.text
    assert (page.status, gone.status, count) == (200, 404, 1)


def test_pprof_has_a_page(app):
    found = answer(app, "/debug/pprof/", headers={**BEARER, "host": "h:80"}, root="/t")
    assert "http://:TOKEN@h:80/t/debug/pprof/profile?seconds=5" in found.text


@pytest.mark.parametrize("path", ["/debug/pprof/cmdline", "/debug/pprof/symbol", "/favicon.ico"])
def test_nothing_else_is_there(app, path):
    assert answer(app, path).status == 404


# -- paths, methods, headers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *("//", "/../", "/..", "/./", "//tasks", "/tasks/", "/tasks/..", "/x/../tasks", "/TASKS"),
        *("/requests/", "/requests/..", "/requests/../../etc/passwd", "/requests/a/b", "/%74asks"),
        *("/requests/\0", "/requests/\u00e9", "/tasks\n", "/tasks?x", "tasks", "/" + "a" * 100_000),
    ],
)
def test_tricks_with_paths_find_nothing(make_app, path):
    found = answer(make_app(keep=10.0), path)
    assert found.status == 404
    assert "root:" not in found.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get ", "X" * 99])
def test_other_methods_are_refused(app, method):
    found = answer(app, "/tasks", method=method)
    assert (found.status, found.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/tasks", "/metrics", "/x", "/flamegraph"])
def test_every_answer_has_headers_that_keep_it_where_it_is(app, path):
    found = answer(app, path, "seconds=no" if path == "/flamegraph" else "")
    assert found.headers["cache-control"] == "no-store"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["x-frame-options"] == "DENY"
    policy = found.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
    assert "unsafe" not in policy


def test_head_of_a_page_has_its_length_and_no_body(app):
    found = answer(app, "/debug/pprof/", method="HEAD")
    assert found.body == b""
    assert int(found.headers["content-length"]) > 1_000


def test_text_is_compressed_for_those_who_can_read_it(app):
    headers = {**BEARER, "accept-encoding": "br, gzip"}
    found = answer(app, "/debug/pprof/", headers=headers)
    assert found.headers["content-encoding"] == "gzip"
    assert int(found.headers["content-length"]) == len(found.body)
    assert gzip.decompress(found.body) == answer(app, "/debug/pprof/").body


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/tasks", ""),
        ("/here/tasks", "/here"),  # as Starlette has it now
        ("/tasks", "/here"),  # as others have it
        ("/here/tasks", "/here/"),
        ("/a/b/tasks", "/a/b"),
    ],
)
def test_it_knows_where_it_is_mounted(app, path, root):
    assert answer(app, path, root=root).status == 200


def test_a_part_of_a_name_is_no_mount(app):
    assert answer(app, "/heretasks", root="/here").status == 404


def test_the_place_without_its_slash_leads_to_the_page(app):
    found = answer(app, "/here", root="/here")
    assert (found.status, found.headers["location"]) == (307, "here/")


def test_it_can_be_mounted_in_starlette(app):
    whole = Starlette(routes=[Mount("/a", routes=[Mount("/b", app)])])
    assert answer(whole, "/a/b/tasks").status == 200
    assert answer(whole, "/a/b/").status == 200
    assert answer(whole, "/a/b/tasks", headers={}).status == 401


# -- what is no request ----------------------------------------------------------------------------


async def exchange(app, scope, *received):
    left, sent = list(received), []

    async def receive():
        return {"type": left.pop(0)}

    async def send(message):
        sent.append(message["type"])

    await app(scope, receive, send)
    return sent


def test_it_ends_what_it_records_when_its_server_shuts_down(make_app, run):
    app = make_app(records=True)
    assert app._always.is_on
    names = ("lifespan.startup", "lifespan.shutdown")
    sent = run(exchange(app, {"type": "lifespan"}, *names))
    assert sent == [f"{name}.complete" for name in names]
    assert not app._always.is_on


def test_websockets_are_closed(app):
    sent = asyncio.run(exchange(app, {"type": "websocket"}, "websocket.connect"))
    assert sent == ["websocket.close"]


def test_other_connections_are_an_error(app):
    with pytest.raises(ValueError, match="knows no connections of type 'quic'"):
        asyncio.run(exchange(app, {"type": "quic"}))


def test_a_mistake_of_ours_is_logged_and_not_shown(app, monkeypatch, caplog):
    def fails():
        raise RuntimeError("with a secret")

    monkeypatch.setattr(web_module, "take_dump", fails)
    found = answer(app, "/tasks")
    assert found.status == 500
    assert "secret" not in found.text
    assert "with a secret" in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"most_seconds": 0.5}, ValueError, "most_seconds is a number from 1 to 3,600"),
        ({"most_seconds": float("nan")}, ValueError, "most_seconds"),
        ({"most_seconds": "60"}, TypeError, "most_seconds is a number of seconds"),
        ({"series": 0}, ValueError, "series is a number from 1 to 10,000"),
        ({"series": True}, TypeError, "series is a whole number"),
        ({"recording": "stack"}, TypeError, "recording is what 'with record"),
        ({"records": "always"}, TypeError, "records is True, False or None"),
        ({"keep": 0.5, "records": False}, ValueError, "keep needs a recording"),
        ({"keep": -1}, ValueError, "keep is a number of seconds"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, error, said):
    with pytest.raises(error, match=said.replace("(", r"\(")):
        web_app(TOKEN, **options)


def test_the_scope_of_a_bare_server_is_enough(app):
    scope = scope_of("/tasks")
    for name in ("root_path", "query_string"):
        del scope[name]
    assert asyncio.run(exchange_http(app, scope)) == 200


async def exchange_http(app, scope):
    sent = []

    async def send(message):
        sent.append(message)

    await app(scope, None, send)
    return sent[0]["status"]
