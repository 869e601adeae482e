"""Who is let in: whoever has the token, or passes the program's own check, and nobody else."""

from __future__ import annotations

import asyncio
import base64

import pytest

from tests.web.asking import BEARER, TOKEN, ask, basic
from tracetools import web_app
from tracetools.web.access import VARIABLE

NOBODY = {}


def status(app, headers=NOBODY, path="/x"):
    return asyncio.run(ask(app, path, headers=headers)).status


def test_without_a_token_and_a_check_there_is_no_application(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ValueError, match=r"give token=\.\.\., or set TRACETOOLS_TOKEN, or give"):
        web_app()


@pytest.mark.parametrize("token", ["", "short", "fifteen-letters"])
def test_a_token_that_can_be_guessed_is_refused(token):
    with pytest.raises(ValueError, match=rf"has {len(token)} characters, and could be guessed"):
        web_app(token)


@pytest.mark.parametrize("token", [f" {TOKEN}", f"{TOKEN}\n", f"{TOKEN}\u00e9", f"{TOKEN}\0"])
def test_a_token_that_no_header_can_have_is_refused(token):
    with pytest.raises(ValueError, match="no header can have"):
        web_app(token)


def test_what_is_no_token_is_refused_and_not_shown():
    with pytest.raises(TypeError) as refused:
        web_app(b"a-secret-of-bytes")
    assert "secret" not in str(refused.value)


def test_the_token_may_be_in_the_environment(monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)
    app = web_app()
    assert status(app, BEARER) == 404
    assert status(app) == 401
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(ValueError, match="guessed"):
        web_app()


@pytest.mark.parametrize(
    "headers",
    [
        BEARER,
        {"authorization": f"bearer  {TOKEN} "},
        basic(TOKEN),
        basic(TOKEN, user=""),
        {"authorization": basic(TOKEN)["authorization"].replace("Basic", "BASIC")},
    ],
)
def test_the_token_lets_in(app, headers):
    assert status(app, headers) == 404


@pytest.mark.parametrize(
    "headers",
    [
        NOBODY,
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": TOKEN},
        {"authorization": f"Digest {TOKEN}"},
        {"authorization": "Basic"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
        {"authorization": "Basic " + base64.b64encode(TOKEN.encode()).decode()},
        {"authorization": "Bearer " + "x" * 100_000},
        basic(f"{TOKEN} "),
        basic("wrong", user=TOKEN),
        {"x-authorization": f"Bearer {TOKEN}"},
    ],
)
def test_nothing_else_lets_in(app, headers):
    for path in ("/", "/tasks", "/nothing"):
        answer = asyncio.run(ask(app, path, headers=headers))
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Basic realm=")
        assert TOKEN not in answer.text + str(answer.headers)


def test_a_token_in_the_address_is_none(app):
    answer = asyncio.run(ask(app, "/tasks", f"token={TOKEN}&access_token={TOKEN}", headers=NOBODY))
    assert answer.status == 401


def test_the_token_is_in_no_text(app):
    assert TOKEN not in repr(app) + repr(vars(app)) + repr(vars(app._access))


def test_tokens_are_compared_in_constant_time(app, monkeypatch):
    compared = []
    monkeypatch.setattr(
        "tracetools.web.access.hmac.compare_digest", lambda *both: compared.append(both) or False
    )
    assert status(app, BEARER) == 401
    [(one, other)] = compared
    assert one == other
    assert len(one) == 32


def only_admins(scope):
    return scope.get("user") == "admin"


async def later(scope):
    await asyncio.sleep(0)
    return only_admins(scope)


@pytest.mark.parametrize("check", [only_admins, later])
def test_a_check_of_the_programs_lets_in(check):
    app = web_app(check=check)

    async def as_user(user):
        async def with_user(scope, receive, send):
            await app({**scope, "user": user}, receive, send)

        return (await ask(with_user, "/x", headers=NOBODY)).status

    assert asyncio.run(as_user("admin")) == 404
    assert asyncio.run(as_user("me")) == 403


def test_either_the_token_or_the_check_lets_in():
    app = web_app(TOKEN, check=lambda scope: scope["path"] == "/open")
    assert status(app, BEARER) == status(app, NOBODY, "/open") == 404
    assert status(app) == 401


@pytest.mark.parametrize("answer", [None, 1, "yes", object()])
def test_a_check_lets_in_by_true_alone(answer):
    assert status(web_app(check=lambda _: answer)) == 403


def test_a_check_that_fails_lets_nobody_in(caplog):
    def fails(scope):
        raise KeyError("session")

    assert status(web_app(check=fails)) == 500
    assert "web_app() could not answer a request" in caplog.text


def test_what_is_no_check_is_refused():
    with pytest.raises(TypeError, match="check is a function of the scope"):
        web_app(check=True)
