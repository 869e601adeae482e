"""What is known of a frame by itself."""

from tests.output.answers.profiles import LIMITER, LOAD, ORIGINS, POOL, REPORT, ROUTER, SERVE
from tracetools.core.stacks import CALLBACKS, IMPORTING, RUNTIME, WAITING, Frame
from tracetools.output.answers.traits import TraitsOfFrames, is_of_server
from tracetools.output.frame_kinds import kinds_of

TRAITS = TraitsOfFrames(kinds_of(ORIGINS))


def test_functions_of_the_program_and_of_libraries():
    own, library = TRAITS[REPORT], TRAITS[ROUTER]
    assert (own.is_own, own.is_caller, own.is_folded) == (True, True, False)
    assert (own.package, own.is_of_others) == ("", False)
    assert (library.is_own, library.is_caller, library.is_folded) == (False, False, True)
    assert (library.package, library.is_of_others) == ("starlette", True)


def test_a_span_is_a_place_if_it_stands_in_a_file_of_the_program():
    assert TRAITS[Frame("GET /row", "app.py", 3)].is_own
    assert not TRAITS[Frame("GET /row", ROUTER.file, 3)].is_own
    assert not TRAITS[Frame("query")].is_own
    assert TRAITS[Frame("query")].is_span


def test_awaits():
    assert (TRAITS[POOL].awaited, TRAITS[POOL].wait) == ("Semaphore", "limited")
    assert TRAITS[LIMITER].wait == "limited"
    assert TRAITS[REPORT].wait == ""


def test_what_is_of_the_loop():
    assert TRAITS[WAITING].is_loop
    assert not TRAITS[WAITING].is_callback
    assert TRAITS[CALLBACKS].is_callback
    assert not TRAITS[REPORT].is_loop


def test_imports_and_servers():
    assert TRAITS[LOAD].is_import
    assert TRAITS[IMPORTING].is_import
    assert is_of_server(SERVE)
    assert is_of_server(RUNTIME)
    assert not is_of_server(ROUTER)
    assert TRAITS[SERVE].is_server
