"""Loads batches of one run, its tables made or widened when the first rows come."""

from __future__ import annotations

from collections.abc import Sequence

from etl_core.connector import Connector, Stream
from etl_core.store.database import Pool
from workers.batch import Batch
from workers.copying import Copying
from workers.load import Counts, Loader
from workers.loader.tables import ensure_tables, mode_of
from workers.loader.target import TargetTable
from workers.outages import PASSING, step_retries
from workers.transform import TypedRows
from workers.typed_payload import retyped
from workers.work import JobInHand


class RunLoader:
    """A `Loader` that sees to its tables first: a run that finds nothing new asks the catalog nothing."""

    def __init__(
        self, pool: Pool, run: JobInHand, connector: Connector | None, streams: Sequence[Stream]
    ) -> None:
        """Without a connector only typed rows can be loaded."""
        self._pool = pool
        self._run = run
        self._connector = connector
        self._streams = streams
        self._loader: Loader | None = None
        self.copying = Copying()

    async def ensure_tables(self) -> Loader:
        """Raises: Permanent, Transient as `workers.loader.tables.ensure_tables`; PASSING."""
        if self._loader is None:
            tables = await step_retries.on(PASSING)(self._ensure)
            self._loader = Loader(
                self._pool,
                self._run,
                self._connector,
                tables,
                options=self._run.options,
                on_staged=self.copying.end,
            )
        return self._loader

    async def load(self, batch: Batch, typed: Sequence[TypedRows] | None = None) -> Counts:
        """Raises: as `ensure_tables`, and as `Loader.load`."""
        with self.copying.about_to(sum(map(len, typed or ()))):
            return await (await self.ensure_tables()).load(batch, typed)

    async def transform_ahead(self, batch: Batch) -> list[TypedRows] | None:
        """The rows of a batch, while one before it is loaded; None where that must wait for its turn.

        So must the first, for there are no tables yet, and streams whose columns are inferred: their tables
        may be changed for it. And what fails, for only in its turn does it fail the run.
        """
        await self.copying.wait()
        loader = self._loader
        if loader is None or any(loader.table(name).stream.infer for name in batch.records):
            return None
        try:
            return await loader.transform(batch)
        except Exception:
            return None

    async def load_rows(self, batch: Batch, rows: Sequence[TypedRows]) -> Counts:
        """Loads rows that another worker has typed; raises as `load` does."""
        loader = await self.ensure_tables()
        return await loader.load_rows(
            batch, [retyped(each, loader.table(each.stream.name).stream) for each in rows]
        )

    async def _ensure(self) -> dict[str, TargetTable]:
        run = self._run
        async with self._pool.acquire() as conn:
            return await ensure_tables(
                conn,
                job_id=run.job_id,
                tenant=run.tenant,
                integration=run.integration or run.job_name,
                schema=None,
                streams=self._streams,
                run_id=run.id,
                mode=mode_of(run.options),
            )
