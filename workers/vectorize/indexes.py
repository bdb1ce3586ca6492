"""An hnsw index for the vectors of the model that is set, once there are enough; those of other models go.

Built CONCURRENTLY, so loads and searches go on meanwhile. Without one a search compares all vectors.
"""

from __future__ import annotations

from typing import Final

import asyncpg
import structlog

from etl_core.store.database import Connection
from etl_core.store.queries import load
from workers.vectorize import statements
from workers.vectorize.table import VectorTable

_vectors = load("vectors")

log = structlog.get_logger()

WORTH_IT: Final = 2_000
"""Vectors from which on an index is made: comparing fewer is quick, and exact."""


async def fit_indexes(conn: Connection, table: VectorTable, label: str, dimension: int) -> None:
    """Call it when a pass has ended, outside of a transaction. A failure is logged: search goes on."""
    if not (await _vectors.pgvector(conn))["has_hnsw"]:
        return
    name = {"schema_name": table.schema, "vectors_name": table.vectors}
    if not await _vectors.try_lock_index(conn, **name):
        return
    try:
        wanted = statements.index_name(table.vectors, label)
        found = {row["name"]: row["valid"] async for row in _vectors.vector_indexes(conn, **name)}
        for index, valid in found.items():
            if index != wanted or not valid:
                await conn.execute(statements.drop_index(table, index))
        if found.get(wanted) or dimension > statements.MAX_INDEXED:
            return
        if await conn.fetchval(statements.enough_vectors(table), label, WORTH_IT):
            await conn.execute(statements.create_index(table, wanted, label, dimension))
            log.info("vectors indexed", index=wanted)
    except asyncpg.PostgresError as error:
        log.warning("vectors not indexed; search compares all of them", error=str(error))
    finally:
        await _vectors.unlock_index(conn, **name)
