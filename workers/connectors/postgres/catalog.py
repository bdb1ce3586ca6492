"""What the server's catalog says of the tables and queries that a configuration means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from etl_core.errors import Permanent
from etl_core.store.queries import load
from workers.connectors.postgres.session import Session, translated
from workers.connectors.postgres.statements import shape
from workers.connectors.postgres.types import SourceType

_queries = load("postgres_source")


@dataclass(frozen=True, slots=True)
class Attribute:
    """A column of a table or query."""

    name: str
    type: SourceType
    is_nullable: bool = True
    may_select: bool = True


@dataclass(slots=True)
class Relation:
    """A table, view or the like; or what a query yields."""

    schema: str
    name: str
    kind: str = "v"
    """`pg_class.relkind`: r, p(artitioned), v(iew), m(aterialised view), f(oreign)."""
    is_partition: bool = False
    about: int = 0
    """Rows, as ANALYZE estimated."""
    may_use_schema: bool = True
    is_filtered: bool = False
    """By row-level security."""
    attributes: list[Attribute] = field(default_factory=list)
    primary_key: tuple[str, ...] = ()
    unique: list[frozenset[str]] = field(default_factory=list)
    indexes: list[tuple[str | None, ...]] = field(default_factory=list)
    """Columns in order; None is an expression."""
    oid: int | None = None
    """None of a query."""

    @property
    def place(self) -> tuple[str, str]:
        return self.schema, self.name


@dataclass(frozen=True, slots=True)
class Server:
    """Who we are, and where."""

    version: str
    encoding: str
    database: str
    role: str
    is_standby: bool
    feedback: str
    delay: str
    is_encrypted: bool


async def ask_server(session: Session) -> Server:
    with translated(session.what):
        row = await _queries.source_server(session.connection)
    return Server(**dict(row))


async def ask_identity(session: Session) -> str | None:
    """System and timeline; None where it is not told. Outside of a transaction, for it may fail."""
    try:
        identity: str = await _queries.source_identity(session.connection)
    except asyncpg.PostgresError:
        return None
    return identity


async def list_relations(session: Session) -> dict[int, Relation]:
    """All tables and the like by their oid, without their columns."""
    with translated(session.what):
        return {
            row["relation"]: Relation(
                row["schema_name"],
                row["name"],
                row["kind"],
                row["is_partition"],
                row["about"],
                row["may_use_schema"],
                row["is_filtered"],
                oid=row["relation"],
            )
            async for row in _queries.source_relations(session.connection)
        }


async def fill_in(session: Session, relations: Mapping[int, Relation]) -> None:
    """Columns, keys and indexes of these."""
    if not relations:
        return
    oids = list(relations)
    with translated(session.what):
        columns = [row async for row in _queries.source_columns(session.connection, relations=oids)]
        indexes = [row async for row in _queries.source_indexes(session.connection, relations=oids)]
    types = await _types(session, {row["type_oid"] for row in columns})
    for row in columns:
        attribute = Attribute(row["name"], types[row["type_oid"]], row["is_nullable"], row["may_select"])
        relations[row["relation"]].attributes.append(attribute)
    for row in indexes:
        relation, names = relations[row["relation"]], tuple(row["columns"])
        relation.indexes.append(names)
        if row["is_unique"] and None not in names:
            relation.unique.append(frozenset(names))
        if row["is_primary"]:
            relation.primary_key = names


async def describe_query(session: Session, query: str) -> list[Attribute]:
    """The columns that a query yields; it is planned, not run.

    Raises:
        SourceError: the server does not take it, or two columns have one name.
    """
    with translated(session.what):
        prepared = await session.connection.prepare(shape(query))
        described: Sequence[Any] = prepared.get_attributes()
    names = [each.name for each in described]
    if twice := {name for name in names if names.count(name) > 1}:
        raise Permanent(f"{session.what}: column {min(twice)} comes twice; name one otherwise (AS ...)")
    types = await _types(session, {each.type.oid for each in described})
    return [Attribute(each.name, types[each.type.oid]) for each in described]


async def _types(session: Session, oids: Iterable[int]) -> dict[int, SourceType]:
    with translated(session.what):
        return {
            row["type_oid"]: SourceType(row["base"], row["category"], row["kind"], row["cast_to"])
            async for row in _queries.source_types(session.connection, types=list(oids))
        }
