"""Sees to it that every stream of a job has its table, and that the table has the stream's columns.

Where all is as it should be that costs one statement and no lock (even a no-op ADD COLUMN queues all readers
behind one open reader (m)). Else it is decided under an advisory lock and done in one transaction of its own,
with a lock timeout of 2 s and some patience, an audit event per statement.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import asyncpg
import stamina
import structlog

from etl_core.connector import Column, Stream
from etl_core.control.audit import Actor, record_event
from etl_core.errors import Permanent, Transient
from etl_core.store.database import Connection
from etl_core.store.queries import load
from workers.loader import destination, naming
from workers.loader.catalog import JobTables, Place, SchemaMode, Surroundings, look_around, read_tables
from workers.loader.schema_plan import Plan, place_streams, plan_tables
from workers.loader.target import TargetTable

log = structlog.get_logger()

ACTOR: Final = Actor("etl-worker")
ATTEMPTS: Final = 5

_loader = load("loader")
# A person has to do something first: rights, too many columns, a view on a column that would be widened.
_REFUSED = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.TooManyColumnsError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.FeatureNotSupportedError,
    asyncpg.DependentObjectsStillExistError,
    asyncpg.UndefinedObjectError,
)


async def ensure_tables(
    conn: Connection,
    *,
    job_id: int,
    tenant: str,
    integration: str,
    schema: str | None,
    streams: Iterable[Stream],
    run_id: int | None = None,
    mode: SchemaMode | None = None,
    inferred: Mapping[str, Sequence[Column]] | None = None,
) -> dict[str, TargetTable]:
    """Stream name -> its table, made or widened where needed. `conn` must not be in a transaction.

    `schema` is what the integration names, else `<tenant>_<integration>`. A table that a job has stays where
    it was made, also when tenant or integration are renamed. `mode`, when a person says so for this run, goes
    before the integration's. Of a stream whose columns are inferred, `inferred` are those that records have
    been found to need (`infer_columns`); without them, and before its first load, it has no table.

    Raises:
        Permanent: the table is another job's, was made by others, is gone, or a column cannot become what the
            stream declares now; each says what to do.
        Transient: others hold a lock on the table for too long.
    """
    if conn.is_in_transaction():
        raise RuntimeError("DDL has a transaction of its own: call ensure_tables outside of one")
    default_schema = naming.schema_name(tenant, integration, schema)
    job = await read_tables(conn, job_id)
    wanted = Wanted(
        tuple(streams),
        default_schema,
        schema is not None,
        mode,
        tuple((name, tuple(columns)) for name, columns in (inferred or {}).items()),
    )
    if job.destination is None:
        known = _as_they_are(job, wanted)
        return dict(known.tables) if known else await _change(conn, conn, job, wanted, run_id)
    async with destination.lend(job.destination, conn) as there:
        planned = await _look_and_plan(there, conn, job, wanted)
        return planned.tables if planned.is_empty else await _change(there, conn, job, wanted, run_id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What tables are asked for. Hashable: it is known again."""

    streams: tuple[Stream, ...]
    schema: str
    schema_is_named: bool
    mode: SchemaMode | None
    inferred: tuple[tuple[str, tuple[Column, ...]], ...]
    fresh: frozenset[str] = frozenset()
    """Streams whose tables are registered just now, and not made yet."""


async def _change(
    there: Connection, conn: Connection, job: JobTables, wanted: Wanted, run_id: int | None
) -> dict[str, TargetTable]:
    """Decides under the lock and does it; `there` is where the tables are, `conn` where the register is."""
    schemas = sorted({wanted.schema, *(table.schema for table in job.registered().values())})
    planned = Plan()
    try:
        async for attempt in stamina.retry_context(
            on=asyncpg.LockNotAvailableError, attempts=ATTEMPTS, timeout=None, wait_initial=0.1, wait_max=2.0
        ):
            with attempt:
                if there is not conn:
                    # Registered before it is made: a table that is there and not registered is another's.
                    async with _locked(conn, schemas):
                        job = await read_tables(conn, job.job_id)
                        planned = await _look_and_plan(there, conn, job, wanted)
                        await _register(conn, planned, job.job_id)
                    wanted = replace(wanted, fresh=frozenset(planned.tables) - job.registered().keys())
                async with _locked(conn, schemas):
                    job = await read_tables(conn, job.job_id)
                    planned = await _look_and_plan(there, conn, job, wanted)
                    await _carry_out(there, conn, planned, job.job_id, run_id)
    except asyncpg.LockNotAvailableError:
        names = ", ".join(str(table) for table in planned.tables.values()) or "the tables"
        what = planned.statements[0] if planned.statements else "its DDL lock"
        raise Transient(
            f"{names}: another session holds a lock, so the table could not be changed ({what}); end that "
            "session, or wait",
            retry_in_place=False,
        ) from None
    except _REFUSED as error:
        raise Permanent(_in_one_line(schemas, error)) from error
    return planned.tables


@asynccontextmanager
async def _locked(conn: Connection, schemas: Sequence[str]) -> AsyncIterator[None]:
    async with conn.transaction():
        await _loader.bound_lock_wait(conn)
        for name in schemas:
            await _loader.lock_destination(conn, schema_name=name)
        yield


async def _look_and_plan(there: Connection, conn: Connection, job: JobTables, wanted: Wanted) -> Plan:
    places = _places(job, wanted)
    return _plan(job, wanted, places, await look_around(there, conn, places.values()))


def _places(job: JobTables, wanted: Wanted) -> dict[str, Place]:
    return place_streams(job, wanted.streams, wanted.schema, schema_is_named=wanted.schema_is_named)


def _plan(job: JobTables, wanted: Wanted, places: Mapping[str, Place], around: Surroundings) -> Plan:
    return plan_tables(
        job,
        wanted.streams,
        places,
        around,
        mode=wanted.mode or job.mode,
        inferred=dict(wanted.inferred),
        fresh=wanted.fresh,
    )


def mode_of(options: Mapping[str, Any]) -> SchemaMode | None:
    """What a person asked of a run: with the option `evolve` its tables take new fields this once."""
    return SchemaMode.EVOLVE if options.get("evolve") is True else None


@lru_cache(maxsize=512)
def _as_they_are(job: JobTables, wanted: Wanted) -> Plan | None:
    """The tables when nothing is to be done; None when it is, or more must be known first.

    Kept, for a job comes again and again with the same answer: what is compared then is its text.
    """
    registered = job.registered()
    mine = [registered[stream.name] for stream in wanted.streams if stream.name in registered]
    if len(mine) < len(wanted.streams) or any(table.shape is None for table in mine):
        return None
    around = Surroundings(
        {table.place: table.shape for table in mine}, frozenset(table.schema for table in mine), {}
    )
    planned = _plan(job, wanted, _places(job, wanted), around)
    return planned if planned.is_empty else None


def _in_one_line(schemas: Sequence[str], error: asyncpg.PostgresError) -> str:
    detail = f" ({' '.join(error.detail.split())})" if error.detail else ""
    return (
        f"schema {', '.join(schemas)} cannot be changed as the stream needs it: {error.args[0]}{detail}; "
        "mend that by hand, then run the job again"
    )


async def _carry_out(
    there: Connection, conn: Connection, plan: Plan, job_id: int, run_id: int | None
) -> None:
    if there is conn:
        await _execute(there, plan)
    else:
        async with there.transaction():
            await _loader.bound_lock_wait(there)
            await _execute(there, plan)
    for statement in plan.statements:
        await record_event(conn, "ddl", ACTOR, job_id=job_id, run_id=run_id, statement=statement)
        log.info("table changed", statement=statement)
    await _register(conn, plan, job_id)


async def _execute(there: Connection, plan: Plan) -> None:
    for statement in plan.statements:
        await there.execute(statement)


async def _register(conn: Connection, plan: Plan, job_id: int) -> None:
    for table in plan.registrations:
        await _loader.register_table(
            conn,
            schema_name=table.schema,
            table_name=table.name,
            job_id=job_id,
            stream=table.stream.name,
            key=list(table.stream.key),
            columns=[
                {"name": column.field, "column": column.name, "type": column.type.value}
                for column in table.columns
            ],
        )
