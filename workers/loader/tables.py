"""Sees to it that every stream of a job has its table, and that the table has the stream's columns.

Where all is as it should be that costs one statement and no lock (even a no-op ADD COLUMN queues all readers
behind one open reader (m)). Else it is decided under an advisory lock and done in one transaction of its own,
with a lock timeout of 2 s and some patience, an audit event per statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import asyncpg
import stamina

from etl_core.connector import Column, Stream
from etl_core.control.audit import Actor, record_event
from etl_core.errors import Permanent, Transient
from etl_core.store.database import Connection
from etl_core.store.queries import load
from workers.loader import naming
from workers.loader.catalog import JobTables, SchemaMode, Surroundings, look_around, read_tables
from workers.loader.schema_plan import Plan, place_streams, plan_tables
from workers.loader.target import TargetTable

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
    wanted = tuple(streams)
    default_schema = naming.schema_name(tenant, integration, schema)
    job = await read_tables(conn, job_id)
    found = tuple((name, tuple(columns)) for name, columns in (inferred or {}).items())
    known = _as_they_are(
        job, wanted, default_schema, schema_is_named=schema is not None, mode=mode, inferred=found
    )
    if known is not None:
        return dict(known.tables)
    planned = Plan()
    schemas = sorted({default_schema, *(table.schema for table in job.registered().values())})
    try:
        async for attempt in stamina.retry_context(
            on=asyncpg.LockNotAvailableError, attempts=ATTEMPTS, timeout=None, wait_initial=0.1, wait_max=2.0
        ):
            with attempt:
                async with conn.transaction():
                    await _loader.bound_lock_wait(conn)
                    for name in schemas:
                        await _loader.lock_destination(conn, schema_name=name)
                    job = await read_tables(conn, job_id)
                    places = place_streams(job, wanted, default_schema, schema_is_named=schema is not None)
                    around = await look_around(conn, places.values())
                    planned = plan_tables(
                        job, wanted, places, around, mode=mode or job.mode, inferred=dict(found)
                    )
                    await _carry_out(conn, planned, job_id, run_id)
    except asyncpg.LockNotAvailableError:
        names = ", ".join(str(table) for table in planned.tables.values())
        waiting = f"{names or 'the tables'} could not be changed"
        raise Transient(
            f"another session holds a lock, so {waiting} "
            f"({planned.statements[0] if planned.statements else 'its DDL lock'}); end that session, or wait",
            retry_in_place=False,
        ) from None
    except _REFUSED as error:
        raise Permanent(_in_one_line(schemas, error)) from error
    return planned.tables


def mode_of(options: Mapping[str, Any]) -> SchemaMode | None:
    """What a person asked of a run: with the option `evolve` its tables take new fields this once."""
    return SchemaMode.EVOLVE if options.get("evolve") is True else None


@lru_cache(maxsize=512)
def _as_they_are(
    job: JobTables,
    wanted: tuple[Stream, ...],
    schema: str,
    *,
    schema_is_named: bool,
    mode: SchemaMode | None,
    inferred: tuple[tuple[str, tuple[Column, ...]], ...],
) -> Plan | None:
    """The tables when nothing is to be done; None when it is, or more must be known first.

    Kept, for a job comes again and again with the same answer: what is compared then is its text.
    """
    registered = job.registered()
    mine = [registered[stream.name] for stream in wanted if stream.name in registered]
    if len(mine) < len(wanted) or any(table.shape is None for table in mine):
        return None
    around = Surroundings(
        {table.place: table.shape for table in mine}, frozenset(table.schema for table in mine), {}
    )
    places = place_streams(job, wanted, schema, schema_is_named=schema_is_named)
    planned = plan_tables(job, wanted, places, around, mode=mode or job.mode, inferred=dict(inferred))
    return planned if planned.is_empty else None


def _in_one_line(schemas: Sequence[str], error: asyncpg.PostgresError) -> str:
    detail = f" ({' '.join(error.detail.split())})" if error.detail else ""
    return (
        f"schema {', '.join(schemas)} cannot be changed as the stream needs it: {error.args[0]}{detail}; "
        "mend that by hand, then run the job again"
    )


async def _carry_out(conn: Connection, plan: Plan, job_id: int, run_id: int | None) -> None:
    for statement in plan.statements:
        await conn.execute(statement)
        await record_event(conn, "ddl", ACTOR, job_id=job_id, run_id=run_id, statement=statement)
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
