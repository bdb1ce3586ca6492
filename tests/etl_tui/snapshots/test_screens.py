"""What every screen looks like, to the cell; `make snapshots` renews it, and git shows what changed.

A program is driven from screen to screen once in each look, and made larger and smaller on each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def typed(text: str) -> list[str]:
    """The keys of a text."""
    return ["space" if character == " " else character for character in text]


JOBS: Final = (
    Stop("jobs", (), "ETL Jobs"),
    Stop("filter", ("slash", *typed("status:failed")), " of 15"),
    Stop("preview-off", ("escape", "escape", "p"), "ETL Jobs"),
    Stop("cards", ("p", "v"), "Interval"),
    Stop("groups", ("v", "b"), "12 jobs"),
    Stop("marked", ("b", "b", "b", "j", "space", "space"), "2 marked"),
    Stop("run-many", ("r",), "can"),
    Stop("settings-of-many", ("escape", "s"), "Settings"),
    Stop("settings", ("escape", "escape", "G", "s"), "Settings"),
    Stop("settings-refused", ("backspace", "backspace", *typed("5m")), "must"),
    Stop("cancel", ("escape", *"gjjj", "c"), "Cancel"),
    Stop("snooze", ("escape", "S", *typed("2h")), "Does not start"),
    Stop("hold", ("escape", "H"), "Because"),
    Stop("run-full", ("escape", "g", "F"), "Streams"),
    Stop("columns", ("escape", "w"), "Columns"),
    Stop("views", ("escape", "apostrophe"), "Views"),
    Stop("contexts", ("escape", "at"), "failed of"),
    Stop("palette", ("escape", "ctrl+p"), "Commands"),
    Stop("line", ("escape", "colon", *typed("sn")), "snooze"),
    Stop("keys", ("escape", "question_mark"), "The next job"),
    Stop("queues", ("escape", "2"), "extract"),
    Stop("workers", ("3",), "etl-1"),
    Stop("schedule", ("4",), " IN JOB"),
    Stop("activity", ("5",), "switched it on"),
)
JOB: Final = (
    Stop("job-overview", (), " succeeded"),
    Stop("job-run-range", ("b", "right", "tab"), "Rows/s"),
    Stop("job-checkpoint", ("escape", "2"), "stream-00"),
    Stop("job-checkpoint-search", ("slash", *typed("octo")), "lines"),
    Stop("job-checkpoint-json", ("escape", "v"), "{"),
    Stop("job-checkpoint-diff", ("v", "d"), "@@"),
    Stop("job-rewind", ("d", "w"), "What will happen"),
    Stop("job-clear", ("escape", "X"), "everything again"),
    Stop("job-runs", ("escape", "3"), "411 new"),
    Stop("job-runs-compared", ("space", "j", "j"), "records "),
    Stop("job-log", ("escape", "4"), "4 lines"),
    Stop("job-rejects", ("5",), '"id": 1'),
    Stop("job-reject-drop", ("d",), "Drop"),
    Stop("job-audit", ("escape", "6"), "switched it on"),
    Stop("job-keys", ("question_mark",), "What was done"),
    Stop("run-stages", ("escape", "3", "g", "enter"), "POINT"),
    Stop("run-log", ("2",), "4 lines"),
    Stop("run-rejects", ("3",), '"id": 1'),
)
OTHERS: Final = {
    "empty": (Stop("job-without-checkpoint", ("2",), "no version yet"),),
    "listed": (Stop("job-checkpoint-a-list", ("2",), "no JSON object"),),
    "kind": (Stop("job-edit", ("2", "e"), "held until"),),
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
        for size in sizes:
            if size != pilot.app.size:
                await pilot.resize_terminal(*size)
            await album.look(pilot, stop.name, size, look)
        await pilot.resize_terminal(*SMALL)
