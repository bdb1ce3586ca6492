"""pgvector in the database: made where it can be, and a clear word where it cannot."""

from __future__ import annotations

from typing import Final

import asyncpg

from etl_core.errors import Conflict
from etl_core.store.database import Connection
from etl_core.store.queries import load

_vectors = load("vectors")

MISSING: Final = (
    "vectorizing needs pgvector, which this PostgreSQL server does not have: install it there (Debian and "
    "Ubuntu: apt install postgresql-{major}-pgvector), then try again; the embedded server has it"
)


async def find_pgvector(conn: Connection) -> str | None:
    """The schema that it is in; None when this database does not have it."""
    place: str | None = (await _vectors.pgvector(conn))["place"]
    return place


async def ensure_pgvector(conn: Connection) -> str:
    """The schema that it is in, made if need be and if we may.

    Raises:
        Conflict: the server does not have it, or our role may not make it; with what to do.
    """
    found = await _vectors.pgvector(conn)
    if found["place"] is not None:
        return str(found["place"])
    if found["available"] is None:
        raise Conflict(MISSING.format(major=conn.get_server_version().major))
    try:
        async with conn.transaction():
            await _vectors.lock_extension(conn)
            await _vectors.create_extension(conn)
    except asyncpg.InsufficientPrivilegeError:
        raise Conflict(
            "vectorizing needs the extension pgvector in this database, and our role may not make it: "
            "let a superuser run CREATE EXTENSION vector in it"
        ) from None
    place = await find_pgvector(conn)
    if place is None:
        raise Conflict("pgvector was dropped while it was made; try again")
    return place
