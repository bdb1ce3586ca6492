"""Keeps the demo's database up after `etl-tui demo --url`, until nobody has used it for a while.

A process of its own: `python -m etl_tui.demo.linger FOLDER`. `etl-tui demo --stop` ends it at once.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

IDLE_MINUTES = 10
LOOK_EVERY = 15.0
"""Seconds."""


async def linger(folder: Path) -> None:
    """Holds the server until no other client has been connected for IDLE_MINUTES."""
    from etl_core.store import embedded
    from etl_core.store.database import connect
    from etl_core.store.queries import load

    server = await asyncio.to_thread(embedded.start, folder)
    try:
        url = await asyncio.to_thread(server.url)
        conn = await connect(url, application_name="etl-tui demo --url")
        stopped = asyncio.Event()
        conn.add_termination_listener(lambda _: stopped.set())
        print(url, flush=True)
        sys.stdout.close()
        idle = 0.0
        while idle < IDLE_MINUTES * 60 and not await _within(LOOK_EVERY, stopped):
            others = await load("processes").count_clients(conn)
            idle = 0.0 if others else idle + LOOK_EVERY
        conn.terminate()
    finally:
        await asyncio.to_thread(server.close)


async def _within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


if __name__ == "__main__":
    asyncio.run(linger(Path(sys.argv[1])))
