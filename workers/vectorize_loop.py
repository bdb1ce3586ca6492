"""Vectorizes as long as there is something to do, and looks for more when rung or polled."""

from __future__ import annotations

import asyncio

import structlog

from etl_core.broker.protocol import Doorbell
from etl_core.store.database import OUTAGES, Pool
from workers.vectorize.vectorizer import Vectorizer

log = structlog.get_logger()


async def vectorize_until(ended: asyncio.Task[None], pool: Pool, bell: Doorbell, *, interval: float) -> None:
    """One range of one table after the other, until `ended`; a range that is cut off is found again."""
    async with Vectorizer(pool) as vectorizer:
        while not ended.done():
            doing = asyncio.create_task(vectorizer.run_once(), name="vectorize")
            await asyncio.wait({doing, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                doing.cancel()
                await asyncio.gather(doing, return_exceptions=True)
                return
            try:
                if doing.result():
                    continue
            except OUTAGES as error:
                log.warning("cannot vectorize; trying again", error=str(error) or type(error).__name__)
            rung = asyncio.create_task(bell.wait(interval))
            await asyncio.wait({rung, ended}, return_when=asyncio.FIRST_COMPLETED)
            rung.cancel()
