"""RabbitMQ lacks memory or disk: publishers are blocked, hear it at once, say it once, and recover."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from structlog.testing import capture_logs

from etl_core.broker.amqp_link import DEAD
from etl_core.broker.protocol import Stage
from etl_core.errors import Unreachable
from tests.broker.test_amqp import broker_at, raw_channel
from tests.broker.test_contract import LONG, SHORT, connected, gets_through, until
from tests.support.rabbitmq import RabbitMQ

# Below what the server needs to be there, and back to its default.
SET = {
    "memory": "vm_memory_monitor:set_vm_memory_high_watermark",
    "disk": "rabbit_disk_monitor:set_disk_free_limit",
}
RAISE = {"memory": "0.00001", "disk": "900000000000000"}
END = {"memory": "0.4", "disk": "1000000"}


@asynccontextmanager
async def alarm(server: RabbitMQ, of: str) -> AsyncIterator[None]:
    await _set(server, of, RAISE[of])
    try:
        yield
    finally:
        await _set(server, of, END[of])


async def _set(server: RabbitMQ, of: str, limit: str) -> None:
    """And lets it come through to all connections, as it has when an operator's command is over."""
    await asyncio.to_thread(server.evaluate, f"{SET[of]}({limit})")
    await asyncio.sleep(SHORT)


@pytest.mark.parametrize("of", ["memory", "disk"])
@pytest.mark.parametrize("known", [True, False], ids=["known connection", "first ring"])
async def test_an_alarm(own_amqp_url: str, own_rabbitmq: RabbitMQ, of: str, known: bool) -> None:
    with capture_logs() as logs:
        async with broker_at(own_amqp_url) as broker, broker.subscribe(list(Stage)) as bell:
            await connected(bell)
            if known:
                await broker.ring(Stage.EXTRACT)
                assert await bell.wait(LONG)
            async with alarm(own_rabbitmq, of):
                for _ in range(5):
                    with pytest.raises(Unreachable) as caught:
                        await broker.ring(Stage.EXTRACT, times=200)
                    # Not "no answer within 5 s": it did not wait for that.
                    assert str(caught.value).endswith(f": blocked by an alarm ({of})")
                await bell.wait(SHORT)  # what was under way when the alarm came
                assert not await bell.wait(SHORT)
                assert bell.connected  # who only takes messages is not blocked
            await gets_through(broker)
            assert await bell.wait(LONG)
    # Once, not per ring.
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("broker_blocked", "warning"),
        ("broker_takes_messages_again", "info"),
    ]
    assert logs[0]["problem"] == f"blocked by an alarm ({of})"
    assert "guest:guest" not in repr(logs)


async def test_the_server_restarts_in_an_alarm(own_amqp_url: str, own_rabbitmq: RabbitMQ) -> None:
    async with broker_at(own_amqp_url) as broker:
        await broker.ring(Stage.LOAD)
        async with alarm(own_rabbitmq, "memory"):
            with pytest.raises(Unreachable, match="alarm"):
                await broker.ring(Stage.LOAD)
            await asyncio.to_thread(own_rabbitmq.restart)  # and with it the alarm is over
            await gets_through(broker)


async def test_the_depth_of_a_queue_in_an_alarm(own_amqp_url: str, own_rabbitmq: RabbitMQ) -> None:
    async with broker_at(own_amqp_url) as ringing, broker_at(own_amqp_url) as looking:
        await ringing.ring(Stage.LOAD)
        async with alarm(own_rabbitmq, "memory"):
            with pytest.raises(Unreachable, match="alarm"):
                await ringing.ring(Stage.LOAD)
            with pytest.raises(Unreachable, match=r"cannot ask for the queue of load .* alarm \(memory\)"):
                await ringing.depth(Stage.LOAD)
            depth = await looking.depth(Stage.LOAD)  # who publishes nothing gets its answer
            assert depth is not None


async def test_what_cannot_be_parsed_is_kept_through_an_alarm(
    own_amqp_url: str, own_rabbitmq: RabbitMQ
) -> None:
    """It can be put aside only after the alarm; until then it stays in its queue."""
    async with broker_at(own_amqp_url) as broker, raw_channel(own_amqp_url) as channel:
        await broker.ring(Stage.LOAD)
        await channel.default_exchange.publish(aio_pika.Message(b"garbage"), "etl.load")
        async with alarm(own_rabbitmq, "memory"), broker.subscribe([Stage.LOAD]) as bell:
            assert await bell.wait(LONG)
            await bell.wait(SHORT)
        async with broker.subscribe([Stage.LOAD]), raw_channel(own_amqp_url) as looking:
            dead = await looking.get_queue(DEAD)

            async def put_aside() -> bool:
                return ((await dead.declare()).message_count or 0) >= 1

            await until(put_aside)
            assert {letter.body for letter in await broker.dead_letters(10)} == {b"garbage"}
