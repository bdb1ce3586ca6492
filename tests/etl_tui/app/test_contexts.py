"""Several databases in one dashboard: a list that tells what answers, and another one without leaving."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from etl_core.contexts import ContextSettings
from etl_core.control.access import read_refusal
from etl_core.control.jobs import run_now
from etl_core.errors import Conflict
from etl_core.settings import Settings, load_settings
from etl_core.store.database import connect
from etl_tui.app.app import DashboardApp
from etl_tui.app.dialogs.context_dialog import ContextDialog
from etl_tui.app.feed.workplace import Workplaces
from etl_tui.app.look.theme import choose_look
from tests.etl_tui.app.conftest import AddJob, Driven, Typist
from tests.support.postgres import temporary_database

NOWHERE = "postgresql://etl:hunter22@127.0.0.1:1/nowhere"
READER = "etl_tui_test_reader"


@pytest.fixture
async def reader_url(db: asyncpg.Connection, database_url: str) -> AsyncIterator[str]:
    """The same database for a role that may only read."""
    await db.execute(
        f"DO $$ BEGIN CREATE ROLE {READER} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    await db.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}")
    yield database_url.replace("//postgres@", f"//{READER}@")
    await db.execute(f"DROP OWNED BY {READER}")


async def test_goes_from_one_to_another_and_changes_nothing_where_it_may_not(
    db: asyncpg.Connection,
    add_job: AddJob,
    database_url: str,
    reader_url: str,
    postgres_url: str,
    template: str,
) -> None:
    await add_job("payments", status="FAILED", retry_count=1)
    async with temporary_database(postgres_url, template=template) as empty:
        contexts = {
            "prod": ContextSettings.model_validate({"database_url": database_url, "production": True}),
            "down": ContextSettings.model_validate({"database_url": NOWHERE}),
            "empty": ContextSettings.model_validate({"database_url": empty, "colour": "yellow"}),
            "reader": ContextSettings.model_validate({"database_url": reader_url}),
            "lost": ContextSettings.model_validate({"database_url": "env:NOT_SET_ANYWHERE"}),
        }

        def settings_in(name: str | None) -> Settings:
            return load_settings(context=name or "prod", contexts=contexts)

        workplaces = Workplaces(settings_in("prod"), settings_in)
        workplace = await workplaces.enter()
        look = choose_look({"TERM": "screen-256color", "LANG": "C.UTF-8"})
        app = DashboardApp(workplace.source, look)
        app.begin_in(workplace, workplaces)
        try:
            async with app.run_test(size=(100, 24)):
                dashboard = Driven(app, pilot := Typist(app))
                await dashboard.until(lambda: "! prod" in dashboard.line("title"))
                await dashboard.until(lambda: dashboard.grid.jobs)

                await pilot.press("at")
                await dashboard.until(lambda: isinstance(app.screen, ContextDialog))
                await dashboard.until(lambda: "..." not in dashboard.screen_text())
                listed = dashboard.screen_text()
                assert "1 failed of 1 (here)" in listed
                assert "127.0.0.1:1: connection refused" in listed
                assert "context lost: database_url = env:NOT_SET" in listed
                assert "hunter22" not in listed

                await pilot.press("j", "enter")  # the one that is down
                await dashboard.until(lambda: "connection refused" in dashboard.line("message"))
                assert "! prod" in dashboard.line("title")  # it stays where it was

                await pilot.press("at", "j", "j", "enter")
                await dashboard.until(lambda: " empty " in dashboard.line("title"))
                assert len(app.screen_stack) == 1
                await dashboard.until(lambda: "no jobs yet" in dashboard.line("message"))
                assert "payments" not in dashboard.screen_text()

                await pilot.press("at", "j", "enter")
                await dashboard.until(lambda: " reader " in dashboard.line("title"))
                await dashboard.until(lambda: dashboard.grid.jobs)
                await pilot.press("r")
                refusal = f"read-only: the role {READER} may not write"
                await dashboard.until(lambda: refusal in dashboard.line("message"))
                assert "run now" not in dashboard.line("hints")
                with pytest.raises(Conflict, match="read-only"):  # the gate, whatever leads to it
                    await app._source.act(lambda conn, actor: run_now(conn, 1, actor))
        finally:
            await workplaces.close()
    assert await db.fetchval("SELECT count(*) FROM job_runs") == 0


async def test_a_standby_or_a_read_only_session_is_told(database_url: str) -> None:
    conn = await connect(database_url, application_name="test", read_only=True)
    try:
        assert "default_transaction_read_only" in (await read_refusal(conn) or "")
    finally:
        await conn.close()


async def test_who_comes_back_finds_what_was_left(
    db: asyncpg.Connection, add_job: AddJob, database_url: str
) -> None:
    for name in ("github", "gitlab", "gitea", "jira"):
        await add_job(name)
    here = ContextSettings.model_validate({"database_url": database_url})
    contexts = {"prod": here, "other": here}

    def settings_in(name: str | None) -> Settings:
        return load_settings(context=name or "prod", contexts=contexts)

    workplaces = Workplaces(settings_in("prod"), settings_in)
    workplace = await workplaces.enter()
    app = DashboardApp(workplace.source, choose_look({"TERM": "screen-256color", "LANG": "C.UTF-8"}))
    app.begin_in(workplace, workplaces)
    try:
        async with app.run_test(size=(80, 24)):
            dashboard = Driven(app, pilot := Typist(app))

            async def shows(context: str, *lines: str) -> None:
                await dashboard.until(lambda: f" {context} " in dashboard.line("title"))
                await dashboard.until(lambda: [row.split()[2] for row in dashboard.rows()] == list(lines))

            await shows("prod", "acme/gitea", "acme/github", "acme/gitlab", "acme/jira")
            await app.action_do("filter", "git")
            await app.action_do("reverse")
            await shows("prod", "acme/gitlab", "acme/github", "acme/gitea")
            await pilot.press("k", "2")
            await dashboard.until(lambda: len(app.screen_stack) == 2)
            view = app.screen

            await app.action_do("contexts", "other")
            await dashboard.until(lambda: " other " in dashboard.line("title"))
            await dashboard.until(lambda: len(dashboard.grid.jobs) == 4)
            assert not view.is_attached
            assert list(app._installed_screens) == []
            await pilot.press("b", "G", "z")
            await dashboard.until(lambda: dashboard.grid.folded)

            await app.action_do("contexts", "prod")
            await shows("prod", "acme/gitlab", "acme/github", "acme/gitea")
            assert dashboard.grid.selected is not None
            assert dashboard.grid.selected.job_name == "github"
            assert "3 of 4 shown" in dashboard.screen_text()

            await app.action_do("contexts", "other")
            await dashboard.until(lambda: " other " in dashboard.line("title"))
            await dashboard.until(lambda: len(dashboard.grid.jobs) == 4)
            assert dashboard.grid.folded == {"acme"}
            assert dashboard.grid.line_key == "acme"
    finally:
        await workplaces.close()
