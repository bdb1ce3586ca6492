"""Head and overview of the job screen, and the ways into it and out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg

from etl_core.models.job import JobDetailsResponse
from tests.etl_tui.app.conftest import AddJob, Drive
from tests.etl_tui.app.job.conftest import OpenJob

NAME = "a [red]b[/] \x1b[2J 日本 " + "שלום" * 3 + " " + "n" * 170


async def test_every_documented_field_with_a_name_that_hurts(
    open_job: OpenJob, add_job: AddJob, db: asyncpg.Connection
) -> None:
    then = datetime.now(UTC) - timedelta(minutes=20)
    await add_job(
        NAME,
        status="FAILED",
        error_message="first\nsecond \x1b[31m",
        error_kind="transient",
        retry_count=2,
        last_run_started_at=then,
        last_run_finished_at=then,
    )
    async with open_job(NAME, size=(100, 40)) as job:
        await job.until(lambda: "job_name" in job.text("overview"))
        text = job.text("overview")
        for field in JobDetailsResponse.model_fields:
            assert f" {field} " in text
        assert "first" in text
        assert "transient: may pass by itself" in text
        assert "retry 2 now, then" in text  # it has been due for five minutes
        assert "c cancel  not now: it is not running" in text
        assert "\x1b" not in job.everything()
        head = job.line("job-name")
        assert head.startswith(" jobs › acme/a [red]b[/] ?[2J 日本")
        assert "✖ FAILED   every 6h, retry 15m" in head
        assert "first second" in job.line("job-sentence")


async def test_esc_goes_back_to_the_same_job_under_the_same_filter(drive: Drive, add_job: AddJob) -> None:
    for name in ("github", "gitlab", "jira"):
        await add_job(name)
    async with drive(size=(60, 20)) as dashboard:
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 3)
        await dashboard.pilot.press("slash", *"git", "enter", "j", "enter")
        await dashboard.until(lambda: "‹ acme/gitlab" in dashboard.screen_text())
        await dashboard.pilot.press("escape")
        await dashboard.until(lambda: len(dashboard.app.screen_stack) == 1)
        assert [job.job_name for job in dashboard.grid.jobs] == ["github", "gitlab"]
        assert dashboard.grid.selected is not None
        assert dashboard.grid.selected.job_name == "gitlab"


async def test_what_changes_is_shown_and_a_key_acts(
    open_job: OpenJob, add_job: AddJob, db: asyncpg.Connection
) -> None:
    await add_job("github")
    async with open_job("github") as job:
        await job.press("r")
        await job.until(lambda: "▶ RUNNING" in job.line("job-name"))
        await job.until(lambda: "c cancel" in job.line("hints"))
        await db.execute("UPDATE job_runs SET state = 'CANCELLED', finished_at = now(), ready_at = now()")
        await db.execute(
            "UPDATE etl_jobs SET status = 'READY', active = false, off_by = 'ana', off_reason = 'too noisy'"
        )
        await job.until(lambda: "○ READY off" in job.line("job-name"))
        assert "off by ana: too noisy" in job.line("job-sentence")
        await db.execute("DELETE FROM job_runs")
        await db.execute("DELETE FROM etl_jobs WHERE job_name = 'github'")
        await job.until(lambda: "this job is gone" in job.line("job-sentence"))
