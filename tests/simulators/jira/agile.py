"""Boards and sprints (API agile 1.0), the same for both flavours."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from .server import JiraSimulator, answered, failed, lacking, number

_MOST = 50


def routes(simulator: JiraSimulator) -> list[web.RouteDef]:
    world = simulator.world

    async def boards(request: web.Request) -> web.Response:
        if "agile" in simulator.lacks:
            return lacking(request, "You do not have access to Jira Software.")
        there = [b for b in world.boards.values() if world.may_browse(b.project_id)]
        return _page(request, [simulator.render.board(board) for board in there])

    async def sprints(request: web.Request) -> web.Response:
        if "agile" in simulator.lacks:
            return lacking(request, "You do not have access to Jira Software.")
        board = world.boards.get(int(request.match_info["board"]))
        if board is None or not world.may_browse(board.project_id):
            return failed(404, "Board does not exist or you do not have permission to see it.")
        if board.kind != "scrum":
            return failed(400, "The board does not support sprints")
        there = [s for s in world.sprints.values() if s.board_id == board.id]
        return _page(request, [simulator.render.sprint(sprint) for sprint in there])

    return [
        web.get("/rest/agile/1.0/board", boards),
        web.get("/rest/agile/1.0/board/{board}/sprint", sprints),
    ]


def _page(request: web.Request, values: list[Any]) -> web.Response:
    begin, most = number(request, "startAt", 0), min(number(request, "maxResults", _MOST), _MOST)
    return answered(
        {
            "values": values[begin : begin + most],
            "startAt": begin,
            "maxResults": most,
            "total": len(values),
            "isLast": begin + most >= len(values),
        }
    )
