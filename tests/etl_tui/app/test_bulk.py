"""What is done to many: asked once, done one by one, told for each, and taken back."""

from __future__ import annotations

import asyncpg

from etl_tui.app.actions.questions import read_hold
from tests.etl_tui.app.conftest import AddJob, Drive, Driven

JOBS = ("alpha", "bravo", "charlie", "delta")


async def _mark_all(dashboard: Driven) -> None:
    await dashboard.until(lambda: len(dashboard.grid.jobs) == len(JOBS))
    await dashboard.pilot.press("asterisk")
    await dashboard.until(lambda: "4 marked" in dashboard.line("hints"))


async def test_many_run_those_that_cannot_say_why_and_a_failure_stops_no_other(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    for name in JOBS:
        await add_job(name)
    await db.execute("UPDATE etl_jobs SET integration_id = NULL WHERE job_name = 'alpha'")
    async with drive() as dashboard:
        await _mark_all(dashboard)
        await dashboard.pilot.press("r")
        await dashboard.until(lambda: "Run now · 4 jobs" in dashboard.screen_text())
        text = dashboard.screen_text()
        assert "3 can, 1 cannot" in text
        assert "A run is queued for each" in text
        assert "○ acme/alpha   it has no integration" in text
        await dashboard.pilot.press("enter")  # no has the focus
        await dashboard.until(lambda: len(dashboard.app.screen_stack) == 1)
        assert await db.fetchval("SELECT count(*) FROM job_runs") == 0
        await dashboard.pilot.press("r")
        await dashboard.until(lambda: "Run now · 4 jobs" in dashboard.screen_text())
        await db.execute("DELETE FROM etl_jobs WHERE job_name = 'bravo'")  # behind the dashboard's back
        await dashboard.pilot.press("y")
        await dashboard.until(lambda: "2 done, 1 failed, 1 could not" in dashboard.screen_text())
        text = dashboard.screen_text()
        assert "✖ acme/bravo   no job with id" in text
        assert "✔ acme/charlie run" in text
        assert await db.fetchval("SELECT count(*) FROM job_runs WHERE state = 'QUEUED'") == 2
        await dashboard.pilot.press("escape")
        await dashboard.until(lambda: "Run now: 2 done, 1 failed" in dashboard.line("message"))
        await dashboard.until(lambda: "marked" in dashboard.line("hints"))  # for the next thing to do


async def test_off_and_snooze_of_many_are_taken_back(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    for name in JOBS:
        await add_job(name, active=name != "alpha")
    async with drive() as dashboard:
        await _mark_all(dashboard)
        await dashboard.pilot.press("o")
        await dashboard.until(lambda: "3 can, 1 cannot" in dashboard.screen_text())
        assert "it is off already" in dashboard.screen_text()
        await dashboard.pilot.press("y")
        await dashboard.until(lambda: "3 done, 1 could not" in dashboard.screen_text())
        assert await db.fetchval("SELECT count(*) FROM etl_jobs WHERE active") == 0
        await dashboard.pilot.press("u")
        await dashboard.until(lambda: "Undo of Switch off: 3 done" in dashboard.screen_text())
        off = "SELECT array_agg(job_name) FROM etl_jobs WHERE NOT active"
        assert await db.fetchval(off) == ["alpha"]
        await dashboard.pilot.press("escape")
        await dashboard.until(lambda: "Undo of Switch off: 3 done" in dashboard.line("message"))
        await dashboard.pilot.press("S", *"tomorrow 08:00")
        await dashboard.until(lambda: "Does not start by itself before" in dashboard.screen_text())
        assert "08:00" in dashboard.screen_text()
        await dashboard.pilot.press("enter", "y")
        await dashboard.until(lambda: "Snooze: 4 done" in dashboard.screen_text())
        assert await db.fetchval("SELECT count(*) FROM etl_jobs WHERE not_before > now()") == 4
        await dashboard.pilot.press("escape", "u")  # from the dashboard, too
        await dashboard.until(lambda: "Undo of Snooze · 4 jobs" in dashboard.screen_text())
        await dashboard.pilot.press("y")
        await dashboard.until(lambda: "Undo of Snooze: 4 done" in dashboard.screen_text())
        assert await db.fetchval("SELECT count(*) FROM etl_jobs WHERE not_before IS NOT NULL") == 0


async def test_settings_of_many_never_over_somebody_s_change(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    for name in JOBS:
        await add_job(name)
    async with drive() as dashboard:
        await _mark_all(dashboard)
        await dashboard.pilot.press("s")
        await dashboard.until(lambda: "Now: 4 every 6h, retry 15m" in dashboard.screen_text())
        await dashboard.pilot.press(*"15m")
        await dashboard.until(lambda: "must be shorter than the schedule" in dashboard.screen_text())
        await db.execute("UPDATE etl_jobs SET schedule_interval_minutes = 240 WHERE job_name = 'delta'")
        await dashboard.pilot.press(*["backspace"] * 3, *"1.5h", "ctrl+s")
        await dashboard.until(lambda: "They run every 1 hour 30 minutes" in dashboard.screen_text())
        await dashboard.pilot.press("y")
        await dashboard.until(lambda: "3 done, 1 failed" in dashboard.screen_text())
        assert "it was changed meanwhile: now every 4 hours" in dashboard.screen_text()
        every = "SELECT array_agg(schedule_interval_minutes ORDER BY job_name) FROM etl_jobs"
        assert await db.fetchval(every) == [90, 90, 90, 240]
        await dashboard.pilot.press("u")
        await dashboard.until(lambda: "Undo of Settings: 3 done" in dashboard.screen_text())
        assert await db.fetchval(every) == [360, 360, 360, 240]


async def test_production_asks_for_the_context_s_name(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    for name in JOBS:
        await add_job(name)
    async with drive() as dashboard:
        dashboard.app.production, dashboard.app.context_name = True, "prod"
        await _mark_all(dashboard)
        await dashboard.pilot.press("r")
        await dashboard.until(lambda: "This is production; to go on write prod:" in dashboard.screen_text())
        await dashboard.pilot.press("y", "enter")
        assert await db.fetchval("SELECT count(*) FROM job_runs") == 0
        await dashboard.pilot.press("backspace", *"prod", "enter")
        await dashboard.until(lambda: "Run now: 4 done" in dashboard.screen_text())


async def test_a_group_is_all_its_jobs(drive: Drive, add_job: AddJob, db: asyncpg.Connection) -> None:
    await add_job("github")
    await add_job("jira")
    await add_job("quay", tenant="globex")
    async with drive() as dashboard:
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 3)
        await dashboard.pilot.press("b", "g", "space")
        await dashboard.until(lambda: "2 marked" in dashboard.line("hints"))
        await dashboard.pilot.press("escape", "g", "o")  # without a mark, too
        await dashboard.until(lambda: "Switch off · 2 jobs" in dashboard.screen_text())
        await dashboard.pilot.press("y")
        await dashboard.until(lambda: "Switch off: 2 done" in dashboard.screen_text())
        assert await db.fetchval("SELECT array_agg(job_name::text) FROM etl_jobs WHERE active") == ["quay"]


async def test_esc_stops_the_rest(drive: Drive, add_job: AddJob, db: asyncpg.Connection) -> None:
    for name in JOBS:
        await add_job(name)
    async with drive() as dashboard:
        await _mark_all(dashboard)
        async with db.transaction():
            await db.execute("SELECT FROM etl_jobs WHERE job_name = 'alpha' FOR UPDATE")
            await dashboard.pilot.press("colon", *"off", "enter")
            await dashboard.until(lambda: "Switch off · 4 jobs" in dashboard.screen_text())
            await dashboard.pilot.press("y")
            await dashboard.until(lambda: "0 of 4" in dashboard.screen_text())
            await dashboard.pilot.press("escape")
        await dashboard.until(lambda: "3 not tried: stopped" in dashboard.screen_text())
        assert await db.fetchval("SELECT count(*) FROM etl_jobs WHERE NOT active") == 1


async def test_a_hold_of_one_job_and_its_undo(drive: Drive, add_job: AddJob, db: asyncpg.Connection) -> None:
    await add_job("github", status="FAILED", error_message="no")
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        await dashboard.pilot.press("H", *"token for 2h")
        await dashboard.until(lambda: "Waits for 2 hours: token" in dashboard.screen_text())
        await dashboard.pilot.press("enter")
        await dashboard.until(lambda: "is held for 2 hours: token; u undoes it" in dashboard.line("message"))
        await dashboard.until(lambda: "held by ana: token" in dashboard.row("github"))
        await dashboard.pilot.press("u")
        await dashboard.until(lambda: "is not held any more" in dashboard.line("message"))
        assert await db.fetchval("SELECT (held, status::text)::text FROM etl_jobs") == "(f,FAILED)"


async def test_a_full_refresh_of_chosen_streams(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    await add_job("github")
    document = {"version": 1, "streams": {"issues": {"": {"bookmark": {"at": 1}}}, "pulls": {}}}
    await db.execute("UPDATE etl_jobs SET checkpoint_data = $1", document)
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        await dashboard.pilot.press("F")
        await dashboard.until(lambda: "of issues" in dashboard.screen_text())
        await dashboard.pilot.press(*"issues")
        await dashboard.until(lambda: "Reads issues from the beginning again" in dashboard.screen_text())
        await dashboard.pilot.press("enter")
        await dashboard.until(lambda: "is queued and reads issues again" in dashboard.line("message"))
        assert await db.fetchval("SELECT options FROM job_runs") == {"full_refresh": ["issues"]}


async def test_pause_and_resume_in_the_line(drive: Drive, add_job: AddJob, db: asyncpg.Connection) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        await dashboard.pilot.press("colon", *"pause tenant ac", "tab", *" moves house", "enter")
        await dashboard.until(lambda: "acme is paused: moves house" in dashboard.line("message"))
        await dashboard.pilot.press("colon", *"pause acme", "enter")
        await dashboard.until(lambda: "a reason is missing" in dashboard.line("message"))
        await dashboard.pilot.press("colon", *"resume acme", "enter")
        await dashboard.until(lambda: "acme is not paused any more" in dashboard.line("message"))
        assert await db.fetchval("SELECT count(*) FROM pauses") == 0


def test_a_hold_ends_by_itself_where_its_reason_says_so() -> None:
    assert read_hold("token is renewed for 2h") == ("token is renewed", 120)
    assert read_hold("waits for 3 people") == ("waits for 3 people", None)
    assert read_hold("for 2h") == ("for 2h", None)
