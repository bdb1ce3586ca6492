"""What every transport offers: doorbells. The truth about work is in Postgres; a ring says "look now"."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

RING_TIMEOUT = 5.0
"""Seconds within which a ring is confirmed or has failed, connecting included."""


class Stage(StrEnum):
    """The parts of a run that have a queue of their own."""

    EXTRACT = "extract"
    TRANSFORM = "transform"
    LOAD = "load"
    VECTORIZE = "vectorize"


STAGES = (Stage.EXTRACT, Stage.TRANSFORM, Stage.LOAD)
"""The stages of every run, in their order."""
ALL_STAGES = (*STAGES, Stage.VECTORIZE)
"""And the one beside them: it looks at tables, not at runs."""


@dataclass(frozen=True)
class QueueDepth:
    """What a transport's own queue holds: rings not yet delivered, and who would take them."""

    ready: int
    consumers: int


@dataclass(frozen=True)
class DeadLetter:
    """A message that was in a stage's queue and could not be parsed."""

    put_aside_at: datetime | None
    """By the clock of the worker that met it."""
    queue: str | None
    reason: str | None
    size: int
    """Bytes, when it arrived."""
    body: bytes
    """The beginning, if it was very long."""


class Doorbell(Protocol):
    """The receiving end of rings, for one worker.

    Rings coalesce: any number since the last `wait` are one. A doorbell also rings once whenever it gets
    connected or is resumed, since what rang meanwhile may have been missed.
    """

    @property
    def connected(self) -> bool:
        """False while the transport is out of reach: work is then found by polling alone."""

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109 - running out is an answer, not an error
        """True as soon as it rang since the last wait, False after `timeout` seconds; never raises."""

    async def pause(self) -> None:
        """Take no more rings, so that they go to other workers; never raises."""

    async def resume(self) -> None:
        """Take rings again; never raises."""


class Broker(Protocol):
    """One transport."""

    @property
    def transport(self) -> str:
        """`amqp` or `postgres`."""

    async def ring(self, stage: Stage, times: int = 1) -> None:
        """Wake up to `times` workers of a stage. A caller treats failure as a warning: workers poll.

        Raises:
            Unreachable: not confirmed within `RING_TIMEOUT`.
        """

    def subscribe(self, stages: Collection[Stage]) -> AbstractAsyncContextManager[Doorbell]:
        """A doorbell for these stages. Entering neither fails nor waits when the transport is out of reach:
        it connects in the background and keeps trying."""

    async def depth(self, stage: Stage) -> QueueDepth | None:
        """The stage's queue, or None on a transport whose queue is the rows themselves.

        Raises:
            Unreachable: no answer within `RING_TIMEOUT`.
        """

    async def dead_letters(self, at_most: int) -> list[DeadLetter]:
        """What could not be parsed, up to so many; it stays where it is. Always none on a transport without
        messages.

        Raises:
            Unreachable: no answer within `RING_TIMEOUT`.
        """

    async def purge_dead_letters(self) -> int:
        """Removes all of it; how many messages that was.

        Raises:
            Unreachable: no answer within `RING_TIMEOUT`.
        """

    async def close(self) -> None:
        """Give the connections back. Doorbells close with their own context."""


class Bell:
    """The part of a doorbell that both transports share: a ring that waits for its listener."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self.connected = False

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109 - see Doorbell
        """True as soon as it rang since the last wait, False after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._rung.wait()
        except TimeoutError:
            if not self._rung.is_set():  # a ring in the very moment of giving up still counts
                return False
        self._rung.clear()
        return True

    def ring(self) -> None:
        """Wake the waiting worker, or the next one to wait."""
        self._rung.set()
