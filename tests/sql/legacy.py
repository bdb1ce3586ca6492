"""A filled legacy database with the odd rows that real ones have, and pictures of databases to compare."""

from __future__ import annotations

from pathlib import Path

from etl_core.store.database import Connection

FILL = Path(__file__).with_name("legacy.sql").read_text(encoding="utf-8")
"""Rows for a database at migration 4."""

MIGRATED_TABLES = ("tenants", "integrations", "system_settings", "etl_jobs")


async def rows(conn: Connection, table: str) -> dict[int, dict[str, object]]:
    """All rows of a table by id, times as text."""
    return {
        row["id"]: row["document"]
        for row in await conn.fetch(f"SELECT id, to_jsonb(t) AS document FROM {table} AS t")
    }


async def contents(conn: Connection, *tables: str) -> dict[str, dict[int, dict[str, object]]]:
    return {table: await rows(conn, table) for table in tables}


async def structure(conn: Connection, schema: str = "public") -> dict[str, list[tuple[object, ...]]]:
    """Columns in their order, constraints, indexes, triggers, functions and sequences of a schema."""
    queries = {
        "columns": """
            SELECT table_name, row_number() OVER (PARTITION BY table_name ORDER BY ordinal_position),
                column_name, data_type, character_maximum_length, is_nullable,
                replace(column_default, $1 || '.', '')
            FROM information_schema.columns
            WHERE table_schema = $1 AND table_name <> 'schema_migrations' ORDER BY 1, 2""",
        "constraints": """
            SELECT c.relname, k.conname, pg_get_constraintdef(k.oid)
            FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
            WHERE c.relnamespace = to_regnamespace($1) AND c.relname <> 'schema_migrations'
                AND k.contype <> 'n' ORDER BY 1, 2""",
        "indexes": """
            SELECT tablename, indexname, replace(indexdef, $1 || '.', '') FROM pg_indexes
            WHERE schemaname = $1 AND tablename <> 'schema_migrations' ORDER BY 1, 2""",
        "triggers": """
            SELECT c.relname, t.tgname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
            WHERE c.relnamespace = to_regnamespace($1) AND NOT t.tgisinternal ORDER BY 1, 2""",
        "functions": "SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace($1) ORDER BY 1",
        "sequences": """
            SELECT s.relname, d.refobjid::regclass::text, a.attname
            FROM pg_class AS s
            LEFT JOIN pg_depend AS d ON d.objid = s.oid AND d.deptype IN ('a', 'i')
                AND d.classid = 'pg_class'::regclass
            LEFT JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE s.relkind = 'S' AND s.relnamespace = to_regnamespace($1) ORDER BY 1""",
        "schemas": """
            SELECT nspname FROM pg_namespace
            WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'documented') AND $1 <> ''
            ORDER BY 1""",
    }
    return {name: [tuple(row) for row in await conn.fetch(query, schema)] for name, query in queries.items()}
