"""Rows that go to another PostgreSQL than the one that keeps jobs, runs and checkpoints.

Two databases cannot commit as one, so the other has a ledger. A load of a batch is, in this order:

0. here, that the batch may be there from now on; COMMIT;
1. here, the batch is held under its lease, until the end;
2. there, the job's row is locked: one load of a job at a time, and a former holder that was in the middle of
   one ends before the next begins;
3. here, the lease is looked at once more: whoever lost it before the lock was had writes nothing;
4. there, the batch is entered into the ledger, its rows are merged, what became of them is entered too;
   COMMIT;
5. here, checkpoint and batch move; COMMIT.

Who takes over between 4 and 5 finds the batch in the ledger, and only does 5. Nothing lands there for a run
that has ended: cancelling waits for 1, and a new run's first load for 2. A run that is to end while the
answer to 4 is open (cancelled, failed, past its deadline) ends when `has_landed` was asked for each batch
that 0 announced: what is there is settled by 5, the rest is discarded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

import asyncpg
import msgspec
import structlog

from etl_core.errors import Fenced, InvalidInput, Permanent, Unreachable
from etl_core.secret_references import resolve_secrets
from etl_core.store.database import Connection, Pool, open_pool
from etl_core.store.queries import load
from workers.loader import ledger_statements
from workers.loader.merge import LoadCounts

MOST_CONNECTIONS: Final = 4
"""To each database, from each worker."""

_loader = load("loader")
_leases = load("leases")

log = structlog.get_logger()


class Outcome(msgspec.Struct):
    """What became of the rows of a batch, as the ledger keeps it."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    refused: list[tuple[str, int, str]] = []
    """(stream, place among its rows, reason)"""

    def add(self, counts: LoadCounts) -> None:
        self.new += counts.new
        self.changed += counts.changed
        self.unchanged += counts.unchanged


class _Pools:
    """The pools of one event loop."""

    def __init__(self) -> None:
        self.opening = asyncio.Lock()
        self.open: dict[str, Pool] = {}
        self.stack = AsyncExitStack()


_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pools] = WeakKeyDictionary()


@asynccontextmanager
async def lend(reference: str, state: Connection) -> AsyncIterator[Connection]:
    """A connection to the database that `reference` leads to (`env:NAME`, `file:/path`, or a URL).

    Its ledger is there. Sessions there are named as ours are in `state`, with a mark of this installation.

    Raises:
        Unauthorised: the reference leads nowhere. Permanent: to no PostgreSQL URL. Unreachable.
    """
    # By the field's name: a file: reference is read only where a secret is expected.
    url = str(resolve_secrets({"secret": reference})["secret"])
    try:
        pool = await _pool(url, state)
        connection = await pool.acquire()
    except InvalidInput as error:
        raise Permanent(_named(reference, error)) from None
    except Unreachable as error:
        raise Unreachable(_named(reference, error)) from None
    try:
        yield connection
    finally:
        await pool.release(connection)


async def close() -> None:
    """Closes the pools of this event loop; a process may end without."""
    pools = _pools.pop(asyncio.get_running_loop(), None)
    if pools is not None:
        await pools.stack.aclose()


class Turn:
    """A load's turn there: what the ledger said of its batch."""

    def __init__(self, there: Connection, run: UUID, seq: int, outcome: Outcome | None) -> None:
        self._there = there
        self._run = run
        self._seq = seq
        self.outcome = outcome
        """Of the batch, if it is loaded already."""

    async def write(self, outcome: Outcome) -> None:
        """For whoever comes again."""
        await self._there.execute(
            ledger_statements.WRITE_OUTCOME, self._run, self._seq, msgspec.to_builtins(outcome)
        )


@asynccontextmanager
async def turn(
    there: Connection, state: Connection, run_id: int, seq: int, lease: int
) -> AsyncIterator[Turn]:
    """Steps 2 to 4: a transaction of `there`, while that of `state` holds the batch.

    Raises:
        Fenced: the lease went while the lock was waited for. asyncpg.LockNotAvailableError: another load of
            the job is under way; where its worker is lost, its session was ended.
    """
    origin = await _loader.origin_of_run(state, run_id=run_id)
    job, run = origin["job"], origin["run_uid"]
    async with there.transaction():
        await there.execute(ledger_statements.WAIT_BRIEFLY)
        try:
            async with there.transaction():
                await there.execute(ledger_statements.HOLD_JOB, job, run)
        except asyncpg.LockNotAvailableError:
            ended = await _end_lost_sessions(there, state)
            log.warning("another load of this job is under way in its destination", sessions_ended=ended)
            raise
        await there.execute(ledger_statements.WAIT)
        held = await _leases.find_batch(state, run_id=run_id, seq=seq)
        if held is None or held["lease"] != lease or held["state"] != "LEASED":
            raise Fenced(f"batch {seq} of run {run_id} is another worker's now")
        await there.execute(ledger_statements.FORGET, job, run)
        outcome = None
        if await there.fetchval(ledger_statements.ENTER, run, seq, job) is None:
            found: Any = await there.fetchval(ledger_statements.OUTCOME, run, seq)
            outcome = msgspec.convert(found, Outcome)
        yield Turn(there, run, seq, outcome)


async def has_landed(reference: str, state: Connection, run_id: int, seq: int, lease: int) -> bool:
    """Whether a batch is there. The transaction of `state` holds it, and nobody else puts it there any more.

    Raises:
        As `lend` and `turn`.
    """
    async with lend(reference, state) as there:
        look = there.transaction()
        await look.start()
        try:
            async with turn(there, state, run_id, seq, lease) as looked:
                return looked.outcome is not None
        finally:
            await look.rollback()


async def _end_lost_sessions(there: Connection, state: Connection) -> int:
    """Ends what lost workers left behind there: a stopped process holds its locks for ever."""
    names = [row["session"] async for row in _loader.sessions_of_lost_workers(state)]
    ended: int = await _loader.end_sessions(there, names=names)
    return ended


async def _pool(url: str, state: Connection) -> Pool:
    pools = _pools.setdefault(asyncio.get_running_loop(), _Pools())
    async with pools.opening:
        if url not in pools.open:
            mark = await _loader.session_mark(state)
            name = f"{state.get_settings().application_name}{mark}"
            opened = open_pool(url, application_name=name, max_size=MOST_CONNECTIONS, reset_sessions=False)
            pool = await pools.stack.enter_async_context(opened)
            await _prepare(pool)
            pools.open[url] = pool
        return pools.open[url]


async def _prepare(pool: Pool) -> None:
    async with pool.acquire() as connection:
        if await connection.fetchval(ledger_statements.IS_PREPARED):
            return
        try:
            async with connection.transaction():
                await connection.execute(ledger_statements.PREPARE)
        except asyncpg.InsufficientPrivilegeError as error:
            raise InvalidInput(
                f"{error.args[0]}: the schema etl_tui keeps account of loads there; let its user make it"
            ) from None


def _named(reference: str, error: Exception) -> str:
    return f"destination {reference}: {str(error).replace('ETL_DATABASE_URL', reference)}"
