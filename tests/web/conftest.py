"""An application to ask, which draws in this process, and is closed after each test."""

from __future__ import annotations

import pytest

from tests.web.asking import RUNS, TOKEN
from tracetools.web import rendering
from tracetools.web.app import web_app


@pytest.fixture
def make_app():
    made = []

    def make(token=TOKEN, **options):
        made.append(web_app(token, **options))
        return made[-1]

    yield make
    for app in made:
        app.close()


@pytest.fixture
def app(make_app):
    return make_app()


@pytest.fixture
def draws_here(monkeypatch):
    """Start no process."""
    monkeypatch.setattr(rendering, "_command", lambda: None)


@pytest.fixture(params=RUNS)
def run(request):
    """Run a coroutine, on each backend."""
    return RUNS[request.param]
