from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bundle.base.errors import ConfigError
from bundle.run.jobs.service.guard import COOKIE, Access, Guard, is_loopback

TOKEN = "0123456789abcdef"


def asked(access: Access, path: str = "/api/jobs", method: str = "GET", **headers: str) -> tuple[int, dict[str, str]]:
    """Return status and headers of an answer."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    named = {"host": "127.0.0.1:8400", **{key.replace("_", "-"): value for key, value in headers.items()}}
    raw = [(key.encode(), value.encode("latin-1")) for key, value in named.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": raw}
    asyncio.run(Guard(app, access)(scope, receive, send))
    return sent[0]["status"], {key.decode(): value.decode() for key, value in sent[0]["headers"]}


def test_another_machine_needs_a_token() -> None:
    with pytest.raises(ConfigError, match="no loopback address"):
        Access(host="0.0.0.0")
    with pytest.raises(ConfigError, match="less than"):
        Access(host="0.0.0.0", token="short")
    Access(host="0.0.0.0", token=TOKEN)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *((name, True) for name in ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost")),
        *((name, False) for name in ("0.0.0.0", "192.168.1.1", "localhost.evil.example", "")),
    ],
)
def test_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_this_machine_needs_none() -> None:
    status, headers = asked(Access())
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8400", "127.0.0.1.evil.example", "192.168.1.1"])
def test_a_name_that_leads_here_is_refused_without_a_token(host: str) -> None:
    assert asked(Access(), host=host)[0] == 421
    assert asked(Access(token=TOKEN), host=host, authorization=f"Bearer {TOKEN}")[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"origin": "http://127.0.0.1:8400", "sec_fetch_site": "same-origin"}, 200),
        ({}, 200),
    ],
)
def test_a_page_of_another_site_starts_nothing(headers: dict[str, str], status: int) -> None:
    assert asked(Access(), method="POST", **headers)[0] == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"authorization": "Bearer \xe9"}, 401),
        ({"cookie": f"{COOKIE}=guessed"}, 401),
        ({"cookie": "\x01=;;"}, 401),
        ({"authorization": f"Bearer {TOKEN}"}, 200),
        ({"authorization": f"bearer  {TOKEN} "}, 200),
        ({"accept": "text/html"}, 303),
    ],
)
def test_a_token_is_asked_for(headers: dict[str, str], status: int) -> None:
    assert asked(Access(token=TOKEN), **headers)[0] == status


def test_a_session_and_the_state_need_none() -> None:
    access = Access(token=TOKEN)
    assert asked(access, cookie=f"{COOKIE}={access.open_session()}")[0] == 200
    assert asked(access, "/health")[0] == 200
    assert asked(access, "/metrics")[0] == 401


@pytest.mark.parametrize(("length", "status"), [("100", 200), ("101", 413), ("-1", 413), ("9" * 30, 413)])
def test_a_request_that_says_it_is_large_is_refused(length: str, status: int) -> None:
    assert asked(Access(most_bytes=100), method="POST", content_length=length)[0] == status


def test_the_token_stands_in_no_representation() -> None:
    assert TOKEN not in repr(Access(token=TOKEN))
