"""GitHub as a web application: credentials, limits, faults, GraphQL and the part of REST that is needed."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from ..faults import Faults, fault_of, faulty
from ..serve import serving
from . import faults as kinds
from . import graphql_api
from .access import WHO, Access
from .changing import change
from .cost import Cost
from .limits import Limit
from .making import make_world
from .rest_api import Rest
from .world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SECONDARY = {
    "message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api",
}


@dataclass
class GitHubSimulator:
    """What a test steers. `url` is the API's root once it is served, as api_url is configured."""

    world: World = field(default_factory=make_world)
    faults: Faults = field(default_factory=lambda: Faults(kinds=kinds.SURVIVABLE))
    access: Access = field(default_factory=Access)
    changes_per_request: float = 0.0
    """How much the world changes while it is read."""
    gives_up_above: int | None = None
    """Nodes of a query above which it takes more than ten seconds: 502, and it costs points all the same."""
    cannot_give: set[str] = field(default_factory=set)
    """Ids of what GitHub fails over, however little is asked for: 502 for more than the number of it."""
    secondary_seconds: int = 1
    enterprise: bool = False
    """Below `/api/v3` and `/api/graphql`, as GitHub Enterprise Server has it."""
    before_answer: Callable[[dict[str, Any]], None] | None = None
    """Called with each GraphQL request's body before it is answered: to change the world in between."""
    before_rest: Callable[[], None] | None = None
    """The same of each request to REST for a list."""
    stalls: bool = False
    """Takes requests and answers none."""
    url: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    """(method, path) of the last requests."""
    queries: list[dict[str, Any]] = field(default_factory=list)
    """The last bodies of GraphQL requests."""
    answered: int = 0
    at_once: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self._changing = random.Random(17)
        self._due = 0.0

    def freeze(self) -> None:
        """Nothing changes any more, and nothing goes wrong."""
        self.changes_per_request = 0.0
        self.faults.share = 0.0

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._counting, faulty(self.faults), self._admitting])
        rest = "/api/v3" if self.enterprise else ""
        app.router.add_post("/api/graphql" if self.enterprise else "/graphql", self._graphql)
        app.add_routes(Rest(self).routes(rest))
        app.router.add_post("/_simulator/freeze", self._freeze)
        app.router.add_post("/_simulator/change", self._change)
        return app

    @web.middleware
    async def _counting(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/_simulator/"):
            return await handler(request)
        self.calls = [*self.calls[-999:], (request.method, request.path)]
        self.answered += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            with self.world.lock:
                self._let_things_happen()
            if self.stalls:
                await _for_ever()
            return await handler(request)
        finally:
            self.at_once -= 1

    def _let_things_happen(self) -> None:
        self._due += self.changes_per_request * self._changing.random() * 2
        while self._due >= 1:
            self._due -= 1
            change(self.world)

    @web.middleware
    async def _admitting(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/_simulator/") or request.path.endswith("/access_tokens"):
            return await handler(request)
        who = self.access.find(request.headers.get("Authorization", ""))
        if who and fault_of(request) is kinds.EXPIRED_TOKEN:
            who.expires_at = 0.0
            who = None
        if who is None:
            return web.json_response({"message": "Bad credentials", "status": "401"}, status=401)
        is_graphql = request.path.endswith("/graphql")
        limit = who.limits.graphql if is_graphql else who.limits.core
        request[WHO] = who
        refusal = self._refuse(request, limit, is_graphql=is_graphql)
        answer = refusal or await handler(request)
        if not answer.prepared:
            resource = "graphql" if is_graphql else "core"
            headers = limit.headers(resource)
            if refusal and fault_of(request) is kinds.PRIMARY_LIMIT:
                headers["x-ratelimit-remaining"] = "0"
            answer.headers.update(headers)
            if who.scopes is not None:
                answer.headers["X-OAuth-Scopes"] = ", ".join(who.scopes)
                answer.headers["X-Accepted-OAuth-Scopes"] = "repo"
        return answer

    def _refuse(self, request: web.Request, limit: Limit, *, is_graphql: bool) -> web.Response | None:
        fault = fault_of(request)
        if fault is kinds.PRIMARY_LIMIT or (
            limit.remaining == 0 and not request.path.endswith("/rate_limit")
        ):
            message = "API rate limit exceeded for user ID 1."
            if is_graphql:
                return web.json_response({"errors": [{"type": "RATE_LIMITED", "message": message}]})
            return web.json_response({"message": message}, status=403)
        if fault is kinds.SECONDARY_200:
            return web.json_response(_SECONDARY)
        if fault is kinds.SECONDARY_403:
            return web.json_response(_SECONDARY, status=403)
        if fault is kinds.SECONDARY_UNTIL:
            headers = {"retry-after": str(self.secondary_seconds)}
            return web.json_response(_SECONDARY, status=403, headers=headers)
        return None

    async def _graphql(self, request: web.Request) -> web.Response:
        who = request[WHO]
        asked = await request.json()
        self.queries = [*self.queries[-199:], asked]
        if self.before_answer:
            with self.world.lock:
                self.before_answer(asked)
        limit = who.limits.graphql
        fault = fault_of(request)
        variables = asked.get("variables") or {}
        if fault is kinds.EXPIRED_CURSOR and any(
            name.lower().endswith("after") and value for name, value in variables.items()
        ):
            return web.json_response(
                _errors("INVALID_CURSOR_ARGUMENTS", "`x` does not appear to be a valid cursor.")
            )
        with self.world.lock:
            viewer = self.world.owners.get(who.login) or next(iter(self.world.owners.values()))
            call = graphql_api.Call(self.world, viewer, who.sees_private, limit.as_rate(), Cost())
            body, cost = graphql_api.answer(asked["query"], variables, call)
            text = json.dumps(body)
        limit.take(cost.points)
        if self.gives_up_above is not None and cost.nodes > self.gives_up_above:
            return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
        if '"title"' in text and any(f'"{each}"' in text for each in self.cannot_give):
            return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
        if fault is kinds.TIMED_OUT:
            return web.json_response(_errors(None, _GAVE_UP))
        if fault is kinds.TOO_MUCH:
            told = _errors("RESOURCE_LIMITS_EXCEEDED", "Resource limits for this query exceeded.")
            return web.json_response({"data": None, **told})
        if fault is kinds.PARTIAL:
            text = json.dumps(_with_a_hole(json.loads(text)))
        return web.Response(text=text, content_type="application/json")

    async def _freeze(self, _: web.Request) -> web.Response:
        self.freeze()
        return web.json_response({"faults": dict(self.faults.met), "requests": self.faults.requests})

    async def _change(self, request: web.Request) -> web.Response:
        with self.world.lock:
            happened = [change(self.world) for _ in range(int(request.query.get("times", 1)))]
        return web.json_response({"changes": happened})


_GAVE_UP = (
    "Something went wrong while executing your query. This may be the result of a timeout, or it could be a "
    "GitHub bug. Please include `0000:1111` when reporting this issue."
)


def _errors(type_: str | None, message: str) -> dict[str, Any]:
    error = {"message": message} if type_ is None else {"type": type_, "message": message}
    return {"errors": [error]}


def _with_a_hole(body: dict[str, Any]) -> dict[str, Any]:
    """The deepest list of the answer is null, and an error says so."""
    path: list[str] = []
    at: Any = body.get("data")
    while isinstance(at, dict) and at:
        name = next(
            (name for name, value in at.items() if isinstance(value, dict) and name != "rateLimit"), None
        )
        if name is None:
            break
        path.append(name)
        at = at[name]
    if isinstance(at, dict) and "nodes" in at:
        at["nodes"] = [None for _ in at["nodes"]]
    body["errors"] = [{"message": "Something went wrong", "path": [*path, "nodes"], "type": "INTERNAL"}]
    return body


async def _for_ever() -> None:
    import asyncio

    await asyncio.Event().wait()


@asynccontextmanager
async def serve_github(simulator: GitHubSimulator | None = None) -> AsyncIterator[GitHubSimulator]:
    """Served within the running event loop."""
    made = simulator or GitHubSimulator()
    async with serving(made.application()) as url:
        made.url = f"{url}/api/v3" if made.enterprise else url
        yield made
