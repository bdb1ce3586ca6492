"""The screens behind the first one, to the cell: a job that hurts, the views, the dialogs."""

from __future__ import annotations

from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from etl_core.store.database import Connection
from etl_tui.app.dashboard.screen import Dashboard
from tests.etl_tui.inspected import HURTING, LONG, add_job, give_past
from tests.etl_tui.showroom import furnish
from tests.etl_tui.snapshots.drawn import drawn
from tests.etl_tui.snapshots.frozen import freeze
from tests.etl_tui.snapshots.staged import COLOURS, NOW, quiet, shown, staged, until_shown
from tests.etl_tui.snapshots.test_screens import ScreenText

pytestmark = pytest.mark.timeout(240)

LIGHT = COLOURS | {"COLORFGBG": "0;15"}
JOB: dict[str, tuple[tuple[str, ...], str]] = {
    "job-overview": ((), " succeeded"),
    "job-checkpoint": (("2",), "stream-00"),
    "job-runs": (("3",), "33"),
    "job-log": (("4",), "4 lines"),
    "job-rejects": (("5",), '"id": 1'),
    "job-audit": (("6",), "switched it on"),
    "run-stages": (("3", "enter"), "POINT"),
    "run-log": (("2",), "4 lines"),
}
"""A screen, the keys that lead to it from the one before, and what it says once all is there."""
OTHERS: dict[str, tuple[tuple[str, ...], str]] = {
    "queues": (("2",), "extract"),
    "workers": (("3",), "etl-1"),
    "schedule": (("4",), " IN JOB"),
    "activity": (("5",), "switched it on"),
    "help": (("escape", "question_mark"), "?"),
    "palette": (("escape", "ctrl+p"), "run"),
    "settings": (("escape", "G", "s"), "Settings"),
    "bulk": (("escape", "asterisk", "r"), "Run"),
}


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(ScreenText)


@pytest.mark.parametrize(
    ("size", "environ", "kind"),
    [
        ((80, 24), COLOURS, "dark"),
        ((80, 24), LIGHT, "light"),
    ],
    ids=lambda value: f"{value[0]}x{value[1]}" if isinstance(value, tuple) else None,
)
async def test_more_screens(
    size: tuple[int, int],
    environ: dict[str, Any],
    kind: str,
    database_url: str,
    db: Connection,
    snapshot: SnapshotAssertion,
) -> None:
    await furnish(db, NOW)
    job = await add_job(db, LONG, NOW)
    await give_past(db, job, HURTING, NOW)
    listed = await add_job(db, "listed", NOW, legacy=[1, {"a": None}])
    empty = await add_job(db, "empty", NOW)
    await freeze(db, NOW)
    differ = []

    async def look(pilot: Pilot[Any], screen: str) -> None:
        name = f"{screen}-{size[0]}x{size[1]}-{kind}"
        for _ in range(60):  # what is shown late on a slow machine is no difference
            if drawn(pilot) == snapshot(name=name):
                return
            await pilot.pause(0.1)
        differ.append(name)
        print(f"{name} is now\n{shown(pilot)}")

    async with staged(database_url, size, environ) as pilot:
        dashboard = pilot.app.screen
        assert isinstance(dashboard, Dashboard)
        dashboard.open_job(job)
        for screen, (keys, told) in JOB.items():
            await pilot.press(*keys)
            await until_shown(pilot, told)
            await look(pilot, screen)
        await pilot.press("escape", "escape")
        for other, name, told in (
            (listed, "checkpoint-list", "no JSON object"),
            (empty, "checkpoint-null", "no version yet"),
        ):
            dashboard.open_job(other)
            await quiet(pilot)
            await pilot.press("2")
            await until_shown(pilot, told)
            await look(pilot, name)
            await pilot.press("escape")
        for screen, (keys, told) in OTHERS.items():
            await pilot.press(*keys)
            await until_shown(pilot, told)
            await look(pilot, screen)
    assert differ == [], "`make snapshots` renews them; look at the difference"
