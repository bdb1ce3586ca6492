"""What the broker and the claims can do alone: raw confirmed publishes; due jobs claimed and rung."""

from __future__ import annotations

import asyncio
import time

import aio_pika

from benchmarks.dispatch.jobs import make_due
from benchmarks.dispatch.servers import Servers
from etl_core.broker.amqp import AmqpBroker
from etl_core.broker.amqp_link import queue_name
from etl_core.broker.postgres import PostgresBroker
from etl_core.broker.protocol import Broker, Stage
from etl_core.store.database import open_pool
from scheduler.duties.claim import Claim

PIPELINE = 500
QUEUE = "benchmark"


async def raw_publish(servers: Servers, number: int) -> float:
    """Persistent messages a second that a quorum queue confirmed, `PIPELINE` awaited together."""
    connection = await aio_pika.connect(servers.amqp_url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        queue = await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        exchange = channel.default_exchange

        async def publish() -> None:
            message = aio_pika.Message(
                b'{"stage": "extract"}', delivery_mode=aio_pika.DeliveryMode.PERSISTENT, expiration=600
            )
            await exchange.publish(message, QUEUE, mandatory=True)

        begun = time.perf_counter()
        for _ in range(number // PIPELINE):
            await asyncio.gather(*(publish() for _ in range(PIPELINE)))
        seconds = time.perf_counter() - begun
        await queue.delete(if_unused=False, if_empty=False)
    return number // PIPELINE * PIPELINE / seconds


async def _purge(servers: Servers) -> None:
    connection = await aio_pika.connect(servers.amqp_url)
    async with connection:
        channel = await connection.channel()
        for name in map(queue_name, Stage):
            queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
            await queue.purge()


async def dispatch_alone(
    servers: Servers, database: str, prefix: str, number: int, *, amqp: bool, workers: int
) -> float:
    """Due jobs a second that one scheduler claims and rings for, with slots for all of them.

    A ring wakes a worker, which then claims until it is full: each lot has as many rings as there are
    workers, and no more than jobs.
    """
    url = servers.postgres.url(database)
    async with servers.connection(database) as conn, open_pool(url, application_name="benchmark") as pool:
        await conn.execute(
            "INSERT INTO workers (host, pid, version, stages, slots)"
            " SELECT 'benchmark', n, 'benchmark', '{extract,transform,load}', $1::int / $2::int + 1"
            " FROM generate_series(1, $2::int) AS n",
            number,
            workers,
        )
        broker: Broker = (
            AmqpBroker(servers.amqp_url, name="benchmark") if amqp else PostgresBroker(url, pool=pool)
        )
        claim = Claim(pool, broker, lost_after=3600)
        await claim.run_once()  # connected from here on
        await make_due(conn, prefix)
        await conn.execute("ANALYZE etl_jobs; ANALYZE job_runs")
        claimed = 0
        begun = time.perf_counter()
        while runs := await claim.run_once():
            claimed += len(runs)
        seconds = time.perf_counter() - begun
        if claimed < number:
            raise RuntimeError(f"{claimed} of {number} jobs were claimed")
        await broker.close()
        await _purge(servers)
        await conn.execute("TRUNCATE job_runs CASCADE")
        await conn.execute("UPDATE etl_jobs SET status = 'READY', last_run_started_at = now()")
        await conn.execute("DELETE FROM workers")
        await conn.execute("VACUUM ANALYZE etl_jobs; ")
    return claimed / seconds
