"""Who a process is."""

from __future__ import annotations

import os
import socket
import sys
from types import SimpleNamespace

import pytest

from tracetools.fleet.sources import MOST_ATTRIBUTES, source_of_process


@pytest.fixture(autouse=True)
def no_opentelemetry(monkeypatch):
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)


def set_up(monkeypatch, attributes) -> None:
    """Play a program that has set up the SDK."""
    provider = SimpleNamespace(resource=SimpleNamespace(attributes=attributes))
    module = SimpleNamespace(_TRACER_PROVIDER=provider)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", module)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", SimpleNamespace())


def test_by_default_it_is_named_by_its_program(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/srv/shop.py", "--password", "hunter2"])
    source = source_of_process()
    assert (source.service, source.version, source.pid) == ("shop", "", os.getpid())
    assert source.host == socket.gethostname()
    assert "hunter2" not in repr(source)


def test_each_has_an_instance_of_its_own():
    one, other = source_of_process().instance, source_of_process().instance
    assert one != other
    assert len(one) == 32
    assert int(one, 16) >= 0


def test_what_is_given_counts_first(monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "other")
    set_up(monkeypatch, {"service.name": "another", "service.version": "9"})
    source = source_of_process("shop", "1.2", "web-1", {"team": "a"})
    assert (source.service, source.version, source.host) == ("shop", "1.2", "web-1")
    assert source.attributes == {"team": "a"}


def test_the_variables_of_opentelemetry(monkeypatch):
    monkeypatch.setenv(
        "OTEL_RESOURCE_ATTRIBUTES",
        "service.name=x,service.version=2,deployment.environment=pro%2Cd, host.name=h ,junk,=no",
    )
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    source = source_of_process()
    assert (source.service, source.version, source.host) == ("shop", "2", "h")
    assert source.attributes == {"deployment.environment": "pro,d"}


def test_the_resource_of_the_sdk_counts_before_the_variables(monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "other")
    set_up(
        monkeypatch,
        {
            "service.name": "shop",
            "service.version": "3",
            "k8s.pod.name": "shop-1",
            "telemetry.sdk.name": "opentelemetry",
            "process.command_line": "shop --password hunter2",
            "process.command_args": ("shop", "--password", "hunter2"),
        },
    )
    source = source_of_process()
    assert (source.service, source.version) == ("shop", "3")
    assert source.attributes == {"k8s.pod.name": "shop-1"}


@pytest.mark.parametrize("attributes", [None, 5, {"service.name": object()}])
def test_a_strange_sdk_does_no_harm(monkeypatch, attributes):
    monkeypatch.setattr(sys, "argv", ["shop.py"])
    set_up(monkeypatch, attributes)
    assert source_of_process().service == "shop"


def test_a_name_that_the_sdk_has_made_up_is_no_name(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["shop.py"])
    set_up(monkeypatch, {"service.name": "unknown_service:python"})
    assert source_of_process().service == "shop"


def test_attributes_are_bounded_in_number_and_length(monkeypatch):
    many = {f"a{index}": "x" * 10_000 for index in range(100)}
    source = source_of_process("shop\n\x1b[31m" + "y" * 999, attributes=many)
    assert len(source.attributes) == MOST_ATTRIBUTES
    assert {len(value) for value in source.attributes.values()} == {200}
    assert source.service.isprintable()
    assert len(source.service) == 200
