"""Faults of single parts of RabbitMQ: a channel, a consumer, the leader of a quorum queue."""

from __future__ import annotations

import asyncio

import pytest

from etl_core.broker.protocol import QueueDepth, Stage
from etl_core.errors import Unreachable
from tests.broker.test_amqp import broker_at, depth_becomes, raw_channel
from tests.broker.test_contract import LONG, SHORT, connected, connected_again, gets_through
from tests.support.rabbitmq import RabbitMQ

EXTRACT_LEADER = "{'%2F_etl.extract', node()}"


async def ask(server: RabbitMQ, expression: str) -> str:
    return await asyncio.to_thread(server.evaluate, expression)


async def test_the_leader_of_a_queue_is_away(own_amqp_url: str, own_rabbitmq: RabbitMQ) -> None:
    """The server is up and the queue does not answer: a ring fails in time, and recovers when it is back."""
    async with broker_at(own_amqp_url) as broker, broker.subscribe([Stage.EXTRACT]) as bell:
        await connected(bell)
        await broker.ring(Stage.EXTRACT)
        assert await bell.wait(LONG)
        await asyncio.sleep(1)  # see RabbitMQ.kill: what is new must be on disk to come back
        await ask(own_rabbitmq, f"ra:stop_server(quorum_queues, {EXTRACT_LEADER})")
        try:
            for _ in range(2):
                async with asyncio.timeout(LONG):
                    with pytest.raises(Unreachable, match="cannot ring extract") as caught:
                        await broker.ring(Stage.EXTRACT)
                assert "\n" not in str(caught.value)
        finally:
            await ask(own_rabbitmq, f"ra:restart_server(quorum_queues, {EXTRACT_LEADER})")
        await gets_through(broker)
        assert await bell.wait(LONG)
        await connected_again(bell)
        await broker.ring(Stage.EXTRACT)
        assert await bell.wait(LONG)


async def test_the_server_ends_the_connections_by_name(own_amqp_url: str, own_rabbitmq: RabbitMQ) -> None:
    """An operator closes them all: both sides come back by themselves."""
    async with broker_at(own_amqp_url) as broker, broker.subscribe(list(Stage)) as bell:
        await connected(bell)
        await broker.ring(Stage.LOAD)
        assert await bell.wait(LONG)
        await ask(
            own_rabbitmq,
            'rabbit_networking:close_connections(rabbit_networking:connections(), "maintenance")',
        )
        assert await bell.wait(LONG)  # connected again
        await connected_again(bell)
        await broker.ring(Stage.LOAD)
        assert await bell.wait(LONG)


async def test_the_server_closes_the_channel_of_a_doorbell(own_amqp_url: str) -> None:
    """By an error of protocol: an acknowledgement of what was never delivered."""
    async with broker_at(own_amqp_url) as broker, broker.subscribe(list(Stage)) as bell:
        await connected(bell)
        link = bell._link  # type: ignore[attr-defined]  # only from within can its channel be closed
        underlay = await link.channel.get_underlay_channel()
        await underlay.basic_ack(987)
        assert await bell.wait(LONG)  # connected again
        await connected_again(bell)
        await broker.ring(Stage.EXTRACT)
        assert await bell.wait(LONG)
        await depth_becomes(broker, Stage.EXTRACT, QueueDepth(ready=0, consumers=1))


async def test_all_queues_are_deleted_again_and_again(own_amqp_url: str) -> None:
    """Consumers are cancelled by the server each time; the queues are declared again each time."""
    async with broker_at(own_amqp_url) as broker, broker.subscribe(list(Stage)) as bell:
        for _ in range(4):
            await connected_again(bell)
            async with raw_channel(own_amqp_url) as channel:
                for stage in Stage:
                    await channel.queue_delete(f"etl.{stage}")
            assert await bell.wait(LONG)
        await connected_again(bell)
        for stage in Stage:
            await gets_through(broker)
            await broker.ring(stage)
            assert await bell.wait(LONG)
            await bell.wait(SHORT)


async def test_a_paused_doorbell_whose_queue_is_deleted(own_amqp_url: str) -> None:
    """It consumes nothing, so nobody tells it; resumed, it declares the queue again."""
    async with broker_at(own_amqp_url) as broker, broker.subscribe([Stage.LOAD]) as bell:
        await connected(bell)
        await bell.pause()
        async with raw_channel(own_amqp_url) as channel:
            await channel.queue_delete("etl.load")
        await bell.resume()
        assert await bell.wait(LONG)
        await connected_again(bell)
        await broker.ring(Stage.LOAD)
        assert await bell.wait(LONG)
