"""Keeps one connection up: connects, waits until it is lost, connects again, and says so once per outage."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

LONGEST_PAUSE = 5.0
"""Seconds between two attempts at most, as long as a worker's poll."""
STEADY = 5.0
"""Seconds that a connection must hold before the next loss counts as a new outage."""


class OutageError(Exception):
    """Why there is no connection, in one line without credentials."""


Session = Callable[[Callable[[], None]], Awaitable[None]]
"""Connects, calls its argument when it is ready for work, returns or raises when the connection is lost."""


class Supervisor:
    """Runs a session over and over until it is closed."""

    def __init__(
        self, transport: str, address: str, session: Session, explain: Callable[[BaseException], str]
    ) -> None:
        """`address` without credentials; `explain` turns what a session raised into one line without any."""
        self._log = log.bind(transport=transport, broker=address)
        self._session = session
        self._explain = explain
        self._task: asyncio.Task[None] | None = None
        self._turn: asyncio.Future[str | None] | None = None
        self._told: set[str] = set()
        self._attempt_failed = self._came_up = False
        self.ready = False
        self.problem: str | None = None
        """Why the last attempt failed or the connection was lost; None when it is up or was never tried."""

    def start(self) -> None:
        """Begin in the background; nothing happens when it has begun."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="broker connection")

    async def wait_ready(self) -> None:
        """Return when the connection is up; after a failed attempt fail at once: callers must not queue up.

        A connection that was up and is lost is tried again within a moment, which is waited for.

        Raises:
            OutageError: saying why.
        """
        self.start()
        if self.ready:
            return
        if self._attempt_failed and self.problem is not None:
            raise OutageError(self.problem)
        if self._turn is None:
            self._turn = asyncio.get_running_loop().create_future()
        # Shielded: one caller giving up must not end the wait of the others.
        if (problem := await asyncio.shield(self._turn)) is not None:
            raise OutageError(problem)

    def distrust(self) -> None:
        """The caller ends an unfit connection: from now on `wait_ready` waits for the next one."""
        self.ready = False

    async def close(self) -> None:
        """End the session."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self.ready = False
        self._settle("closed")

    async def _run(self) -> None:
        pause = 0.0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._session(self._up)
                problem = "the connection was lost"
            except asyncio.CancelledError as error:
                if cancelled_by_us():
                    raise
                problem = self._explain(error)
            except Exception as error:
                problem = self._explain(error)
            self._attempt_failed, self._came_up, self.ready = not self._came_up, False, False
            steady = asyncio.get_running_loop().time() - began > STEADY
            self._down(problem)
            pause = 0.1 if steady or not pause else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads clients, hides nothing

    def _up(self) -> None:
        self.ready, self._came_up, self.problem = True, True, None
        self._settle(None)
        if self._told:
            self._told.clear()
            self._log.info("broker_connected_again")

    def _down(self, problem: str) -> None:
        self.problem = problem
        if self._attempt_failed:  # after a loss, whoever waits does so for the next attempt
            self._settle(problem)
        # Once per reason, not per attempt: a booting server gives two or three reasons in turn.
        if problem not in self._told:
            self._told.add(problem)
            self._log.warning("broker_unreachable", problem=problem)

    def _settle(self, problem: str | None) -> None:
        turn, self._turn = self._turn, None
        if turn is not None and not turn.done():
            turn.set_result(problem)


def cancelled_by_us() -> bool:
    """Whether a CancelledError is meant for this task: drivers cancel what waits on a dying connection."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
