"""The job screen, opened from the dashboard as people open it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.widget import Widget

from etl_tui.app.job.screen import JobScreen
from etl_tui.app.look.line_list import LineList
from etl_tui.app.look.styled_line import StyledLine
from etl_tui.app.look.text_view import TextView
from tests.etl_tui.app.conftest import Drive, Driven


class OpenedJob:
    """A job screen under test."""

    def __init__(self, dashboard: Driven) -> None:
        self.dashboard = dashboard
        self.pilot = dashboard.pilot

    @property
    def screen(self) -> JobScreen:
        found = self.dashboard.app.screen_stack[1]
        assert isinstance(found, JobScreen)
        return found

    def line(self, name: str) -> str:
        """What one of its lines says."""
        return self.screen.query_one(f"#{name}", StyledLine).shown.rstrip()

    def list(self, name: str) -> list[str]:
        """The drawn lines of one of its lists."""
        lines: LineList[Any] = self.screen.query_one(f"#{name}", LineList)
        return [text for text in lines.lines_shown() if text]

    def text(self, name: str) -> str:
        """All lines of one of its texts."""
        return self.screen.query_one(f"#{name}", TextView).text

    def everything(self) -> str:
        """All that the terminal shows."""
        return self.dashboard.screen_text()

    async def until(self, holds: Callable[[], object]) -> None:
        await self.dashboard.until(holds)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    def focused(self) -> Widget | None:
        return self.dashboard.app.focused


OpenJob = Callable[..., Any]


@pytest.fixture
async def open_job(drive: Drive) -> AsyncIterator[OpenJob]:
    """`async with open_job("github", "2") as job:` the screen of a job, and keys pressed once it is there."""

    @asynccontextmanager
    async def opened(name: str, *keys: str, size: tuple[int, int] = (80, 24)) -> AsyncIterator[OpenedJob]:
        async with drive(size=size) as dashboard:
            await dashboard.until(lambda: dashboard.grid.jobs)
            await dashboard.select(name)
            await dashboard.pilot.press("enter")
            await dashboard.until(lambda: len(dashboard.app.screen_stack) == 2)
            job = OpenedJob(dashboard)
            await job.until(lambda: job.screen.query("#overview"))
            await job.press(*keys)
            yield job

    yield opened
