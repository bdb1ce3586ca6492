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
    async with conn.transaction():
        await conn.execute("SET LOCAL session_replication_role = replica")  # else a trigger sets it
        await conn.execute("UPDATE etl_jobs SET last_updated_at = $1", now)
    for table in ("workers", "schedulers"):
        await conn.execute(f"UPDATE {table} SET heartbeat_at = $1", now - timedelta(seconds=3))
