"""RabbitMQ's own TLS listener, and virtual hosts other than the default one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit

import pytest

from etl_core.broker.protocol import QueueDepth, Stage
from etl_core.errors import Unreachable
from tests.broker.test_amqp import broker_at, depth_becomes
from tests.broker.test_contract import LONG, SHORT, connected
from tests.support.rabbitmq import RabbitMQ


async def test_the_servers_tls_listener(own_amqp_url: str, own_rabbitmq: RabbitMQ) -> None:
    url = f"{own_rabbitmq.tls_url}?cafile={own_rabbitmq.authority}"
    async with broker_at(url) as broker, broker.subscribe(list(Stage)) as bell:
        await connected(bell)
        await broker.ring(Stage.EXTRACT)
        assert await bell.wait(LONG)
        await asyncio.to_thread(own_rabbitmq.restart)
        assert await bell.wait(LONG)


async def test_a_certificate_of_an_unknown_authority(own_amqp_url: str, own_rabbitmq: RabbitMQ) -> None:
    async with broker_at(own_rabbitmq.tls_url) as broker:
        with pytest.raises(Unreachable, match="certificate verify failed") as caught:
            await broker.ring(Stage.EXTRACT)
        assert "guest:guest" not in str(caught.value)


async def test_a_certificate_for_another_name(own_amqp_url: str, own_rabbitmq: RabbitMQ) -> None:
    url = own_rabbitmq.tls_url.replace("127.0.0.1", "localhost")
    async with broker_at(f"{url}?cafile={own_rabbitmq.authority}") as broker:
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await broker.ring(Stage.EXTRACT)


@pytest.mark.parametrize("scheme", ["amqps", "amqp"])
async def test_the_wrong_scheme_for_the_port(own_amqp_url: str, own_rabbitmq: RabbitMQ, scheme: str) -> None:
    """TLS spoken to the plain port, and the other way round: told, not waited out for ever."""
    port = urlsplit(own_rabbitmq.url if scheme == "amqps" else own_rabbitmq.tls_url).port
    async with broker_at(f"{scheme}://guest:guest@127.0.0.1:{port}/") as broker:
        async with asyncio.timeout(LONG):
            with pytest.raises(Unreachable) as caught:
                await broker.ring(Stage.EXTRACT)
        assert "\n" not in str(caught.value)
        assert "guest:guest" not in str(caught.value)


@asynccontextmanager
async def vhost(server: RabbitMQ, name: str, *, permissions: str | None) -> AsyncIterator[str]:
    """A virtual host, and the URL by which a user with these permissions on all of it comes in."""

    async def users(function: str, *arguments: str) -> None:
        given = ", ".join(f'<<"{argument}">>' for argument in (*arguments, "tests"))
        await asyncio.to_thread(server.evaluate, f"rabbit_auth_backend_internal:{function}({given})")

    await asyncio.to_thread(server.evaluate, f'rabbit_vhost:add(<<"{name}">>, <<"tests">>)')
    await users("add_user", "etl", "s3cr3t!pw")
    if permissions is not None:
        await users("set_permissions", "etl", name, *permissions.split())
    host = urlsplit(server.url).netloc.rpartition("@")[2]
    try:
        yield f"amqp://etl:s3cr3t%21pw@{host}/{quote(name, safe='')}"
    finally:
        await users("delete_user", "etl")
        await asyncio.to_thread(server.evaluate, f'rabbit_vhost:delete(<<"{name}">>, <<"tests">>)')


async def test_another_vhost(own_amqp_url: str, own_rabbitmq: RabbitMQ) -> None:
    async with (
        vhost(own_rabbitmq, "team a/etl", permissions="^etl[.] ^etl[.]|^amq[.]default$ ^etl[.]") as url,
        broker_at(url) as broker,
        broker.subscribe([Stage.LOAD]) as bell,
        broker_at(own_amqp_url) as elsewhere,
        elsewhere.subscribe([Stage.LOAD]) as other,
    ):
        await connected(bell, other)
        await broker.ring(Stage.LOAD)
        assert await bell.wait(LONG)
        assert not await other.wait(SHORT)  # the default one has queues of its own
        await bell.pause()
        await broker.ring(Stage.LOAD, times=2)
        await depth_becomes(broker, Stage.LOAD, QueueDepth(ready=2, consumers=0))
        await depth_becomes(elsewhere, Stage.LOAD, QueueDepth(ready=0, consumers=1))


@pytest.mark.parametrize(
    ("permissions", "told"),
    [
        (None, "refuses vhost 'shut' to etl"),  # may not even come in
        ("^$ .* .*", "access to queue 'etl.extract' in vhost 'shut' refused for user 'etl'"),  # no configure
    ],
)
async def test_missing_permissions(
    own_amqp_url: str, own_rabbitmq: RabbitMQ, permissions: str | None, told: str
) -> None:
    async with vhost(own_rabbitmq, "shut", permissions=permissions) as url, broker_at(url) as broker:
        with pytest.raises(Unreachable) as caught:
            await broker.ring(Stage.EXTRACT)
        assert told in str(caught.value)
        assert "s3cr" not in str(caught.value)


async def test_who_may_not_write(own_amqp_url: str, own_rabbitmq: RabbitMQ) -> None:
    async with vhost(own_rabbitmq, "read-only", permissions=".* ^$ .*") as url, broker_at(url) as broker:
        with pytest.raises(Unreachable) as caught:
            await broker.ring(Stage.EXTRACT)
        assert "access to exchange 'amq.default' in vhost 'read-only' refused for user 'etl'" in str(
            caught.value
        )


async def test_who_may_not_read(own_amqp_url: str, own_rabbitmq: RabbitMQ) -> None:
    """Its worker is not connected, says so, and finds work by polling."""
    async with (
        vhost(own_rabbitmq, "write-only", permissions=".* .* ^$") as url,
        broker_at(url) as broker,
        broker.subscribe([Stage.EXTRACT]) as bell,
    ):
        await broker.ring(Stage.EXTRACT)
        assert not await bell.wait(1.5)
        assert not bell.connected
