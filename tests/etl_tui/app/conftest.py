"""The dashboard on a real database, driven by Pilot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from textual.pilot import Pilot
from textual.widget import Widget

from etl_core.control.audit import Actor
from etl_core.store.database import connect
from etl_tui.app.app import DashboardApp
from etl_tui.app.commands.keymap import Keymap
from etl_tui.app.dashboard.grid import JobGrid
from etl_tui.app.feed.source import DatabaseSource
from etl_tui.app.look.styled_line import StyledLine
from etl_tui.app.look.theme import Look, choose_look
from etl_tui.app.preferences import Preferences

DASHBOARD = "test dashboard"
PATIENCE = 400
"""Pauses of 50 ms until something must have shown: long, for machines are slow."""


@dataclass
class Driven:
    """A dashboard under test."""

    app: DashboardApp
    pilot: Pilot[Any]

    @property
    def grid(self) -> JobGrid:
        return self.app.screen_stack[0].query_one(JobGrid)

    def line(self, name: str) -> str:
        """What one of the lines around the grid says."""
        return self.app.screen_stack[0].query_one(f"#{name}", StyledLine).shown.rstrip()

    def rows(self) -> list[str]:
        """The grid's lines as they are drawn."""
        grid = self.grid
        return [grid.render_line(y).text.rstrip() for y in range(min(grid.size.height, len(grid.jobs)))]

    def row(self, name: str) -> str:
        """The drawn line of a job."""
        return next(row for row in self.rows() if name in row)

    async def until(self, holds: Callable[[], object]) -> None:
        """Waits until the screen shows it."""
        for _ in range(PATIENCE):
            await self.pilot.pause(0.05)
            if holds():
                return
        raise AssertionError(f"never shown; the screen:\n{self.screen_text()}")

    async def select(self, name: str) -> None:
        """Moves the cursor to a job."""
        index = next(index for index, job in enumerate(self.grid.jobs) if job.job_name == name)
        self.grid.move_to_first()
        self.grid.move(index)
        await self.pilot.pause()

    def screen_text(self) -> str:
        """All that the terminal shows."""
        widgets: Widget = self.app.screen
        return "\n".join(strip.text.rstrip() for strip in widgets.screen._compositor.render_strips())


Drive = Callable[..., Any]


@pytest.fixture
async def drive(database_url: str) -> AsyncIterator[Drive]:
    """`async with drive(size=(80, 24)) as dashboard`: the real application on the test's database."""

    async def open_connection() -> asyncpg.Connection:
        return await connect(database_url, application_name=DASHBOARD)

    @asynccontextmanager
    async def driven(
        *,
        size: tuple[int, int] = (80, 24),
        tenant: str | None = None,
        look: Look | None = None,
        keymap: Keymap | None = None,
        preferences: Preferences | None = None,
    ) -> AsyncIterator[Driven]:
        source = DatabaseSource(
            open_connection, await open_connection(), tenant=tenant, actor=Actor("ana", "ana", None)
        )
        look = look or choose_look({"TERM": "screen-256color", "LANG": "C.UTF-8"})
        app = DashboardApp(source, look, tenant=tenant, keymap=keymap, preferences=preferences)
        try:
            async with app.run_test(size=size) as pilot:
                dashboard = Driven(app, pilot)
                await dashboard.until(lambda: app.screen_stack[0].query("#message"))
                yield dashboard
        finally:
            await source.close()

    yield driven


AddJob = Callable[..., Awaitable[int]]


@pytest.fixture
async def add_job(db: asyncpg.Connection) -> AddJob:
    """Adds a job to tenant `acme` (made on first use) with an integration of its own; columns by keyword."""

    async def add(name: str, *, tenant: str = "acme", **columns: Any) -> int:
        tenant_id = await db.fetchval("SELECT id FROM tenants WHERE name = $1", tenant)
        if tenant_id is None:
            tenant_id = await db.fetchval("INSERT INTO tenants (name) VALUES ($1) RETURNING id", tenant)
            await db.execute("DELETE FROM etl_jobs WHERE tenant_id = $1", tenant_id)  # the seeded ones
        integration_id = await db.fetchval(
            "INSERT INTO integrations (tenant_id, name, type) VALUES ($1, $2, 'synthetic') RETURNING id",
            tenant_id,
            name,
        )
        fields = {"tenant_id": tenant_id, "job_name": name, "integration_id": integration_id} | columns
        marks = ", ".join(f"${number}" for number in range(1, len(fields) + 1))
        job_id: int = await db.fetchval(
            f"INSERT INTO etl_jobs ({', '.join(fields)}) VALUES ({marks}) RETURNING id", *fields.values()
        )
        return job_id

    return add
