"""GitLab: projects by keyset, merge requests and issues of a project.

https://docs.gitlab.com/api/rest/#pagination: a keyset needs `order_by=id`; the next page is in the header
Link, elsewhere with page numbers. `updated_after` is inclusive; an update moves a record to the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.simulators.rest.simulator import TOKEN, RestSimulator, number, with_query
from tests.simulators.rest.world import Row, Table


@dataclass
class GitLabSimulator(RestSimulator):
    """Issues are switched off in each fifth project."""

    def populate(self) -> None:
        self.projects = self.world.table(
            "projects",
            lambda rng, n: {
                "id": n,
                "name": f"project {n}",
                "path_with_namespace": f"acme/project-{n}",
                "namespace": {"id": 7, "full_path": "acme"},
            },
        )
        self.merge_requests = self.world.table("merge_requests", self._make("request"), deletes=False)
        self.issues = self.world.table("issues", self._make("issue"), deletes=False)
        for _ in range(11):
            self.projects.add()
        for _ in range(60):
            self.merge_requests.add()
            self.issues.add()

    def change(self, times: int = 1) -> None:
        super().change(times)
        for table in (self.merge_requests, self.issues):
            for key, row in list(table.rows.items()):
                if row["project_id"] not in self.projects.rows:
                    table.delete(key)

    def admits(self, request: web.Request) -> bool:
        return request.headers.get("PRIVATE-TOKEN") == TOKEN

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v4/user", self._user),
            web.get("/api/v4/projects", self._projects),
            web.get("/api/v4/projects/{id}/merge_requests", self._merge_requests),
            web.get("/api/v4/projects/{id}/issues", self._issues),
        ]

    def _make(self, what: str) -> Any:
        def make(rng: Any, n: int) -> Row:
            project = rng.choice([id_ for id_ in self.projects.rows if what != "issue" or id_ % 5])
            return {
                "id": 1_000 + n,
                "iid": n,
                "project_id": project,
                "name": f"{what} {n}",
                "title": f"{what} {n}",
                "state": "opened",
                "author": {"username": rng.choice(["ada", "grace"])},
                "merge_user": None,
                "assignees": [{"username": "ada"}],
                "labels": [],
            }

        return make

    async def _user(self, _: web.Request) -> web.Response:
        return web.json_response({"id": 1, "username": "ada"})

    async def _projects(self, request: web.Request) -> web.Response:
        if request.query.get("pagination") != "keyset" or request.query.get("order_by") != "id":
            return web.json_response({"error": "Keyset pagination is not yet available"}, status=405)
        size = min(number(request, "per_page", 20), self.page)
        after = number(request, "id_after", 0)
        ahead = sorted(
            (row for row in self.projects.rows.values() if row["id"] > after), key=lambda row: row["id"]
        )
        headers = {}
        if len(ahead) > size:
            link = with_query(request, self.url, id_after=ahead[size - 1]["id"])
            headers["Link"] = f'<{link}>; rel="next"'
        return web.json_response(ahead[:size], headers=headers)

    async def _merge_requests(self, request: web.Request) -> web.Response:
        return self._by_time(request, self.merge_requests)

    async def _issues(self, request: web.Request) -> web.Response:
        if int(request.match_info["id"]) % 5 == 0:
            return web.json_response({"message": "403 Forbidden"}, status=403)
        return self._by_time(request, self.issues)

    def _by_time(self, request: web.Request, table: Table) -> web.Response:
        project = int(request.match_info["id"])
        if project not in self.projects.rows:
            return web.json_response({"message": "404 Project Not Found"}, status=404)
        assert request.query["order_by"] == "updated_at" and request.query["sort"] == "asc"
        since = request.query.get("updated_after", "")
        found = [r for r in table.rows.values() if r["project_id"] == project and r["updated_at"] >= since]
        found.sort(key=lambda row: (row["updated_at"], row["id"]))
        size = min(number(request, "per_page", 20), 100)
        begin = (number(request, "page", 1) - 1) * size
        return web.json_response(found[begin : begin + size])
