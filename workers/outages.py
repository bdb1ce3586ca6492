"""What a worker does while Postgres is away or two transactions collide: tries the step again."""

from __future__ import annotations

import asyncpg
import stamina
from stamina import AsyncRetryingCaller

from etl_core.errors import Unreachable

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

step_retries = stamina.AsyncRetryingCaller(
    attempts=None, timeout=STEP_TIMEOUT, wait_initial=0.1, wait_max=5.0, wait_jitter=0.5
)
"""For a step of a batch."""

final_retries: AsyncRetryingCaller = stamina.AsyncRetryingCaller(
    attempts=None, timeout=None, wait_initial=0.1, wait_max=5.0, wait_jitter=0.5
)
"""For the end of a run: a worker that is alive must not leave a run RUNNING that it no longer works on."""
