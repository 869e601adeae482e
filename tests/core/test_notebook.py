"""The place where the view of profiles is registered."""

import pytest

from tracetools.core import notebook
from tracetools.core.profile import Profile


@pytest.fixture(autouse=True)
def _no_view(monkeypatch):
    monkeypatch.setattr(notebook, "_view", [])


def test_without_a_view_a_profile_has_no_html():
    assert notebook.html_of(Profile()) is None
    assert Profile()._repr_html_() is None


def test_a_profile_is_shown_by_the_view_that_was_registered_last():
    notebook.register_view(lambda profile: f"<p>{profile.runs}</p>")
    assert Profile(runs=1)._repr_html_() == "<p>1</p>"
    notebook.register_view(lambda profile: f"<b>{profile.runs}</b>")
    assert Profile(runs=1)._repr_html_() == "<b>1</b>"
