"""Messages that belong to no recording go where they are sent."""

import logging

from tracetools.guest.messages import common, logger


class Heard(list):
    def warning(self, text, /, *values):
        self.append(("warning", text % values))

    def error(self, text, /, *values, exc_info=None):
        self.append(("error", text % values, exc_info))

    def exception(self, text, /, *values):
        self.append(("exception", text % values))


def say():
    common.warning("a %s", 1)
    common.error("b %s", 2, exc_info=True)
    common.exception("c %s", 3)


def test_they_are_logged(caplog):
    assert logger is logging.getLogger("tracetools")
    try:
        raise ValueError
    except ValueError:
        say()
    assert [(r.levelname, r.getMessage(), bool(r.exc_info)) for r in caplog.records] == [
        ("WARNING", "a 1", False),
        ("ERROR", "b 2", True),
        ("ERROR", "c 3", True),
    ]


def test_they_can_be_sent_elsewhere(caplog, monkeypatch):
    heard = Heard()
    monkeypatch.setattr(common, "to", heard)
    say()
    assert heard == [("warning", "a 1"), ("error", "b 2", True), ("exception", "c 3")]
    assert caplog.records == []
