"""While rows are copied to PostgreSQL, what else needs this process's processor waits a little.

Python runs one thread at a time, and copying needs many short turns of it. Beside the thread that reads the
next page and the one that transforms the page before it, a COPY ended when these did; then PostgreSQL merged
while they had nothing left to do. So they begin when the rows are there, and work while it merges.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from workers.loader.merge import FEW_ROWS

PATIENCE: Final = 0.1
"""Seconds that others wait at most: a slow network or a large batch must not keep a source waiting."""


class Copying:
    """Of one run, whose batches are loaded one after another."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._over.set()

    @contextmanager
    def about_to(self, rows: int) -> Iterator[None]:
        """A batch of so many rows is loaded; few of them are not copied at all."""
        if rows > FEW_ROWS:
            self._over.clear()
        try:
            yield
        finally:
            self._over.set()

    def end(self) -> None:
        """The rows are with PostgreSQL."""
        self._over.set()

    async def wait(self) -> None:
        """Until they are, not for long."""
        if not self._over.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._over.wait()
