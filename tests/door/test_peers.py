"""Who is on the other side of a socket."""

from __future__ import annotations

import os
import socket

import pytest

from tracetools.door import peers


@pytest.fixture
def pair():
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_the_kernel_says_who_it_is(pair):
    assert peers.peer_of(pair[0]) in (peers.Peer(os.getpid(), os.geteuid()), None)


def test_this_user_and_root_are_welcome(pair, monkeypatch):
    assert peers.is_welcome(pair[0])
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    for uid, expected in ((0, True), (12345, True), (12346, False)):
        monkeypatch.setattr(peers, "peer_of", lambda _, uid=uid: peers.Peer(1, uid))
        assert peers.is_welcome(pair[0]) is expected


def test_who_is_gone_is_not_welcome(monkeypatch):
    def fail(_):
        raise OSError

    monkeypatch.setattr(peers, "peer_of", fail)
    assert not peers.is_welcome(None)


def test_where_nobody_says_it_modes_must_do(monkeypatch, pair):
    monkeypatch.delattr(socket, "SO_PEERCRED", raising=False)
    monkeypatch.setattr(peers.sys, "platform", "sunos5")
    assert peers.peer_of(pair[0]) is None
    assert peers.is_welcome(pair[0])
