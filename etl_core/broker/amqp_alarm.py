"""Alarms: RabbitMQ short of memory or disk reads nothing more from connections that publish, and tells them.

A ring then neither fails nor is confirmed. The driver keeps what it was told to itself, so it is listened to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aio_pika.abc import AbstractConnection

T = TypeVar("T")

# aiormq has no public way to learn of the two frames. Without these methods (another aiormq) an alarm shows
# as a ring that is not confirmed in time, and the tests of alarms fail.
_ON_BLOCKED = "_Connection__handle_connection_blocked"
_ON_UNBLOCKED = "_Connection__handle_connection_unblocked"


class BlockedError(Exception):
    """RabbitMQ takes no messages; the message says what it lacks."""


class Alarm:
    """Whether RabbitMQ has blocked one connection."""

    def __init__(self) -> None:
        self._raised = asyncio.Event()
        self._lacks = ""

    def watch(self, connection: AbstractConnection) -> None:
        """Hear what RabbitMQ says about this connection from now on."""
        if connection.transport is None:
            return
        driver = connection.transport.connection

        def blocked(frame: Any) -> None:
            self._lacks = str(frame.reason).removeprefix("low on ")
            self._raised.set()

        def unblocked(_: Any) -> None:
            self._raised.clear()

        for name, heard in ((_ON_BLOCKED, blocked), (_ON_UNBLOCKED, unblocked)):
            if (handle := getattr(driver, name, None)) is not None:
                setattr(driver, name, _first(heard, handle))

    async def guard(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work`; given up as soon as there is an alarm, not begun while there is one.

        What was sent by then is taken by RabbitMQ when the alarm is over.

        Raises:
            BlockedError: there is an alarm.
        """
        working = None if self._raised.is_set() else asyncio.ensure_future(work())
        alarm = asyncio.ensure_future(self._raised.wait())
        waited = [task for task in (working, alarm) if task is not None]
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if working is not None and working.done():
                return working.result()
        finally:
            for task in waited:
                task.cancel()
            await asyncio.gather(*waited, return_exceptions=True)
        raise BlockedError(f"blocked by an alarm ({self._lacks})")


def _first(heard: Callable[[Any], None], handle: Callable[[Any], Awaitable[None]]) -> Any:
    async def both(frame: Any) -> None:
        heard(frame)
        await handle(frame)

    return both
