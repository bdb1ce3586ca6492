"""What is to be done to a job's tables so that its streams can be loaded: a pure rule, from what is known.

The register says which table and which column names a stream has had since its first load; the catalog says
what stands. Neither is changed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from etl_core.connector import Column, ColumnType, Stream
from etl_core.errors import Permanent
from workers.loader import naming, statements
from workers.loader.catalog import JobTables, Place, Registered, SchemaMode, Shape, Surroundings
from workers.loader.target import TargetColumn, TargetTable

_CATALOG_TYPES: Final = {
    **{type_.value: type_ for type_ in ColumnType},
    "timestamp with time zone": ColumnType.TIMESTAMPTZ,
}


@dataclass(slots=True)
class Plan:
    """Statements in order, and what the register is to say afterwards."""

    tables: dict[str, TargetTable] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    registrations: list[TargetTable] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.statements and not self.registrations


def place_streams(
    job: JobTables, streams: Sequence[Stream], schema: str, *, schema_is_named: bool
) -> dict[str, Place]:
    """Stream name -> where its table is, or would be made. A table stays where it was made.

    Raises:
        Permanent: the integration names another schema than the one where a table is.
    """
    registered = job.registered()
    names = naming.assign(
        [stream.name for stream in streams], {stream: table.table for stream, table in registered.items()}
    )
    places = {}
    for stream in streams:
        table = registered.get(stream.name)
        if table and schema_is_named and table.schema != schema:
            raise Permanent(
                f"stream {stream.name} of job {job.name} is in schema {table.schema}, and the integration "
                f"names {schema} now: set it back, or delete the job and make it anew to load all again"
            )
        places[stream.name] = Place(table.schema if table else schema, names[stream.name])
    return places


def plan_tables(
    job: JobTables,
    streams: Sequence[Stream],
    places: Mapping[str, Place],
    around: Surroundings,
    *,
    mode: SchemaMode,
    inferred: Mapping[str, Sequence[Column]],
    fresh: frozenset[str] = frozenset(),
) -> Plan:
    """What makes the tables such that the streams can be loaded.

    `inferred` are columns, by stream, that records have been found to need; tables of `fresh` streams may be
    registered and not there yet.

    Raises:
        Permanent: a table is another's, is gone, was changed by hand, or a column cannot become what the
            stream declares now; each says what to do.
    """
    plan = Plan()
    registered = job.registered()
    for stream in streams:
        row = registered.get(stream.name)
        table = _target(places[stream.name], stream, row, inferred.get(stream.name))
        if job.destination:
            table = replace(table, destination=job.destination)
        may_be_gone = not job.has_checkpoint or stream.name in fresh
        _plan_table(plan, job, table, row, around=around, mode=mode, may_be_gone=may_be_gone)
    missing = {table.schema for table in plan.tables.values() if table.is_made} - around.schemas
    plan.statements[:0] = [statements.create_schema(schema) for schema in sorted(missing)]
    return plan


def _plan_table(
    plan: Plan,
    job: JobTables,
    table: TargetTable,
    row: Registered | None,
    *,
    around: Surroundings,
    mode: SchemaMode,
    may_be_gone: bool,
) -> None:
    place = Place(table.schema, table.name)
    shape = around.shapes[place]
    if row is None:
        _refuse_what_is_not_ours(job, table, shape, around.owners.get(place))
    elif shape is None and not may_be_gone:
        raise Permanent(
            f"table {table} of job {job.name} is gone, but the job's checkpoint goes on behind it: restore "
            "the table, or clear the checkpoint (`etl-tui checkpoint clear`) so that all is loaded again"
        )
    if not table.is_made:
        plan.tables[table.stream.name] = table
        return
    if shape is None:
        plan.statements.append(statements.create_table(table))
    else:
        _check_key(table, row.key if row else [], shape.primary_key)
        _check_metadata(table, shape.columns)
        table = _fit_to_catalog(plan, table, shape.columns, mode)
    plan.tables[table.stream.name] = table
    if row is None or shape is None or _misses(row, table):
        plan.registrations.append(_with_forgotten(table, row))


def _target(
    place: Place, stream: Stream, row: Registered | None, inferred: Sequence[Column] | None
) -> TargetTable:
    """The table as the stream wants it, with the column names that are registered already."""
    registered = row.columns if row else []
    known = {column.name: column.column for column in registered}
    wanted = {column.name: column for column in stream.columns}
    declared = frozenset(wanted)
    if stream.infer:
        for column in inferred or ():
            wanted.setdefault(column.name, column)
        for had in registered:
            wanted.setdefault(had.name, Column(had.name, ColumnType(had.type)))
        stream = replace(stream, columns=tuple(wanted.values()))
    names = naming.assign(list(wanted), known, (*naming.METADATA, *naming.SYSTEM_COLUMNS))
    columns = tuple(TargetColumn(name, names[name], column.type) for name, column in wanted.items())
    has_key = all(name in names for name in stream.key)
    # Without a key a table may have no column of the stream at all; but not before a record has come.
    is_made = has_key and (not stream.infer or bool(columns) or inferred is not None)
    key = tuple(names[name] for name in stream.key) if is_made else ()
    return TargetTable(place.schema, place.name, stream, columns, key, declared=declared, is_made=is_made)


def _refuse_what_is_not_ours(
    job: JobTables, table: TargetTable, shape: Shape | None, owner: str | None
) -> None:
    if owner is not None:
        raise Permanent(
            f"table {table} belongs to job {owner}, so job {job.name} cannot load into it: let it read from "
            "an integration of its own, with another name"
        )
    if shape is not None:
        raise Permanent(
            f"table {table} is there already and was not made by a job: rename or drop it, or let the job "
            "read from an integration with another name"
        )


def _check_key(table: TargetTable, key: Sequence[str], primary_key: Sequence[str]) -> None:
    if tuple(key) != table.stream.key:
        raise Permanent(
            f"the key of {table} was ({', '.join(key)}) and is now ({', '.join(table.stream.key)}): drop "
            "the table and clear the job's checkpoint (`etl-tui checkpoint clear`): all is loaded again"
        )
    expected = table.key or ("_row_id",)
    if tuple(primary_key) != expected:
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


def _fit_to_catalog(
    plan: Plan, table: TargetTable, catalog: Mapping[str, str], mode: SchemaMode
) -> TargetTable:
    """Plans what the table lacks, as far as `mode` lets it; returns it with the columns that it will have."""
    columns: list[TargetColumn] = []
    refused: list[tuple[str, str]] = []
    left_out: list[str] = []
    for column in table.columns:
        stands = catalog.get(column.name)
        if stands is None:
            if mode is SchemaMode.EVOLVE:
                plan.statements.append(statements.add_column(table, column))
                columns.append(column)
            elif mode is SchemaMode.FREEZE:
                left_out.append(column.field)
            else:
                refused.append((column.field, f"new field {column.field}"))
            continue
        was = _CATALOG_TYPES.get(stands)
        if was is None:
            raise _cannot_become(table, column, stands)
        columns.append(replace(column, type=was))
        if was == column.type or (column.type, was) in statements.WIDENINGS:
            continue  # the same, or wider already: it stays
        if mode is SchemaMode.QUARANTINE and not table.stream.infer:
            refused.append(
                (column.field, f"field {column.field} was {was.value} and is now {column.type.value}")
            )
        elif mode is SchemaMode.EVOLVE:
            if (was, column.type) in statements.WIDENINGS:
                plan.statements.append(statements.widen_column(table, column, was))
                columns[-1] = column
            elif not table.stream.infer:  # else what does not fit is rejected, record by record
                raise _cannot_become(table, column, stands)
    stream = replace(table.stream, columns=tuple(Column(column.field, column.type) for column in columns))
    return replace(
        table, stream=stream, columns=tuple(columns), left_out=frozenset(left_out), refused=tuple(refused)
    )


def _cannot_become(table: TargetTable, column: TargetColumn, stands: str) -> Permanent:
    return Permanent(
        f"column {column.name} of {table} was {stands} and is now {column.type.value}: not every value would "
        "fit, so rename or convert the column by hand, or drop the table and clear the job's checkpoint"
    )


def _misses(row: Registered, table: TargetTable) -> bool:
    """Whether the register does not yet say what the table has."""
    said = {(column.name, column.column, column.type) for column in row.columns}
    return any((column.field, column.name, column.type.value) not in said for column in table.columns)


def _with_forgotten(table: TargetTable, row: Registered | None) -> TargetTable:
    """For the register: with the columns that the stream had once, whose names must never be given away."""
    present = {column.field for column in table.columns}
    forgotten = [
        TargetColumn(column.name, column.column, ColumnType(column.type))
        for column in (row.columns if row else [])
        if column.name not in present
    ]
    return replace(table, columns=(*table.columns, *forgotten))
