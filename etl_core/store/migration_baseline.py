"""Adopting a database that the legacy tool built: its tables are there, our bookkeeping is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl_core.errors import Conflict, InvalidInput
from etl_core.store.migration_bookkeeping import queries

if TYPE_CHECKING:
    from etl_core.store.database import Connection

LEGACY_VERSION = 4
"""The newest migration that only tells what the legacy tool had built."""

LEGACY_COLUMNS: dict[int, dict[str, tuple[str, ...]]] = {
    1: {
        "tenants": ("id", "name", "active", "created_at", "last_updated_at"),
        "integrations": (
            *("id", "name", "type", "logo_filename", "base_url"),
            *("tenant_id", "active", "created_at", "last_updated_at"),
        ),
    },
    2: {
        "system_settings": (
            *("id", "setting_key", "setting_value", "setting_type", "description"),
            *("tenant_id", "active", "created_at", "last_updated_at"),
        ),
    },
    3: {
        "etl_jobs": (
            *("id", "job_name", "execution_order", "status"),
            *("last_run_started_at", "last_success_at", "last_finished_at", "error_message", "retry_count"),
            *("last_repo_sync_checkpoint", "repo_processing_queue", "last_pr_cursor", "current_pr_node_id"),
            *("last_commit_cursor", "last_review_cursor", "last_comment_cursor", "last_review_thread_cursor"),
            *("integration_id", "tenant_id", "active", "created_at", "last_updated_at"),
        ),
    },
    4: {
        "vectorization_queue": ("id", "tenant_id"),
    },
}
"""The columns that 0005 and later read, by migration and table; more may be there."""


async def legacy_tables(conn: Connection) -> list[str]:
    """Those of the legacy tables that are there, sorted."""
    names = [table for tables in LEGACY_COLUMNS.values() for table in tables]
    return [row["table_name"] async for row in queries.columns_of(conn, tables=names)]


async def check_baseline(conn: Connection, version: int) -> list[str]:
    """Checks that the tables of migrations 1 to `version` are there; returns remarks on unexpected columns.

    Raises:
        InvalidInput: `version` is not between 1 and 4.
        Conflict: tables or columns are missing; the message lists them.
    """
    if not 1 <= version <= LEGACY_VERSION:
        raise InvalidInput(f"--baseline {version}: the legacy schema is 1 to {LEGACY_VERSION}")
    expected = {
        table: columns
        for migration, tables in LEGACY_COLUMNS.items()
        if migration <= version
        for table, columns in tables.items()
    }
    found = queries.columns_of(conn, tables=list(expected))
    there = {row["table_name"]: row["columns"] async for row in found}
    missing = [
        f"{table}.{column}" if table in there else f"table {table}"
        for table, columns in expected.items()
        for column in (columns if table in there else ("",))
        if column not in there.get(table, ())
    ]
    if missing:
        raise Conflict(f"this is not the legacy schema {version}: missing {', '.join(missing)}")
    more = [
        f"etl_jobs.{column}"
        for column in there.get("etl_jobs", ())
        if column not in expected.get("etl_jobs", ())
    ]
    return [f"{column} is not known to us: it goes into the archive legacy_0005 only" for column in more]
