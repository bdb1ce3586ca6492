"""The postgres transport: the rows are the queue, NOTIFY wakes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import asyncpg

from etl_core.broker.channels import RING
from etl_core.broker.listen import connect, explainer, listen
from etl_core.broker.protocol import RING_TIMEOUT, DeadLetter, Doorbell, QueueDepth, Stage
from etl_core.errors import Unreachable
from etl_core.redact import redact_url
from etl_core.store import queries


class PostgresBroker:
    """Rings by NOTIFY, through a pool of the caller's or a connection of its own."""

    transport: Final = "postgres"

    def __init__(
        self,
        database_url: str,
        *,
        pool: asyncpg.Pool[asyncpg.Record] | None = None,
        application_name: str | None = None,
    ) -> None:
        self._url = database_url
        self._pool = pool
        self._application_name = application_name
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._turn = asyncio.Lock()

    async def ring(self, stage: Stage, times: int = 1) -> None:
        """Wake the workers of a stage: all of them with one notification, whatever `times` is.

        Raises:
            Unreachable: Postgres did not confirm within `RING_TIMEOUT`.
        """
        if times < 1:
            return
        try:
            async with asyncio.timeout(RING_TIMEOUT):
                if self._pool is not None:
                    await self._notify(self._pool, stage)
                else:
                    async with self._turn:
                        await self._notify_by_own(stage)
        except (
            OSError,
            TimeoutError,
            ValueError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        ) as error:
            why = explainer(self._url)(error)
            raise Unreachable(f"cannot ring {stage} on {redact_url(self._url)}: {why}") from None

    def subscribe(self, stages: Collection[Stage]) -> AbstractAsyncContextManager[Doorbell]:
        """A doorbell on a connection of its own, which rings for each of `stages`."""
        return listen(
            self._url, RING, [str(stage) for stage in stages], application_name=self._application_name
        )

    async def depth(self, stage: Stage) -> QueueDepth | None:
        """None: whoever wants to know counts the rows."""
        return None

    async def dead_letters(self, at_most: int) -> list[DeadLetter]:
        """None: a notification is not kept, and one that names no stage is nobody's."""
        return []

    async def purge_dead_letters(self) -> int:
        """0: there are none."""
        return 0

    async def close(self) -> None:
        """Close the own connection; a pool is its owner's."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _notify_by_own(self, stage: Stage) -> None:
        kept, self._connection = self._connection, None
        if kept is not None and not kept.is_closed():
            try:
                await self._notify(kept, stage)
            except (
                OSError,
                asyncpg.PostgresConnectionError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
            ):
                kept.terminate()  # it died since the last ring: once more on a new one
            except BaseException:
                kept.terminate()
                raise
            else:
                self._connection = kept
                return
        fresh = await connect(self._url, self._application_name)
        try:
            await self._notify(fresh, stage)
        except BaseException:
            fresh.terminate()
            raise
        self._connection = fresh

    @staticmethod
    async def _notify(connection: Any, stage: Stage) -> None:
        await queries.load("broker").notify(connection, channel=RING, payload=str(stage))
