"""One campaign: jobs run, faults come at random from a seed, all calms down, and the books are checked."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from etl_core.errors import EtlError
from etl_core.store.database import Connection, connect
from tests.chaos import faults
from tests.chaos.cluster import Cluster
from tests.chaos.history import INSTALL, Findings, read_history

TENANTS, JOBS_EACH = 3, 4
RECORDS = 600
CONFIG = {"records": RECORDS, "page_size": 50, "delay_ms": 100, "mutate": 0.8, "seed": 7}
CALM_LIMIT = 120.0
"""Seconds in which everything must have ended after the last fault."""


@dataclass(slots=True)
class Verdict:
    """What a campaign did and found."""

    seed: int
    transport: str
    seconds: float
    faults: list[str] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    wrong: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        return not self.wrong

    def __str__(self) -> str:
        told = {name: self.faults.count(name) for name in sorted(set(self.faults))}
        lines = [
            f"seed {self.seed}, transport {self.transport}, {self.seconds:.0f} s of faults",
            f"{self.findings.runs} runs, {self.findings.batches_loaded} batches loaded, "
            f"{self.findings.takeovers} runs given back or taken over, {self.findings.events} events checked",
            "faults: " + ", ".join(f"{name} {count}" for name, count in told.items()),
            "verdict: " + ("held" if self.held else f"{len(self.wrong)} WRONG"),
            *self.wrong[:30],
        ]
        return "\n".join(lines)


async def campaign(folder: Path, *, seed: int, seconds: float, amqp: bool) -> Verdict:
    """Runs `seconds` of faults drawn from `seed`; the folder keeps the logs of every program."""
    rng = random.Random(seed)
    cluster = await asyncio.to_thread(Cluster, folder, amqp=amqp)
    verdict = Verdict(seed, "amqp" if amqp else "postgres", seconds)
    try:
        await cluster.prepare()
        await _make_jobs(cluster.url)
        cluster.start()
        traffic = asyncio.create_task(_keep_jobs_running(cluster.url, random.Random(seed + 1)))
        await _harm(cluster, rng, seconds, verdict)
        traffic.cancel()
        await asyncio.gather(traffic, return_exceptions=True)
        cluster.start()
        await _calm_down(cluster, verdict)
        await _check_books(cluster, verdict)
    finally:
        await asyncio.to_thread(cluster.close)
    if not verdict.held:
        verdict.wrong += [f"--- {program.name}:\n{program.log_tail(80)}" for program in cluster.programs]
    return verdict


async def _make_jobs(url: str) -> None:
    conn = await connect(url, application_name="chaos")
    try:
        await conn.execute(INSTALL)
        for tenant in range(TENANTS):
            tenant_id = await conn.fetchval(
                "INSERT INTO tenants (name) VALUES ($1) RETURNING id", f"t{tenant}"
            )
            await conn.execute("UPDATE etl_jobs SET active = false WHERE tenant_id = $1", tenant_id)
            for job in range(JOBS_EACH):
                integration = await conn.fetchval(
                    "INSERT INTO integrations (tenant_id, name, type, config, max_runs)"
                    " VALUES ($1, $2, 'synthetic', $3, 1) RETURNING id",
                    tenant_id,
                    f"s{job}",
                    CONFIG | {"partitions": job % 2 + 1},
                )
                await conn.execute(
                    "INSERT INTO etl_jobs (tenant_id, job_name, integration_id, schedule_interval_minutes,"
                    " retry_interval_minutes, max_failures) VALUES ($1, $2, $3, 60, 1, 1000000)",
                    tenant_id,
                    f"j{job}",
                    integration,
                )
    finally:
        await conn.close()


async def _keep_jobs_running(url: str, rng: random.Random) -> None:
    """Makes jobs due as if their time had come, now and then by a person, and cancels one now and then."""
    from etl_core.control.audit import Actor
    from etl_core.control.interventions import cancel, release
    from etl_core.control.jobs import run_now

    actor = Actor("chaos")
    while True:
        await asyncio.sleep(rng.uniform(0.1, 0.6))
        with suppress(EtlError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            conn = await connect(url, application_name="chaos", command_timeout=5)
            try:
                jobs = [row["id"] for row in await conn.fetch("SELECT id FROM etl_jobs WHERE active")]
                job_id = rng.choice(jobs)
                draw = rng.random()
                if draw < 0.6:
                    await conn.execute(
                        "UPDATE etl_jobs SET last_run_started_at = now() - interval '1 day',"
                        " last_run_finished_at = now() - interval '1 day'"
                        " WHERE id = $1 AND status <> 'RUNNING'",
                        job_id,
                    )
                    await conn.execute("SELECT pg_notify('etl_scheduler', '')")
                elif draw < 0.9:
                    await run_now(conn, job_id, actor)
                elif draw < 0.95:
                    await cancel(conn, job_id, actor)
                else:
                    await release(conn, job_id, actor)
            finally:
                conn.terminate()


async def _harm(cluster: Cluster, rng: random.Random, seconds: float, verdict: Verdict) -> None:
    choices = faults.EVERYWHERE + (faults.WITH_A_BROKER if cluster.rabbit else ())
    ends = time.monotonic() + seconds
    await asyncio.sleep(3)
    while time.monotonic() < ends:
        fault = rng.choice(choices)
        verdict.faults.append(fault.__name__)
        await fault(cluster, rng)
        await asyncio.sleep(rng.uniform(0.2, 3))


async def _calm_down(cluster: Cluster, verdict: Verdict) -> None:
    """Every open run must end, then every job must be able to run to a success."""
    from etl_core.control.audit import Actor
    from etl_core.control.jobs import run_now

    conn = await connect(cluster.url, application_name="chaos")
    try:
        if not await _all_ended(conn):
            stuck = await conn.fetch(
                "SELECT id, state, lease, worker_id, extract_done, ready_at FROM job_runs"
                " WHERE state IN ('QUEUED', 'RUNNING')"
            )
            verdict.wrong += [f"stuck: {dict(row)}" for row in stuck]
            for program in cluster.programs:
                program.send(signal.SIGUSR1)  # its log then holds where each task waits
            await asyncio.sleep(1)
            return
        for row in await conn.fetch("SELECT id FROM etl_jobs WHERE active"):
            await run_now(conn, row["id"], Actor("chaos"))
        await _all_ended(conn)
        for row in await conn.fetch(
            "SELECT j.job_name, r.id, r.state, r.error_message FROM etl_jobs j"
            " JOIN LATERAL (SELECT * FROM job_runs WHERE job_id = j.id ORDER BY id DESC LIMIT 1) r ON true"
            " WHERE j.active AND r.state <> 'SUCCEEDED'"
        ):
            verdict.wrong.append(f"a job cannot run any more: {dict(row)}")
    finally:
        await conn.close()


async def _all_ended(conn: Connection) -> bool:
    ends = time.monotonic() + CALM_LIMIT
    while time.monotonic() < ends:
        if not await conn.fetchval(
            "SELECT EXISTS (SELECT FROM job_runs WHERE state IN ('QUEUED', 'RUNNING'))"
        ):
            return True
        await asyncio.sleep(0.5)
    return False


async def _check_books(cluster: Cluster, verdict: Verdict) -> None:
    """History by the rules; destination, checkpoint and counters agree, each record once."""
    conn = await connect(cluster.url, application_name="chaos")
    try:
        verdict.findings = await read_history(conn)
        verdict.wrong += verdict.findings.wrong
        for row in await conn.fetch(
            "SELECT j.id, j.status, j.checkpoint_version, d.schema_name, d.table_name FROM etl_jobs j"
            " JOIN destination_tables d ON d.job_id = j.id"
        ):
            name = f"job {row['id']} ({row['schema_name']})"
            table = f'"{row["schema_name"]}"."{row["table_name"]}"'
            count = await conn.fetchval(f"SELECT count(*) FROM {table}")
            if count != RECORDS:
                verdict.wrong.append(f"{name}: {count} rows in the destination, {RECORDS} in the source")
            new = await conn.fetchval(
                "SELECT coalesce(sum((b.counts->>'rows_new')::bigint), 0) FROM run_batches b"
                " JOIN job_runs r ON r.id = b.run_id WHERE r.job_id = $1 AND b.state = 'LOADED'",
                row["id"],
            )
            if new != count:
                verdict.wrong.append(f"{name}: its batches count {new} new rows, the destination has {count}")
            versions = await conn.fetchval(
                "SELECT count(*) FROM job_checkpoint_history WHERE job_id = $1", row["id"]
            )
            if versions != row["checkpoint_version"]:
                verdict.wrong.append(f"{name}: {versions} versions, the job says {row['checkpoint_version']}")
            document = await conn.fetchval(
                "SELECT checkpoint_data->'streams' FROM etl_jobs WHERE id = $1", row["id"]
            )
            rows = await conn.fetchval("SELECT checkpoint_streams($1)", row["id"])
            if document != rows:
                verdict.wrong.append(f"{name}: its document differs from its rows")
        for row in await conn.fetch("SELECT id, status FROM etl_jobs WHERE status = 'RUNNING'"):
            verdict.wrong.append(f"job {row['id']} is RUNNING without a run")
    finally:
        await conn.close()
