"""`python -m tests.crash.matrix`: every point of every layout on both transports; prints the table.

`--only TEXT` takes the layouts, points and transports that hold it (`--only "amqp, load"`).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path

import structlog

from etl_core.store import embedded
from etl_core.store.database import connect
from etl_core.store.migrations import migrate
from tests.crash.case import Outcome, Site
from tests.crash.layouts import LAYOUTS, Layout
from tests.crash.seam import Moment, Point
from tests.support.rabbitmq import RabbitMQ

MOMENTS: tuple[Moment, ...] = ("before", "after")
AT_ONCE = 6
"""Cases under way: most of each is waiting until a lease has passed."""

TEMPLATE = "crash_template"

Choice = Callable[[Layout, Point, Moment], bool]


async def sites(
    admin_url: str, template: str, logs: Path, rabbitmq: RabbitMQ | None, at_once: int = AT_ONCE
) -> list[Site]:
    """So many places for cases, on one transport."""
    urls: Sequence[str | None] = [None] * at_once
    if rabbitmq is not None:
        urls = await asyncio.to_thread(_make_virtual_hosts, rabbitmq, at_once)
    return [Site(admin_url, template, logs, url) for url in urls]


def _make_virtual_hosts(rabbitmq: RabbitMQ, number: int) -> list[str]:
    """One for each site, so that no ring goes astray."""
    names = [f"crash{n}" for n in range(number)]
    rabbitmq.evaluate(
        "".join(
            f'rabbit_vhost:add(<<"{name}">>, <<"tests">>), rabbit_auth_backend_internal:set_permissions('
            f'<<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>), '
            for name in names
        )
        + "ok"
    )
    return [f"{rabbitmq.url}{name}" for name in names]


async def run_cases(
    places: Sequence[Site], layouts: Iterable[Layout], choice: Choice
) -> AsyncIterator[Outcome]:
    """The outcomes of all cases that are chosen, in the order of the way."""
    waiting: asyncio.Queue[Site] = asyncio.Queue()
    for site in places:
        waiting.put_nowait(site)

    async def points(layout: Layout) -> list[tuple[Layout, Point]]:
        site = await waiting.get()
        try:
            return [(layout, point) for point in await site.points(layout)]
        finally:
            waiting.put_nowait(site)

    async def case(layout: Layout, point: Point, moment: Moment) -> Outcome:
        site = await waiting.get()
        try:
            return await site.run(layout, point, moment)
        finally:
            waiting.put_nowait(site)

    ways = await asyncio.gather(*map(points, layouts))
    cases = [
        asyncio.create_task(case(layout, point, moment))
        for way in ways
        for layout, point in way
        for moment in MOMENTS
        if choice(layout, point, moment)
    ]
    try:
        for each in cases:
            yield await each
    finally:
        for each in cases:
            each.cancel()
        await asyncio.gather(*cases, return_exceptions=True)


def table(outcomes: Sequence[Outcome]) -> str:
    """In Markdown, a row per point: what a death before it and one after it left for others to find."""
    lines = []
    for layout in LAYOUTS:
        by_point: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            if outcome.layout == layout.name:
                by_point.setdefault(str(outcome.point), []).append(outcome)
        if by_point:
            lines += [
                f"\n{layout.name}, two batches of {layout.page_size} rows:\n",
                "| point | transports | killed before it was sent | killed after its answer |",
                "| --- | --- | --- | --- |",
            ]
        for point, deaths in by_point.items():
            transports = ", ".join(dict.fromkeys(each.transport for each in deaths))
            found = [_found(deaths, moment) for moment in MOMENTS]
            lines.append(f"| `{point}` | {transports} | {' | '.join(found)} |")
    return "\n".join(lines)


def _found(deaths: Sequence[Outcome], moment: Moment) -> str:
    told = {}
    for each in deaths:
        if each.moment == moment:
            told[each.transport] = each.found + ("" if each.held else f" **WRONG: {'; '.join(each.wrong)}**")
    if len({*told.values()}) <= 1:
        return next(iter(told.values()), "")
    return "<br>".join(f"{transport}: {found}" for transport, found in told.items())


async def _make_template(server: embedded.EmbeddedServer) -> None:
    db = await connect(server.url(TEMPLATE), application_name="tests")
    try:
        await migrate(db)
    finally:
        await db.close()


async def _run(folder: Path, server: embedded.EmbeddedServer, only: str, transports: Sequence[str]) -> int:
    await _make_template(server)
    outcomes: list[Outcome] = []
    for transport in transports:
        rabbitmq = None
        if transport == "amqp":
            (folder / "rabbitmq").mkdir()
            rabbitmq = RabbitMQ(folder / "rabbitmq")
            await asyncio.to_thread(rabbitmq.start)
        try:
            logs = folder / f"cases-{transport}"
            logs.mkdir()

            def choice(layout: Layout, point: Point, moment: Moment, transport: str = transport) -> bool:
                return only in f"{transport}, {layout.name}, {moment} {point}"

            places = await sites(server.url("postgres"), TEMPLATE, logs, rabbitmq)
            async for outcome in run_cases(places, LAYOUTS, choice):
                outcomes.append(outcome)
                if not outcome.held:
                    print(outcome, flush=True)
        finally:
            if rabbitmq is not None:
                await asyncio.to_thread(rabbitmq.close)
    print(table(outcomes))
    wrong = sum(not outcome.held for outcome in outcomes)
    print(f"\n{len(outcomes)} deaths, {wrong} with something wrong afterwards")
    return 1 if wrong or not outcomes else 0


def main() -> int:
    """0 when every case held."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name holds this")
    parser.add_argument("--transport", choices=("postgres", "amqp"), action="append")
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    # Right under /tmp: as root the embedded server must get into it.
    folder = Path(tempfile.mkdtemp(prefix="etl-crash-", dir="/tmp"))
    folder.chmod(0o755)
    began = time.monotonic()
    try:
        with embedded.start(folder / "postgres", durable=False) as server:
            failed = asyncio.run(_run(folder, server, args.only, args.transport or ("postgres", "amqp")))
    finally:
        embedded.stop(folder / "postgres")
    print(f"{time.monotonic() - began:.0f} s; logs: {folder}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
