"""Below `/_simulator/`: what a test or the demo asks of a simulator that runs as a process."""

from __future__ import annotations

from aiohttp import web

from .server import JiraSimulator, answered
from .truth import rows_of


def routes(simulator: JiraSimulator) -> list[web.RouteDef]:
    async def freeze(_: web.Request) -> web.Response:
        simulator.freeze()
        return answered({"faults": dict(simulator.faults.met), "requests": simulator.faults.requests})

    async def rows(_: web.Request) -> web.Response:
        return answered(rows_of(simulator.world))

    async def change(request: web.Request) -> web.Response:
        for _ in range(int(request.query.get("times", 1))):
            simulator.world.change_something()
        return answered({"now_ms": simulator.world.now_ms})

    return [
        web.post("/_simulator/freeze", freeze),
        web.post("/_simulator/change", change),
        web.get("/_simulator/rows", rows),
    ]
