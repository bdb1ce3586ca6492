"""What a worker does while Postgres is away or two transactions collide: tries the step again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import asyncpg
import stamina
from stamina import AsyncRetryingCaller

from etl_core.errors import Unreachable

P = ParamSpec("P")
T = TypeVar("T")

PASSING = (
    OSError,
    Unreachable,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg says when a connection it lends ends at that moment
    asyncpg.OperatorInterventionError,  # the server shuts down, or ended our connection
    asyncpg.InsufficientResourcesError,  # too many connections
    asyncpg.TransactionRollbackError,  # deadlock, serialisation
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidCachedStatementError,  # another's DDL changed a table that we have a plan for
)
"""Errors after which the same step may succeed. The step itself must check whether it had succeeded before:
a connection that is lost during COMMIT leaves that open."""

STEP_TIMEOUT = 60.0
"""A step of a batch is tried for so long, in seconds, before its run is given back."""


class PromptRetries:
    """Tries at once, and only what fails again as stamina has it.

    stamina's set-up takes 70 microseconds and leaves 14 objects to the garbage collector: of a run that finds
    nothing new, a tenth of its worker's time.
    """

    def __init__(self, later: AsyncRetryingCaller) -> None:
        self._later = later

    def on(self, errors: tuple[type[Exception], ...]) -> _Tried:
        """Calls what it is given, until that ends otherwise than with one of these errors."""
        return _Tried(self._later, errors)


@dataclass(frozen=True, slots=True)
class _Tried:
    later: AsyncRetryingCaller
    errors: tuple[type[Exception], ...]

    async def __call__(self, step: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await step(*args, **kwargs)
        except self.errors:
            return await self.later.on(self.errors)(step, *args, **kwargs)


step_retries = PromptRetries(
    stamina.AsyncRetryingCaller(
        attempts=None, timeout=STEP_TIMEOUT, wait_initial=0.1, wait_max=5.0, wait_jitter=0.5
    )
)
"""For a step of a batch."""

final_retries = PromptRetries(
    stamina.AsyncRetryingCaller(attempts=None, timeout=None, wait_initial=0.1, wait_max=5.0, wait_jitter=0.5)
)
"""For the end of a run: a worker that is alive must not leave a run RUNNING that it no longer works on."""
