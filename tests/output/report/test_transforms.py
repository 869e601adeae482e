"""What is made of stacks before a page draws them."""

from tracetools.core.stacks import ROOT, Frame
from tracetools.output.frame_kinds import kinds_of
from tracetools.output.report.transforms import all_frames, kinds_of_shown, own_first
from tracetools.output.start_up import START_UP

OWN = Frame("report", "app.py", 1)
APP, HANDLE = Frame("Router.app", "starlette/routing.py", 3), Frame("Route.handle", "x/y.py", 4)
IMPORT = Frame("_find_and_load", "<frozen importlib._bootstrap>", 6)
KIND_OF = kinds_of({"starlette/routing.py": "library", "x/y.py": "library"})


def test_all_frames_stay_but_for_the_root():
    assert all_frames((ROOT, APP, HANDLE, OWN)) == (APP, HANDLE, OWN)
    assert all_frames((ROOT,)) == ()
    assert all_frames((OWN, APP)) == (OWN, APP)


def test_own_code_comes_first():
    assert own_first((ROOT, APP, HANDLE, OWN), KIND_OF) == (Frame("(starlette, x)", ""), OWN)


def test_start_up_is_a_state():
    assert all_frames((ROOT, APP, IMPORT)) == (START_UP, IMPORT)
    assert [kinds_of_shown(KIND_OF)(frame) for frame in (START_UP, OWN)] == ["state", "own"]
