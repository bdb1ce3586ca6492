"""An API that costs as little as can be: pages made before anybody asks, `next` in the body.

Run as `python -m benchmarks.connectors.api --records N --page N`; prints its address.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

import msgspec
from aiohttp import web

from benchmarks.pipeline.records import Phase, records

PHASES = (Phase.INSERT, Phase.UPDATE)


def pages(phase: Phase, number: int, size: int) -> list[bytes]:
    """The bodies of a list's pages."""
    rows = list(records(number, phase))
    found = []
    for at in range(0, number, size):
        behind = at + size
        following = f"/{phase}/issues?page={behind // size}" if behind < number else None
        found.append(msgspec.json.encode({"data": rows[at:behind], "next": following}))
    return found


def application(number: int, size: int) -> web.Application:
    """`/insert/issues` and `/update/issues`: the same records, new and changed."""
    made = {phase.value: pages(phase, number, size) for phase in PHASES}

    async def issues(request: web.Request) -> web.Response:
        page = int(request.query.get("page", 0))
        return web.Response(body=made[request.match_info["phase"]][page], content_type="application/json")

    app = web.Application()
    app.router.add_get("/{phase}/issues", issues)
    return app


async def _serve(app: web.Application) -> None:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.Event().wait()


def main() -> int:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--page", type=int, default=100)
    options = parser.parse_args()
    asyncio.run(_serve(application(options.records, options.page)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
