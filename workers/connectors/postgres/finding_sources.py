"""From the configuration and the catalog to what a run reads, and to what it cannot read and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from etl_core.errors import Permanent, SourceError
from workers.connectors.postgres.catalog import (
    Attribute,
    Relation,
    describe_query,
    fill_in,
    list_relations,
)
from workers.connectors.postgres.config import PostgresConfig, QueryConfig, TableConfig
from workers.connectors.postgres.session import Session
from workers.connectors.postgres.sources import Carried, Cursor, Doubt, Source, Unreadable
from workers.connectors.postgres.statements import as_table, literal, qualified, quote
from workers.connectors.postgres.types import Family, carried, default_overlap, family

_TABLES = "rp"
"""What a pattern means: views and the like are named each, for each needs its key."""
_WITH_XMIN = "rpm"
_NAMED = 5


async def find_sources(session: Session, config: PostgresConfig) -> list[Source | Unreadable]:
    """In the order of the configuration, tables first; patterns in the order of the names.

    Raises:
        Permanent: nothing is meant, or two are called alike. SourceError: the server cannot be asked.
    """
    await session.begin()
    found = await _tables(session, config)
    for query in config.queries:
        found.append(await _query(session, config, query))
    await session.end()
    if not found:
        raise Permanent("no table of the database is meant: mend the patterns in `tables`")
    names: dict[str, str] = {}
    for each in found:
        if each.stream in names:
            raise Permanent(
                f"{names[each.stream]} and {each.shown} are both called {each.stream}: "
                "give one another `stream`"
            )
        names[each.stream] = each.shown
    return found


def default_stream(schema: str, name: str) -> str:
    """Without its schema where that is public."""
    return name if schema == "public" else f"{schema}_{name}"


async def _tables(session: Session, config: PostgresConfig) -> list[Source | Unreadable]:
    there = await list_relations(session)
    by_place = {relation.place: oid for oid, relation in there.items()}
    meant: dict[int, TableConfig] = {}
    order: list[int | Unreadable] = []
    for table in config.tables:
        if not table.is_pattern:
            oid = by_place.get(table.name)
            if oid is None:
                order.append(_not_there(table))
            elif oid not in meant:
                meant[oid] = table
                order.append(oid)
            continue
        for oid, relation in there.items():
            is_table = relation.kind in _TABLES and not relation.is_partition
            left_out = not is_table or config.leaves_out(*relation.place)
            if oid not in meant and not left_out and table.means(*relation.place):
                meant[oid] = table
                order.append(oid)
    await fill_in(session, {oid: there[oid] for oid in meant})
    return [
        each if isinstance(each, Unreadable) else _table(there[each], meant[each], config) for each in order
    ]


def _not_there(table: TableConfig) -> Unreadable:
    schema, name = table.name
    shown = f"{schema}.{name}"
    error = Permanent(f"{shown}: there is no such table in the database, or it was renamed")
    return Unreadable(table.stream or default_stream(schema, name), shown, error)


def _table(relation: Relation, table: TableConfig, config: PostgresConfig) -> Source | Unreadable:
    stream = table.stream or default_stream(*relation.place)
    shown = ".".join(relation.place)
    wanted = [
        each
        for each in relation.attributes
        if (not table.columns or each.name in table.columns) and each.name not in table.exclude_columns
    ]
    try:
        if not table.is_pattern:
            _expect(
                [each.name for each in relation.attributes], table.exclude_columns, "exclude_columns", shown
            )
        if missing := _missing_privilege(relation, wanted):
            detail, remedy = missing
            return Unreadable(stream, shown, Permanent(f"{shown}: {detail}; {remedy}"), True, remedy)
        _expect([each.name for each in wanted], table.columns, "columns", shown)
        if table.by_xmin and relation.kind not in _WITH_XMIN:
            raise Permanent(f"{shown}: a view has no xmin; read it by a cursor column, or as a whole")
        return _source(
            stream,
            shown,
            qualified(*relation.place),
            attributes=wanted,
            reading=table,
            config=config,
            key=table.key or relation.primary_key,
            cursor=() if table.by_xmin else table.cursor,
            relation=relation,
        )
    except SourceError as error:
        return Unreadable(stream, shown, error)


async def _query(session: Session, config: PostgresConfig, query: QueryConfig) -> Source | Unreadable:
    shown = f"query {query.stream}"
    session.what = shown
    try:
        attributes = await describe_query(session, query.query)
        return _source(
            query.stream,
            shown,
            as_table(query.query),
            attributes=attributes,
            reading=query,
            config=config,
            key=query.key,
            cursor=query.cursor,
        )
    except Permanent as error:
        await session.begin()  # the server takes nothing more in a snapshot in which a statement failed
        return Unreadable(query.stream, shown, error)
    finally:
        session.what = "PostgreSQL"


def _source(
    stream: str,
    shown: str,
    sql: str,
    *,
    attributes: Sequence[Attribute],
    reading: TableConfig | QueryConfig,
    config: PostgresConfig,
    key: Sequence[str],
    cursor: Sequence[str],
    relation: Relation | None = None,
) -> Source:
    by_name = {each.name: each for each in attributes}
    if not key:
        raise Permanent(
            f"{shown}: it has no primary key; name the columns that identify a row in `key` of an entry "
            "of its own"
        )
    _expect(by_name, key, "key", shown)
    _expect(by_name, cursor, "cursor", shown)
    _expect(by_name, reading.as_text, "as_text", shown)
    cursors = _cursors(by_name, cursor)
    overlap = reading.overlap
    if cursors and overlap and cursors[0].family is Family.OTHER:
        raise Permanent(f"{shown}: overlap: {cursors[0].name} is neither a time nor a number, leave it out")
    if cursors and overlap is None:
        overlap = default_overlap(cursors[0].family)
    keys = _cursors(by_name, key)
    if relation is None or relation.kind not in _WITH_XMIN:
        # Whether a query's columns may be null is not known: it is not run twice in order to ask.
        keys = tuple(replace(column, is_nullable=False) for column in keys)
    by_xmin = isinstance(reading, TableConfig) and reading.by_xmin
    source = Source(
        stream,
        shown,
        sql,
        tuple(_carried(each, each.name in reading.as_text, config.time_zone) for each in attributes),
        keys,
        cursors,
        by_xmin,
        overlap or 0,
        reading.census_every,
        reading.census_reads == "rows",
    )
    if relation is None:
        return source
    return _with_doubts(replace(source, oid=relation.oid), relation)


def _missing_privilege(relation: Relation, wanted: Sequence[Attribute]) -> tuple[str, str] | None:
    """What is missing, and the statement that gives it."""
    schema, name = relation.place
    if not relation.may_use_schema:
        return f"no USAGE on schema {schema}", f"GRANT USAGE ON SCHEMA {quote(schema)} TO the role"
    hidden = [each.name for each in wanted if not each.may_select]
    if not hidden:
        return None
    if len(hidden) == len(wanted):
        return "no SELECT on it", f"GRANT SELECT ON {qualified(schema, name)} TO the role"
    more = "" if len(hidden) <= _NAMED else f" and {len(hidden) - _NAMED} more"
    detail = f"no SELECT on column {', '.join(hidden[:_NAMED])}{more}"
    columns = ", ".join(quote(each) for each in hidden)
    return (
        detail,
        f"GRANT SELECT ({columns}) ON {qualified(schema, name)} TO the role, or use exclude_columns",
    )


def _expect(there: Collection[str], named: Sequence[str], field: str, shown: str) -> None:
    for name in named:
        if name not in there:
            columns = ", ".join(list(there)[:_NAMED])
            raise Permanent(f"{shown}: {field}: there is no column {name} that is read; there are {columns}")


def _cursors(by_name: Mapping[str, Attribute], names: Sequence[str]) -> tuple[Cursor, ...]:
    return tuple(
        Cursor(name, of.type.cast, of.type.base, family(of.type), of.is_nullable)
        for name in names
        for of in (by_name[name],)
    )


def _carried(of: Attribute, as_text: bool, zone: str) -> Carried:
    type_, expression = carried(of.type, as_text=as_text)
    return Carried(of.name, type_, expression.format(f"t.{quote(of.name)}", zone=literal(zone)))


def _with_doubts(source: Source, relation: Relation) -> Source:
    """What a look at the catalog finds."""
    doubts = []
    key, cursor = source.key, [each.name for each in source.cursor]
    is_table = relation.kind in _WITH_XMIN
    if is_table and not any(unique <= set(key) for unique in relation.unique):
        doubts.append(
            Doubt(
                f"no unique index says that {', '.join(key)} identifies a row",
                "of rows with the same key the last one is kept; name others in `key`, or make the index",
            )
        )
    for names, what in ((cursor, "each run"), (key, "each page of a whole reading")):
        if is_table and names and not any(index[: len(names)] == tuple(names) for index in relation.indexes):
            columns = ", ".join(quote(name) for name in (*names, *(key if names is cursor else ())))
            doubts.append(
                Doubt(
                    f"no index begins with {', '.join(names)}: {what} reads and sorts all of it",
                    f"CREATE INDEX CONCURRENTLY ON {qualified(*relation.place)} ({columns})",
                )
            )
    if relation.is_filtered:
        doubts.append(
            Doubt(
                "row-level security hides rows from the role",
                "if it should read all: ALTER ROLE ... BYPASSRLS",
            )
        )
    if source.cursor and source.cursor[0].family is Family.OTHER:
        doubts.append(
            Doubt(
                f"{cursor[0]} has no overlap: what commits late with a smaller value is found by no run",
                'use a time or number, or "cursor": "xmin"',
            )
        )
    return replace(source, about=relation.about, doubts=tuple(doubts))
