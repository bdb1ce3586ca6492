"""The limit: decode, COPY, merge on one connection. No queue, no checkpoint, no reject, one known table.

The merge is the same as ours: last of a key, anti-join, ON CONFLICT, with our own four columns in the table.
What the source says is decoded straight into a struct of the table's types, and the two JSON columns are
passed on as they stand. Planned anew for each batch: a plan that was made when the table was empty reads all
of it for every later batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from benchmarks.dispatch.servers import Servers
from benchmarks.pipeline.measure import Load, expect_loaded, measured
from benchmarks.pipeline.processor_time import meter
from benchmarks.pipeline.records import Phase
from etl_core.store.database import Connection

SYSTEM: Final = "limit"
BATCH: Final = 5_000
_DATABASE = "limit"
_TABLE = "issues"


class Issue(msgspec.Struct):
    """A record in the order and types of the table's columns."""

    id: int
    number: int
    repository: str
    title: str
    state: str
    author: str
    body: str
    comments: int
    created_at: datetime
    updated_at: datetime
    labels: msgspec.Raw
    reactions: msgspec.Raw


_TYPES: Final = {int: "bigint", str: "text", datetime: "timestamptz", msgspec.Raw: "jsonb"}
_COLUMNS: Final = {field.name: _TYPES[field.type] for field in msgspec.structs.fields(Issue)}


async def load_directly(servers: Servers, files: dict[Phase, Path], number: int) -> list[Load]:
    """The three phases into a table of their own."""
    await servers.make_database(_DATABASE, migrated=False)
    read_used = meter(servers.postgres.folder)
    loads = []
    conn: Connection = await asyncpg.connect(
        servers.postgres.url(_DATABASE)
    )  # its own jsonb is text as it stands
    try:
        columns = ", ".join(f"{name} {type_}" for name, type_ in _COLUMNS.items())
        await conn.execute(
            f"CREATE TABLE {_TABLE} ({columns}, _extracted_at timestamptz,"
            " _loaded_at timestamptz NOT NULL DEFAULT now(), _run_id bigint, _deleted_at timestamptz,"
            f" PRIMARY KEY (id)); CREATE TEMPORARY TABLE stage ({columns}, ordinal int) ON COMMIT DELETE ROWS"
        )
        for phase, file in files.items():
            async with measured(conn, SYSTEM, phase, number, read_used) as load:
                await _load(conn, file)
            await expect_loaded(conn, _TABLE, number, phase=phase)
            loads.append(load)
    finally:
        await conn.close()
    return loads


async def _load(conn: Connection, path: Path) -> None:
    decode = msgspec.json.Decoder(Issue).decode
    with path.open("rb") as file:
        lines = (line for line in file if not line.isspace())
        while rows := [_row(decode(line), n) for n, line in enumerate(islice(lines, BATCH))]:
            await _merge(conn, rows)
            await asyncio.sleep(0)


def _row(issue: Issue, ordinal: int) -> tuple[object, ...]:
    return (
        issue.id,
        issue.number,
        issue.repository,
        issue.title,
        issue.state,
        issue.author,
        issue.body,
        issue.comments,
        issue.created_at,
        issue.updated_at,
        str(issue.labels, "utf-8"),
        str(issue.reactions, "utf-8"),
        ordinal,
    )


async def _merge(conn: Connection, rows: Iterable[tuple[object, ...]]) -> None:
    async with conn.transaction():
        await conn.copy_records_to_table("stage", columns=[*_COLUMNS, "ordinal"], records=rows)
        await (await conn.prepare(_MERGE)).fetchrow()


def _list(prefix: str = "") -> str:
    return ", ".join(f"{prefix}{name}" for name in _COLUMNS)


def _differs(side: str) -> str:
    columns = [name for name in _COLUMNS if name != "id"]
    conditions = [f"t.{name} IS DISTINCT FROM {side}.{name}" for name in columns]
    return " OR ".join([*conditions, "t._deleted_at IS NOT NULL"])


_MERGE: Final = f"""
WITH incoming AS MATERIALIZED (SELECT DISTINCT ON (id) {_list()} FROM stage ORDER BY id, ordinal DESC),
merged AS (
    INSERT INTO {_TABLE} AS t ({_list()}, _extracted_at, _run_id)
    SELECT {_list("s.")}, now(), 1 FROM incoming AS s
    WHERE NOT EXISTS (SELECT FROM {_TABLE} AS t WHERE t.id = s.id AND NOT ({_differs("s")}))
    ORDER BY s.id
    ON CONFLICT (id) DO UPDATE SET
        {", ".join(f"{name} = EXCLUDED.{name}" for name in _COLUMNS if name != "id")},
        _extracted_at = EXCLUDED._extracted_at, _loaded_at = now(), _run_id = EXCLUDED._run_id,
        _deleted_at = NULL
    WHERE {_differs("EXCLUDED")}
    RETURNING t.xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) AS new, count(*) FILTER (WHERE NOT is_new) AS changed FROM merged"""
