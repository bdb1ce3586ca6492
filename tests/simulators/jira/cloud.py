"""What only the cloud has: search by token, changelogs in bulk, worklogs by change, OAuth 2."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from ..faults import fault_of
from .access import CLOUD_ID
from .faults import EMPTY_PAGE, EXPIRED_PAGE_TOKEN, FALSE_LAST, REPEATED_TOKEN
from .jql import JqlError
from .platform import find_issue
from .records import Worklog
from .rendering import EMBEDDED_HISTORIES
from .server import JiraSimulator, answered, failed, lacking, number
from .world import PRIORITIES

_ASKED = {
    "jql", "fields", "maxResults", "nextPageToken", "expand", "properties", "fieldsByKeys", "failFast",
    "reconcileIssues",
}  # fmt: skip
_MOST_IDS = 5_000
_WORKLOGS_A_PAGE = 1_000
_NOT_YET_MS = 60_000
"""Worklogs that changed within the last minute are not told yet."""


def routes(simulator: JiraSimulator) -> list[web.RouteDef]:
    api, world = simulator.api, simulator.world

    async def search(request: web.Request) -> web.Response:
        asked: dict[str, Any] = await request.json() if request.method == "POST" else _of_query(request)
        if set(asked) - _ASKED:
            return failed(400, "Invalid request payload. Refer to the REST API documentation and try again.")
        jql = asked.get("jql", "")
        simulator.queries.append(jql)
        fault, given = fault_of(request), asked.get("nextPageToken")
        try:
            query, found = simulator.search.find(jql, must_be_bounded=True)
            lifetime = -1 if fault is EXPIRED_PAGE_TOKEN else simulator.token_lifetime_ms
            place: dict[str, Any] = {"offset": 0}
            if given is not None:
                place = simulator.search.read_token(given, jql, lifetime_ms=lifetime)
        except JqlError as error:
            return failed(400, str(error))
        fields = asked.get("fields") or ["id"]
        only_ids = set(fields) <= {"id", "key"}
        most = min(int(asked.get("maxResults", 50)), _MOST_IDS if only_ids else simulator.page_limit)
        begin = simulator.search.begin(found, query, place, simulator.paging)
        if fault is EMPTY_PAGE:
            most = 0
        shown = found[begin : begin + most]
        is_last = begin + most >= len(found)
        changelog = "changelog" in (asked.get("expand") or "")
        body: dict[str, Any] = {
            "issues": [
                simulator.render.issue(
                    issue,
                    fields if fields != ["id"] else (),
                    changelog=changelog,
                    histories=EMBEDDED_HISTORIES,
                )
                for issue in shown
            ],
            "isLast": is_last if fault is not FALSE_LAST else not is_last,
        }
        if not is_last or fault is EMPTY_PAGE:
            last = shown[-1] if shown else None
            after = simulator.search.sort_key(last, query) if last else place.get("after")
            body["nextPageToken"] = simulator.search.token(jql, begin + len(shown), after)
        if fault is REPEATED_TOKEN and given:
            body["nextPageToken"] = given
        return answered(body)

    async def removed(_: web.Request) -> web.Response:
        return failed(
            410,
            "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. A full "
            "migration guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046",
        )

    async def projects(request: web.Request) -> web.Response:
        states = request.query.getall("status", ["live"])
        there = [p for p in world.projects.values() if world.may_browse(p.id)] if "live" in states else []
        if "deleted" in states:
            there += world.deleted_projects.values()
        there.sort(key=lambda project: project.key)
        return _page_of(request, [simulator.render.project(p) for p in there], most=50)

    async def priorities(request: web.Request) -> web.Response:
        return _page_of(request, [simulator.render.priority(p) for p in PRIORITIES], most=50)

    async def changelog(request: web.Request) -> web.Response:
        issue = find_issue(simulator, request.match_info["issue"])
        if issue is None:
            return failed(404, "Issue does not exist or you do not have permission to see it.")
        return _page_of(request, [simulator.render.history(h) for h in issue.histories], most=100)

    async def changelogs(request: web.Request) -> web.Response:
        asked = await request.json()
        wanted = asked["issueIdsOrKeys"]
        if not 1 <= len(wanted) <= 1_000:
            return failed(400, "issueIdsOrKeys: between 1 and 1000 are allowed")
        entries = [
            (issue.id, history)
            for issue in (find_issue(simulator, str(each)) for each in wanted)
            if issue is not None
            for history in issue.histories
        ]
        most = min(int(asked.get("maxResults", 1_000)), 10_000)
        begin = int(json.loads(asked.get("nextPageToken") or "0"))
        grouped: dict[int, list[Any]] = {}
        for issue_id, history in entries[begin : begin + most]:
            grouped.setdefault(issue_id, []).append(simulator.render.history(history))
        body: dict[str, Any] = {
            "issueChangeLogs": [
                {"issueId": str(issue_id), "changeHistories": histories}
                for issue_id, histories in grouped.items()
            ]
        }
        if begin + most < len(entries):
            body["nextPageToken"] = str(begin + most)
        return answered(body)

    async def worklogs_updated(request: web.Request) -> web.Response:
        changed = [(w.updated, w.id) for i in world.issues.values() for w in i.worklogs]
        return _changed_worklogs(request, changed)

    async def worklogs_deleted(request: web.Request) -> web.Response:
        return _changed_worklogs(request, [(at, w) for w, at in world.deleted_worklogs.items()])

    def _changed_worklogs(request: web.Request, changed: list[tuple[int, int]]) -> web.Response:
        if "worklogs" in simulator.lacks:
            return failed(403, "You do not have permission to view worklogs.")
        since = number(request, "since", 0)
        until = world.now_ms - _NOT_YET_MS
        due = sorted(each for each in changed if since <= each[0] <= until)
        shown = due[:_WORKLOGS_A_PAGE]
        is_last = len(due) <= _WORKLOGS_A_PAGE
        body: dict[str, Any] = {
            "values": [{"worklogId": w, "updatedTime": at, "properties": []} for at, w in shown],
            "since": since,
            "until": until if is_last else shown[-1][0],
            "lastPage": is_last,
        }
        return answered(body)

    async def worklogs_listed(request: web.Request) -> web.Response:
        wanted = set((await request.json())["ids"])
        found: list[Worklog] = [
            worklog
            for issue in world.issues.values()
            if world.may_browse(issue.project_id)
            for worklog in issue.worklogs
            if worklog.id in wanted
        ]
        return answered([simulator.render.worklog(worklog) for worklog in found])

    async def users(request: web.Request) -> web.Response:
        if "users" in simulator.lacks:
            return lacking(request, "You are not authorized to perform this operation.")
        begin, most = number(request, "startAt", 0), number(request, "maxResults", 50)
        everybody = list(world.users.values())[begin : begin + most]
        # What the account may not see is taken out of a page afterwards: a short page is not the last.
        shown = [user for place, user in enumerate(everybody) if (begin + place) % 4 != 3]
        return answered([simulator.render.whole_user(user) for user in shown])

    async def token(request: web.Request) -> web.Response:
        is_json = request.content_type == "application/json"
        asked = await request.json() if is_json else dict(await request.post())
        status, body = simulator.access.refresh(asked, world.now_ms)
        return answered(body, status)

    async def resources(request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "")
        if simulator.access.may(given, world.now_ms, is_cloud=True) != "oauth":
            return answered({"code": 401, "message": "Unauthorized"}, 401)
        site = {"id": CLOUD_ID, "name": "site", "url": simulator.url, "scopes": simulator.access.scopes}
        return answered([site])

    return [
        web.get(f"{api}/search/jql", search),
        web.post(f"{api}/search/jql", search),
        web.route("*", f"{api}/search", removed),
        web.get(f"{api}/project/search", projects),
        web.get(f"{api}/priority/search", priorities),
        web.get(f"{api}/issue/{{issue}}/changelog", changelog),
        web.post(f"{api}/changelog/bulkfetch", changelogs),
        web.get(f"{api}/worklog/updated", worklogs_updated),
        web.get(f"{api}/worklog/deleted", worklogs_deleted),
        web.post(f"{api}/worklog/list", worklogs_listed),
        web.get(f"{api}/users/search", users),
        web.post("/oauth/token", token),
        web.get("/oauth/token/accessible-resources", resources),
    ]


def _of_query(request: web.Request) -> dict[str, Any]:
    asked: dict[str, Any] = dict(request.query)
    if "fields" in asked:
        asked["fields"] = [name for given in request.query.getall("fields") for name in given.split(",")]
    return asked


def _page_of(request: web.Request, values: list[Any], *, most: int) -> web.Response:
    begin = number(request, "startAt", 0)
    size = min(number(request, "maxResults", most), most)
    is_last = begin + size >= len(values)
    return answered(
        {
            "values": values[begin : begin + size],
            "startAt": begin,
            "maxResults": size,
            "total": len(values),
            "isLast": is_last,
        }
    )
