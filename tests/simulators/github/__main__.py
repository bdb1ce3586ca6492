"""`python -m tests.simulators.github --port 8091`: an organisation `octo` that lives on by the real clock."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator

from aiohttp import web

from ..faults import Faults
from ..serve import main
from .access import TOKEN
from .changing import change
from .faults import SURVIVABLE
from .making import Size, make_world
from .simulator import GitHubSimulator

_TICK = 0.5
"""Seconds."""


def make_app(args: argparse.Namespace) -> web.Application:
    size = Size(repositories=args.repositories, pull_requests=args.pull_requests, issues=args.issues)
    simulator = GitHubSimulator(
        make_world(args.seed, size),
        Faults(seed=args.seed, share=args.faults, kinds=SURVIVABLE),
        enterprise=args.enterprise,
    )
    simulator.access.add(args.token, ("repo", "read:org"))
    for credential in simulator.access.credentials.values():
        for limit in (credential.limits.graphql, credential.limits.core):
            limit.capacity, limit.window, limit.used_by_others = args.points, args.window, args.used
    app = simulator.application()

    async def live(_: web.Application) -> AsyncIterator[None]:
        living = asyncio.create_task(_live(simulator, args.changes))
        yield
        living.cancel()

    app.cleanup_ctx.append(live)
    return app


async def _live(simulator: GitHubSimulator, per_second: float) -> None:
    due = 0.0
    while True:
        await asyncio.sleep(_TICK)
        due += per_second * _TICK
        with simulator.world.lock:
            while due >= 1:
                due -= 1
                change(simulator.world)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--token", default=TOKEN, help=f"a token that is good, default {TOKEN}")
    parser.add_argument("--repositories", type=int, default=3)
    parser.add_argument("--pull-requests", type=int, default=30, help="of each repository")
    parser.add_argument("--issues", type=int, default=30, help="of each repository")
    parser.add_argument("--changes", type=float, default=0.0, help="of the world, a second")
    parser.add_argument("--points", type=int, default=5_000, help="of a window, for GraphQL and for REST")
    parser.add_argument("--used", type=int, default=0, help="points of the first window that are gone")
    parser.add_argument("--window", type=float, default=3_600.0, help="of the rate limit, seconds")
    parser.add_argument("--enterprise", action="store_true", help="serve below /api/v3 and /api/graphql")


if __name__ == "__main__":
    sys.exit(main(make_app, describe=__doc__ or "", arguments=arguments))
