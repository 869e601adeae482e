"""What is made of a profile."""

from __future__ import annotations

import pytest

from tests.web.test_rendering import PROFILE
from tracetools.core.errors import NoStacksError
from tracetools.output.flamegraph import Flamegrapher
from tracetools.output.report import csp_sources
from tracetools.web.drawing import draw, policy_of


def test_a_graph_alone_has_no_tables():
    page = draw("html", "busy", PROFILE).decode()
    assert page.count("data-lens=") == 1
    assert "<table" not in page
    assert "</script>" not in page.partition("<main>")[2].partition("<script")[0]


def test_a_page_without_time_says_so():
    assert "there is no time to show" in draw("html", "idle", PROFILE).decode()


def test_a_graph_without_time_is_an_error():
    with pytest.raises(NoStacksError, match="no idle time"):
        draw("svg", "idle", PROFILE)


def test_policies_are_those_of_what_is_drawn():
    assert all(source in policy_of("report") for source in csp_sources().values())
    assert all(source in policy_of("svg") for source in Flamegrapher.csp_sources().values())
    assert policy_of(".pb.gz") == ""
