"""The part of REST v3 that is needed beside GraphQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from .access import INSTALLATION, WHO
from .world import Thing, at_epoch

if TYPE_CHECKING:
    from .simulator import GitHubSimulator

_MOST_FOUND = 1_000
"""What a listing with search parameters gives in all."""


class Rest:
    """Handlers over the simulator's world."""

    def __init__(self, simulator: GitHubSimulator) -> None:
        self._simulator = simulator

    def routes(self, prefix: str) -> list[web.RouteDef]:
        return [
            web.get(f"{prefix}/user", self._user),
            web.get(f"{prefix}/rate_limit", self._rate_limit),
            web.get(f"{prefix}/installation/repositories", self._installation_repositories),
            web.get(f"{prefix}/repos/{{owner}}/{{name}}/actions/runs", self._workflow_runs),
            web.get(f"{prefix}/repositories/{{id}}/actions/runs", self._workflow_runs),
            web.post(f"{prefix}/app/installations/{{id}}/access_tokens", self._access_token),
        ]

    async def _user(self, request: web.Request) -> web.Response:
        who = request[WHO]
        who.limits.core.take(1)
        if who.login.endswith("[bot]"):
            return web.json_response({"message": "Resource not accessible by integration"}, status=403)
        return web.json_response({"login": who.login, "type": "User"})

    async def _rate_limit(self, request: web.Request) -> web.Response:
        who = request[WHO]
        resources = {
            name: {
                "limit": limit.capacity,
                "used": limit.used,
                "remaining": limit.remaining,
                "reset": int(limit.resets_at) + 1,
            }
            for name, limit in (("core", who.limits.core), ("graphql", who.limits.graphql))
        }
        return web.json_response({"resources": resources, "rate": resources["core"]})

    async def _installation_repositories(self, request: web.Request) -> web.Response:
        who = request[WHO]
        who.limits.core.take(1)
        with self._simulator.world.lock:
            found = [_shown(repo) for repo in self._simulator.world.repositories.values()]
        return web.json_response({"total_count": len(found), "repositories": found[:100]})

    async def _workflow_runs(self, request: web.Request) -> web.Response:
        """Newest first; `created` is a condition of search: `<=2026-01-01T00:00:00Z`, `A..B`."""
        who = request[WHO]
        who.limits.core.take(1)
        if self._simulator.before_rest:
            self._simulator.before_rest()
        size, number = int(request.query.get("per_page", 30)), int(request.query.get("page", 1))
        with self._simulator.world.lock:
            repo = self._repository(request)
            if repo is None or (repo["isPrivate"] and not who.sees_private):
                return web.json_response({"message": "Not Found", "status": "404"}, status=404)
            runs = sorted(
                repo["_workflow_runs"], key=lambda run: (run["created_at"], run["id"]), reverse=True
            )
            if condition := request.query.get("created"):
                runs = [run for run in runs if _meets(run["created_at"], condition)]
                runs = runs[:_MOST_FOUND]
            page = [_public(run) for run in runs[(number - 1) * size : number * size]]
        return web.json_response({"total_count": len(runs), "workflow_runs": page})

    def _repository(self, request: web.Request) -> Thing | None:
        world = self._simulator.world
        if number := request.match_info.get("id"):
            return next((r for r in world.repositories.values() if str(r["databaseId"]) == number), None)
        return world.find_repository(f"{request.match_info['owner']}/{request.match_info['name']}")

    async def _access_token(self, request: web.Request) -> web.Response:
        access = self._simulator.access
        if not access.is_app(request.headers.get("Authorization", "")):
            told = "A JSON web token could not be decoded"
            return web.json_response({"message": told}, status=401)
        if request.match_info["id"] != str(INSTALLATION):
            return web.json_response({"message": "Not Found", "status": "404"}, status=404)
        made = access.issue()
        body = {
            "token": made.token,
            "expires_at": at_epoch(made.expires_at or 0),
            "permissions": {
                "contents": "read",
                "metadata": "read",
                "pull_requests": "read",
                "issues": "read",
            },
            "repository_selection": "all",
        }
        return web.json_response(body, status=201)


def _meets(created: str, condition: str) -> bool:
    if condition.startswith("<="):
        return created <= condition[2:]
    if condition.startswith(">="):
        return created >= condition[2:]
    low, _, high = condition.partition("..")
    return (low in ("", "*") or created >= low) and (high in ("", "*") or created <= high)


def _public(thing: Thing) -> dict[str, Any]:
    return {name: value for name, value in thing.items() if not name.startswith("_")}


def _shown(repo: Thing) -> dict[str, Any]:
    return {
        "id": repo["databaseId"],
        "node_id": repo["id"],
        "name": repo["name"],
        "full_name": repo["nameWithOwner"],
        "private": repo["isPrivate"],
        "archived": repo["isArchived"],
    }
