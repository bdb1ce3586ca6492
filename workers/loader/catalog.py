"""What is known of a job's tables before a load: the register's word and the catalog's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import msgspec

from etl_core.errors import Permanent
from etl_core.store.database import Connection
from etl_core.store.queries import load

_loader = load("loader")


class SchemaMode(StrEnum):
    """What happens to fields of a source that an existing table has no column for."""

    EVOLVE = "evolve"
    """Columns are added, and widened where nothing is lost."""
    FREEZE = "freeze"
    """They are left out and counted; a record that does not fit a column is rejected."""
    QUARANTINE = "quarantine"
    """Records that have them are rejected until a person lets the table evolve."""


class Place(NamedTuple):
    """A schema and a name in it."""

    schema: str
    name: str


class Shape(msgspec.Struct, frozen=True):
    """A relation as the catalog has it."""

    columns: dict[str, str]
    """Name -> type, in PostgreSQL's words."""
    primary_key: list[str]


class RegisteredColumn(msgspec.Struct, frozen=True):
    """A column as `destination_tables` has it."""

    name: str
    """The field of the record."""
    column: str
    type: str


class Registered(msgspec.Struct, frozen=True):
    """A table that is the job's."""

    schema: str
    table: str
    stream: str
    key: list[str]
    columns: list[RegisteredColumn]
    shape: Shape | None
    """None: the table is gone, or in another database."""

    @property
    def place(self) -> Place:
        return Place(self.schema, self.table)


@dataclass(frozen=True, slots=True)
class JobTables:
    """A job that loads, and its registered tables. Hashable: equal ones lead to the same plan."""

    job_id: int
    name: str
    """As messages name the job."""
    mode: SchemaMode
    destination: str | None
    """What leads to the other database that its tables are in; None: they are in this one."""
    has_checkpoint: bool
    registered_json: str

    def registered(self) -> dict[str, Registered]:
        """Stream name -> its table."""
        return {table.stream: table for table in _REGISTERED.decode(self.registered_json)}


_REGISTERED = msgspec.json.Decoder(list[Registered])
_SHAPE = msgspec.json.Decoder(Shape)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands where the tables of a job are, or will be."""

    shapes: Mapping[Place, Shape | None]
    schemas: frozenset[str]
    """Those that exist."""
    owners: Mapping[Place, str]
    """The jobs that registered tables belong to, as messages name them."""


async def read_tables(conn: Connection, job_id: int) -> JobTables:
    """One round trip; one statement, so the register and the catalog are of one moment.

    Raises:
        Permanent: the job is gone.
    """
    row = await _loader.loading_state(conn, job_id=job_id)
    if row is None:
        raise Permanent(f"job {job_id} is gone")
    return JobTables(
        job_id,
        f"{row['job_name']} (tenant {row['tenant']})",
        SchemaMode(row["schema_mode"]),
        row["destination"],
        row["has_checkpoint"],
        row["tables"],
    )


async def look_around(there: Connection, conn: Connection, places: Iterable[Place]) -> Surroundings:
    """What the catalog of `there` says of these places, and who they belong to by the register in `conn`."""
    wanted = list(places)
    names = {"schema_names": [p.schema for p in wanted], "table_names": [p.name for p in wanted]}
    shapes: dict[Place, Shape | None] = {}
    schemas = set()
    async for row in _loader.table_shapes(there, **names):
        shapes[Place(row["schema_name"], row["table_name"])] = (
            None if row["shape"] is None else _SHAPE.decode(row["shape"])
        )
        if row["has_schema"]:
            schemas.add(row["schema_name"])
    owners = {
        Place(row["schema_name"], row["table_name"]): f"{row['job_name']} (tenant {row['tenant']})"
        async for row in _loader.owners_of_tables(conn, **names)
    }
    return Surroundings(shapes, frozenset(schemas), owners)
