"""A run whose batches are given by the test, loaded by a worker's own `Loader`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etl_core.connector import Record, Stream
from etl_core.errors import BadRecord
from etl_core.lifecycle.claim import ClaimedRun
from tests.support.jobs import fragment, make_job, one, start_run, store_batch
from tests.workers.running import Hand
from workers.batch import Batch
from workers.connectors.synthetic import SyntheticConnector
from workers.connectors.synthetic.config import SyntheticConfig
from workers.load import Loader
from workers.loader import TargetTable, ensure_tables
from workers.loader.tables import mode_of


class AsItIs(SyntheticConnector):
    """Records are rows already; one that says so is refused."""

    def transform(self, stream: Stream, record: Record) -> Record:
        if record.get("a") == "refuse":
            raise BadRecord("told to")
        return record


class Loading:
    """A run in a worker's hands, and its loader."""

    def __init__(self, worker: Hand, run: ClaimedRun, options: dict[str, Any]) -> None:
        self.db = worker.db
        self.pool = worker.pool
        self.worker_id = worker.worker_id
        self.run = run
        self.options = options
        self.tables({})

    def tables(self, tables: dict[str, TargetTable]) -> None:
        """From now on these are loaded into."""
        connector = AsItIs(SyntheticConfig())
        self.loader = Loader(self.pool, self.run, connector, tables, options=self.options)

    async def ensure(self, *streams: Stream) -> dict[str, TargetTable]:
        async with self.pool.acquire() as conn:
            return await ensure_tables(
                conn,
                job_id=self.run.job_id,
                tenant="acme",
                integration="made-up",
                schema=None,
                streams=streams,
                run_id=self.run.id,
                mode=mode_of(self.options),
            )

    async def store(
        self,
        records: Mapping[str, Sequence[Record]],
        position: int = 1,
        *,
        rejected: int = 0,
        fragments: Sequence[dict[str, Any]] | None = None,
    ) -> Batch:
        """A stored batch, leased to the worker; its bookmark says `position`."""
        behind = [fragment(position)] if fragments is None else list(fragments)
        seq = await store_batch(self.db, self.run, self.worker_id, fragments=behind, rejected=rejected)
        stored = await one(
            self.db, "SELECT * FROM run_batches WHERE run_id = $1 AND seq = $2", self.run.id, seq
        )
        lane, lease, at = stored["lane"], stored["lease"], stored["stored_at"]
        return Batch(self.run.id, seq, lane, lease, 1, behind, at, records)

    async def load_batch(self, batch: Batch) -> dict[str, int]:
        """The counts that are not zero, without `rows_`."""
        counts = await self.loader.load(batch)
        return {name.removeprefix("rows_"): count for name, count in counts.items() if count}

    async def load(self, position: int = 1, **records: Sequence[Record]) -> dict[str, int]:
        """Stores and loads a batch of these records by stream."""
        return await self.load_batch(await self.store(records, position))

    async def rows(self, table: str = "things", columns: str = "id, a, b") -> list[tuple[Any, ...]]:
        found = await self.db.fetch(f"SELECT {columns} FROM acme_made_up.{table} ORDER BY 1")
        return [tuple(row) for row in found]

    async def rejects(self) -> list[tuple[bytes, str]]:
        found = await self.db.fetch("SELECT payload, reason FROM rejected_records ORDER BY id")
        return [(row["payload"], row["reason"]) for row in found]

    async def bookmark(self) -> Any:
        return await self.db.fetchval("SELECT bookmark FROM job_checkpoints")

    async def end(self) -> None:
        """Its job is free for the next run."""
        await self.db.execute(
            "UPDATE job_runs SET state = 'SUCCEEDED', finished_at = now() WHERE id = $1", self.run.id
        )
        await self.db.execute("UPDATE etl_jobs SET status = 'READY' WHERE id = $1", self.run.job_id)


async def start_loading(worker: Hand, *streams: Stream, **options: Any) -> Loading:
    """A run of the one job there is (made when there is none), with tables for `streams`."""
    job_id = await worker.db.fetchval("SELECT id FROM etl_jobs") or await make_job(worker.db)
    loading = Loading(worker, await start_run(worker.db, job_id, worker.worker_id), options)
    loading.tables(await loading.ensure(*streams))
    return loading
