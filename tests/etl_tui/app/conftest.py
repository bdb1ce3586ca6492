"""The dashboard on a real database, driven by Pilot."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import asyncpg
import pytest
from textual.css.query import NoMatches
from textual.events import Key
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input, TextArea

from etl_core.control.audit import Actor
from etl_core.store.database import connect
from etl_tui.app.app import DashboardApp
from etl_tui.app.commands.keymap import Keymap
from etl_tui.app.dashboard.grid import JobGrid
from etl_tui.app.feed.source import DatabaseSource
from etl_tui.app.look.styled_line import StyledLine
from etl_tui.app.look.theme import Look, choose_look
from etl_tui.app.preferences import Preferences
from tests.support.jobs import PATIENCE

DASHBOARD = "test dashboard"
STEPS = 4
"""As many queues one after another lie at most between a key and what it changes in the widgets."""


class Typist(Pilot[Any]):
    """Presses keys as Pilot does, but for less, and never looks before a key has had its effect.

    Pilot takes a process that was given no time by a busy machine for one that has nothing to do.
    """

    async def press(self, *keys: str) -> None:
        waiting = list(keys)
        while waiting:
            typed = list(takewhile(lambda key: len(key) == 1, waiting)) if self._is_in_a_text() else []
            if len(typed) > 1:  # in one go: to wait behind each letter is dear
                for character in typed:
                    self.app.post_message(Key(_character_to_key(character), character))
                del waiting[: len(typed)]
                await self.pause()
            else:
                await super().press(waiting.pop(0))
            await self.let_it_work()

    def _is_in_a_text(self) -> bool:
        return isinstance(self.app.focused, Input | TextArea)

    async def let_it_work(self) -> None:
        """Returns when all that is queued has been done, and what was queued by that."""
        for _ in range(STEPS):
            await self._wait_for_screen()


@dataclass
class Driven:
    """A dashboard under test."""

    app: DashboardApp
    pilot: Typist

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
        """The drawn line of a job, empty as long as there is none."""
        return next((row for row in self.rows() if name in row), "")

    async def until(self, holds: Callable[[], object]) -> None:
        """Waits until the screen shows it; where what is asked of is not there yet, it does not."""
        give_up = time.monotonic() + PATIENCE
        pause = 0.02
        while time.monotonic() < give_up:
            await self.pilot.pause(pause)
            pause = min(pause * 1.2, 0.1)  # to look costs more than most waits do
            with suppress(NoMatches, IndexError):
                if holds():
                    await self.pilot.let_it_work()  # what is shown with it
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
            async with app.run_test(size=size):
                dashboard = Driven(app, Typist(app))
                # Laid out, too: a click goes to where a line is.
                await dashboard.until(lambda: app.screen_stack[0].query_one("#hints").size.width)
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
