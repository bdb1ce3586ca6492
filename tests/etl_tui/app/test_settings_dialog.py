"""The settings dialog: presets, free text, validation, saving, and somebody else's change."""

from __future__ import annotations

import asyncpg
import pytest

from etl_tui.app.dialogs.dialog_button import DialogButton
from etl_tui.app.dialogs.interval_field import IntervalField
from etl_tui.app.dialogs.settings_draft import judge
from tests.etl_tui.app.conftest import AddJob, Drive, Driven


async def _open(dashboard: Driven) -> None:
    await dashboard.until(lambda: dashboard.grid.jobs)
    await dashboard.pilot.press("s")
    await dashboard.until(lambda: "Settings · acme/github" in dashboard.screen_text())


async def _intervals(db: asyncpg.Connection) -> tuple[int, int]:
    row = await db.fetchrow("SELECT schedule_interval_minutes, retry_interval_minutes FROM etl_jobs")
    assert row is not None
    return row[0], row[1]


async def test_saves_free_text_and_presets(drive: Drive, add_job: AddJob, db: asyncpg.Connection) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await _open(dashboard)
        assert "[6h      ] 6 hours" in dashboard.screen_text()
        # The field is selected when it opens: typing replaces it.
        await dashboard.pilot.press(*"2 days")
        await dashboard.until(lambda: "2 days" in dashboard.screen_text())
        await dashboard.pilot.press("tab", "tab", "tab", "right")
        await dashboard.until(lambda: "30 minutes" in dashboard.screen_text())
        await dashboard.pilot.press("ctrl+s")
        await dashboard.until(
            lambda: "runs every 2 days, retry after 30 minutes" in dashboard.line("message")
        )
        assert await _intervals(db) == (2880, 30)
        await dashboard.until(lambda: " 2d " in dashboard.row("github"))


async def test_save_is_dim_until_it_holds(drive: Drive, add_job: AddJob, db: asyncpg.Connection) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await _open(dashboard)
        save = dashboard.app.screen.query_one("#save", DialogButton)
        assert not save.disabled
        await dashboard.pilot.press(*"15m")
        await dashboard.until(lambda: save.disabled)
        assert "✖ Retry (15 minutes) must be shorter than the schedule (15" in dashboard.screen_text()
        await dashboard.pilot.press("ctrl+s", "enter")
        assert "Settings" in dashboard.screen_text()
        await dashboard.pilot.press("backspace", "x")
        await dashboard.until(lambda: "is not an interval; write 90m" in dashboard.screen_text())
        await dashboard.pilot.press("escape")
        await dashboard.until(lambda: len(dashboard.app.screen_stack) == 1)
        assert await _intervals(db) == (360, 15)


async def test_somebody_else_s_change_is_shown_before_it_is_replaced(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await _open(dashboard)
        await db.execute("UPDATE etl_jobs SET schedule_interval_minutes = 240")
        await dashboard.pilot.press(*"3h", "ctrl+s")
        await dashboard.until(lambda: "Changed meanwhile: now every 4 hours" in dashboard.screen_text())
        assert await _intervals(db) == (240, 15)
        await dashboard.pilot.press("ctrl+s")
        await dashboard.until(lambda: "runs every 3 hours" in dashboard.line("message"))
        assert await _intervals(db) == (180, 15)
        await _open(dashboard)
        await db.execute("UPDATE etl_jobs SET max_failures = 3")
        await dashboard.pilot.press(*"5h", "ctrl+s")
        await dashboard.until(lambda: "off after 3. ^s saves over it, ^t takes it" in dashboard.screen_text())
        await dashboard.pilot.press("ctrl+t")
        await dashboard.until(lambda: "[3h      ] 3 hours" in dashboard.screen_text())
        assert "[3       ] failures in a row" in dashboard.screen_text()
        await dashboard.pilot.press("escape")
        assert await _intervals(db) == (180, 15)


async def test_deadline_and_failures_are_saved_with_the_intervals(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await _open(dashboard)
        assert "[none    ] no deadline" in dashboard.screen_text()
        await dashboard.pilot.press("tab", "tab", "tab", "tab", *"90m", "tab", *"0")
        await dashboard.until(lambda: "1 hour 30 minutes, then it fails" in dashboard.screen_text())
        await dashboard.until(lambda: "Off after: write a number of failures" in dashboard.screen_text())
        await dashboard.pilot.press("backspace", *"5", "enter")
        await dashboard.until(lambda: "runs every 6 hours" in dashboard.line("message"))
        row = await db.fetchrow("SELECT deadline_minutes, max_failures FROM etl_jobs")
        assert row is not None and tuple(row) == (90, 5)


async def test_a_run_that_began_meanwhile_is_no_conflict(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await _open(dashboard)
        await db.execute("UPDATE etl_jobs SET last_run_started_at = now()")
        await dashboard.pilot.press(*"3h", "ctrl+s")
        await dashboard.until(lambda: "runs every 3 hours" in dashboard.line("message"))


async def test_a_job_that_is_gone_is_told(drive: Drive, add_job: AddJob, db: asyncpg.Connection) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await _open(dashboard)
        await db.execute("DELETE FROM etl_jobs")
        await dashboard.pilot.press("ctrl+s")
        await dashboard.until(lambda: "no job with id" in dashboard.screen_text())


async def test_the_mouse_picks_presets_and_saves(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await _open(dashboard)
        field = dashboard.app.screen.query_one("#schedule", IntervalField)
        await dashboard.pilot.click(field.query_one("Presets"), offset=(15, 0))
        assert field.text == "12h"
        await dashboard.pilot.click("#save")
        await dashboard.until(lambda: "runs every 12 hours" in dashboard.line("message"))


@pytest.mark.parametrize(
    ("schedule", "retry", "refusal"),
    [
        ("1h", "15m", None),
        ("1.5h", "1 h", None),
        ("1h", "2h", "Retry (2 hours) must be shorter than the schedule (1 hour)."),
        ("", "15m", "Run every: write 90m, 1.5h or 2 days."),
        ("1h", "soon", "Retry after: 'soon' is not an interval; write 90m, 1.5h or 2 days."),
        ("11 years", "1m", "Run every: '11 years' is not an interval; write 90m, 1.5h or 2 days."),
        ("4000d", "1m", "Run every: ten years at most."),
        ("1m", "1m", "Retry (1 minute) must be shorter than the schedule (1 minute)."),
    ],
)
def test_judging_a_draft(schedule: str, retry: str, refusal: str | None) -> None:
    draft = judge(schedule, retry)
    assert draft.refusal == refusal
    assert (draft.request is None) == (refusal is not None)
