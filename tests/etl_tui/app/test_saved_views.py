"""Saved views: a filter and a way to show jobs under a name, kept across restarts."""

from __future__ import annotations

from pathlib import Path

from etl_tui.app.preferences import Preferences
from tests.etl_tui.app.conftest import AddJob, Drive, Driven


def _names(dashboard: Driven) -> list[str]:
    return [job.job_name for job in dashboard.grid.jobs]


async def test_a_view_is_saved_shown_again_after_a_restart_and_forgotten(
    drive: Drive, add_job: AddJob, tmp_path: Path
) -> None:
    await add_job("alpha", schedule_interval_minutes=720)
    await add_job("bravo", status="FAILED", error_message="no", schedule_interval_minutes=60)
    await add_job("charlie", status="FAILED", error_message="no", schedule_interval_minutes=240)
    path = tmp_path / "preferences.json"
    async with drive(preferences=Preferences(path)) as dashboard:
        await dashboard.until(lambda: len(_names(dashboard)) == 3)
        press = dashboard.pilot.press
        await press("colon", *"filter failed", "enter", "colon", *"sort every", "enter", "equals_sign")
        await dashboard.until(lambda: _names(dashboard) == ["charlie", "bravo"])
        await press("colon", *"view save mine", "enter")
        await dashboard.until(lambda: "view mine is saved" in dashboard.line("message"))
        await press("colon", *"view all", "enter", "colon", *"sort job", "enter")
        await dashboard.until(lambda: _names(dashboard) == ["alpha", "bravo", "charlie"])
    async with drive(preferences=Preferences(path)) as dashboard:
        await dashboard.until(lambda: len(_names(dashboard)) == 3)
        press = dashboard.pilot.press
        await press("apostrophe")
        await dashboard.until(lambda: "failed · by every falling" in dashboard.screen_text())
        await press("enter")
        await dashboard.until(lambda: _names(dashboard) == ["charlie", "bravo"])
        assert "/ failed" in dashboard.screen_text()
        await press("apostrophe", "d")
        await dashboard.until(lambda: "mine is forgotten" in dashboard.screen_text())
        await press("d")
        await dashboard.until(lambda: "all comes with the program" in dashboard.screen_text())
        await press("escape", "colon", *"view mine", "enter")
        await dashboard.until(lambda: "no view mine; there are all, failed" in dashboard.line("message"))
        await press("colon", *"view tenant", "enter")
        await dashboard.until(lambda: "/ tenant:acme" in dashboard.screen_text())
