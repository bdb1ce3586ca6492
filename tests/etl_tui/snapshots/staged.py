"""The real program on the showroom's database, at a moment that never passes: the same screen every time."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from unittest.mock import patch

from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, TextArea

from etl_core.settings import load_settings
from etl_tui.app.app import DashboardApp
from etl_tui.app.dashboard.grid import JobGrid
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.feed.workplace import Workplaces
from etl_tui.app.look.theme import choose_look
from tests.etl_tui.snapshots.drawing import shown
from tests.support.jobs import PATIENCE

NOW: Final = datetime(2024, 11, 24, 14, 32, 10, tzinfo=UTC)
"""When it is looked at: long ago by the clock of any database, for what that says must be the same, too."""
COLOURS: Final = {"TERM": "screen-256color", "LANG": "C.UTF-8"}
LIGHT: Final = COLOURS | {"COLORFGBG": "0;15"}
MONO: Final = COLOURS | {"NO_COLOR": "1"}
_SAME: Final = 3
"""Looks in a row that see the same: it is settled."""
_ENDLESS: Final = ("live", "watch", "follow", "repair")
"""Workers that end with their screen, or wait for a person."""


@contextmanager
def standing_still(now: datetime) -> Iterator[None]:
    """The clock of the screens, the zone in which they tell times, and the cursor in a field."""
    zone = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        with (
            patch.object(DatabaseClock, "now", lambda _: now),
            patch.object(Input, "_toggle_cursor", lambda _: None),
            patch.object(TextArea, "_toggle_cursor_blink_visible", lambda _: None),
        ):
            yield
    finally:
        if zone is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = zone
        time.tzset()


@contextmanager
def unpainted() -> Iterator[None]:
    """What is shown is asked of the compositor; to paint it for no terminal costs half of it."""
    refresh = Screen._compositor_refresh

    def paint_nothing(screen: Screen[Any]) -> None:
        if screen is screen.app.screen:
            screen._dirty_widgets.clear()
            screen._compositor._dirty_regions.clear()
        else:
            refresh(screen)

    with patch.object(Screen, "_compositor_refresh", paint_nothing):
        yield


@asynccontextmanager
async def staged(
    database_url: str, size: tuple[int, int], environ: Mapping[str, str], *, now: datetime = NOW
) -> AsyncIterator[Pilot[Any]]:
    """A dashboard of that many columns and lines in the context `prod`, all jobs shown."""
    prod = {"database_url": database_url, "production": True}
    nightly = {"database_url": database_url, "read_only": True}
    settings_in = partial(load_settings, contexts={"prod": prod, "nightly": nightly})
    workplaces = Workplaces(settings_in(context="prod"), lambda name: settings_in(context=name))
    with standing_still(now), unpainted(), patch.dict(os.environ):
        os.environ.pop("NO_COLOR", None)
        os.environ.update({name: value for name, value in environ.items() if name == "NO_COLOR"})
        workplace = await workplaces.enter()
        try:
            app = DashboardApp(workplace.source, choose_look(environ))
            app.begin_in(workplace, workplaces)
            async with app.run_test(size=size) as pilot:
                await _until(pilot, lambda: _jobs_are_shown(pilot))
                await settled(pilot)
                yield pilot
        finally:
            await workplaces.close()


def _jobs_are_shown(pilot: Pilot[Any]) -> bool:
    return bool(pilot.app.screen.query(JobGrid) and pilot.app.screen.query_one(JobGrid).jobs)


async def settled(pilot: Pilot[Any]) -> None:
    """Returns when the screen does not change any more."""
    looks = deque([""], maxlen=_SAME + 1)

    def is_same() -> bool:
        looks.append(shown(pilot))
        return len(looks) > _SAME and len(set(looks)) == 1

    await _until(pilot, is_same, every=0.05)


async def quiet(pilot: Pilot[Any]) -> None:
    """Returns when nothing is being loaded and the screen does not change any more."""
    await _until(
        pilot, lambda: all(worker.group in _ENDLESS or worker.is_finished for worker in pilot.app.workers)
    )
    await settled(pilot)


async def until_shown(pilot: Pilot[Any], text: str) -> None:
    """Returns when the screen says it."""
    await _until(pilot, lambda: text in shown(pilot), what=text)


async def _until(
    pilot: Pilot[Any], holds: Callable[[], object], *, what: str = "rest", every: float = 0.02
) -> None:
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up, f"{what} never comes:\n{shown(pilot)}"
        await pilot.pause(every)
