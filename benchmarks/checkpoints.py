"""A checkpoint of 20,000 partitions: what it costs to show, compare, rewind and edit it.

Usage: ETL_DATABASE_URL=... python -m benchmarks.checkpoints   (a migrated database that nobody else uses)

Prints seconds of the wall, of the processor in this process and in the server, and the largest memory so far.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from etl_core.control import checkpoints
from etl_core.control.audit import Actor
from etl_core.rules.checkpoints.paths import parse_path
from etl_core.rules.checkpoints.repairs import Clear, DropResume, EditValue, Rewind, Scope
from etl_core.store import database
from etl_core.store.database import Connection
from etl_core.store.queries import load

PARTITIONS, VERSIONS = 20_000, 30
_settle = load("settle")
_WHO = Actor("benchmark")
_TICKS = os.sysconf("SC_CLK_TCK")


async def main() -> None:
    conn = await database.connect(os.environ["ETL_DATABASE_URL"], application_name="benchmark")
    job_id = await _make(conn)
    backend = await conn.fetchval("SELECT pg_backend_pid()")

    async def timed(name: str, work: Awaitable[Any]) -> None:
        wall, ours, theirs = time.perf_counter(), time.process_time(), _server_seconds(backend)
        await work
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(
            f"{name:32} {time.perf_counter() - wall:6.2f} wall {time.process_time() - ours:6.2f} program"
            f" {_server_seconds(backend) - theirs:6.2f} server {memory:5} MB"
        )

    part = Scope("issues", "octo/repository-5")
    value = EditValue(parse_path("issues/octo/repository-7.bookmark.updated_at"), "2026-01-01T00:00:00Z")
    await timed("show", checkpoints.read_checkpoint(conn, job_id))
    await timed("history", checkpoints.list_versions(conn, job_id))
    await timed("diff of the last version", checkpoints.diff_versions(conn, job_id))
    await timed("diff of first and last", checkpoints.diff_versions(conn, job_id, 1, VERSIONS + 1))
    await timed("document of version 10", checkpoints.read_version(conn, job_id, 10))
    await timed("plan of a rewind of all", checkpoints.plan(conn, job_id, Rewind(1)))
    for name, repair in (
        ("rewind one partition", Rewind(1, part)),
        ("edit one value", value),
        ("rewind all", Rewind(1)),
        ("drop resume of all", DropResume()),
        ("clear all", Clear()),
    ):
        await timed(name, checkpoints.repair(conn, job_id, repair, _WHO, reason="benchmark"))
    await conn.close()


async def _make(conn: Connection) -> int:
    """A job of the connector github with so many partitions and versions."""
    tenant = await conn.fetchval("INSERT INTO tenants (name) VALUES ('checkpoints') RETURNING id")
    integration = await conn.fetchval(
        "INSERT INTO integrations (name, type, tenant_id) VALUES ('github', 'github', $1) RETURNING id",
        tenant,
    )
    job_id: int = await conn.fetchval(
        "INSERT INTO etl_jobs (job_name, schedule_interval_minutes, retry_interval_minutes, integration_id,"
        " tenant_id) VALUES ('large', 60, 15, $1, $2) RETURNING id",
        integration,
        tenant,
    )
    await conn.execute(
        "INSERT INTO job_checkpoints (job_id, stream, partition, bookmark, resume)"
        " SELECT $1, 'issues', 'octo/repository-' || n, jsonb_build_object('repository_id', md5(n::text),"
        " 'updated_at', '2026-05-01T00:00:00Z', 'children', '[\"reviews\", \"comments\", \"files\"]'::jsonb),"
        " CASE WHEN n % 10 = 0 THEN jsonb_build_object('repository_id', md5(n::text), 'since', null,"
        " 'cursor', md5(n::text), 'reached', null, 'children', '[]'::jsonb) END"
        " FROM generate_series(1, $2) AS n",
        job_id,
        PARTITIONS,
    )
    await _cut(conn, job_id)
    for version in range(VERSIONS):
        await conn.execute(
            "UPDATE job_checkpoints SET bookmark = bookmark || jsonb_build_object('updated_at', $2::text)"
            " WHERE job_id = $1 AND abs(hashtext(partition)) % 10 = $3",
            job_id,
            f"2026-06-01T00:00:{version:02}Z",
            version % 10,
        )
        await _cut(conn, job_id)
    return job_id


async def _cut(conn: Connection, job_id: int) -> None:
    await _settle.cut_checkpoint(
        conn, job_id=job_id, source="run", actor="benchmark", reason=None, run_id=None
    )


def _server_seconds(backend: int) -> float:
    """Of a server on this machine."""
    fields = Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    asyncio.run(main())
