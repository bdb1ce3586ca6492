"""`python -m tests.simulators.jira --port 8090`: a Jira Cloud site that lives on by the real clock."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator

from aiohttp import web

from ..faults import Faults
from ..serve import main
from .faults import SURVIVABLE
from .server import JiraSimulator
from .world import World

_TICK = 0.5
"""Seconds."""


def make_app(args: argparse.Namespace) -> web.Application:
    world = World(
        args.seed,
        projects=args.projects,
        issues=args.issues,
        lag_ms=int(args.lag * 1_000),
        begin_ms=int(time.time() * 1_000),
    )
    simulator = JiraSimulator(
        world,
        flavour=args.flavour,
        faults=Faults(seed=args.seed, share=args.faults, kinds=SURVIVABLE),
        request_ms=0,
        url=f"http://127.0.0.1:{args.port}",
        page_limit=args.page_limit,
    )

    async def live(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(_follow_the_clock(simulator, args.changes))
        yield
        task.cancel()

    app = simulator.application()
    app.cleanup_ctx.append(live)
    return app


async def _follow_the_clock(simulator: JiraSimulator, changes: float) -> None:
    """The world's time is the real one; so many changes happen a second until it is frozen."""
    world, due, told = simulator.world, 0.0, time.time()
    simulator.changes_per_second = changes
    while True:
        await asyncio.sleep(_TICK)
        now = time.time()
        world.pass_time(max(int(now * 1_000) - world.now_ms, 0))
        due += simulator.changes_per_second * (now - told)
        told = now
        while due >= 1:
            due -= 1
            world.change_something()


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--flavour", choices=("cloud", "data_center"), default="cloud")
    parser.add_argument("--projects", type=int, default=4)
    parser.add_argument("--issues", type=int, default=600)
    parser.add_argument("--page-limit", type=int, default=100, help="issues a page, at most")
    parser.add_argument("--lag", type=float, default=5.0, help="seconds by which the search index is late")
    parser.add_argument("--changes", type=float, default=0.5, help="of the world, a second")


if __name__ == "__main__":
    sys.exit(main(make_app, describe=__doc__ or "", arguments=_arguments))
