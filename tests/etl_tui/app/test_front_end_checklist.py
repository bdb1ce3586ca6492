"""The front-end part of what was asked for, sentence by sentence, on a real database.

Each test is named after a line of the document: its checklist, and its sections HomePage, JobCard and
JobSettingsModal. A card of the document is a row of the grid, or a card with `v`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg

from etl_core.models.job import JobRow
from etl_tui.app.commands.registry import COMMANDS
from tests.etl_tui.app.conftest import AddJob, Drive, Driven

GREEN, RED = "#00d787", "#ff5f5f"


def _ago(**span: float) -> datetime:
    return datetime.now(UTC) - timedelta(**span)


def _colour_of(dashboard: Driven, name: str) -> str:
    """Of the status word of a job's row."""
    index = next(index for index, job in enumerate(dashboard.grid.jobs) if job.job_name == name)
    style = next(iter(dashboard.grid.render_line(index))).style
    assert style is not None and style.color is not None
    return style.color.name


async def _settings(dashboard: Driven) -> None:
    await dashboard.until(lambda: dashboard.grid.jobs)
    await dashboard.pilot.press("s")
    await dashboard.until(lambda: "How scheduling works" in dashboard.screen_text())


# Testing checklist, frontend


async def test_home_page_loads_without_orchestrator_control(drive: Drive, add_job: AddJob) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        await dashboard.pilot.press("question_mark")
        await dashboard.until(lambda: "Help" in dashboard.screen_text())
        assert "rchestrator" not in dashboard.screen_text()
    told = " ".join(f"{command.name} {command.sentence}" for command in COMMANDS).casefold()
    assert "orchestrator" not in told and "force" not in told


async def test_job_cards_display_schedule_interval(drive: Drive, add_job: AddJob) -> None:
    await add_job("github", schedule_interval_minutes=360)
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        assert " 6h " in dashboard.row("github")
        await dashboard.pilot.press("v")
        await dashboard.until(lambda: "Interval: 6h" in dashboard.screen_text())


async def test_run_now_button_triggers_job(drive: Drive, add_job: AddJob, db: asyncpg.Connection) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        await dashboard.until(lambda: "run now" in dashboard.line("hints"))
        at = dashboard.line("hints").index("run now")
        await dashboard.pilot.click("#hints", offset=(at, 0))
        await dashboard.until(lambda: "is queued" in dashboard.line("message"))
        assert await db.fetchval("SELECT status FROM etl_jobs") == "RUNNING"
        assert await db.fetchval("SELECT (state, trigger)::text FROM job_runs") == "(QUEUED,manual)"


async def test_settings_modal_opens_and_saves(drive: Drive, add_job: AddJob, db: asyncpg.Connection) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await _settings(dashboard)
        await dashboard.pilot.press(*"12h", "ctrl+s")
        await dashboard.until(
            lambda: "runs every 12 hours, retry after 15 minutes" in dashboard.line("message")
        )
        assert await db.fetchval("SELECT schedule_interval_minutes FROM etl_jobs") == 720


async def test_on_off_toggle_works(drive: Drive, add_job: AddJob, db: asyncpg.Connection) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        for active, word in ((False, "is off"), (True, "is on")):
            await dashboard.pilot.press("o")
            await dashboard.until(lambda word=word: word in dashboard.line("message"))
            assert await db.fetchval("SELECT active FROM etl_jobs") is active
            await dashboard.until(lambda active=active: ("off" in dashboard.row("github")) is not active)


async def test_details_modal_opens(drive: Drive, add_job: AddJob) -> None:
    await add_job("github")
    async with drive(size=(100, 50)) as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        await dashboard.pilot.press("enter")
        await dashboard.until(lambda: len(dashboard.app.screen_stack) == 2)
        await dashboard.until(lambda: "github" in dashboard.screen_text())
        await dashboard.pilot.press("escape")
        await dashboard.until(lambda: len(dashboard.app.screen_stack) == 1)


# HomePage, JobCard


async def test_home_page_title_subtitle_and_jobs_by_name(drive: Drive, add_job: AddJob) -> None:
    for name in ("stripe", "GitHub", "confluence"):
        await add_job(name)
    async with drive() as dashboard:
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 3)
        assert dashboard.line("title").startswith(" ETL Jobs Dashboard")
        subtitle = "Monitor and control your autonomous data synchronization jobs"
        assert dashboard.line("subtitle").startswith(f" {subtitle}")
        assert [job.job_name for job in dashboard.grid.jobs] == ["confluence", "GitHub", "stripe"]


async def test_a_card_has_the_documented_props_and_no_others_of_before(drive: Drive, add_job: AddJob) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        (job,) = dashboard.grid.jobs
        assert isinstance(job, JobRow)
        assert (job.schedule_interval_minutes, job.retry_interval_minutes) == (360, 15)
        assert job.last_run_finished_at is None
        assert not hasattr(job, "execution_order")
        # Pause, Resume and Force Pending of a job are gone; its four actions have their keys.
        keys = {command.name: command.keys for command in COMMANDS}
        assert keys["run-now"] and keys["settings"] and keys["details"] and keys["on-off"]
        assert not any("pending" in command.sentence.casefold() for command in COMMANDS)


async def test_ready_is_green_failed_is_red_and_last_run_is_when_it_finished(
    drive: Drive, add_job: AddJob
) -> None:
    await add_job("ready", last_run_started_at=_ago(hours=3), last_run_finished_at=_ago(minutes=30))
    await add_job(
        "spoilt",
        status="FAILED",
        error_message="timeout",
        retry_count=2,
        last_run_started_at=_ago(minutes=50),
        last_run_finished_at=_ago(minutes=49),
    )
    async with drive() as dashboard:
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 2)
        assert "● READY" in dashboard.row("ready") and _colour_of(dashboard, "ready") == GREEN
        assert "✖ FAILED" in dashboard.row("spoilt") and _colour_of(dashboard, "spoilt") == RED
        assert "30m ago" in dashboard.row("ready")
        await dashboard.select("spoilt")
        await dashboard.until(lambda: "timeout" in dashboard.line("message"))
        await dashboard.pilot.press("v")
        await dashboard.until(lambda: "timeout" in dashboard.screen_text())


# JobSettingsModal


async def test_settings_have_presets_for_both_intervals(drive: Drive, add_job: AddJob) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await _settings(dashboard)
        text = dashboard.screen_text()
        assert "1h   4h   6h   12h  24h" in text
        assert "5m   15m  30m  1h" in text
        await dashboard.pilot.click("#schedule Presets", offset=(21, 0))
        await dashboard.pilot.click("#retry Presets", offset=(11, 0))
        await dashboard.until(lambda: "[24h     ] 24 hours" in dashboard.screen_text())
        assert "[30m     ] 30 minutes" in dashboard.screen_text()


async def test_settings_show_6_hours_instead_of_360_minutes(drive: Drive, add_job: AddJob) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await _settings(dashboard)
        assert "6 hours" in dashboard.screen_text() and "360" not in dashboard.screen_text()
        await dashboard.pilot.press(*"90m")
        await dashboard.until(lambda: "1 hour 30 minutes" in dashboard.screen_text())


async def test_settings_validate_that_retry_is_shorter_than_schedule(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await _settings(dashboard)
        await dashboard.pilot.press(*"10m")
        refusal = "✖ Retry (15 minutes) must be shorter than the schedule (10"
        await dashboard.until(lambda: refusal in dashboard.screen_text())
        await dashboard.pilot.press("ctrl+s", "escape")
        assert await db.fetchval("SELECT schedule_interval_minutes FROM etl_jobs") == 360


async def test_settings_explain_how_scheduling_works_and_what_comes(drive: Drive, add_job: AddJob) -> None:
    await add_job("github", last_run_started_at=_ago(hours=1), last_run_finished_at=_ago(minutes=50))
    async with drive() as dashboard:
        await _settings(dashboard)
        text = dashboard.screen_text()
        assert "The job starts every interval, counted from start to start." in text
        assert "Next runs" in text
        assert len(text.split("Next runs")[1].splitlines()[0].split("│")[0].split("  ")) >= 4
