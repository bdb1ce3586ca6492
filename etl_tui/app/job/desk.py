"""What the parts of the job screen share: the job as it is now, where to ask, where to tell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

import asyncpg

from etl_core.control.audit import Actor
from etl_core.errors import EtlError
from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_tui.app.dashboard.columns import full_name
from etl_tui.app.dashboard.message_line import MessageLine
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.feed.source import JobSource
from etl_tui.app.look.theme import Look

T = TypeVar("T")


@dataclass
class Desk:
    """Of one job screen. `job` and `health` are replaced as they change."""

    source: JobSource
    look: Look
    clock: DatabaseClock
    job: JobRow
    message: MessageLine
    wake: Callable[[], None]
    """Look at the job now rather than within the second."""
    others: Callable[[], Collection[JobRow]]
    """All jobs as the dashboard knows them."""
    health: Health | None = None

    @property
    def name(self) -> str:
        return full_name(self.job)

    async def ask(self, question: Callable[[asyncpg.Connection], Awaitable[T]]) -> T | None:
        """The answer; None when there is none, and the line of messages says why."""
        try:
            return await self.source.ask(question)
        except EtlError as refusal:
            self.message.refuse(str(refusal))
        except Exception as defect:
            self.message.refuse(f"unexpected {type(defect).__name__}: {defect}")
        return None

    async def act(self, action: Callable[[asyncpg.Connection, Actor], Awaitable[T]]) -> T:
        """Does it, in its turn, and looks at once what came of it; raises `EtlError`."""
        try:
            return await self.source.act(action)
        finally:
            self.wake()
