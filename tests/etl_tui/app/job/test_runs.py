"""Runs, their screen and log; rejects; the audit."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
from textual import events
from textual.widgets import TextArea

from etl_tui.app.job.runs.run_screen import RunScreen
from etl_tui.app.job.tabbed import TabbedScreen
from etl_tui.app.look.styled_line import StyledLine
from tests.etl_tui.app.conftest import AddJob
from tests.etl_tui.app.job.conftest import OpenJob
from tests.support.jobs import make_worker, start_run

ENDED = (
    "INSERT INTO job_runs (job_id, tenant_id, trigger, state, queued_at, started_at, finished_at, ready_at,"
    " counters, error_kind, error_message)"
    " SELECT j.id, j.tenant_id, 'schedule', $2, now() - make_interval(hours => $3),"
    " now() - make_interval(hours => $3),"
    " now() - make_interval(hours => $3) + make_interval(secs => $4), now(), $5, $6, $7"
    " FROM etl_jobs AS j WHERE j.id = $1 RETURNING id"
)
HURTS = "bad \x1b[31m[red]日本[/red] " + "x" * 300


async def test_the_screen_of_a_job_asks_nothing_that_nobody_sees(
    open_job: OpenJob, add_job: AddJob, db: asyncpg.Connection
) -> None:
    job_id = await add_job("github", schedule_interval_minutes=60, retry_interval_minutes=15)
    await db.fetchval(ENDED, job_id, "SUCCEEDED", 2, 300, {}, None, None)

    async def change(minutes: int) -> None:
        await db.execute("UPDATE etl_jobs SET schedule_interval_minutes = $1", minutes)

    def known_to(screen: object) -> int:
        assert isinstance(screen, TabbedScreen)
        return screen.desk.job.schedule_interval_minutes

    async with open_job("github", "3") as job:
        app = job.dashboard.app
        await job.until(lambda: job.list("runs"))
        await job.press("C")
        await job.until(lambda: "nothing" in job.line("message") or "no hold" in job.line("message"))
        await job.press("4")
        assert job.line("message") == ""  # it was about another tab
        await job.press("3", "enter")
        await job.until(lambda: isinstance(app.screen, RunScreen))
        assert " jobs › acme/github › run " in app.screen.query_one("#run-name", StyledLine).shown
        for minutes in (120, 180):  # twice, each seen within a second: once might be too early for it
            await change(minutes)
            await job.until(lambda wanted=minutes: known_to(app.screen) == wanted)
        assert known_to(job.screen) == 60
        await job.press("escape")
        await job.until(lambda: known_to(job.screen) == 180)
        app.post_message(events.AppBlur())
        await job.until(lambda: not app.app_focus)
        await change(240)
        await job.pilot.pause(2.5)
        assert known_to(job.screen) == 180
        app.post_message(events.AppFocus())
        await job.until(lambda: known_to(job.screen) == 240)


async def test_runs_are_filtered_compared_and_opened(
    open_job: OpenJob,
    add_job: AddJob,
    db: asyncpg.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    job_id = await add_job("github")
    for hours in range(8, 2, -1):
        counters = {"rows_extracted": 1200, "rows_new": 1200}
        await db.fetchval(ENDED, job_id, "SUCCEEDED", hours, 30, counters, None, None)
    same = {"rows_extracted": 5, "rows_unchanged": 5}
    unchanged = await db.fetchval(ENDED, job_id, "SUCCEEDED", 2, 300, same, None, None)
    failed = await db.fetchval(ENDED, job_id, "FAILED", 1, 3, {}, "permanent", HURTS)
    for level, message in (("info", "reading"), ("warning", "slow"), ("error", HURTS)):
        await db.execute(
            "INSERT INTO run_logs (run_id, level, message) VALUES ($1, $2, $3)", failed, level, message
        )
    async with open_job("github", size=(100, 30)) as job:
        await job.until(lambda: "usually" in job.text("overview"))
        assert "✔✔✔✔✔✔✔✖  7 of 8 succeeded" in job.text("overview")
        await job.press("3")
        await job.until(lambda: len(job.list("runs")) == 8)
        assert "bad ?[31m[red]日本" in job.list("runs")[0]
        await job.press("slash", *"succ", "enter")
        await job.until(lambda: len(job.list("runs")) == 7)
        await job.press("space", "j")
        await job.until(lambda: "records" in job.text("comparison"))
        assert "1,200" in job.text("comparison")
        await job.press("escape", "escape", "g", "j", "enter")
        await job.until(lambda: "all 5 records were unchanged" in job.everything())
        assert f"run {unchanged}" in job.everything()
        await job.press("escape")
        await job.until(lambda: len(job.dashboard.app.screen_stack) == 2)
        await job.press("g", "enter", "2")
        await job.until(lambda: "3 lines" in job.everything())
        assert "\x1b" not in job.everything()
        await job.press("l")
        await job.until(lambda: "2 lines · warning and graver" in job.everything())
        await job.press("w")
        file = tmp_path / f"run-{failed}.log"
        await job.until(lambda: f"3 lines of run {failed}" in job.everything())
        written = file.read_text()
        assert "reading" in written
        assert "\x1b" not in written


async def test_an_open_run_is_live(open_job: OpenJob, add_job: AddJob, db: asyncpg.Connection) -> None:
    job_id = await add_job("github")
    run = await start_run(db, job_id, await make_worker(db))
    async with open_job("github", "3", "enter") as job:
        await job.until(lambda: "WORKERS" in job.everything())
        assert "box:1 alive" in job.everything()
        await job.press("2")
        await job.until(lambda: "no lines yet" in job.everything())
        await db.execute("INSERT INTO run_logs (run_id, level, message) VALUES ($1, 'info', 'here')", run.id)
        await job.until(lambda: "here" in job.everything())


async def test_rejects_are_shown_replayed_and_dropped_with_a_reason(
    open_job: OpenJob, add_job: AddJob, db: asyncpg.Connection
) -> None:
    job_id = await add_job("github")
    for payload in ('{"id": 1, "name": "a\\u001b[31m"}', '{"id": 2}', "torn"):
        await db.execute(
            "INSERT INTO rejected_records (job_id, stream, reason, hash, payload)"
            " VALUES ($1, 'orders', $2, sha256($3), $3)",
            job_id,
            "no number",
            payload.encode(),
        )
    async with open_job("github", "5") as job:
        await job.until(lambda: "REJECTS  3" in job.line("rejects-title"))
        await job.until(lambda: "cannot be replayed" in job.text("payload"))
        await job.press("d")
        await job.until(lambda: "Drop the record · acme/github" in job.everything())
        await job.press("enter", *"torn", "enter")
        await job.until(lambda: "1 reject is gone for good" in job.line("message"))
        await job.until(lambda: "REJECTS  2" in job.line("rejects-title"))
        await job.press("e")
        await job.until(lambda: "correct and replay" in job.everything())
        job.dashboard.app.screen.query_one(TextArea).text = '{"id": 2, "name": "mended"}'
        await job.press("ctrl+s")
        await job.until(lambda: "replays 1 record" in job.line("message"))
        await db.execute("DELETE FROM job_runs")
        await db.execute("UPDATE etl_jobs SET status = 'READY' WHERE id = $1", job_id)
        await job.until(lambda: "● READY" in job.line("job-name"))
        await job.press("P")
        await job.until(lambda: "replays 2 records" in job.line("message"))
        assert "\x1b" not in job.everything()
        await job.press("6")
        await job.until(lambda: len(job.list("events")) == 4)
        assert "ana" in job.list("events")[0]
        assert "torn" in job.list("events")[3]
