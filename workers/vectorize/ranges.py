"""Ranges of a table in the hands of workers: taken under a lease, fenced by its number, gone when done.

A pass walks through the whole table by its key. Its next range, or one whose worker said nothing in time, is
taken in a short transaction under the lock of the table's row in `vector_tables`; so any number of workers
divide a table. What a range needs is found out when it is worked on: one that is done twice is no harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etl_core.errors import Fenced
from etl_core.store.database import Connection
from etl_core.store.queries import load
from workers.vectorize import statements
from workers.vectorize.table import Bounds, VectorTable

_vectors = load("vectors")


@dataclass(frozen=True, slots=True)
class Range:
    """A part of a table that is ours until `lease` is raised."""

    table: VectorTable
    number: int
    lease: int
    bounds: Bounds

    async def keep(self, conn: Connection, *, seconds: float) -> None:
        """Ours for so long from now; in a transaction, to its end.

        Raises:
            Fenced: it is another's, or the pass began anew.
        """
        if not await _vectors.keep_range(conn, **self._name, lease=self.lease, seconds=seconds):
            raise Fenced(f"range {self.number} of {self.table} is another worker's")

    async def give_back(self, conn: Connection) -> None:
        """Anyone may take it at once."""
        await _vectors.give_back_range(conn, **self._name, lease=self.lease)

    async def finish(self, conn: Connection) -> bool:
        """Drops the vectors of rows that are gone, and ends the range; whether that ended the pass.

        Raises:
            Fenced: it is another's; nothing was written.
        """
        table = self.table
        async with conn.transaction():
            await _vectors.lock_vectors(conn, schema_name=table.schema, table_name=table.table)
            ended = await _vectors.finish_range(conn, **self._name, lease=self.lease)
            if ended is None:
                raise Fenced(f"range {self.number} of {table} is another worker's")
            sql = statements.drop_orphans(table, self.bounds)
            await conn.execute(sql, self.bounds.begins, self.bounds.ends)
        return bool(ended)

    @property
    def _name(self) -> dict[str, Any]:
        return {
            "schema_name": self.table.schema,
            "table_name": self.table.table,
            "number": self.number,
        }


async def take_range(
    conn: Connection, table: VectorTable, *, version: int, rows: int, seconds: float
) -> Range | None:
    """The next part of `table` to look at, ours for `seconds`; None when there is none, or when the settings
    are no longer those of `version`. Begins a pass when one is due."""
    name = {"schema_name": table.schema, "table_name": table.table}
    async with conn.transaction():
        if not await _vectors.lock_vectors(conn, **name):
            return None
        row = await _vectors.vectorized(conn, **name)
        if row is None or not row["wanted"] or row["version"] != version:
            return None
        if row["pass_version"] == version and (
            late := await _vectors.retake_range(conn, **name, seconds=seconds)
        ):
            return _range(table, late)
        begins: list[str] | None = row["scanned_to"]
        if row["pass_version"] != version or row["scan_done"]:
            await _vectors.begin_pass(conn, **name, version=version, changes=row["changes"])
            begins = None
        sql = statements.end_of_range(table, Bounds(begins, None))
        ends = await conn.fetchval(sql, begins, rows)
        return _range(
            table, await _vectors.take_range(conn, **name, begins=begins, ends=ends, seconds=seconds)
        )


def _range(table: VectorTable, row: Mapping[str, Any]) -> Range:
    return Range(table, row["number"], row["lease"], Bounds(row["begins"], row["ends"]))
