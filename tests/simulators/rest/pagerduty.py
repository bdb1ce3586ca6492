"""PagerDuty: incidents of a span of time, users, services.

https://developer.pagerduty.com/docs/pagination: offset and limit with `more`; nothing past 10,000. Incidents
are asked for by when they were created, at most six months of them at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiohttp import web

from tests.simulators.rest.simulator import TOKEN, RestSimulator, number
from tests.simulators.rest.world import BEGAN, Row
from workers.connectors.rest.cursors import read_time


@dataclass
class PagerDutySimulator(RestSimulator):
    """`most` is how far offset and limit reach."""

    most: int = 10_000

    def populate(self) -> None:
        self.incidents = self.world.table(
            "incidents",
            lambda rng, n: {
                "id": f"Q{n:05d}",
                "incident_number": n,
                "name": f"incident {n}",
                "title": f"incident {n}",
                "status": rng.choice(["triggered", "acknowledged"]),
                "service": {"id": "PS0001", "summary": "shop"},
                "assignments": [{"assignee": {"id": "PU0001"}}],
            },
            edit=_resolve,
            deletes=False,
        )
        self.users = self.world.table(
            "users",
            lambda rng, n: {
                "id": f"PU{n:04d}",
                "name": f"user {n}",
                "email": f"u{n}@example.com",
                "teams": [],
            },
            stamps=False,
        )
        self.services = self.world.table(
            "services", lambda rng, n: {"id": f"PS{n:04d}", "name": f"service {n}", "teams": [{"id": "PT1"}]}
        )
        for n in range(50):
            self.incidents.add()
            self.world.now = BEGAN + timedelta(days=n)
        for _ in range(23):
            self.users.add()
        for _ in range(9):
            self.services.add()

    def admits(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Token token={TOKEN}"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/abilities", self._abilities),
            web.get("/incidents", self._incidents),
            web.get("/users", self._users),
            web.get("/services", self._services),
        ]

    async def _abilities(self, _: web.Request) -> web.Response:
        return web.json_response({"abilities": ["teams"]})

    async def _incidents(self, request: web.Request) -> web.Response:
        since, until = read_time(request.query.get("since")), read_time(request.query.get("until"))
        if since is None or until is None or until - since > timedelta(days=183):
            return web.json_response({"error": {"message": "Invalid Input Provided"}}, status=400)
        found = [row for row in self.incidents.rows.values() if since <= _time(row) < until]
        return self._page(request, "incidents", sorted(found, key=lambda row: (row["created_at"], row["id"])))

    async def _users(self, request: web.Request) -> web.Response:
        return self._page(request, "users", list(self.users.rows.values()))

    async def _services(self, request: web.Request) -> web.Response:
        return self._page(request, "services", list(self.services.rows.values()))

    def _page(self, request: web.Request, name: str, rows: list[Row]) -> web.Response:
        offset, limit = number(request, "offset", 0), min(number(request, "limit", 25), 100)
        if offset + limit > self.most:
            return web.json_response({"error": {"message": "Offset must be less than 10000"}}, status=400)
        more = offset + limit < len(rows)
        return web.json_response(
            {
                name: rows[offset : offset + limit],
                "offset": offset,
                "limit": limit,
                "more": more,
                "total": None,
            },
            headers={"ratelimit-remaining": "900", "ratelimit-reset": "30"},
        )


def _time(row: Row) -> Any:
    return read_time(row["created_at"])


def _resolve(rng: Any, row: Row) -> None:
    row["status"] = "resolved"
    row["title"] = f"{row['title'].split(' #')[0]} #{rng.randrange(10**6)}"
