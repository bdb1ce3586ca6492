"""The views beside the jobs, on a real database: what is in it is shown, keys change it."""

from __future__ import annotations

from copy import copy
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from textual import events
from textual.message import Message

from etl_core.control.jobs import run_now
from etl_core.control.pauses import pause
from etl_core.control.places import Place
from etl_tui.app.look.styled_line import StyledLine
from etl_tui.app.views.list_view import ListView
from etl_tui.app.views.view import View
from tests.etl_tui.app.conftest import AddJob, Drive, Driven
from tests.support.jobs import PERSON, make_worker, start_run


def shown(dashboard: Driven) -> View:
    """The view on top."""
    view = dashboard.app.screen
    assert isinstance(view, View)
    return view


def line(dashboard: Driven, name: str) -> str:
    """What one of the lines of the screen on top says."""
    return dashboard.app.screen.query_one(f"#{name}", StyledLine).shown.rstrip()


async def open_view(dashboard: Driven, key: str) -> View:
    """Presses the view's key and waits for its first rows."""
    await dashboard.pilot.press(key)
    await dashboard.until(
        lambda: isinstance(dashboard.app.screen, View) and dashboard.app.screen.query("#hints")
    )
    return shown(dashboard)


async def test_workers_are_drained_and_their_runs_opened(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    job_id = await add_job("github")
    busy = await make_worker(db, host="a \x1b[2Jbox")
    await start_run(db, job_id, busy)
    idle = await make_worker(db, host="other")
    await db.execute("INSERT INTO schedulers (host, pid, version) VALUES ('here', 7, '0')")
    async with drive() as dashboard:
        view = await open_view(dashboard, "3")
        await dashboard.until(lambda: len(view.list.rows) == 3)
        rows = view.list.drawn
        assert rows[0].startswith(f"›● worker {idle}")
        assert "0/4" in rows[0]
        assert "1/4" in rows[1]
        assert "acme/github" in rows[1]
        assert "scheduler" in rows[2]
        assert "\x1b" not in dashboard.screen_text()
        assert all(len(text) <= 80 for text in dashboard.screen_text().splitlines())

        await dashboard.pilot.press("j", "d")
        await dashboard.until(lambda: "finishes what it has" in dashboard.screen_text())
        assert "acme/github, run" in dashboard.screen_text()
        assert "1 other worker goes on" in dashboard.screen_text()
        await dashboard.pilot.press("y")
        await dashboard.until(lambda: "draining" in view.list.drawn[1])
        assert await db.fetchval("SELECT draining_by FROM workers WHERE id = $1", busy) == "ana"
        await dashboard.pilot.press("d")
        await dashboard.until(lambda: "takes runs again" in dashboard.screen_text())
        await dashboard.pilot.press("y")
        await dashboard.until(lambda: "draining" not in view.list.drawn[1])

        await dashboard.pilot.press("enter")
        await dashboard.until(lambda: dashboard.app.screen is not view)
        assert "acme/github" in dashboard.screen_text()


async def test_a_view_keeps_its_cursor_and_filter_and_asks_only_while_it_is_seen(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    await add_job("github")
    for host in ("alpha", "beta", "gamma"):
        await make_worker(db, host=host)
    async with drive() as dashboard:
        view = await open_view(dashboard, "3")
        await dashboard.until(lambda: len(view.list.rows) == 3)
        await dashboard.pilot.press("j", "slash", *"host:bet", "enter")
        await dashboard.until(lambda: len(view.list.rows) == 1)
        assert view.list.drawn[0].startswith("›")
        assert "beta" in view.list.drawn[0]
        assert "1 of 3" in line(dashboard, "tabs")
        await dashboard.pilot.press("1")
        await dashboard.until(lambda: len(dashboard.app.screen_stack) == 1)
        await make_worker(db, host="better")
        await dashboard.pilot.pause(1.5)
        assert view.list.total == 3
        await dashboard.pilot.press("3")
        await dashboard.until(lambda: view.list.total == 4)
        assert shown(dashboard) is view
        assert [row[0] for row in view.list.drawn] == [" ", "›"]
        assert "better" not in view.list.drawn[1]

        dashboard.app.post_message(events.AppBlur())
        await dashboard.until(lambda: "paused" in line(dashboard, "title"))
        await make_worker(db, host="beta2")
        await dashboard.pilot.pause(1.5)
        assert view.list.total == 4
        dashboard.app.post_message(events.AppFocus())
        await dashboard.until(lambda: view.list.total == 5)
        await dashboard.pilot.press("escape")
        await dashboard.until(lambda: len(view.list.rows) == 5)
        await dashboard.pilot.press("escape")
        await dashboard.until(lambda: len(dashboard.app.screen_stack) == 1)


async def test_queues_tell_what_waits_and_why(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_now(db, await add_job("github"), PERSON)
    await add_job("jira", tenant="globex", created_at=datetime.now(UTC) - timedelta(hours=3))
    await db.execute("INSERT INTO schedulers (host, pid, version) VALUES ('here', 7, '0')")
    async with drive() as dashboard:
        view = await open_view(dashboard, "2")
        stages = dashboard.app.screen.query_one("#stages", ListView)
        await dashboard.until(lambda: len(stages.rows) == 3 and len(view.list.rows) == 1)
        assert [row.split()[1] for row in stages.drawn] == ["extract", "transform", "load"]
        assert stages.drawn[0].split()[2] == "1"
        assert "no worker alive" in view.list.drawn[0]
        assert "globex/jira, acme/github" in view.list.drawn[0]
        assert "nobody does extract" not in line(dashboard, "message")
        await make_worker(db)
        await dashboard.pilot.press("R")
        await dashboard.until(lambda: len(view.list.rows) == 2)
        posted: list[Message] = []
        with monkeypatch.context() as patched:
            patched.setattr(view.list, "post_message", posted.append)
            view.list.show_rows([copy(row) for row in view.list.rows])
        assert not any(isinstance(message, ListView.Selected) for message in posted)  # it is the same row
        assert "PostgreSQL carries the queues" in line(dashboard, "tabs")
        await dashboard.pilot.press("slash", *"globex", "enter", "enter")
        await dashboard.until(lambda: dashboard.app.screen is not view)
        assert "globex/jira" in dashboard.screen_text()


async def test_activity_tells_who_did_what_what_failed_and_what_recovered(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    job_id = await add_job("github")
    await db.executemany(
        "INSERT INTO job_events (action, actor, detail) VALUES ('add_tenant', 'bo', $1)",
        [({"name": f"t{number}"},) for number in range(230)],
    )
    await run_now(db, job_id, PERSON)
    for failures in (1, 2):  # the second failure is no news
        await db.execute(
            "UPDATE etl_jobs SET status = 'FAILED', retry_count = $1, error_message = 'no \x1b route'",
            failures,
        )
        await db.execute("UPDATE etl_jobs SET status = 'RUNNING'")
    async with drive() as dashboard:
        view = await open_view(dashboard, "5")
        await dashboard.until(lambda: view.list.rows)
        failed, ran = view.list.drawn[:2]
        assert "✖" in failed
        assert "acme/github" in failed
        assert "failed: no ? route (run " in failed
        assert "tess" in ran
        assert "ran it (run " in ran
        await db.execute("UPDATE etl_jobs SET status = 'FINISHED', retry_count = 0")
        await dashboard.until(lambda: "recovered after 2 failures in a row" in view.list.drawn[0])
        assert view.list.total == 201
        await dashboard.pilot.press("G")
        await dashboard.until(lambda: view.list.total == 233)
        await dashboard.pilot.press("slash", *"actor:tess", "enter")
        await dashboard.until(lambda: len(view.list.rows) == 1)
        await dashboard.pilot.press("enter")
        await dashboard.until(lambda: dashboard.app.screen is not view)
        assert "acme/github" in dashboard.screen_text()


async def test_the_schedule_shows_density_starts_and_pauses(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    await add_job("github", schedule_interval_minutes=30)
    await add_job("jira", tenant="globex")
    await pause(db, Place("globex"), PERSON, reason="migration")
    async with drive() as dashboard:
        view = await open_view(dashboard, "4")
        await dashboard.until(lambda: len(view.list.rows) == 2)
        text = "\n".join(view.list.drawn)
        assert "paused until resumed, 1 job" in text
        assert "acme/github" in text
        assert "48 starts in 24 h" in line(dashboard, "tabs")
        assert "█" in line(dashboard, "strip")
        assert ":00" in line(dashboard, "hours")
        await dashboard.pilot.press("slash", *"github", "enter", "enter")
        await dashboard.until(lambda: dashboard.app.screen is not view)
        assert "acme/github" in dashboard.screen_text()
