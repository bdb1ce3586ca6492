"""Cancel, clear, the way back from too many failures, and what the banner and hints say of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg

from tests.etl_tui.app.conftest import AddJob, Drive
from tests.support.jobs import make_worker

SCHEDULER = "INSERT INTO schedulers (host, pid, version) VALUES ('here', 1, '0')"


def _ago(**span: float) -> datetime:
    return datetime.now(UTC) - timedelta(**span)


async def test_cancel_asks_first_and_names_what_it_does(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        assert "cancel" not in dashboard.line("hints")
        await dashboard.pilot.press("c")
        await dashboard.until(
            lambda: "it is not running: there is nothing to cancel" in dashboard.line("message")
        )
        await dashboard.pilot.press("r")
        await dashboard.until(lambda: "▶ RUNNING" in dashboard.row("github"))
        assert "c cancel" in dashboard.line("hints")
        assert "run now" not in dashboard.line("hints")
        for no in ("escape", "n", "enter"):
            await dashboard.pilot.press("c")
            await dashboard.until(lambda: "Let it run" in dashboard.screen_text())
            assert "has not started: it never will" in dashboard.screen_text()
            assert "runs again at" in dashboard.screen_text()
            await dashboard.pilot.press(no)
            await dashboard.until(lambda: len(dashboard.app.screen_stack) == 1)
        assert await db.fetchval("SELECT state FROM job_runs") == "QUEUED"
        await dashboard.pilot.press("c")
        await dashboard.until(lambda: "Let it run" in dashboard.screen_text())
        await dashboard.pilot.press("y")
        await dashboard.until(lambda: "is cancelled; what it loaded stays" in dashboard.line("message"))
        assert await db.fetchval("SELECT state FROM job_runs") == "CANCELLED"
        await dashboard.until(lambda: "● READY" in dashboard.row("github"))
        assert await db.fetchval("SELECT actor FROM job_events WHERE action = 'cancel'") == "ana"


async def test_clear_ends_hold_and_failure(drive: Drive, add_job: AddJob, db: asyncpg.Connection) -> None:
    await add_job("github")
    await add_job(
        "jira",
        status="FAILED",
        held=True,
        hold_reason="401 from Jira; renew the token, then clear",
        held_by="etl-tui",
        error_message="401 from Jira",
        last_run_started_at=_ago(minutes=5),
        last_run_finished_at=_ago(minutes=4),
    )
    async with drive() as dashboard:
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 2)
        assert "held: 401" in dashboard.row("jira")
        assert "C clear" not in dashboard.line("hints")
        await dashboard.pilot.press("C")
        await dashboard.until(lambda: "no hold, failure or snooze to clear" in dashboard.line("message"))
        await dashboard.select("jira")
        await dashboard.until(lambda: "C clear" in dashboard.line("hints"))
        assert dashboard.line("hints").endswith("q quit")
        await dashboard.pilot.press("C")
        await dashboard.until(lambda: "acme/jira is cleared, due in" in dashboard.line("message"))
        await dashboard.until(lambda: "● READY" in dashboard.row("jira"))
        assert await db.fetchval("SELECT held FROM etl_jobs WHERE job_name = 'jira'") is False


async def test_too_many_failures_are_announced_and_undone_by_one_key(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    failing = {
        "status": "FAILED",
        "error_message": "timeout",
        "last_run_started_at": _ago(minutes=50),
        "last_run_finished_at": _ago(minutes=49),
    }
    await add_job("near", retry_count=7, **failing)
    await add_job(
        "spent", retry_count=10, active=False, off_by="etl-tui", off_reason="10 in a row", **failing
    )
    async with drive(size=(100, 24)) as dashboard:
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 2)
        # Nobody is alive to run it: that comes first.
        assert "no scheduler alive" in dashboard.row("near")
        await db.execute(SCHEDULER)
        await make_worker(db)
        await dashboard.pilot.press("R")
        await dashboard.until(lambda: "7 in a row, off at 10: timeout" in dashboard.row("near"))
        assert "off by etl-tui: 10 in a row" in dashboard.row("spent")
        await dashboard.select("spent")
        await dashboard.pilot.press("o")
        await dashboard.until(lambda: "acme/spent is on, due" in dashboard.line("message"))
        row = await db.fetchrow("SELECT active, retry_count FROM etl_jobs WHERE job_name = 'spent'")
        assert row is not None
        assert tuple(row) == (True, 0)


async def test_the_banner_says_what_is_paused(drive: Drive, add_job: AddJob, db: asyncpg.Connection) -> None:
    await add_job("github")
    await db.execute(SCHEDULER)
    worker = await make_worker(db)
    await db.execute("INSERT INTO pauses (reason, paused_by) VALUES ('migration', 'ana')")
    await db.execute(
        "INSERT INTO pauses (tenant_id, reason, paused_by) SELECT id, 'audit', 'ben' FROM tenants"
    )
    async with drive() as dashboard:
        await dashboard.until(lambda: "paused by ana: migration" in dashboard.line("banner"))
        assert "acme paused by ben: audit" in dashboard.line("banner")
        await db.execute("DELETE FROM pauses WHERE tenant_id IS NULL")
        await dashboard.pilot.press("R")
        await dashboard.until(lambda: "ana" not in dashboard.line("banner"))
        await db.execute("UPDATE workers SET draining_by = 'ana' WHERE id = $1", worker)
        await dashboard.pilot.press("R")
        await dashboard.until(lambda: "every worker is draining" in dashboard.line("banner"))
    async with drive(tenant="umbrella") as dashboard:
        await db.execute("UPDATE workers SET draining_by = NULL")
        await dashboard.pilot.press("R")
        await dashboard.until(lambda: not dashboard.app.screen_stack[0].query_one("#banner").display)


async def test_a_pause_reaches_the_note_of_a_late_job(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    await add_job("github", created_at=_ago(days=1))
    await db.execute(SCHEDULER)
    await make_worker(db)
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        await db.execute(
            "INSERT INTO pauses (tenant_id, integration_id, reason, paused_by)"
            " SELECT tenant_id, id, 'audit', 'ben' FROM integrations"
        )
        await dashboard.pilot.press("R")
        await dashboard.until(lambda: "paused by ben" in dashboard.row("github"))
        assert "paused by ben: audit" in dashboard.line("message")
        assert dashboard.line("banner").strip() == ""
