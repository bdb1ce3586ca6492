"""Ways to look at jobs: groups, columns, cards, preview, header; kept for the next time; never frozen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from etl_core.control.audit import Actor
from etl_core.store.database import connect
from etl_tui.app.app import DashboardApp
from etl_tui.app.dashboard.preview import Preview
from etl_tui.app.feed.source import DatabaseSource
from etl_tui.app.look.theme import choose_look
from etl_tui.app.preferences import Preferences
from tests.etl_tui.app.conftest import AddJob, Drive, Driven, Typist
from tests.support.relay import Relay


def _preview(dashboard: Driven) -> str:
    return dashboard.app.screen_stack[0].query_one(Preview).text


async def test_groups_columns_and_cards_are_kept(drive: Drive, add_job: AddJob, tmp_path: Path) -> None:
    path = tmp_path / "preferences.json"
    for name, tenant in (("alpha", "acme"), ("bravo", "acme"), ("charlie", "umbrella")):
        await add_job(name, tenant=tenant)
    async with drive(preferences=Preferences(path)) as dashboard:
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 3)
        press = dashboard.pilot.press
        await press("j", "b")
        await dashboard.until(lambda: " ▼ acme  2 jobs  ● 2 ready" in dashboard.screen_text())
        assert dashboard.grid.selected.job_name == "bravo"  # the cursor stays on its job
        await press("z")
        await dashboard.until(lambda: "›▶ acme  2 jobs" in dashboard.screen_text())
        assert "bravo" not in dashboard.screen_text()
        assert dashboard.line("message") == " acme · 2 jobs"
        await press("j", "j", "w")  # beyond the last line it stays: charlie
        await dashboard.until(lambda: "[x] EVERY" in dashboard.screen_text())
        await press("j", "space", "K", "enter")
        await dashboard.until(lambda: "EVERY" not in dashboard.line("heading"))
        await press("v")
        await dashboard.until(lambda: "│ umbrella/charlie" in dashboard.screen_text())
        assert "Interval: 6h" in dashboard.screen_text()
        await press("k", "k", "right")  # the folded group opens
        await dashboard.until(lambda: "│ acme/bravo" in dashboard.screen_text())
    async with drive(preferences=Preferences(path)) as dashboard:
        await dashboard.until(lambda: "│ acme/alpha" in dashboard.screen_text())
        assert "▼ acme" in dashboard.screen_text()
        await dashboard.pilot.press("v")
        await dashboard.until(lambda: "LAST RUN" in dashboard.line("heading"))
        assert "EVERY" not in dashboard.line("heading")


async def test_wide_terminals_show_the_selected_job_and_what_waits(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    now = datetime.now(UTC)
    await add_job("alpha", status="FAILED", error_message="first\nno route to api.example", retry_count=2)
    await add_job("bravo", last_success_at=now - timedelta(minutes=2, seconds=30))
    await add_job("charlie", status="RUNNING")
    await db.execute(
        "INSERT INTO job_runs (job_id, tenant_id, trigger, queued_at, ready_at)"
        " SELECT id, tenant_id, 'manual', now() - interval '190 seconds', now() - interval '1 minute'"
        " FROM etl_jobs WHERE job_name = 'charlie'"
    )
    async with drive(size=(200, 30)) as dashboard:
        await dashboard.until(lambda: "no route to api.example" in _preview(dashboard))
        assert "alpha (synthetic)" in _preview(dashboard)
        header = dashboard.line("subtitle")
        assert "1 queued, oldest 3m" in header
        assert "due in 1h" in header
        assert "last success 2m ago" in header
        assert "━" in dashboard.line("title")
        await dashboard.pilot.press("j")
        await dashboard.until(lambda: _preview(dashboard).startswith("│ acme/bravo"))
        await dashboard.pilot.press("p")
        await dashboard.until(lambda: "│ acme/bravo" not in dashboard.screen_text())
        await db.execute("UPDATE etl_jobs SET status = 'FAILED' WHERE job_name = 'alpha'")
        await db.execute("UPDATE etl_jobs SET held = true WHERE job_name = 'alpha'")
        await dashboard.until(lambda: dashboard.row("alpha").startswith("•"))  # for a moment
        await dashboard.until(lambda: dashboard.row("alpha").startswith(" "))
        await db.execute("UPDATE schema_migrations SET version = 9000 WHERE version = 1")
        await dashboard.pilot.press("R")
        await dashboard.until(lambda: "schema is at 9000, newer than" in dashboard.line("banner"))


async def test_a_database_that_stalls_freezes_no_key(add_job: AddJob, database_url: str) -> None:
    for name in ("alpha", "bravo", "charlie"):
        await add_job(name)
    relay = Relay(parse_qs(urlsplit(database_url).query)["host"][0], 5432)
    relay.open()
    url = f"postgresql://postgres@127.0.0.1:{relay.port}{urlsplit(database_url).path}"

    async def open_connection() -> asyncpg.Connection:
        return await connect(url, application_name="stalled dashboard")

    source = DatabaseSource(
        open_connection, await open_connection(), tenant=None, actor=Actor("ana", "ana", None)
    )
    app = DashboardApp(source, choose_look({"TERM": "screen-256color", "LANG": "C.UTF-8"}))
    try:
        async with app.run_test(size=(80, 24)):
            dashboard = Driven(app, pilot := Typist(app))
            await dashboard.until(lambda: app.screen_stack[0].query("#grid") and dashboard.grid.jobs)
            relay.stall()
            await pilot.press("r", "j", "j", "greater_than_sign", "b")
            selected = dashboard.grid.selected
            assert selected is not None and selected.job_name == "charlie"
            await dashboard.until(lambda: "▼ acme" in dashboard.screen_text())
            await pilot.press("slash", *"bravo", "enter")
            await dashboard.until(lambda: len(dashboard.grid.jobs) == 1)
            assert "is queued" not in dashboard.line("message")
            relay.flow()
            await pilot.press("escape")
            await dashboard.until(lambda: "RUNNING" in dashboard.row("alpha"))
    finally:
        await source.close()
        relay.close()
