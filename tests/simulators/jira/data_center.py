"""What only Data Center has: API 2, search by offset, changelogs within issues, names for account ids."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from .jql import JqlError
from .server import JiraSimulator, answered, failed, number


def routes(simulator: JiraSimulator) -> list[web.RouteDef]:
    api, world = simulator.api, simulator.world

    async def search(request: web.Request) -> web.Response:
        asked: dict[str, Any]
        if request.method == "POST":
            asked = await request.json()
        else:
            asked = {**request.query, "fields": request.query.get("fields", "*navigable").split(",")}
        jql = asked.get("jql", "")
        simulator.queries.append(jql)
        try:
            _, found = simulator.search.find(jql, must_be_bounded=False)
        except JqlError as error:
            return failed(400, str(error))
        begin, most = (
            int(asked.get("startAt", 0)),
            min(int(asked.get("maxResults", 50)), simulator.page_limit),
        )
        changelog = "changelog" in (asked.get("expand") or ())
        fields = asked.get("fields") or ["*navigable"]
        return answered(
            {
                "startAt": begin,
                "maxResults": most,
                "total": len(found),
                "issues": [
                    simulator.render.issue(issue, fields, changelog=changelog)
                    for issue in found[begin : begin + most]
                ],
            }
        )

    async def projects(_: web.Request) -> web.Response:
        there = [p for p in world.projects.values() if world.may_browse(p.id)]
        return answered([simulator.render.project(p) for p in there])

    async def users(request: web.Request) -> web.Response:
        if "users" in simulator.lacks:
            return failed(403, "You are not authorized to perform this operation.")
        if not request.query.get("username"):
            return failed(400, "The username query parameter was not provided")
        begin, most = number(request, "startAt", 0), number(request, "maxResults", 50)
        shown = list(world.users.values())[begin : begin + most]
        return answered([simulator.render.whole_user(user) for user in shown])

    return [
        web.get(f"{api}/search", search),
        web.post(f"{api}/search", search),
        web.get(f"{api}/project", projects),
        web.get(f"{api}/user/search", users),
    ]
