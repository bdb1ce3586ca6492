"""Routes that the cloud and Data Center share, but for the version in their path."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from .records import Issue
from .server import ACCOUNT, JiraSimulator, answered, failed, number
from .world import ISSUE_TYPES, PRIORITIES, STATUSES

_MISSING = "Issue does not exist or you do not have permission to see it."


def routes(simulator: JiraSimulator) -> list[web.RouteDef]:
    api, world = simulator.api, simulator.world

    async def myself(_: web.Request) -> web.Response:
        who: dict[str, Any] = {**ACCOUNT, "timeZone": simulator.zone, "locale": "en_US"}
        who |= {"accountId": "sync-account"} if simulator.is_cloud else {"name": "sync", "key": "sync"}
        return answered(who)

    async def server_info(_: web.Request) -> web.Response:
        moment = datetime.fromtimestamp(world.now_ms / 1_000, UTC)
        return answered(
            {
                "baseUrl": simulator.url,
                "version": "1001.0.0-SNAPSHOT" if simulator.is_cloud else "9.12.4",
                "deploymentType": "Cloud" if simulator.is_cloud else "Server",
                "serverTime": moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
                "serverTitle": "Jira",
            }
        )

    async def permissions(request: web.Request) -> web.Response:
        names = request.query.get("permissions", "").split(",")
        browses = any(world.may_browse(project) for project in world.projects)
        had = {"BROWSE_PROJECTS": browses, "USER_PICKER": "users" not in simulator.lacks}
        return answered(
            {"permissions": {n: {"key": n, "havePermission": had.get(n, False)} for n in names if n}}
        )

    async def issue_types(_: web.Request) -> web.Response:
        return answered([simulator.render.issue_type(each) for each in ISSUE_TYPES])

    async def statuses(_: web.Request) -> web.Response:
        return answered([simulator.render.status(each) for each in STATUSES])

    async def priorities(_: web.Request) -> web.Response:
        return answered([simulator.render.priority(each) for each in PRIORITIES])

    async def fields(_: web.Request) -> web.Response:
        return answered(simulator.render.fields())

    async def one_issue(request: web.Request) -> web.Response:
        issue = find_issue(simulator, request.match_info["issue"])
        if issue is None:
            return failed(404, _MISSING)
        asked = request.query.get("fields", "*all").split(",")
        changelog = "changelog" in request.query.get("expand", "")
        return answered(simulator.render.issue(issue, asked, changelog=changelog))

    async def comments(request: web.Request) -> web.Response:
        return _children(request, "comments", simulator.render.comment)

    async def worklogs(request: web.Request) -> web.Response:
        return _children(request, "worklogs", simulator.render.worklog)

    def _children(request: web.Request, kind: str, render: Any) -> web.Response:
        issue = find_issue(simulator, request.match_info["issue"])
        if issue is None:
            return failed(404, _MISSING)
        begin, most = number(request, "startAt", 0), min(number(request, "maxResults", 50), 100)
        there = getattr(issue, kind)
        shown = [render(each) for each in there[begin : begin + most]]
        return answered({kind: shown, "startAt": begin, "maxResults": most, "total": len(there)})

    return [
        web.get(f"{api}/myself", myself),
        web.get(f"{api}/serverInfo", server_info),
        web.get(f"{api}/mypermissions", permissions),
        web.get(f"{api}/issuetype", issue_types),
        web.get(f"{api}/status", statuses),
        web.get(f"{api}/priority", priorities),
        web.get(f"{api}/field", fields),
        web.get(f"{api}/issue/{{issue}}", one_issue),
        web.get(f"{api}/issue/{{issue}}/comment", comments),
        web.get(f"{api}/issue/{{issue}}/worklog", worklogs),
    ]


def find_issue(simulator: JiraSimulator, id_or_key: str) -> Issue | None:
    """The issue as it is now (not as the index has it), if the account may see it."""
    for issue in simulator.world.issues.values():
        if id_or_key in (str(issue.id), issue.key):
            return issue if simulator.world.may_browse(issue.project_id) else None
    return None
