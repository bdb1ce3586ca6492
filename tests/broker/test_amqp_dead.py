"""`etl.dead`: only what cannot be parsed gets there; it is bounded, and looking loses nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from structlog.testing import capture_logs

from etl_core.broker import amqp_dead
from etl_core.broker.amqp import AmqpBroker
from etl_core.broker.amqp_link import DEAD
from etl_core.broker.amqp_message import encode
from etl_core.broker.protocol import QueueDepth, Stage
from etl_core.control.audit import Actor
from etl_core.control.dead_letters import list_dead_letters, printable, purge_dead_letters
from etl_core.store.database import Connection
from tests.broker.conftest import Transport
from tests.broker.test_amqp import broker_at, depth_becomes, raw_channel
from tests.broker.test_contract import LONG, SHORT, connected, until

RING = encode(Stage.EXTRACT)


async def send(
    channel: AbstractChannel, body: bytes, *, queue: str = "etl.extract", **options: object
) -> None:
    message = aio_pika.Message(body, **options)  # type: ignore[arg-type]  # whatever a test wants to set
    await channel.default_exchange.publish(message, queue, mandatory=True)


async def dead_becomes(broker: AmqpBroker, count: int) -> None:
    async def is_so() -> bool:
        return len(await broker.dead_letters(1_000)) == count

    await until(is_so)


async def test_odd_rings_are_rings(amqp_url: str) -> None:
    """Another content type, encoding, priority, fields of a later version; doubled; out of order."""
    async with broker_at(amqp_url) as broker, broker.subscribe(list(Stage)) as bell:
        await connected(bell)
        async with raw_channel(amqp_url) as channel:
            for options in (
                {"content_type": "text/csv"},
                {"content_encoding": "gzip"},
                {"priority": 9, "message_id": "1", "headers": {"x": [1, {"y": None}]}},
                {"message_id": "1"},
                {"message_id": "1"},
                {"delivery_mode": aio_pika.DeliveryMode.NOT_PERSISTENT},
            ):
                await send(channel, RING, **options)
            await send(channel, b' {"stage": "load", "v": 1, "new": [1]} ')
            await send(channel, encode(Stage.LOAD), queue="etl.transform")  # in a queue not its own
        assert await bell.wait(LONG)
        for stage in (Stage.EXTRACT, Stage.TRANSFORM):
            await depth_becomes(broker, stage, QueueDepth(ready=0, consumers=1))
        while await bell.wait(SHORT):
            pass
        assert await broker.dead_letters(10) == []


async def test_a_ring_that_nobody_took_expires(amqp_url: str) -> None:
    async with broker_at(amqp_url) as broker, raw_channel(amqp_url) as channel:
        await broker.ring(Stage.EXTRACT)  # so that there is a queue
        message = await (await channel.get_queue("etl.extract")).get(no_ack=True)
        assert message is not None
        assert message.expiration == 600.0
        await send(channel, RING, expiration=timedelta(milliseconds=1))
        await send(channel, b"garbage too", expiration=timedelta(milliseconds=1))
        await depth_becomes(broker, Stage.EXTRACT, QueueDepth(ready=0, consumers=0))
        assert await broker.dead_letters(10) == []


async def test_a_huge_message_is_cut_short(amqp_url: str) -> None:
    size = 20_000_000
    async with broker_at(amqp_url) as broker, broker.subscribe([Stage.EXTRACT]) as bell:
        await connected(bell)
        async with raw_channel(amqp_url) as channel:
            await send(channel, b"[" * size)
        await dead_becomes(broker, 1)
        (letter,) = await broker.dead_letters(10)
        assert letter.size == size
        assert letter.body == b"[" * amqp_dead.LONGEST_KEPT
        await broker.ring(Stage.EXTRACT)
        assert await bell.wait(LONG)


async def test_it_does_not_grow_for_ever(amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amqp_dead, "MOST_KEPT", 3)
    with capture_logs() as logs:
        async with broker_at(amqp_url) as broker, broker.subscribe([Stage.EXTRACT]) as bell:
            await connected(bell)
            async with raw_channel(amqp_url) as channel:
                for number in range(6):
                    await send(channel, b"garbage %d" % number)
                    # One after another: several at once may pass the limit by a few.
                    await dead_becomes(broker, min(3, number + 1))

            async def all_told() -> bool:
                return len([e for e in logs if e["event"].startswith("broker_message")]) == 6

            await until(all_told)
            kept = await broker.dead_letters(10)
            assert [letter.body for letter in kept] == [b"garbage 0", b"garbage 1", b"garbage 2"]
            await depth_becomes(broker, Stage.EXTRACT, QueueDepth(ready=0, consumers=1))
    dropped = [entry for entry in logs if entry["event"] == "broker_message_dropped"]
    assert [(entry["full"], entry["log_level"]) for entry in dropped] == [(DEAD, "warning")] * 3


async def test_looking_loses_nothing_however_often(amqp_url: str) -> None:
    """RabbitMQ 4 drops what was given back 20 times; a reader that dies gives all of it back."""
    async with broker_at(amqp_url) as broker:
        await broker.ring(Stage.LOAD)
        async with raw_channel(amqp_url) as channel:
            for number in range(3):
                await send(channel, b"%d" % number, queue=DEAD, headers={"x-reason": "r", "x-queue": "q"})
            for _ in range(2 * amqp_dead.MOST_RETURNS + 3):
                letters = await broker.dead_letters(10)
                assert {letter.body for letter in letters} == {b"0", b"1", b"2"}
                assert {(letter.reason, letter.queue) for letter in letters} == {("r", "q")}
                assert len(await broker.dead_letters(2)) == 2
            async with raw_channel(amqp_url) as dying:
                message = await (await dying.get_queue(DEAD)).get()
                assert message is not None
            await dead_becomes(broker, 3)
            message = await (await channel.get_queue(DEAD)).get(no_ack=True)
            assert message is not None
            assert int(str(message.headers.get(amqp_dead.RETURNS, 0))) < 20


async def test_purge_leaves_an_event(amqp_url: str, db: Connection) -> None:
    actor = Actor("tess", "tess", "10.0.0.7")
    async with broker_at(amqp_url) as broker:
        await broker.ring(Stage.LOAD)
        async with raw_channel(amqp_url) as channel:
            for _ in range(4):
                await send(channel, b"?", queue=DEAD)
        assert await purge_dead_letters(db, broker, actor) == 4
        assert await list_dead_letters(broker) == []
        assert await broker.depth(Stage.LOAD) == QueueDepth(ready=1, consumers=0)  # not the rings
    event = await db.fetchrow("SELECT action, actor, ssh_origin, detail FROM job_events")
    assert event is not None
    assert tuple(event) == ("purge_dead", "tess", "10.0.0.7", {"messages": 4})


async def test_what_others_put_there_is_shown_too(amqp_url: str) -> None:
    """Messages that operators or dead-letter policies moved there have none of our headers, or odd ones."""
    async with broker_at(amqp_url) as broker:
        await broker.ring(Stage.LOAD)
        async with raw_channel(amqp_url) as channel:
            await send(channel, b"\xff\x1b[31mred\x00\n\xe2\x80\xaeback", queue=DEAD)
            await send(channel, b"", queue=DEAD, headers={"x-reason": 7, "x-queue": [1], "x-size": "huge"})
        first, second = sorted(await list_dead_letters(broker), key=lambda row: -row.size)
    assert (first.put_aside_at, first.queue, first.reason, first.size) == (None, None, None, 18)
    assert first.body == "\\xff\\x1b[31mred\\x00\\n\\u202eback"
    assert (second.queue, second.reason, second.size, second.body) == ("[1]", "7", 0, "")


def test_printable() -> None:
    assert printable("schön 日本 🙂") == "schön 日本 🙂"
    assert printable("\x1b]0;title\x07\r") == "\\x1b]0;title\\x07\\r"


async def test_every_transport_can_be_asked(transport: Transport) -> None:
    async with transport.broker() as broker:
        assert await broker.dead_letters(10) == []
        assert await broker.purge_dead_letters() == 0


async def test_looking_at_once(amqp_url: str) -> None:
    """Two people look at the same moment: each sees some of it, nobody loses any."""
    async with broker_at(amqp_url) as one, broker_at(amqp_url) as two:
        await one.ring(Stage.LOAD)
        async with raw_channel(amqp_url) as channel:
            await asyncio.gather(*(send(channel, b"%d" % number, queue=DEAD) for number in range(30)))
        await asyncio.gather(*(broker.dead_letters(100) for broker in (one, two) for _ in range(5)))
        await dead_becomes(one, 30)
