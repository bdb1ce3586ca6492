"""What is measured of one dashboard, and of the questions of fifty."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from statistics import median

import psutil

from benchmarks.tui.terminal import Terminal, terminal
from etl_core.control.feed import JobFeed
from etl_core.store.database import connect
from etl_tui.app.feed.live import HEALTH_EVERY, LOOK_EVERY, RECONCILE_EVERY

OURS = ("-m", "etl_tui")
BARE = ("-m", "benchmarks.tui.bare")
Environment = Mapping[str, str]
Figures = dict[str, tuple[float, str]]
"""Value and unit by name."""
FIRST_QUESTIONS = 10.0
"""Seconds of asking before it is measured."""


async def start(environment: Environment, size: tuple[int, int]) -> Figures:
    """From nothing to the first rows: ours, and a bare app to its one line."""
    figures: Figures = {}
    for name, arguments, sign in (("bare", BARE, b"ready"), ("ours", OURS, b"READY ")):
        begun = time.monotonic()
        async with terminal(arguments, environment, columns=size[0], lines=size[1]) as shown:
            at = await shown.until(sign)
            figures[f"first paint, {name}, processor"] = (shown.processor(), "s")
            figures[f"first paint, {name}, wall"] = (at - begun, "s")
            await shown.quiet(3)
            figures[f"first paint, {name}, sent"] = (len(shown), "bytes")
            figures[f"memory, {name}"] = (shown.resident() / 1e6, "MB")
    return figures


async def keys(shown: Terminal, presses: int = 20) -> Figures:
    """The cursor down, one key after the other."""
    sent, waits = [], []
    for _ in range(presses):
        before = len(shown)
        waits.append(await _pressed(shown, b"j"))
        await shown.quiet(0.3)
        sent.append(len(shown) - before)
    return {"key j, sent": (median(sent), "bytes"), "key j, shown after": (1e3 * median(waits), "ms")}


async def filter_and_sort(shown: Terminal) -> Figures:
    """The last letter of a filter, and the next column to sort by; from the key to what it shows."""
    figures: Figures = {}
    shown.type(b"/faile")
    await shown.quiet(1)
    figures["filter, shown after"] = (1e3 * await _pressed(shown, b"d"), "ms")
    shown.type(b"\x1b")
    await shown.quiet(1)
    waits, processor, keys = [], shown.processor(), b">>=ff><=ff"
    for key in keys:
        waits.append(await _pressed(shown, bytes([key])))
        await shown.quiet(0.2)
    figures["sort, shown after"] = (1e3 * median(waits), "ms")
    figures["sort, processor"] = (1e3 * (shown.processor() - processor) / len(keys), "ms")
    return figures


async def idle(shown: Terminal, seconds: float) -> Figures:
    """Nothing happens but the clock."""
    await shown.quiet(2)
    before, processor, begun = len(shown), shown.processor(), time.monotonic()
    await asyncio.sleep(seconds)
    elapsed = time.monotonic() - begun
    return {
        "idle, sent": ((len(shown) - before) / elapsed, "bytes/s"),
        "idle, processor": (100 * (shown.processor() - processor) / elapsed, "% of a core"),
    }


async def changes(shown: Terminal, url: str, seconds: float, *, a_second: int = 1_000) -> Figures:
    """A thousand rows change every second, those in sight among them, while somebody presses keys."""
    conn = await connect(url, application_name="benchmark changes")
    waits: list[float] = []
    stop = asyncio.Event()

    async def change() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            await conn.execute(
                "UPDATE etl_jobs SET retry_count = $2::int, error_message = 'turn ' || $2::int WHERE id IN"
                " (SELECT id FROM etl_jobs ORDER BY lower(job_name), job_name LIMIT $1)",
                a_second // 4,
                turn,
            )
            await asyncio.sleep(0.25)

    changing = asyncio.ensure_future(change())
    before, processor, begun = len(shown), shown.processor(), time.monotonic()
    while time.monotonic() - begun < seconds:
        waits.append(await _pressed(shown, b"j" if len(waits) % 2 else b"k"))
        await asyncio.sleep(0.1)
    elapsed = time.monotonic() - begun
    figures = {
        "1,000 changes a second, key shown after": (1e3 * median(waits), "ms"),
        "1,000 changes a second, key shown after, 95 of 100": (
            1e3 * sorted(waits)[len(waits) * 95 // 100], "ms"
        ),
        "1,000 changes a second, sent": ((len(shown) - before) / elapsed, "bytes/s"),
        "1,000 changes a second, processor": (
            100 * (shown.processor() - processor) / elapsed, "% of a core"
        ),
    }  # fmt: skip
    stop.set()
    await changing
    await conn.close()
    return figures


async def questions(url: str, dashboards: int, seconds: float) -> Figures:
    """What as many dashboards ask, by the same feed and at the same pace; the processor of their backends."""
    conns = [await connect(url, application_name="benchmark dashboard") for _ in range(dashboards)]
    feeds = [JobFeed(conn) for conn in conns]
    for feed in feeds:
        await feed.read_all()
    backends = [psutil.Process(await conn.fetchval("SELECT pg_backend_pid()")) for conn in conns]

    async def ask_for(seconds: float) -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(*(_ask(feed, until, number / dashboards) for number, feed in enumerate(feeds)))

    moving = asyncio.ensure_future(_move_runs(url))
    # A dashboard is open for hours: what the first questions of a connection cost (plans, catalogs) is not
    # counted.
    await ask_for(FIRST_QUESTIONS)
    before, begun = _processor(backends), time.monotonic()
    await ask_for(seconds)
    used = 100 * (_processor(backends) - before) / (time.monotonic() - begun)
    moving.cancel()
    for conn in conns:
        await conn.close()
    return {f"{dashboards} dashboards, processor of their backends": (used, "% of a core")}


async def _ask(feed: JobFeed, until: float, offset: float) -> None:
    await asyncio.sleep(offset * LOOK_EVERY)
    health_at, reconcile_at = 0.0, time.monotonic() + RECONCILE_EVERY * offset
    while (now := time.monotonic()) < until:
        if now >= health_at:
            health_at = now + HEALTH_EVERY
            await feed.read_health()
        await feed.read_changes()
        if now >= reconcile_at:
            reconcile_at = now + RECONCILE_EVERY
            await feed.reconcile()
        await asyncio.sleep(LOOK_EVERY)


async def _move_runs(url: str) -> None:
    """Every open run gets on once in five seconds, as when it loads a batch."""
    conn = await connect(url, application_name="benchmark runs")
    turn = 0
    try:
        while True:
            turn += 1
            await conn.execute(
                "UPDATE job_runs SET counters = counters || jsonb_build_object('rows_extracted', $1::int)"
                " WHERE state = 'RUNNING' AND id % 5 = $1::int % 5",
                turn,
            )
            await asyncio.sleep(1)
    finally:
        conn.terminate()


async def _pressed(shown: Terminal, key: bytes) -> float:
    """Seconds from a key to the first byte that comes after it."""
    count, begun = len(shown.sent), time.monotonic()
    shown.type(key)
    while len(shown.sent) == count:
        if time.monotonic() - begun > 10:
            raise TimeoutError(f"nothing came after {key!r}")
        await shown.wait(0.05)
    return shown.sent[count][0] - begun


def _processor(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


async def ready(shown: Terminal) -> None:
    """Waits until the first rows and whatever follows them are shown."""
    await shown.until(b"READY ")
    await shown.quiet(3)
