"""A worker's loop for vectorizing: what there is to do, then until rung or polled again."""

from __future__ import annotations

import asyncio

import structlog

from etl_core.broker.protocol import Doorbell
from etl_core.store.database import OUTAGES, Pool
from workers.vectorize.vectorizer import Vectorizer

log = structlog.get_logger()


async def serve_vectorizing(
    pool: Pool, bell: Doorbell, ended: asyncio.Task[None], *, poll_interval: float
) -> None:
    """Until `ended` is done; the range in hand is then given back at once, and others go on with it.

    Takes one connection of the pool at a time. Seconds between two looks without a ring: `poll_interval`.
    """
    async with Vectorizer(pool) as vectorizer:
        while not ended.done():
            piece = asyncio.create_task(vectorizer.run_once(), name="vectorize")
            try:
                await asyncio.wait({piece, ended}, return_when=asyncio.FIRST_COMPLETED)
                if piece.done() and piece.result():
                    continue
            except OUTAGES as error:
                log.warning("cannot vectorize; trying again", error=str(error) or type(error).__name__)
            finally:
                piece.cancel()
                await asyncio.gather(piece, return_exceptions=True)
            rung = asyncio.create_task(bell.wait(poll_interval))
            await asyncio.wait({rung, ended}, return_when=asyncio.FIRST_COMPLETED)
            rung.cancel()
