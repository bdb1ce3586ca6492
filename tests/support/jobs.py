"""Short ways to a job with a run in hand, by the program's own steps, so that rows are as they really are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg

from etl_core.control.audit import Actor
from etl_core.control.jobs import run_now
from etl_core.lifecycle.claim import ClaimedRun, claim_run
from etl_core.store.database import Connection
from etl_core.store.queries import load

PERSON = Actor("tess", "tess", None)
PATIENCE = 60.0
"""How long a test waits for what must come, in seconds; busy machines are slow."""

_leases = load("leases")
_loader = load("loader")


async def make_integration(
    conn: Connection,
    name: str = "made-up",
    *,
    tenant: str = "acme",
    kind: str = "synthetic",
    config: dict[str, Any] | None = None,
) -> int:
    """An integration of a tenant; both are made when not there, the tenant without its seeded jobs."""
    tenant_id = await conn.fetchval("SELECT id FROM tenants WHERE name = $1", tenant)
    if tenant_id is None:
        tenant_id = await conn.fetchval("INSERT INTO tenants (name) VALUES ($1) RETURNING id", tenant)
        await conn.execute("DELETE FROM etl_jobs WHERE tenant_id = $1", tenant_id)
    found: int | None = await conn.fetchval(
        "SELECT id FROM integrations WHERE tenant_id = $1 AND name = $2", tenant_id, name
    )
    if found is not None:
        return found
    made: int = await conn.fetchval(
        "INSERT INTO integrations (name, type, tenant_id, config) VALUES ($1, $2, $3, $4) RETURNING id",
        name,
        kind,
        tenant_id,
        config or {},
    )
    return made


async def make_job(
    conn: Connection,
    name: str = "orders",
    *,
    tenant: str = "acme",
    integration: str = "made-up",
    kind: str = "synthetic",
    config: dict[str, Any] | None = None,
    schedule: int = 60,
    retry: int = 15,
) -> int:
    """An active job that never ran and has been due for hours."""
    integration_id = await make_integration(conn, integration, tenant=tenant, kind=kind, config=config)
    job_id: int = await conn.fetchval(
        "INSERT INTO etl_jobs (job_name, schedule_interval_minutes, retry_interval_minutes, integration_id,"
        " tenant_id, created_at)"
        " SELECT $1, $2, $3, id, tenant_id, now() - interval '12 hours' FROM integrations WHERE id = $4"
        " RETURNING id",
        name,
        schedule,
        retry,
        integration_id,
    )
    return job_id


async def make_worker(
    conn: Connection, *, slots: int = 4, host: str = "box", pid: int = 1, silent_for: float = 0
) -> int:
    """A worker whose last heartbeat is `silent_for` seconds ago."""
    worker_id: int = await conn.fetchval(
        "INSERT INTO workers (host, pid, version, stages, slots, heartbeat_at) VALUES"
        " ($1, $2, 'test', '{extract,transform,load}', $3, now() - make_interval(secs => $4)) RETURNING id",
        host,
        pid,
        slots,
        silent_for,
    )
    return worker_id


async def fall_silent(conn: Connection, worker_id: int, seconds: float = 3600) -> None:
    """Moves a worker's last heartbeat so far back."""
    await conn.execute(
        "UPDATE workers SET heartbeat_at = now() - make_interval(secs => $2) WHERE id = $1",
        worker_id,
        seconds,
    )


async def start_run(
    conn: Connection, job_id: int, worker_id: int, *, options: dict[str, Any] | None = None
) -> ClaimedRun:
    """A person's run of a job, claimed by this worker."""
    asked_for = await run_now(conn, job_id, PERSON, options=options)
    run = await claim_run(conn, worker_id)
    assert run is not None
    assert run.id == asked_for.id
    return run


def fragment(position: int, *, stream: str = "records", partition: str = "default") -> dict[str, Any]:
    """A checkpoint fragment whose bookmark says `position`."""
    return {"stream": stream, "partition": partition, "bookmark": {"at": position}, "resume": None}


async def store_batch(
    conn: Connection,
    run: ClaimedRun,
    worker_id: int,
    *,
    seq: int | None = None,
    lane: str = "records/default",
    rows: int = 10,
    rejected: int = 0,
    fragments: Sequence[dict[str, Any]] = (),
) -> int:
    """What extract does with a page, without the look at the lease; the batch's seq."""
    async with conn.transaction():
        seq = seq or 1 + await _leases.last_seq(conn, run_id=run.id)
        await _leases.store_batch(
            conn,
            run_id=run.id,
            seq=seq,
            lane=lane,
            worker_id=worker_id,
            bytes=100,
            counts={"rows_extracted": rows, "rows_rejected": rejected},
            fragments=list(fragments),
            lease=run.lease,
            carry=True,
            format=1,
            payload=b"stored",
            streams=None,
        )
    return seq


async def load_batch(conn: Connection, run: ClaimedRun, seq: int, *, rejected: int = 0) -> None:
    """What load does after its merge, in the caller's transaction: moves the checkpoint, stamps the batch."""
    batch = await _leases.find_batch(conn, run_id=run.id, seq=seq)
    fragments = await conn.fetchval(
        "SELECT fragments FROM run_batches WHERE run_id = $1 AND seq = $2", run.id, seq
    )
    counts = {"rows_new": batch["counts"]["rows_extracted"] - rejected, "rows_rejected": rejected}
    await _loader.finish_load(
        conn, job_id=run.job_id, run_id=run.id, seq=seq, fragments=fragments, counts=counts
    )


async def one(conn: Connection, query: str, *args: object) -> asyncpg.Record:
    """The one row that the query finds."""
    (row,) = await conn.fetch(query, *args)
    return row


async def eventually(condition: Callable[[], Awaitable[Any]], what: str = "") -> Any:
    """The first true answer of `condition`, asked again and again; fails after `PATIENCE`."""
    give_up = time.monotonic() + PATIENCE
    while not (answer := await condition()):
        assert time.monotonic() < give_up, f"waited {PATIENCE:g} s for {what or condition}"
        await asyncio.sleep(0.02)
    return answer


async def waits_for_a_lock(watcher: Connection, pid: int) -> bool:
    """Whether this backend stands before somebody's lock."""
    return bool(
        await watcher.fetchval("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1", pid)
    )
