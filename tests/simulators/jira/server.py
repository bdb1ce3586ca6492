"""The site as a web application: what both flavours have in common, and how time passes by requests."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from ..faults import Faults, fault_of, faulty
from ..serve import serving
from .access import CLOUD_ID, EMAIL, Access
from .faults import EXPIRED_LOGIN
from .rendering import Rendering
from .searching import Paging, Search
from .world import World

Flavour = Literal["cloud", "data_center"]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class JiraSimulator:
    """What a test steers. `url` is the site's address once it is served."""

    world: World = field(default_factory=World)
    flavour: Flavour = "cloud"
    faults: Faults = field(default_factory=Faults)
    access: Access = field(default_factory=Access)
    zone: str = "America/New_York"
    """The time zone in the account's profile."""
    paging: Paging = "offset"
    page_limit: int = 100
    """Issues with fields that a page holds at most, whatever is asked for."""
    request_ms: int = 500
    """Simulated time that each request takes."""
    changes_per_request: float = 0.0
    """How much the world changes while it is read."""
    changes_per_second: float = 0.0
    """The same where time follows the real clock."""
    token_lifetime_ms: int = 600_000
    lacks: set[str] = field(default_factory=set)
    """Parts that the credential may not use: `users`, `agile`, `worklogs`; they answer 403."""
    spoilt: set[int] = field(default_factory=set)
    """Ids of issues whose answers are no longer issues: their times say nothing."""
    url: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    """(method, path) of every request that came in."""
    queries: list[str] = field(default_factory=list)
    """Every JQL that was asked."""

    def __post_init__(self) -> None:
        self.search = Search(self.world, zone=self.zone, precision_ms=1 if self.is_cloud else 1_000)
        self._changing = random.Random(self.world.seed + 1)
        self._due = 0.0

    @property
    def is_cloud(self) -> bool:
        return self.flavour == "cloud"

    @property
    def api(self) -> str:
        return "/rest/api/3" if self.is_cloud else "/rest/api/2"

    @property
    def render(self) -> Rendering:
        return Rendering(self.world, self.zone, f"{self.url}{self.api}", self.is_cloud, self.spoilt)

    def freeze(self) -> None:
        """Nothing changes any more, nothing goes wrong, and the index has caught up."""
        self.changes_per_request = self.changes_per_second = 0.0
        self.faults.share = 0.0
        self.world.settle()

    def application(self) -> web.Application:
        from . import agile, cloud, data_center, platform, steering

        app = web.Application(middlewares=[self._passing, faulty(self.faults), self._admitting])
        routes = [*platform.routes(self), *agile.routes(self)]
        routes += cloud.routes(self) if self.is_cloud else data_center.routes(self)
        app.add_routes(routes)
        if self.is_cloud:  # OAuth calls go through a gateway, below the cloud id
            gateway = web.Application()
            gateway.add_routes(routes)
            app.add_subapp(f"/ex/jira/{CLOUD_ID}/", gateway)
        app.add_routes(steering.routes(self))
        return app

    @web.middleware
    async def _passing(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Each request takes its time, in which the world changes."""
        if not request.path.startswith("/_simulator/"):
            self.calls.append((request.method, request.path))
            self.world.pass_time(self.request_ms)
            self._due += self.changes_per_request * self._changing.random() * 2
            while self._due >= 1:
                self._due -= 1
                self.world.change_something()
        return await handler(request)

    @web.middleware
    async def _admitting(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(("/_simulator/", "/oauth/token")) or request.path.endswith("/serverInfo"):
            return await handler(request)
        given = request.headers.get("Authorization", "")
        if fault_of(request) is EXPIRED_LOGIN:
            self.access.expire()
        how = self.access.may(given, self.world.now_ms, is_cloud=self.is_cloud)
        if (how == "oauth") is not request.path.startswith("/ex/jira/"):
            how = None
        if how is None:
            return failed(401, "Client must be authenticated to access this resource.")
        return await handler(request)


def lacking(request: web.Request, message: str) -> web.Response:
    """What is not granted: an app whose scopes do not reach is told 401, anybody else 403."""
    if request.path.startswith("/ex/jira/"):
        return answered({"code": 401, "message": "Unauthorized; scope does not match"}, 401)
    return failed(403, message)


def answered(body: Any, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)


def failed(status: int, *messages: str) -> web.Response:
    return web.json_response({"errorMessages": list(messages), "errors": {}}, status=status)


def number(request: web.Request, name: str, default: int) -> int:
    return int(request.query.get(name, default))


@asynccontextmanager
async def serve_jira(simulator: JiraSimulator | None = None) -> AsyncIterator[JiraSimulator]:
    """Served within the running event loop."""
    made = simulator or JiraSimulator()
    async with serving(made.application()) as url:
        made.url = url
        yield made


ACCOUNT = {"displayName": "Sync", "emailAddress": EMAIL, "active": True}
