"""The dashboard alive: what is in the database is on the screen, and keys change it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
from textual import events

from tests.etl_tui.app.conftest import DASHBOARD, AddJob, Drive


def _ago(**span: float) -> datetime:
    return datetime.now(UTC) - timedelta(**span)


async def test_shows_all_jobs_by_name_with_their_state(drive: Drive, add_job: AddJob) -> None:
    await add_job("stripe", last_run_started_at=_ago(minutes=10), last_run_finished_at=_ago(minutes=10))
    await add_job("GitHub", active=False)
    await add_job(
        "confluence",
        status="FAILED",
        error_message="timeout after 30 s\nfrom confluence.example",
        retry_count=2,
        last_run_started_at=_ago(minutes=5),
        last_run_finished_at=_ago(minutes=4),
    )
    async with drive() as dashboard:
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 3)
        rows = dashboard.rows()
        assert [row.split()[1] for row in rows] == ["FAILED", "READY", "READY"]
        assert rows[0].startswith("›✖ FAILED     acme/confluence")
        assert "2 in a row: timeout" in rows[0]
        assert "retry 11m" in rows[0]
        assert rows[1].startswith(" ○ READY off  acme/GitHub")
        assert "10m ago" in rows[2]
        assert dashboard.line("title").startswith(" ETL Jobs Dashboard")
        assert "✖ 1 failed  ● 1 ready  ○ 1 off" in dashboard.line("title")
        assert "Monitor and control your autonomous data synchronization jobs" in dashboard.line("subtitle")
        assert "timeout after 30 s from confluence.example · failed" in dashboard.line("message")
        assert dashboard.line("hints").endswith("q quit")
        assert all(len(line) <= 80 for line in dashboard.screen_text().splitlines())


async def test_follows_changes_and_deletions_with_the_cursor_on_its_job(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    for name in ("bravo", "charlie", "delta"):
        await add_job(name)
    async with drive() as dashboard:
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 3)
        await dashboard.pilot.press("j")
        assert dashboard.grid.selected.job_name == "charlie"
        await add_job("alpha")
        await db.execute("UPDATE etl_jobs SET status = 'FAILED' WHERE job_name = 'delta'")
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 4 and "FAILED" in dashboard.row("delta"))
        assert dashboard.grid.selected.job_name == "charlie"
        assert dashboard.row("charlie").startswith("›")
        await db.execute("DELETE FROM etl_jobs WHERE job_name = 'bravo'")
        await dashboard.pilot.press("R")
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 3)
        assert dashboard.grid.selected.job_name == "charlie"


async def test_run_now_starts_a_run_and_a_second_one_is_refused(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    job_id = await add_job("github")
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        await dashboard.pilot.press("r")
        await dashboard.until(lambda: "is queued" in dashboard.line("message"))
        (run,) = await db.fetch(
            "SELECT id, state, trigger, requested_by FROM job_runs WHERE job_id = $1", job_id
        )
        assert (run["state"], run["trigger"], run["requested_by"]) == ("QUEUED", "manual", "ana")
        assert f"acme/github: run {run['id']} is queued" in dashboard.line("message")
        await dashboard.until(lambda: "▶ RUNNING" in dashboard.row("github"))
        assert "no worker alive" in dashboard.row("github")
        await dashboard.pilot.press("r")
        await dashboard.until(lambda: f"already running: run {run['id']}" in dashboard.line("message"))
        assert await db.fetchval("SELECT count(*) FROM job_runs") == 1


async def test_off_and_on_again(drive: Drive, add_job: AddJob, db: asyncpg.Connection) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        await dashboard.pilot.press("o")
        await dashboard.until(lambda: "is off; u undoes it" in dashboard.line("message"))
        await dashboard.until(lambda: "○ READY off" in dashboard.row("github"))
        assert "off by ana" in dashboard.row("github")
        assert await db.fetchval("SELECT active FROM etl_jobs WHERE job_name = 'github'") is False
        await dashboard.pilot.press("o")
        await dashboard.until(lambda: "is on, " in dashboard.line("message"))
        assert await db.fetchval("SELECT active FROM etl_jobs WHERE job_name = 'github'") is True


async def test_names_from_outside_are_neither_markup_nor_escapes(drive: Drive, add_job: AddJob) -> None:
    await add_job("a [red]b[/] \x1b[2J 日本")
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        assert "a [red]b" in dashboard.rows()[0]
        for key in ("s", "enter"):
            await dashboard.pilot.press(key)
            await dashboard.until(lambda: len(dashboard.app.screen_stack) == 2)
            await dashboard.until(lambda: "a [red]b[/] ?[2J" in dashboard.screen_text())
            await dashboard.pilot.press("escape")
            await dashboard.until(lambda: len(dashboard.app.screen_stack) == 1)
        assert "\x1b" not in dashboard.screen_text()


async def test_a_lost_connection_is_told_kept_and_mended(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        assert not dashboard.line("banner").startswith(" ✖")
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", DASHBOARD
        )
        await dashboard.until(lambda: "database unreachable" in dashboard.line("banner"))
        assert dashboard.rows()
        await add_job("jira")
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 2)
        assert "database unreachable" not in dashboard.line("banner")
        await dashboard.pilot.press("r")
        await dashboard.until(lambda: "is queued" in dashboard.line("message"))


async def test_says_when_nobody_works(drive: Drive, add_job: AddJob, db: asyncpg.Connection) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await dashboard.until(lambda: "no scheduler is alive" in dashboard.line("banner"))
        await db.execute("INSERT INTO schedulers (host, pid, version) VALUES ('here', 1, '0')")
        await dashboard.pilot.press("R")
        await dashboard.until(lambda: "no worker is alive" in dashboard.line("banner"))
        await db.execute(
            "INSERT INTO workers (host, pid, version, stages, slots) VALUES ('here', 1, '0', '{extract}', 1)"
        )
        await dashboard.pilot.press("R")
        await dashboard.until(lambda: "1 worker" in dashboard.line("subtitle"))


async def test_asks_nothing_while_the_terminal_has_no_focus(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        dashboard.app.post_message(events.AppBlur())
        await dashboard.until(lambda: "paused" in dashboard.line("title"))
        await add_job("jira")
        await dashboard.pilot.pause(2.5)
        assert len(dashboard.grid.jobs) == 1
        dashboard.app.post_message(events.AppFocus())
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 2)
        assert "paused" not in dashboard.line("title")


async def test_one_tenant_has_no_tenant_column(drive: Drive, add_job: AddJob) -> None:
    await add_job("github")
    await add_job("jira", tenant="umbrella")
    async with drive(tenant="umbrella") as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        assert [job.job_name for job in dashboard.grid.jobs] == ["jira"]
        assert "umbrella" in dashboard.line("title")
        assert "umbrella/" not in dashboard.rows()[0]


async def test_an_empty_installation_says_what_to_do(drive: Drive) -> None:
    async with drive() as dashboard:
        await dashboard.until(lambda: "etl-tui jobs add" in dashboard.line("message"))
        for key in ("r", "s", "o", "enter", "j", "G", "pagedown"):
            await dashboard.pilot.press(key)
        assert len(dashboard.app.screen_stack) == 1


async def test_quits_with_success(drive: Drive, add_job: AddJob) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        await dashboard.pilot.press("question_mark")
        await dashboard.until(lambda: "Help · Jobs" in dashboard.screen_text())
        assert "run now" in dashboard.screen_text()
        await dashboard.pilot.press("escape", "q")
        await dashboard.until(lambda: dashboard.app.return_code == 0)


async def test_low_and_wide_terminals(drive: Drive, add_job: AddJob) -> None:
    await add_job("github")
    async with drive(size=(80, 16)) as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        assert "Monitor and control" not in dashboard.screen_text()
        await dashboard.pilot.press("s")
        await dashboard.until(lambda: "Save" in dashboard.screen_text())
        await dashboard.pilot.press("escape")
        await dashboard.pilot.resize_terminal(80, 24)
        await dashboard.until(lambda: "Monitor and control" in dashboard.screen_text())
        await dashboard.pilot.resize_terminal(80, 16)
        await dashboard.until(lambda: "Monitor and control" not in dashboard.screen_text())
    async with drive(size=(200, 50)) as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        heading = dashboard.line("heading")
        for title in (
            "STATUS",
            "TENANT",
            "JOB",
            "INTEGRATION",
            "EVERY",
            "RETRIES",
            "LAST RUN",
            "NEXT",
            "ROWS",
            "NOTE",
        ):
            assert title in heading
