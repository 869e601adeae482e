"""Profiles in notebooks: the report, imported when the first profile is shown."""

import subprocess
import sys

from tests.output.page_reading import Page
from tracetools import Profile
from tracetools.core.stacks import ROOT, Times
from tracetools.output.notebook import show_profile

PROFILE = Profile(stacks={(ROOT,): Times(busy=400)}, duration=400)


def test_a_profile_is_shown_as_its_report():
    [frame] = Page(show_profile(PROFILE)).all("iframe")
    assert Page(frame["srcdoc"]).values("data-lens") == ["busy"]


def test_a_profile_shows_itself_as_its_report():
    assert PROFILE._repr_html_() == show_profile(PROFILE)


def test_the_report_is_imported_when_the_first_profile_is_shown():
    code = (
        "import sys\n"
        "from tracetools import Flamegrapher, Profile\n"
        "profile = Profile()\n"
        "before = 'tracetools.output.report' in sys.modules\n"
        "profile._repr_html_()\n"
        "print(before, 'tracetools.output.report' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False True\n"
