"""OAuth 2: one renewal at a time, before the token ends, and once when the source refuses it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from etl_core.errors import Permanent, SourceError, Transient, Unauthorised
from tests.workers.http.conftest import Api
from tests.workers.http.test_trust import everything_of
from workers.http import HttpSource, OAuth2

Start = Callable[[], Awaitable[Api]]
SECRET = "cl1ent-secret"


class Server:
    """Gives tokens at /token, and takes the newest (or those it is told to) elsewhere."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.given: list[str] = []
        self.refused: set[str] = set()
        self.life: Any = 3600
        self.status = 200
        self.body: dict[str, Any] | None = None
        self.refresh_token: str | None = None

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/token":
            self.asked.append({**await request.post(), "header": request.headers.get("Authorization")})
            await asyncio.sleep(0.02)
            if self.body is not None or self.status != 200:
                return web.json_response(self.body, status=self.status)
            token = f"acc3ss-token-{len(self.asked)}"
            self.given.append(token)
            body = {"access_token": token, "token_type": "bearer", "expires_in": self.life}
            return web.json_response(body | {"refresh_token": self.refresh_token})
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.given or token in self.refused:
            return web.json_response({"message": f"bad token {token}"}, status=401)
        return web.json_response({})


@pytest.fixture
def server(api: Api) -> Server:
    made = Server()
    api.answer = made.answer
    return made


def source(api: Api, **options: Any) -> tuple[HttpSource, OAuth2]:
    auth = OAuth2(f"{api.url}/token", client_id="ours", client_secret=SECRET, **options)
    return api.source(auth=auth), auth


async def test_many_calls_share_one_token(api: Api, server: Server) -> None:
    client, _ = source(api, scope="read", extra={"audience": "api"})
    async with client:
        await asyncio.gather(*(client.get_json(f"/{n}") for n in range(8)))
    (asked,) = server.asked
    assert asked == {
        "grant_type": "client_credentials",
        "scope": "read",
        "audience": "api",
        "client_id": "ours",
        "client_secret": SECRET,
        "header": None,
    }


async def test_the_client_in_a_header(api: Api, server: Server) -> None:
    client, _ = source(api, client_in="header")
    async with client:
        await client.get_json("/x")
    (asked,) = server.asked
    assert base64.b64decode(asked["header"].removeprefix("Basic ")).decode() == f"ours:{SECRET}"
    assert "client_secret" not in asked


async def test_a_token_is_renewed_before_it_ends(
    api: Api, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1_000.0
    monkeypatch.setattr("workers.http.oauth.time", SimpleNamespace(monotonic=lambda: clock))
    client, _ = source(api)
    async with client:
        await client.get_json("/x")
        clock += 3_500
        await client.get_json("/x")
        assert len(server.asked) == 1
        clock += 45
        await asyncio.gather(*(client.get_json(f"/{n}") for n in range(4)))
    assert len(server.asked) == 2


async def test_a_refused_token_is_renewed_once(api: Api, server: Server) -> None:
    client, _ = source(api)
    async with client:
        await client.get_json("/x")
        server.refused.add("acc3ss-token-1")
        await asyncio.gather(*(client.get_json(f"/{n}") for n in range(6)))
        assert len(server.asked) == 2
        server.refused |= {f"acc3ss-token-{n}" for n in range(9)}
        with pytest.raises(Unauthorised, match=r"GET .*/x: 401 Unauthorized \(bad token \*\*\*\)"):
            await client.get_json("/x")
    assert len(server.asked) == 3


async def test_a_refresh_token_and_its_successor(api: Api, server: Server) -> None:
    told: list[str] = []

    async def keep(token: str) -> None:
        told.append(token)

    server.refresh_token = "r3fresh-2"
    client, _ = source(api, refresh_token="r3fresh-1", on_refresh_token=keep)
    async with client:
        await client.get_json("/x")
        server.refused.add("acc3ss-token-1")
        await client.get_json("/x")
    assert [asked["refresh_token"] for asked in server.asked] == ["r3fresh-1", "r3fresh-2"]
    assert {asked["grant_type"] for asked in server.asked} == {"refresh_token"}
    assert told == ["r3fresh-2"]


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (400, {"error": "invalid_grant", "error_description": f"{SECRET} is old"}, Unauthorised, "is old"),
        (401, {"error": "invalid_client"}, Unauthorised, "invalid_client"),
        (400, {"error": "invalid_scope"}, Permanent, "mend the configuration"),
        (503, {}, Transient, "503"),
        (200, {"token": "elsewhere"}, Transient, "no access_token"),
        (200, [], Transient, "no access_token"),
        (200, {"access_token": "t\n", "expires_in": 1}, Unauthorised, "cannot be sent"),
    ],
)
async def test_no_token_is_told_without_the_secret(
    api: Api, server: Server, status: int, body: Any, kind: type[SourceError], told: str
) -> None:
    server.status, server.body = status, body
    client, auth = source(api)
    async with client:
        with pytest.raises(kind, match=told) as failed:
            await client.get_json("/x", attempts=1)
    assert SECRET not in everything_of(failed.value) + repr(auth)
    assert [request.path for request in api.requests] == ["/token"]


async def test_a_cancelled_renewal_leaves_the_way_free(api: Api, server: Server) -> None:
    client, _ = source(api)
    async with client:
        call = asyncio.create_task(client.get_json("/x"))
        await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await client.get_json("/x")
