"""The clock of a database that stands still, for what its questions say about ages."""

from __future__ import annotations

from datetime import datetime, timedelta

from etl_core.store.database import Connection


async def freeze(conn: Connection, now: datetime) -> None:
    """For connections that are opened from now on: a `now()` that goes before the server's own.

    Who is alive has just said so.
    """
    await conn.execute(
        "CREATE SCHEMA frozen;"
        "CREATE FUNCTION frozen.now() RETURNS timestamptz LANGUAGE sql STABLE AS"
        f" $$ SELECT '{now.isoformat()}'::timestamptz $$"
    )
    await conn.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = frozen, pg_catalog, public',"
        " current_database()); END $$"
    )
    for table in ("workers", "schedulers"):
        await conn.execute(f"UPDATE {table} SET heartbeat_at = $1", now - timedelta(seconds=3))
