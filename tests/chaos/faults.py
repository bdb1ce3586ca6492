"""The faults. Each takes cluster and random source, does its harm, and leaves all able to recover."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aio_pika

from etl_core.store.database import connect
from tests.chaos.cluster import LEASE_TIMEOUT, Cluster, Program

Fault = Callable[[Cluster, random.Random], Awaitable[None]]


async def kill_worker(cluster: Cluster, rng: random.Random) -> None:
    """kill -9, and a new one a little later."""
    await _kill(rng.choice(cluster.workers), rng)


async def kill_scheduler(cluster: Cluster, rng: random.Random) -> None:
    """The same for a scheduler."""
    await _kill(rng.choice(cluster.schedulers), rng)


async def kill_all_workers(cluster: Cluster, rng: random.Random) -> None:
    """Every worker at once."""
    for worker in cluster.workers:
        worker.send(signal.SIGKILL)
    await asyncio.sleep(rng.uniform(0, LEASE_TIMEOUT))
    for worker in cluster.workers:
        worker.start()


async def stop_worker_past_its_lease(cluster: Cluster, rng: random.Random) -> None:
    """SIGSTOP until others have taken over, then SIGCONT: it must find itself fenced."""
    await _freeze(rng.choice(cluster.workers), rng)


async def stop_scheduler(cluster: Cluster, rng: random.Random) -> None:
    """The same for a scheduler."""
    await _freeze(rng.choice(cluster.schedulers), rng)


async def restart_worker_in_good_order(cluster: Cluster, rng: random.Random) -> None:
    """SIGTERM, and a new one: a deploy."""
    worker = rng.choice(cluster.workers)
    worker.send(signal.SIGTERM)
    for _ in range(100):
        if worker.returncode is not None:
            break
        await asyncio.sleep(0.1)
    worker.start()


async def cut_database_connections(cluster: Cluster, rng: random.Random) -> None:
    """Every connection at once."""
    cluster.database.cut()


async def stall_database(cluster: Cluster, rng: random.Random) -> None:
    """A network that passes nothing for a while."""
    cluster.database.stall()
    await asyncio.sleep(rng.uniform(0.3, 1.5 * LEASE_TIMEOUT))
    cluster.database.flow()


async def terminate_backends(cluster: Cluster, rng: random.Random) -> None:
    """Some sessions of ours end in the middle of whatever they do."""
    with suppress(Exception):
        conn = await connect(cluster.url, application_name="chaos")
        try:
            await conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'etl-%' AND random() < $1",
                rng.uniform(0.2, 0.8),
            )
        finally:
            await conn.close()


async def restart_database(cluster: Cluster, rng: random.Random) -> None:
    """Down in good order, and up again."""
    await cluster.restart_postgres(crash=False)


async def crash_database(cluster: Cluster, rng: random.Random) -> None:
    """kill -9 of the whole server; recovery."""
    await cluster.restart_postgres(crash=True)


async def kill_broker(cluster: Cluster, rng: random.Random) -> None:
    """kill -9 of RabbitMQ; its data is kept."""
    await cluster.restart_rabbit(wipe=False)


async def wipe_broker(cluster: Cluster, rng: random.Random) -> None:
    """kill -9 of RabbitMQ; queues and messages are gone."""
    await cluster.restart_rabbit(wipe=True)


async def cut_broker_connections(cluster: Cluster, rng: random.Random) -> None:
    """Every connection at once."""
    if cluster.broker:
        cluster.broker.cut()


async def stall_broker(cluster: Cluster, rng: random.Random) -> None:
    """A network that passes nothing for a while."""
    if cluster.broker:
        cluster.broker.stall()
        await asyncio.sleep(rng.uniform(0.3, 3))
        cluster.broker.flow()


async def garble_messages(cluster: Cluster, rng: random.Random) -> None:
    """Messages are dropped, doubled, reordered, late, and some that nobody sent arrive."""
    if cluster.rabbit is None:
        return
    with suppress(Exception):
        async with asyncio.timeout(5):
            connection = await aio_pika.connect(cluster.rabbit.url)
            async with connection:
                channel = await connection.channel()
                queue = await channel.get_queue("etl.extract", ensure=False)
                taken = []
                for _ in range(rng.randrange(20)):
                    message = await queue.get(no_ack=True, fail=False)
                    if message is None:
                        break
                    taken.append(message.body)
                await asyncio.sleep(rng.uniform(0, 1))
                kept = [body for body in taken if rng.random() < 0.5]
                fresh = [body for body in kept for _ in range(rng.randrange(1, 4))]
                fresh += [b'{"v":1,"stage":"extract"}'] * rng.randrange(30) + [
                    b"\x00garbage"
                ] * rng.randrange(3)
                rng.shuffle(fresh)
                for body in fresh:
                    await channel.default_exchange.publish(aio_pika.Message(body), "etl.extract")


EVERYWHERE: tuple[Fault, ...] = (
    kill_worker,
    kill_worker,
    kill_scheduler,
    kill_all_workers,
    stop_worker_past_its_lease,
    stop_worker_past_its_lease,
    stop_scheduler,
    restart_worker_in_good_order,
    cut_database_connections,
    stall_database,
    terminate_backends,
    restart_database,
    crash_database,
)
WITH_A_BROKER: tuple[Fault, ...] = (
    kill_broker,
    wipe_broker,
    cut_broker_connections,
    stall_broker,
    garble_messages,
    garble_messages,
)


async def _kill(program: Program, rng: random.Random) -> None:
    program.send(signal.SIGKILL)
    await asyncio.sleep(rng.uniform(0, 1.5 * LEASE_TIMEOUT))
    program.start()


async def _freeze(program: Program, rng: random.Random) -> None:
    program.send(signal.SIGSTOP)
    await asyncio.sleep(rng.uniform(1.2, 2.5) * LEASE_TIMEOUT)
    program.send(signal.SIGCONT)
