"""One soak: runs follow each other while workers are killed, then all is frozen and the books are checked."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from etl_core.control.audit import Actor
from etl_core.control.jobs import run_now
from etl_core.errors import EtlError
from etl_core.store import embedded
from etl_core.store.database import Connection, connect
from etl_core.store.migrations import migrate
from tests.chaos.cluster import OURS, SETTINGS, Program
from tests.connectors_soak.source import Key, Source, Tables

_RUN_LIMIT = 300.0
"""Seconds in which a run must end, faults and kills included."""
_LOOK = 0.1
_ME = Actor("soak")


@dataclass
class Verdict:
    """What a soak did and found."""

    source: str
    seed: int
    runs: dict[str, int] = field(default_factory=dict)
    """How they ended -> how many."""
    kills: int = 0
    kills_in_a_run: int = 0
    rows: int = 0
    told: str = ""
    errors: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        ended = ", ".join(f"{count} {state}" for state, count in sorted(self.runs.items()))
        lines = [
            f"{self.source}, seed {self.seed}: {ended} runs; "
            f"{self.kills} kills, {self.kills_in_a_run} of them in a run",
            self.told,
            *(f"a run said: {error}" for error in sorted(self.errors)),
            f"{self.rows} rows in the end; "
            + ("complete and exact" if not self.wrong else f"{len(self.wrong)} WRONG"),
            *self.wrong[:30],
        ]
        return "\n".join(lines)


class Soak:
    """A database, a scheduler, a worker, one job."""

    def __init__(self, folder: Path, source: Source, seed: int) -> None:
        self._folder = folder
        self._source = source
        self._rng = random.Random(seed)
        self.verdict = Verdict(source.type, seed)
        self._job = 0
        self._is_running = False
        self._goes_on = False
        self._since: object = None

    async def run(self, *, seconds: float, kills: int, share: float) -> Verdict:
        """`kills` of the worker, at random times of `seconds`; `share` of the calls meet a fault."""
        server = await asyncio.to_thread(embedded.start, self._folder / "postgres", durable=False)
        try:
            url = server.url("soak")
            conn = await connect(url, application_name="soak")
            try:
                await migrate(conn)
                with self._source.serving():
                    await self._on(conn, url, seconds, kills, share)
            finally:
                await conn.close()
        finally:
            await asyncio.to_thread(server.close)
        return self.verdict

    async def _on(self, conn: Connection, url: str, seconds: float, kills: int, share: float) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in OURS} | SETTINGS
        environment |= {"ETL_DATABASE_URL": url, **self._source.environment}
        scheduler = Program("scheduler", 0, environment, self._folder)
        workers = [
            Program("workers", number, environment, self._folder, "--concurrency", "1") for number in range(2)
        ]
        self._job = await self._make_job(conn)
        for program in (scheduler, *workers):
            program.start()
        try:
            self._source.disturb(share)
            ends = time.monotonic() + seconds
            killing = asyncio.create_task(self._kill(workers, seconds, kills))
            while time.monotonic() < ends:
                await self._one_run(conn)
            await killing
            self._source.freeze()
            # The first may still be the retry of what failed; the second reads a source at rest.
            await self._one_run(conn)
            state = await self._one_run(conn)
            if state != "SUCCEEDED":
                self.verdict.wrong.append(f"a run over the source at rest ended {state}")
            self.verdict.wrong += await self._differences(conn, self._source.moment())
            self.verdict.rows = sum(len(rows) for rows in (await self._tables(conn)).values())
            self.verdict.told = self._source.told()
        finally:
            for program in (scheduler, *workers):
                await asyncio.to_thread(program.end)

    async def _make_job(self, conn: Connection) -> int:
        tenant = await conn.fetchval("INSERT INTO tenants (name) VALUES ('soak') RETURNING id")
        await conn.execute("UPDATE etl_jobs SET active = false")
        integration = await conn.fetchval(
            "INSERT INTO integrations (tenant_id, name, type, config, max_runs)"
            " VALUES ($1, 'it', $2, $3, 1) RETURNING id",
            tenant,
            self._source.type,
            self._source.config(),
        )
        job: int = await conn.fetchval(
            "INSERT INTO etl_jobs (tenant_id, job_name, integration_id, schedule_interval_minutes,"
            " retry_interval_minutes, max_failures, active)"
            " VALUES ($1, 'sync', $2, 10000, 9999, 1000000, false) RETURNING id",
            tenant,
            integration,
        )
        return job

    async def _kill(self, workers: list[Program], seconds: float, kills: int) -> None:
        began = time.monotonic()
        for moment in sorted(self._rng.uniform(1, seconds) for _ in range(kills)):
            await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
            self.verdict.kills += 1
            self.verdict.kills_in_a_run += self._is_running
            for worker in workers:
                worker.send(signal.SIGKILL)
            for worker in workers:
                # On a busy machine it takes a while until it is gone; before, none would be started.
                while worker.returncode is None:
                    await asyncio.sleep(0.05)
                worker.start()

    async def _one_run(self, conn: Connection) -> str:
        """A run, waited for to its end; when it succeeded its tables are of a moment since it began.

        A run that follows a failed one may go on in the middle of that one's walk, and is as old as it.
        """
        if not self._goes_on:
            self._since = self._source.moment()
        asked = await run_now(conn, self._job, _ME)
        self._is_running = True
        gives_up = time.monotonic() + _RUN_LIMIT
        row = None
        while time.monotonic() < gives_up:
            row = await conn.fetchrow(
                "SELECT state, error_message FROM job_runs"
                " WHERE id = $1 AND state NOT IN ('QUEUED', 'RUNNING')",
                asked.id,
            )
            if row:
                break
            await asyncio.sleep(_LOOK)
        self._is_running = False
        if row is None:
            self.verdict.wrong.append(f"run {asked.id} did not end in {_RUN_LIMIT:.0f} s")
            raise RuntimeError(str(self.verdict))
        state: str = row["state"]
        self.verdict.runs[state] = self.verdict.runs.get(state, 0) + 1
        self._goes_on = state != "SUCCEEDED"
        if state == "SUCCEEDED":
            found = await self._differences(conn, self._since)
            self.verdict.wrong += [f"after run {asked.id}: {each}" for each in found[:10]]
        elif row["error_message"]:
            self.verdict.errors.add(str(row["error_message"])[:300])
        return state

    async def _differences(self, conn: Connection, since: object) -> list[str]:
        tables = await self._tables(conn)
        return await asyncio.to_thread(self._source.differences, tables, since)

    async def _tables(self, conn: Connection) -> Tables:
        tables: dict[str, dict[Key, dict[str, object]]] = {}
        found = await conn.fetch(
            "SELECT stream, format('%I.%I', schema_name, table_name) AS name FROM destination_tables"
            " WHERE job_id = $1",
            self._job,
        )
        for table in found:
            key = await self._key_of(conn, table["name"])
            rows = await conn.fetch(f"SELECT * FROM {table['name']} WHERE _deleted_at IS NULL")
            tables[table["stream"]] = {tuple(row[name] for name in key): dict(row) for row in rows}
        return tables

    async def _key_of(self, conn: Connection, table: str) -> list[str]:
        found = await conn.fetch(
            "SELECT a.attname FROM pg_index AS i"
            " CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (number, place)"
            " INNER JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number"
            " WHERE i.indrelid = $1::text::regclass AND i.indisprimary ORDER BY k.place",
            table,
        )
        return [row["attname"] for row in found]


async def soak(
    folder: Path, source: Source, *, seed: int, seconds: float, kills: int, share: float
) -> Verdict:
    """Runs it; what stops it is a finding, too."""
    made = Soak(folder, source, seed)
    try:
        return await made.run(seconds=seconds, kills=kills, share=share)
    except (EtlError, asyncpg.PostgresError, RuntimeError) as error:
        made.verdict.wrong.append(f"{type(error).__name__}: {error}")
        return made.verdict
