"""The demo from end to end: a real server, real requests, all files, the answers."""

import argparse
import re
import signal
import subprocess
import sys
import time

import anyio
import httpx
import pytest

from tests.commands.starting import run_command, start_command
from tracetools import FlamegraphInstrument, StackFileError
from tracetools.__main__ import main
from tracetools.commands import demo
from tracetools.demo import drive
from tracetools.demo.app import Shop, draw_cover, make_app
from tracetools.demo.database import Database
from tracetools.output.formats.folded import read_folded
from tracetools.output.formats.profile_json import read_profile

SERVERS = {"trio": "hypercorn's trio worker", "asyncio": "uvicorn"}
HANDLERS = {"trio": "_handle", "asyncio": "RequestResponseCycle.run_asgi"}
"""The functions of the servers' tasks that answer requests."""


@pytest.fixture(scope="module", params=SERVERS)
def backend(request):
    return request.param


@pytest.fixture(scope="module")
def ran(tmp_path_factory, backend):
    folder = tmp_path_factory.mktemp("demo")
    options = ("--backend", backend, "--requests", "20", "-o", "seen.txt")
    return folder, *run_command("demo", *options, folder=folder)


def test_exits_with_0_and_says_nothing_on_stderr(ran):
    _, status, _, errors = ran
    assert (status, errors) == (0, "")


def test_writes_its_files_and_no_other(ran):
    folder = ran[0]
    assert {path.name for path in folder.iterdir()} == {
        "seen.folded",
        "seen.profile.json",
        "seen.html",
    }
    assert "</html>" in (folder / "seen.html").read_text()


def test_stack_file_has_handlers_parts_and_thread_under_the_server(ran, backend):
    folder = ran[0]
    stacks = [
        "|".join(frame.split(" (")[0] for frame in path) for path in counts(folder / "seen.folded")
    ]
    server = r"all-spans\|main\|serve_shop\|.*" + re.escape(HANDLERS[backend]) + r"\|"
    for inner in (
        r"GET /book/{number:int}|Shop.show_book|Shop.load_similar|likeness",
        r"GET /book/{number:int}|Shop.show_book|Shop.load_reviews|Database.query|decode",
        r"GET /cover/{number:int}|Shop.show_cover|draw_cover|compress",
    ):
        between = r"\|(?:.*\|)?"  # functions
        spans = between.join(map(re.escape, inner.split("|")))
        stack = rf"{server}(?:.*\|)?{spans}(?:\|.*)?"
        assert any(re.fullmatch(stack, found) for found in stacks), inner
    assert any(
        re.fullmatch(r"all-spans\|main\|visitor\|(?:.*\|)?request\|.*", one) for one in stacks
    )


def test_it_ends_with_the_answers_and_what_to_open(ran, backend):
    output = ran[2]
    assert f"A web shop (starlette, on {SERVERS[backend]}) answered 20 requests" in output
    assert f"tracetools: recorded 1 loop ({backend}), " in output
    groups = ("What blocks the loop", "What is waited for", "What computes", "What came late")
    assert [output.count(f"\n{group}") for group in groups] == [1] * 4
    assert "request (tracetools/demo/drive.py:" in output
    assert "with --" not in output  # options of another command
    assert "Open seen.html" in output


def test_stack_file_adds_up_to_the_profile(ran):
    folder = ran[0]
    profile = read_profile(folder / "seen.profile.json")
    profile.check()
    found = counts(folder / "seen.folded")
    whole = sum(profile.lens("busy").values())
    assert sum(found.values()) * 1000 == pytest.approx(whole, abs=500 * len(profile.stacks))


def counts(file):
    return read_folded(file).stacks


@pytest.mark.parametrize("lens", ["idle", "scheduled", "task"])
def test_every_lens_can_be_written(tmp_path, lens, backend):
    options = ("--backend", backend, "--output", str(tmp_path / "stack"), "--lens", lens)
    assert main(["demo", "--requests", "5", *options]) == 0
    profile = read_profile(tmp_path / "stack.profile.json")
    found = sum(counts(tmp_path / "stack.folded").values()) * 1000
    whole = sum(profile.lens(lens).values())
    assert found == pytest.approx(whole, abs=500 * len(profile.stacks))


@pytest.mark.parametrize("count", ["0", "-1", "100001", "many", "1e3", "", "²"])
def test_number_of_requests_is_bounded(count, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--requests", count])
    assert ended.value.code == 2
    assert "is no number from 1 to 100000" in capsys.readouterr().err


def test_without_a_choice_it_runs_on_trio():
    assert demo_options().backend == "trio"


def test_unknown_backend_is_an_error_in_use(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--backend", "curio"])
    assert ended.value.code == 2
    assert "invalid choice: 'curio'" in capsys.readouterr().err


def test_files_that_cannot_be_written_are_said_in_one_line_before_anything_runs(tmp_path, backend):
    options = ("--backend", backend, "-o", "missing/stack")
    status, output, errors = run_command("demo", *options, folder=tmp_path)
    assert (status, output) == (2, "")
    assert re.fullmatch(r"tracetools: .*missing/stack\.folded.*\n", errors)


@pytest.mark.parametrize(
    ("backend", "missing"),
    [("trio", "httpx"), ("trio", "hypercorn"), ("asyncio", "httpx"), ("asyncio", "uvicorn")],
)
def test_missing_extra_is_said_with_the_remedy(monkeypatch, capsys, backend, missing):
    forget_the_demo(monkeypatch)
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["demo", "--backend", backend]) == 2
    assert capsys.readouterr().err == (
        f"tracetools: the demo needs {missing}: pip install 'trio-tracetools[demo]'\n"
    )


@pytest.mark.parametrize(("backend", "others"), [("trio", "uvicorn"), ("asyncio", "hypercorn")])
def test_the_server_of_the_other_backend_need_not_be_there(
    monkeypatch, tmp_path, capsys, backend, others
):
    forget_the_demo(monkeypatch)
    monkeypatch.setitem(sys.modules, others, None)
    options = ("--backend", backend, "-o", str(tmp_path / "stack"))
    assert main(["demo", "--requests", "1", *options]) == 0


def test_missing_module_of_ours_is_not_taken_for_a_missing_extra(monkeypatch):
    forget_the_demo(monkeypatch)
    monkeypatch.setitem(sys.modules, "tracetools.demo.app", None)
    with pytest.raises(ModuleNotFoundError):
        main(["demo"])


def forget_the_demo(monkeypatch):
    """Let it be imported anew, with what the test then leaves of its packages."""
    for name in [name for name in sys.modules if name.startswith("tracetools.demo.")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_ctrl_c_ends_it_with_130_and_leaves_a_valid_file(tmp_path, backend):
    options = ("--backend", backend, "--requests", "100000")
    with start_command("demo", *options, folder=tmp_path, covered=False) as process:
        wait_for(tmp_path / "stack.folded")
        time.sleep(2)  # a loop runs by then, on a busy machine too; the server, or not yet
        process.send_signal(signal.SIGINT)
        output, errors = end(process)
    assert (process.returncode, output, errors) == (130, "", "")
    assert sum(counts(tmp_path / "stack.folded").values()) > 0


def end(process):
    try:
        return process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def wait_for(path):
    deadline = time.monotonic() + 30
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_ctrl_c_in_the_midst_of_requests_shuts_the_server_down(tmp_path, monkeypatch, backend):
    served = interrupt_after_five_queries(monkeypatch)
    assert main(["demo", "--backend", backend, "-o", str(tmp_path / "stack")]) == 130
    assert served.count < 200
    assert sum(counts(tmp_path / "stack.folded").values()) > 0


def test_what_was_recorded_until_ctrl_c_adds_up(tmp_path, monkeypatch):
    interrupt_after_five_queries(monkeypatch)
    instrument = FlamegraphInstrument(tmp_path / "stack")
    with pytest.raises(KeyboardInterrupt):
        drive.run_shop(1000, instruments=[instrument])
    instrument.profile.check()


def test_ctrl_c_does_as_well_where_asyncio_cannot_tell_of_signals(monkeypatch):
    monkeypatch.setattr(anyio, "open_signal_receiver", no_signals)
    served = interrupt_after_five_queries(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        drive.run_shop(1000, "asyncio")
    assert served.count < 1000


def no_signals(*_):
    raise NotImplementedError


def interrupt_after_five_queries(monkeypatch):
    served = Counted(after=5, do=lambda: signal.raise_signal(signal.SIGINT))
    monkeypatch.setattr(Database, "query", served.counting(Database.query))
    return served


def test_failed_requests_are_counted_and_the_server_shuts_down(
    tmp_path, monkeypatch, capfd, backend
):
    async def fail(self, number, page):
        raise OSError("the disk is gone")

    monkeypatch.setattr(Shop, "load_reviews", fail)
    options = ("--backend", backend, "-o", str(tmp_path / "stack"))
    assert main(["demo", "--requests", "20", *options]) == 1
    output, errors = capfd.readouterr()
    failed = int(re.search(r"(\d+) requests failed; the first: /book/", output)[1])
    assert f"answered {20 - failed} requests" in output
    assert "Server error '500" in output
    assert errors == ""
    assert (tmp_path / "stack.html").exists()


def test_error_in_the_driver_ends_the_server_too(monkeypatch, backend):
    async def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(httpx.AsyncClient, "get", fail)
    with pytest.raises(BaseException) as raised:
        drive.run_shop(5, backend)
    assert "ZeroDivisionError" in repr(leaves(raised.value))


def leaves(error):
    inner = getattr(error, "exceptions", None)
    return [error] if inner is None else [leaf for one in inner for leaf in leaves(one)]


@pytest.mark.parametrize("how", ["end", "error", "ctrl-c"])
def test_closed_shop_listens_no_more(monkeypatch, backend, how):
    addresses = []

    async def visit(address, requests, outcome):
        addresses.append(address)
        async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
            assert (await client.get("/book/1")).status_code == 200
        if how == "error":
            raise ZeroDivisionError
        if how == "ctrl-c":
            signal.raise_signal(signal.SIGINT)
            await anyio.sleep_forever()

    monkeypatch.setattr(drive, "visit", visit)
    if how == "end":
        drive.run_shop(1, backend)
    else:
        with pytest.raises(BaseException) as raised:
            drive.run_shop(1, backend)
        expected = ZeroDivisionError if how == "error" else KeyboardInterrupt
        assert [type(leaf) for leaf in leaves(raised.value)] == [expected]
    (address,) = addresses
    assert address.startswith("http://127.0.0.1:")
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, trust_env=False)


def test_a_page_without_end_does_not_keep_the_shop_open(monkeypatch, backend):
    async def hang(self, number, page):
        signal.raise_signal(signal.SIGINT)
        await anyio.sleep_forever()

    monkeypatch.setattr(Shop, "load_book", hang)
    with pytest.raises(KeyboardInterrupt):
        drive.run_shop(1, backend)


def test_stack_file_error_comes_out_of_the_command(tmp_path, backend):
    options = demo_options("--backend", backend, "-o", str(tmp_path / "missing" / "stack"))
    with pytest.raises(StackFileError):
        demo.run(options)


def demo_options(*arguments):
    parser = argparse.ArgumentParser()
    demo.add_options(parser)
    return parser.parse_args(arguments)


async def get(path):
    transport = httpx.ASGITransport(make_app(Database(latency=0)))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        return await client.get(path)


def test_pages_are_what_they_claim_to_be(backend):
    def page(path):
        return anyio.run(get, path, backend=backend)

    book = page("/book/7")
    assert book.text.startswith("<h1>The ")
    assert book.text.count("<li>") == 25 + 3
    assert page("/cover/7").content.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(page("/search?words=salt+sea").json()) == 10
    assert page("/nothing").status_code == 404


def test_cover_is_a_real_picture():
    picture = draw_cover("The Silent City")
    assert picture == draw_cover("The Silent City")
    assert picture[12:16] == b"IHDR"
    assert picture[-8:-4] == b"IEND"


class Counted:
    """Does something when a method is called for the n-th time."""

    def __init__(self, *, after, do):
        self.count = 0
        self.after = after
        self.do = do

    def counting(self, method):
        async def call(*arguments):
            self.count += 1
            if self.count == self.after:
                self.do()
            return await method(*arguments)

        return call
