"""Sees to it that every stream of a job has its table, and that the table has the stream's columns.

What is to be done is decided from the catalog, without locks; when nothing is, nothing is executed (even a
no-op ADD COLUMN queues all readers behind one open reader (m)). Else it is decided again under an advisory
lock and done in one transaction of its own, with a lock timeout of 2 s and some patience, an audit event per
statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import asyncpg
import stamina

from etl_core.connector import Column, ColumnType, Stream
from etl_core.control.audit import Actor, record_event
from etl_core.errors import Permanent, Transient
from etl_core.store.database import Connection
from etl_core.store.queries import load
from workers.loader import naming, statements
from workers.loader.target import TargetColumn, TargetTable

ACTOR: Final = Actor("etl-worker")
ATTEMPTS: Final = 5

_loader = load("loader")
_CATALOG_TYPES: Final = {
    **{type_.value: type_ for type_ in ColumnType},
    "timestamp with time zone": ColumnType.TIMESTAMPTZ,
}
# A person has to do something first: rights, too many columns, a view on a column that would be widened.
_REFUSED = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.TooManyColumnsError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.FeatureNotSupportedError,
    asyncpg.DependentObjectsStillExistError,
    asyncpg.UndefinedObjectError,
)


@dataclass(slots=True)
class _Plan:
    tables: dict[str, TargetTable] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    registrations: list[TargetTable] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not self.statements and not self.registrations


@dataclass(frozen=True, slots=True)
class _Job:
    """The job that loads, and what is registered as its own: stream name -> row of destination_tables."""

    id: int
    name: str
    has_checkpoint: bool
    schema: str
    schema_is_named: bool
    registered: Mapping[str, Any]


async def ensure_tables(
    conn: Connection,
    *,
    job_id: int,
    tenant: str,
    integration: str,
    schema: str | None,
    streams: Iterable[Stream],
    run_id: int | None = None,
) -> dict[str, TargetTable]:
    """Stream name -> its table, made or widened where needed. `conn` must not be in a transaction.

    `schema` is what the integration names, else `<tenant>_<integration>`. A table that a job has stays where
    it was made, also when tenant or integration are renamed.

    Raises:
        Permanent: the table is another job's, was made by others, is gone, or a column cannot become what the
            stream declares now; each says what to do.
        Transient: others hold a lock on the table for too long.
    """
    if conn.is_in_transaction():
        raise RuntimeError("DDL has a transaction of its own: call ensure_tables outside of one")
    wanted = list(streams)
    default_schema = naming.schema_name(tenant, integration, schema)

    async def plan() -> _Plan:
        return await _plan(conn, await _read_job(conn, job_id, default_schema, schema is not None), wanted)

    # In one snapshot: what another worker registers between two looks would be taken for another job's.
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        planned = await plan()
    if planned.empty:
        return planned.tables
    schemas = sorted({table.schema for table in planned.tables.values()})
    try:
        async for attempt in stamina.retry_context(
            on=asyncpg.LockNotAvailableError, attempts=ATTEMPTS, timeout=None, wait_initial=0.1, wait_max=2.0
        ):
            with attempt:
                async with conn.transaction():
                    await _loader.bound_lock_wait(conn)
                    for name in schemas:
                        await _loader.lock_destination(conn, schema_name=name)
                    planned = await plan()
                    await _carry_out(conn, planned, job_id, run_id)
    except asyncpg.LockNotAvailableError:
        names = ", ".join(str(table) for table in planned.tables.values())
        raise Transient(
            f"{names}: another session holds a lock, so the table could not be changed "
            f"({planned.statements[0]}); end that session, or wait",
            retry_in_place=False,
        ) from None
    except _REFUSED as error:
        raise Permanent(_in_one_line(schemas, error)) from error
    return planned.tables


def _in_one_line(schemas: Sequence[str], error: asyncpg.PostgresError) -> str:
    detail = f" ({' '.join(error.detail.split())})" if error.detail else ""
    return (
        f"schema {', '.join(schemas)} cannot be changed as the stream needs it: {error.args[0]}{detail}; "
        "mend that by hand, then run the job again"
    )


async def _carry_out(conn: Connection, plan: _Plan, job_id: int, run_id: int | None) -> None:
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


async def _read_job(conn: Connection, job_id: int, schema: str, schema_is_named: bool) -> _Job:
    row = await _loader.loading_job(conn, job_id=job_id)
    if row is None:
        raise Permanent(f"job {job_id} is gone")
    registered = {entry["stream"]: entry async for entry in _loader.tables_of_job(conn, job_id=job_id)}
    name = f"{row['job_name']} (tenant {row['tenant']})"
    return _Job(job_id, name, row["has_checkpoint"], schema, schema_is_named, registered)


async def _plan(conn: Connection, job: _Job, streams: Sequence[Stream]) -> _Plan:
    plan = _Plan()
    known = {stream: row["table_name"] for stream, row in job.registered.items()}
    table_names = naming.assign([stream.name for stream in streams], known)
    for stream in streams:
        row = job.registered.get(stream.name)
        schema = row["schema_name"] if row else job.schema
        if row and job.schema_is_named and schema != job.schema:
            raise Permanent(
                f"stream {stream.name} of job {job.name} is in schema {schema}, and the integration names "
                f"{job.schema} now: set it back, or delete the job and make it anew to load all again"
            )
        table = _target(schema, table_names[stream.name], stream, row)
        await _plan_table(conn, plan, job, table, row)
    schemas = {table.schema for table in plan.tables.values()}
    missing = [
        schema for schema in sorted(schemas) if not await _loader.schema_exists(conn, schema_name=schema)
    ]
    plan.statements[:0] = [statements.create_schema(schema) for schema in missing]
    return plan


def _target(schema: str, name: str, stream: Stream, row: Any) -> TargetTable:
    """The table as the stream wants it, with the column names that are registered already."""
    known = {entry["name"]: entry["column"] for entry in row["columns"]} if row else {}
    names = naming.assign(
        [column.name for column in stream.columns], known, (*naming.METADATA, *naming.SYSTEM_COLUMNS)
    )
    columns = tuple(TargetColumn(column.name, names[column.name], column.type) for column in stream.columns)
    return TargetTable(schema, name, stream, columns, tuple(names[field] for field in stream.key))


async def _plan_table(conn: Connection, plan: _Plan, job: _Job, table: TargetTable, row: Any) -> None:
    shape = await _loader.table_shape(conn, schema_name=table.schema, table_name=table.name)
    if row is None:
        await _refuse_what_is_not_ours(conn, job, table, shape)
    elif shape is None and job.has_checkpoint:
        raise Permanent(
            f"table {table} of job {job.name} is gone, but the job's checkpoint goes on behind it: restore "
            "the table, or clear the checkpoint (`etl-tui checkpoint clear`) so that all is loaded again"
        )
    if shape is None:
        plan.statements.append(statements.create_table(table))
    else:
        _check_key(table, list(row["key"]), list(shape["primary_key"]))
        _check_metadata(table, dict(shape["columns"]))
        table = _fit_to_catalog(plan, table, dict(shape["columns"]))
    plan.tables[table.stream.name] = table
    if row is None or shape is None or _misses(row["columns"], table):
        plan.registrations.append(_with_forgotten(table, row))


async def _refuse_what_is_not_ours(conn: Connection, job: _Job, table: TargetTable, shape: Any) -> None:
    owner = await _loader.owner_of_table(conn, schema_name=table.schema, table_name=table.name)
    if owner is not None:
        raise Permanent(
            f"table {table} belongs to job {owner['job_name']} (tenant {owner['tenant']}), so job "
            f"{job.name} cannot load into it: let it read from an integration of its own, with another name"
        )
    if shape is not None:
        raise Permanent(
            f"table {table} is there already and was not made by a job: rename or drop it, or let the job "
            "read from an integration with another name"
        )


def _check_key(table: TargetTable, key: list[str], primary_key: list[str]) -> None:
    if key != list(table.stream.key):
        raise Permanent(
            f"the key of {table} was ({', '.join(key)}) and is now ({', '.join(table.stream.key)}): drop "
            "the table and clear the job's checkpoint (`etl-tui checkpoint clear`): all is loaded again"
        )
    expected = list(table.key) or ["_row_id"]
    if primary_key != expected:
        raise Permanent(
            f"the primary key of {table} is ({', '.join(primary_key)}) and must be ({', '.join(expected)}): "
            "somebody changed it by hand; change it back"
        )


def _check_metadata(table: TargetTable, catalog: Mapping[str, str]) -> None:
    for name, type_ in statements.METADATA_TYPES.items():
        stands = catalog.get(name, "gone")
        if not type_.startswith(stands):
            raise Permanent(
                f"column {name} of {table} must be {type_} and is {stands}: somebody changed it by hand; "
                "change it back, or drop the table and clear the checkpoint (`etl-tui checkpoint clear`)"
            )


def _fit_to_catalog(plan: _Plan, table: TargetTable, catalog: Mapping[str, str]) -> TargetTable:
    """Plans what the table lacks; returns it with the types that it will have."""
    types: dict[str, ColumnType] = {}
    for column in table.columns:
        stands = catalog.get(column.name)
        if stands is None:
            plan.statements.append(statements.add_column(table, column))
            types[column.field] = column.type
            continue
        was = _CATALOG_TYPES.get(stands)
        if was is not None and (was == column.type or (column.type, was) in statements.WIDENINGS):
            types[column.field] = was  # the same, or wider already: it stays
        elif was is not None and (was, column.type) in statements.WIDENINGS:
            plan.statements.append(statements.widen_column(table, column, was))
            types[column.field] = column.type
        else:
            raise Permanent(
                f"column {column.name} of {table} was {stands} and is now {column.type.value}: not every "
                "value would fit, so rename or convert the column by hand, or drop the table and clear the "
                "job's checkpoint"
            )
    stream = replace(
        table.stream,
        columns=tuple(Column(column.name, types[column.name]) for column in table.stream.columns),
    )
    columns = tuple(replace(column, type=types[column.field]) for column in table.columns)
    return replace(table, stream=stream, columns=columns)


def _misses(registered: Sequence[Mapping[str, str]], table: TargetTable) -> bool:
    """Whether the register does not yet say what the table has."""
    said = {(entry["name"], entry["column"], entry["type"]) for entry in registered}
    return any((column.field, column.name, column.type.value) not in said for column in table.columns)


def _with_forgotten(table: TargetTable, row: Any) -> TargetTable:
    """For the register: with the columns that the stream had once, whose names must never be given away."""
    present = {column.field for column in table.columns}
    forgotten = [
        TargetColumn(entry["name"], entry["column"], ColumnType(entry["type"]))
        for entry in (row["columns"] if row else [])
        if entry["name"] not in present
    ]
    return replace(table, columns=(*table.columns, *forgotten))
