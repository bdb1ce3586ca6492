"""What every screen looks like, to the cell; `make snapshots` renews it, and git shows what changed.

A program is driven from screen to screen once in each look, and made larger and smaller on each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import pytest
from textual.pilot import Pilot

from etl_core.store.database import Connection
from etl_tui.app.dashboard.screen import Dashboard
from tests.etl_tui.inspected import HURTING, KIND, LONG, add_job, give_past
from tests.etl_tui.showroom import furnish
from tests.etl_tui.snapshots.album import Album, Size
from tests.etl_tui.snapshots.frozen import freeze
from tests.etl_tui.snapshots.staged import COLOURS, LIGHT, MONO, NOW, quiet, staged, until_shown

pytestmark = pytest.mark.timeout(600)

SMALL, MIDDLE, LARGE = (80, 24), (120, 40), (200, 50)
LOOKS: Final[Mapping[str, tuple[Mapping[str, str], Sequence[Size]]]] = {
    "dark": (COLOURS, (SMALL, MIDDLE, LARGE)),
    "light": (LIGHT, (SMALL, LARGE)),
    "mono": (MONO, (SMALL, MIDDLE, LARGE)),
}
"""The environment of a look, and the sizes in which it is looked at."""


class Stop(NamedTuple):
    """A screen, the keys that lead to it from the one before, and what it says once all is there."""

    name: str
    keys: Sequence[str]
    told: str
    over: bool = False
    """It lies over another screen, or is much like it: seen in the smallest size, and large in one look."""


Over: Final = partial(Stop, over=True)


def typed(text: str) -> list[str]:
    """The keys of a text."""
    return ["space" if character == " " else character for character in text]


JOBS: Final = (
    Stop("jobs", (), "ETL Jobs"),
    Over("filter", ("slash", *typed("status:failed")), " of 15"),
    Over("preview-off", ("escape", "escape", "p"), "ETL Jobs"),
    Stop("cards", ("p", "v"), "Interval"),
    Stop("groups", ("v", "b"), "12 jobs"),
    Over("marked", ("b", "b", "b", "j", "space", "space"), "2 marked"),
    Over("run-many", ("r",), "can"),
    Over("settings-of-many", ("escape", "s"), "Settings"),
    Over("settings", ("escape", "escape", "G", "s"), "Settings"),
    Over("settings-refused", ("backspace", "backspace", *typed("5m")), "must"),
    Over("cancel", ("escape", *"gjjj", "c"), "Cancel"),
    Over("snooze", ("escape", "S", *typed("2h")), "Does not start"),
    Over("hold", ("escape", "H"), "Because"),
    Over("run-full", ("escape", "g", "F"), "Streams"),
    Over("columns", ("escape", "w"), "Columns"),
    Over("views", ("escape", "apostrophe"), "Views"),
    Over("contexts", ("escape", "at"), "failed of"),
    Over("palette", ("escape", "ctrl+p"), "Commands"),
    Over("line", ("escape", "colon", *typed("sn")), "snooze"),
    Over("keys", ("escape", "question_mark"), "The next job"),
    Stop("queues", ("escape", "2"), "extract"),
    Stop("workers", ("3",), "etl-1"),
    Stop("schedule", ("4",), " IN JOB"),
    Stop("activity", ("5",), "switched it on"),
)
JOB: Final = (
    Stop("job-overview", (), " succeeded"),
    Over("job-run-range", ("b", "right", "tab"), "Rows/s"),
    Stop("job-checkpoint", ("escape", "2"), "stream-00"),
    Over("job-checkpoint-search", ("slash", *typed("octo")), "lines"),
    Stop("job-checkpoint-json", ("escape", "v"), "{"),
    Stop("job-checkpoint-diff", ("v", "d"), "@@"),
    Over("job-rewind", ("d", "w"), "What will happen"),
    Over("job-clear", ("escape", "X"), "everything again"),
    Stop("job-runs", ("escape", "3"), "411 new"),
    Stop("job-runs-compared", ("space", "j", "j"), "records "),
    Stop("job-log", ("escape", "4"), "4 lines"),
    Stop("job-rejects", ("5",), '"id": 1'),
    Over("job-reject-drop", ("d",), "Drop"),
    Stop("job-audit", ("escape", "6"), "switched it on"),
    Over("job-keys", ("question_mark",), "What was done"),
    Stop("run-stages", ("escape", "3", "g", "enter"), "POINT"),
    Over("run-log", ("2",), "4 lines"),
    Over("run-rejects", ("3",), '"id": 1'),
)
OTHERS: Final = {
    "empty": (Stop("job-without-checkpoint", ("2",), "no version yet"),),
    "listed": (Stop("job-checkpoint-a-list", ("2",), "no JSON object"),),
    "kind": (Over("job-edit", ("2", "e"), "held until"),),
}
"""Of jobs of these names."""


async def test_jobs_and_views(database_url: str, db: Connection, renew_screens: bool) -> None:
    await _fill(db)
    album = Album(renew=renew_screens)
    for look, (environ, sizes) in LOOKS.items():
        async with staged(database_url, SMALL, environ) as pilot:
            await _travel(pilot, JOBS, album, look, sizes)
    album.close()
    assert album.differing == [], "`make snapshots` renews them; look at the difference"


async def test_a_job_and_its_runs(database_url: str, db: Connection, renew_screens: bool) -> None:
    ids = await _fill(db)
    album = Album(renew=renew_screens)
    for look, (environ, sizes) in LOOKS.items():
        async with staged(database_url, SMALL, environ) as pilot:
            dashboard = pilot.app.screen
            assert isinstance(dashboard, Dashboard)
            dashboard.open_job(ids[LONG])
            await _travel(pilot, JOB, album, look, sizes)
            for name, stops in OTHERS.items():
                await _leave_all(pilot)
                dashboard.open_job(ids[name])
                await until_shown(pilot, name)
                await _travel(pilot, stops, album, look, sizes)
            await _leave_all(pilot)
    album.close()
    assert album.differing == [], "`make snapshots` renews them; look at the difference"


async def _fill(db: Connection) -> dict[str, int]:
    """Data that hurts; the jobs that were added, by name."""
    await furnish(db, NOW)
    ids = {
        LONG: await add_job(db, LONG, NOW),
        "listed": await add_job(db, "listed", NOW, legacy=[1, {"a": None}]),
        "empty": await add_job(db, "empty", NOW),
        "kind": await add_job(db, "kind", NOW),
    }
    await give_past(db, ids[LONG], HURTING, NOW)
    await give_past(db, ids["kind"], KIND, NOW)
    await freeze(db, NOW)
    return ids


async def _leave_all(pilot: Pilot[Any]) -> None:
    while len(pilot.app.screen_stack) > 1:
        await pilot.press("escape")
    await quiet(pilot)


async def _travel(
    pilot: Pilot[Any], stops: Sequence[Stop], album: Album, look: str, sizes: Sequence[Size]
) -> None:
    for stop in stops:
        await pilot.press(*stop.keys)
        await until_shown(pilot, stop.told)
        there = sizes if not stop.over else (SMALL, LARGE) if look == "dark" else (SMALL,)
        for size in there:
            if size != pilot.app.size:
                await pilot.resize_terminal(*size)
            await album.look(pilot, stop.name, size, look)
        if there[-1] != SMALL:
            await pilot.resize_terminal(*SMALL)
