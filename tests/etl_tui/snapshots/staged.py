"""The real program on the showroom's database, at a moment that never passes: the same screen every time."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from unittest.mock import patch

from textual.pilot import Pilot

from etl_core.settings import load_settings
from etl_tui.app.app import DashboardApp
from etl_tui.app.dashboard.grid import JobGrid
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.feed.workplace import Workplaces
from etl_tui.app.look.theme import choose_look

NOW: Final = datetime(2024, 11, 24, 14, 32, 10, tzinfo=UTC)
"""When it is looked at: long ago by the clock of any database, for what that says must be the same, too."""
COLOURS: Final = {"TERM": "screen-256color", "LANG": "C.UTF-8"}
MONO: Final = COLOURS | {"NO_COLOR": "1"}
_SAME: Final = 4
"""Looks in a row that see the same: it is settled."""
_PATIENCE: Final = 400
_ENDLESS: Final = ("live", "watch", "follow")
"""Workers that end with their screen."""


@contextmanager
def standing_still(now: datetime) -> Iterator[None]:
    """The clock of the screens, and the zone in which they tell times."""
    zone = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        with patch.object(DatabaseClock, "now", lambda _: now):
            yield
    finally:
        if zone is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = zone
        time.tzset()


@asynccontextmanager
async def staged(
    database_url: str, size: tuple[int, int], environ: Mapping[str, str], *, now: datetime = NOW
) -> AsyncIterator[Pilot[Any]]:
    """A dashboard of that many columns and lines in the context `prod`, all jobs shown."""
    context = {"database_url": database_url, "production": True}
    settings = load_settings(context="prod", contexts={"prod": context})
    workplaces = Workplaces(settings)
    with standing_still(now), patch.dict(os.environ):
        os.environ.pop("NO_COLOR", None)
        os.environ.update({name: value for name, value in environ.items() if name == "NO_COLOR"})
        workplace = await workplaces.enter()
        try:
            app = DashboardApp(workplace.source, choose_look(environ))
            app.begin_in(workplace, workplaces)
            async with app.run_test(size=size) as pilot:
                for _ in range(_PATIENCE):
                    await pilot.pause(0.05)
                    if app.screen.query(JobGrid) and app.screen.query_one(JobGrid).jobs:
                        break
                await settled(pilot)
                yield pilot
        finally:
            await workplaces.close()


async def settled(pilot: Pilot[Any]) -> None:
    """Returns when the screen does not change any more."""
    before, same = "", 0
    for _ in range(_PATIENCE):
        await pilot.pause(0.05)
        text = shown(pilot)
        same = same + 1 if text == before else 0
        if same >= _SAME:
            return
        before = text
    raise AssertionError(f"the screen never comes to rest:\n{before}")


async def quiet(pilot: Pilot[Any]) -> None:
    """Returns when nothing is being loaded and the screen does not change any more."""
    for _ in range(_PATIENCE):
        await pilot.pause(0.02)
        if all(worker.group in _ENDLESS or worker.is_finished for worker in pilot.app.workers):
            await settled(pilot)
            return
    raise AssertionError(f"it loads for ever:\n{shown(pilot)}")


async def until_shown(pilot: Pilot[Any], text: str) -> None:
    """Returns when the screen says it and is quiet."""
    for _ in range(_PATIENCE):
        await pilot.pause(0.02)
        if text in shown(pilot):
            await quiet(pilot)
            return
    raise AssertionError(f"{text} is never shown:\n{shown(pilot)}")


def shown(pilot: Pilot[Any]) -> str:
    """The text of the screen."""
    return "\n".join(strip.text.rstrip() for strip in pilot.app.screen._compositor.render_strips())
