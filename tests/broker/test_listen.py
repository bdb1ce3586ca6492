"""The postgres side beyond the contract."""

from __future__ import annotations

import asyncpg

from etl_core.broker.channels import RING, SCHEDULER
from etl_core.broker.listen import listen
from etl_core.broker.postgres import PostgresBroker
from etl_core.broker.protocol import Stage
from etl_core.store import queries
from tests.broker.test_contract import LONG, SHORT, connected


async def test_schedulers_hear_any_payload_of_their_channel(database_url: str) -> None:
    notify = queries.load("broker").notify
    connection = await asyncpg.connect(database_url)
    async with listen(database_url, SCHEDULER) as bell:
        await connected(bell)
        await notify(connection, channel=RING, payload="extract")
        assert not await bell.wait(SHORT)
        await notify(connection, channel=SCHEDULER, payload="")
        assert await bell.wait(LONG)
    await connection.close()


async def test_a_notification_comes_with_the_commit(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    async with listen(database_url, SCHEDULER) as bell:
        await connected(bell)
        async with connection.transaction():
            await queries.load("broker").notify(connection, channel=SCHEDULER, payload="")
            assert not await bell.wait(SHORT)
        assert await bell.wait(LONG)
    await connection.close()


async def test_ringing_through_a_pool(database_url: str) -> None:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=2) as pool:
        broker = PostgresBroker(database_url, pool=pool)
        async with broker.subscribe([Stage.EXTRACT]) as bell:
            await connected(bell)
            await broker.ring(Stage.EXTRACT, times=7)
            assert await bell.wait(LONG)
        await broker.close()
        assert not pool.is_closing()


async def test_connections_carry_the_name_of_their_process(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    broker = PostgresBroker(database_url, application_name="etl worker 7")
    async with broker.subscribe([Stage.EXTRACT]) as bell:
        await connected(bell)
        await broker.ring(Stage.EXTRACT)
        named = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'etl worker 7'"
        )
        assert named == 2
    await broker.close()
    await connection.close()
