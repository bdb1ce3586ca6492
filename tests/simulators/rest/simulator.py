"""What all simulated APIs have in common: the world moves while it is read, faults are met."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aiohttp import web

from tests.simulators.faults import Faults, faulty
from tests.simulators.rest.world import World
from tests.simulators.serve import serving

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TOKEN = "simulated-token"
REQUEST_MS = 400


@dataclass
class RestSimulator:
    """Subclasses name their routes, and who is let in."""

    seed: int = 0
    faults: Faults = field(default_factory=Faults)
    changes_per_request: float = 0.0
    stalls: bool = False
    """Requests are taken and not answered."""
    page: int = 7
    """Records of a page where the API decides that."""
    url: str = ""
    calls: list[str] = field(default_factory=list)
    """Method, path and query of every request."""

    def __post_init__(self) -> None:
        self.world = World(self.seed)
        self._due = 0.0
        self.populate()

    def populate(self) -> None:
        """Makes the tables of the world."""

    def routes(self) -> list[web.RouteDef]:
        raise NotImplementedError

    def admits(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {TOKEN}"

    def change(self, times: int = 1) -> None:
        """The world changes somewhere."""
        for _ in range(times):
            self.world.rng.choice(list(self.world.tables.values())).change()

    def freeze(self) -> None:
        """Nothing changes any more and nothing goes wrong."""
        self.changes_per_request = 0.0
        self.faults.share = 0.0

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._passing, faulty(self.faults), self._admitting])
        app.add_routes(self.routes())
        return app

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[str]:
        async with serving(self.application()) as url:
            self.url = url
            yield url

    @web.middleware
    async def _passing(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.calls.append(f"{request.method} {request.path_qs}")
        self.world.now += timedelta(milliseconds=REQUEST_MS)
        if self.stalls:
            await asyncio.sleep(60)
        self._due += self.changes_per_request
        while self._due >= 1:
            self._due -= 1
            self.change()
        return await handler(request)

    @web.middleware
    async def _admitting(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.endswith("/token") and not self.admits(request):
            return web.json_response({"message": "401 Unauthorized"}, status=401)
        return await handler(request)


@dataclass
class MicrosoftSimulator(RestSimulator):
    """Tokens by client credentials; each serves a number of requests."""

    requests_per_token: int = 1_000
    tokens: dict[str, int] = field(default_factory=dict)
    """Token -> requests that it is still good for."""

    def admits(self, request: web.Request) -> bool:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        left = self.tokens.get(token, 0)
        if left:
            self.tokens[token] = left - 1
        return left > 0

    def token_route(self) -> web.RouteDef:
        return web.post("/{tenant}/oauth2/v2.0/token", self._give_token)

    async def _give_token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form.get("grant_type") != "client_credentials" or form.get("client_secret") != TOKEN:
            error = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret"}
            return web.json_response(error, status=401)
        token = secrets.token_urlsafe(24)
        self.tokens[token] = self.requests_per_token
        return web.json_response({"token_type": "Bearer", "expires_in": 3599, "access_token": token})


def number(request: web.Request, name: str, default: int) -> int:
    return int(request.query.get(name, default))


def with_query(request: web.Request, url: str, **changes: Any) -> str:
    """The request's own URL as the API writes it into links."""
    query = {**request.query, **{name: str(value) for name, value in changes.items()}}
    return f"{url}{request.path}?" + "&".join(f"{name}={value}" for name, value in query.items())
