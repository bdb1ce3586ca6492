"""Sentry: projects and issues.

https://docs.sentry.io/api/pagination/: links to a page before and a page behind are always there, and say
with results="true|false" whether these hold anything. Without a query only what is unresolved is listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.simulators.rest.simulator import RestSimulator, with_query
from tests.simulators.rest.world import Row


@dataclass
class SentrySimulator(RestSimulator):
    """The organization is `acme`."""

    def populate(self) -> None:
        self.projects = self.world.table(
            "projects",
            lambda rng, n: {
                "id": str(n),
                "slug": f"app-{n}",
                "name": f"App {n}",
                "teams": [],
                "status": "active",
            },
            stamps=False,
            deletes=False,
        )
        self.issues = self.world.table(
            "issues",
            lambda rng, n: {
                "id": str(5_000 + n),
                "shortId": f"APP-{n}",
                "title": f"Error {n}",
                "name": f"Error {n}",
                "status": "unresolved",
                "count": str(rng.randrange(10_000)),
                "project_id": rng.choice(list(self.projects.rows)),
                "assignedTo": {"type": "user", "name": "ada"},
            },
            edit=_resolve,
            deletes=False,
        )
        for _ in range(9):
            self.projects.add()
        for _ in range(60):
            self.issues.add()

    def routes(self) -> list[web.RouteDef]:
        base = "/api/0/organizations/acme"
        return [
            web.get(f"{base}/", self._organization),
            web.get(f"{base}/projects/", self._projects),
            web.get(f"{base}/issues/", self._issues),
        ]

    async def _organization(self, _: web.Request) -> web.Response:
        return web.json_response({"id": "1", "slug": "acme"})

    async def _projects(self, request: web.Request) -> web.Response:
        return self._page(request, list(self.projects.rows.values()))

    async def _issues(self, request: web.Request) -> web.Response:
        found = [row for row in self.issues.rows.values() if row["project_id"] == request.query["project"]]
        if request.query.get("query", "is:unresolved") == "is:unresolved":
            found = [row for row in found if row["status"] == "unresolved"]
        assert request.query["sort"] == "new"
        return self._page(request, [_without_project(row) for row in reversed(found)])

    def _page(self, request: web.Request, rows: list[Row]) -> web.Response:
        at = int(request.query.get("cursor", "0:0:0").split(":")[1])
        links = [
            _link(request, self.url, "previous", max(0, at - self.page), at > 0),
            _link(request, self.url, "next", at + self.page, at + self.page < len(rows)),
        ]
        return web.json_response(rows[at : at + self.page], headers={"Link": ", ".join(links)})


def _link(request: web.Request, url: str, rel: str, at: int, has_results: bool) -> str:
    cursor = f"0:{at}:{int(rel == 'previous')}"
    there = "true" if has_results else "false"
    return f'<{with_query(request, url, cursor=cursor)}>; rel="{rel}"; results="{there}"; cursor="{cursor}"'


def _without_project(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in ("project_id", "name")}


def _resolve(rng: Any, row: Row) -> None:
    row["status"] = rng.choice(["resolved", "ignored", "unresolved"])
    row["title"] = f"{row['title'].split(' #')[0]} #{rng.randrange(10**6)}"
