"""Facts of RabbitMQ alone."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from structlog.testing import capture_logs

from etl_core.broker.amqp import AmqpBroker
from etl_core.broker.amqp_link import DEAD, read_url
from etl_core.broker.protocol import QueueDepth, Stage
from etl_core.errors import InvalidInput, Unreachable
from tests.broker.test_contract import LONG, SHORT, connected, connected_again, gets_through, until
from tests.support.rabbitmq import ForeignRabbitMQ, RabbitMQ
from tests.support.relay import Relay


@asynccontextmanager
async def broker_at(url: str) -> AsyncIterator[AmqpBroker]:
    broker = AmqpBroker(url)
    try:
        yield broker
    finally:
        await broker.close()


@asynccontextmanager
async def raw_channel(url: str) -> AsyncIterator[AbstractChannel]:
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        yield channel


async def depth_becomes(broker: AmqpBroker, stage: Stage, wanted: QueueDepth) -> None:
    async def is_so() -> bool:
        return await broker.depth(stage) == wanted

    await until(is_so)


async def test_depth_counts_rings_and_consumers(amqp_url: str) -> None:
    async with broker_at(amqp_url) as broker:
        assert await broker.depth(Stage.LOAD) == QueueDepth(ready=0, consumers=0)
        await broker.ring(Stage.LOAD, times=3)
        await depth_becomes(broker, Stage.LOAD, QueueDepth(ready=3, consumers=0))
        async with broker.subscribe([Stage.LOAD]) as bell:
            await depth_becomes(broker, Stage.LOAD, QueueDepth(ready=0, consumers=1))
            await bell.pause()
            await broker.ring(Stage.LOAD)
            await depth_becomes(broker, Stage.LOAD, QueueDepth(ready=1, consumers=0))
            await bell.resume()
            await depth_becomes(broker, Stage.LOAD, QueueDepth(ready=0, consumers=1))
        await depth_becomes(broker, Stage.LOAD, QueueDepth(ready=0, consumers=0))


async def test_a_ring_is_a_small_persistent_message(amqp_url: str) -> None:
    async with broker_at(amqp_url) as broker, raw_channel(amqp_url) as channel:
        await broker.ring(Stage.EXTRACT)
        queue = await channel.get_queue("etl.extract")
        message = await queue.get(no_ack=True, timeout=LONG)
        assert json.loads(message.body) == {"v": 1, "stage": "extract"}
        assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT


async def test_what_cannot_be_parsed_is_put_aside(amqp_url: str) -> None:
    bodies = [
        b"not json",
        b"\xff\x00",
        b"[]",
        b'{"v": 2, "stage": "extract"}',
        b'{"v": 1, "stage": "bake"}',
        b"",
    ]
    async with broker_at(amqp_url) as broker, broker.subscribe(list(Stage)) as bell:
        await connected(bell)
        async with raw_channel(amqp_url) as channel:
            for body in bodies:
                await channel.default_exchange.publish(aio_pika.Message(body), "etl.extract")
            dead = await channel.get_queue(DEAD)

            async def all_there() -> bool:
                return ((await dead.declare()).message_count or 0) == len(bodies)

            await until(all_there)
            assert not await bell.wait(SHORT)
            first = await dead.get(no_ack=True)
            assert first is not None
            assert first.body == b"not json"
            assert first.headers["x-reason"] == "not JSON"
            assert first.headers["x-queue"] == "etl.extract"
        await broker.ring(Stage.EXTRACT)
        assert await bell.wait(LONG)
        await depth_becomes(broker, Stage.EXTRACT, QueueDepth(ready=0, consumers=1))


async def test_a_queue_with_other_arguments(amqp_url: str) -> None:
    async with raw_channel(amqp_url) as channel:
        await channel.declare_queue("etl.load", durable=True)  # a classic one
    with capture_logs() as logs:
        async with broker_at(amqp_url) as broker, broker.subscribe(list(Stage)) as bell:
            with pytest.raises(Unreachable) as caught:
                await broker.ring(Stage.EXTRACT)
            assert "queue etl.load exists with other arguments" in str(caught.value)
            assert "rabbitmqctl delete_queue etl.load" in str(caught.value)
            assert "another vhost" in str(caught.value)
            assert "\n" not in str(caught.value)
            assert not await bell.wait(1.5)  # several attempts
            assert [entry["event"] for entry in logs] == ["broker_unreachable"] * 2  # one each side
            async with raw_channel(amqp_url) as channel:
                await channel.queue_delete("etl.load")
            await connected(bell)
            await gets_through(broker)
            assert await bell.wait(LONG)


async def test_queues_that_are_deleted_are_declared_again(amqp_url: str) -> None:
    async with broker_at(amqp_url) as broker, broker.subscribe(list(Stage)) as bell:
        await connected(bell)
        await broker.ring(Stage.EXTRACT)
        assert await bell.wait(LONG)
        async with raw_channel(amqp_url) as channel:
            await channel.queue_delete("etl.extract")
        assert await bell.wait(LONG)  # connected again
        await connected_again(bell)
        await broker.ring(Stage.EXTRACT)
        assert await bell.wait(LONG)


async def test_a_queue_that_is_deleted_under_a_publisher(amqp_url: str) -> None:
    async with broker_at(amqp_url) as broker:
        for _ in range(2):
            await broker.ring(Stage.EXTRACT, times=3)
            async with raw_channel(amqp_url) as channel:
                await channel.queue_delete("etl.extract")
        assert await broker.depth(Stage.EXTRACT) == QueueDepth(ready=0, consumers=0)


async def test_the_server_closes_the_channel(amqp_url: str) -> None:
    async with broker_at(amqp_url) as broker:
        await broker.ring(Stage.EXTRACT)
        link = broker._link
        assert link is not None
        with pytest.raises(aio_pika.exceptions.ChannelClosed):
            await link.channel.declare_queue("nowhere", passive=True)
        await broker.ring(Stage.EXTRACT)
        await depth_becomes(broker, Stage.EXTRACT, QueueDepth(ready=2, consumers=0))


async def test_rings_survive_a_killed_server(amqp_url: str, rabbitmq: RabbitMQ | ForeignRabbitMQ) -> None:
    async with broker_at(amqp_url) as broker:
        await broker.ring(Stage.TRANSFORM, times=3)
        await asyncio.sleep(2)  # see RabbitMQ.kill: names of new queues are not on disk at once
        await asyncio.to_thread(rabbitmq.kill)
        await asyncio.to_thread(rabbitmq.start)
        await gets_through(broker)
        await depth_becomes(broker, Stage.TRANSFORM, QueueDepth(ready=3, consumers=0))
        async with broker.subscribe([Stage.TRANSFORM]) as bell:
            await connected(bell)
            await depth_becomes(broker, Stage.TRANSFORM, QueueDepth(ready=0, consumers=1))


async def test_a_wrong_password(amqp_url: str) -> None:
    host = urlsplit(amqp_url).netloc.rpartition("@")[2]
    async with broker_at(f"amqp://guest:wr0ng-one@{host}/") as broker:
        with pytest.raises(Unreachable, match="refuses the login of guest") as caught:
            await broker.ring(Stage.EXTRACT)
        assert "wr0ng" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "vhost"), [("nowhere", "nowhere"), ("a%2Fb", "a/b"), ("my%20host", "my host")]
)
async def test_the_vhost_of_the_url_is_asked_for(amqp_url: str, path: str, vhost: str) -> None:
    parts = urlsplit(amqp_url)
    async with broker_at(parts._replace(path=f"/{path}").geturl()) as broker:
        with pytest.raises(Unreachable) as caught:
            await broker.ring(Stage.EXTRACT)
        assert f"refuses vhost '{vhost}' to guest" in str(caught.value)


async def test_amqps(amqp_url: str, tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
    ]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*request, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    parts = urlsplit(amqp_url)
    relay = Relay(parts.hostname or "", parts.port or 5672, tls=tls)
    relay.open()
    try:
        login = parts.netloc.rpartition("@")[0]
        url = f"amqps://{login}@127.0.0.1:{relay.port}{parts.path}"
        async with broker_at(f"{url}?cafile={certificate}") as broker, broker.subscribe(list(Stage)) as bell:
            await connected(bell)
            await broker.ring(Stage.EXTRACT)
            assert await bell.wait(LONG)
        async with broker_at(url) as broker:
            with pytest.raises(Unreachable, match="certificate verify failed"):
                await broker.ring(Stage.EXTRACT)
    finally:
        relay.close()


@pytest.mark.parametrize(
    "url",
    ["", "localhost:5672", "http://host/", "amqp://", "amqp://u:pass:w0rd@host:x/", "amqp://u:se/cret@host/"],
)
def test_a_url_that_cannot_be_read(url: str) -> None:
    with pytest.raises(InvalidInput, match="must look like amqp://") as caught:
        AmqpBroker(url)
    for secret in ("w0rd", "cret"):
        assert secret not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_heartbeat_can_be_chosen() -> None:
    assert read_url("amqp://host/").query["heartbeat"] == "10"
    assert read_url("amqp://host/?heartbeat=30").query["heartbeat"] == "30"
