"""Fixtures: `rabbitmq`, a server per test process, and `amqp_url`, that server emptied for one test."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import gettempdir, mkdtemp

import aio_pika
import pytest

from etl_core.broker.amqp_link import DEAD, queue_name
from etl_core.broker.protocol import Stage
from tests.support.postgres import run_folder
from tests.support.rabbitmq import ForeignRabbitMQ, RabbitMQ
from tests.support.rabbitmq_programs import NoRabbitMQError


def _folder(request: pytest.FixtureRequest) -> Path:
    """In the folder of this run, which is in the memory where there is room: each ring waits for a disk."""
    return Path(mkdtemp(prefix="rabbitmq-", dir=run_folder(request.config)))


@pytest.fixture(scope="session")
def rabbitmq(request: pytest.FixtureRequest) -> Iterator[RabbitMQ | ForeignRabbitMQ]:
    """A real RabbitMQ, running. One per xdist worker, since tests stop and kill it."""
    foreign = os.environ.get("ETL_TEST_AMQP_URL")
    try:
        server = ForeignRabbitMQ(foreign) if foreign else RabbitMQ(_folder(request))
        server.start()
    except NoRabbitMQError as error:
        pytest.fail(str(error), pytrace=False)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def own_rabbitmq(rabbitmq: RabbitMQ | ForeignRabbitMQ, request: pytest.FixtureRequest) -> Iterator[RabbitMQ]:
    """A private one, running, for tests that steer the server itself: `rabbitmq`, unless that is not ours."""
    if isinstance(rabbitmq, RabbitMQ):
        yield rabbitmq
        return
    server = RabbitMQ(_folder(request))
    try:
        server.start()
        yield server
    except NoRabbitMQError as error:
        pytest.fail(str(error), pytrace=False)
    finally:
        server.close()


@pytest.fixture
async def own_amqp_url(own_rabbitmq: RabbitMQ) -> str:
    """The URL of `own_rabbitmq`, which has none of our queues."""
    own_rabbitmq.start()
    await delete_queues(own_rabbitmq.url)
    return own_rabbitmq.url


@pytest.fixture
async def amqp_url(rabbitmq: RabbitMQ | ForeignRabbitMQ) -> AsyncIterator[str]:
    """The URL of a running RabbitMQ that has none of our queues."""
    rabbitmq.start()
    with Path(gettempdir(), f"etl-test-amqp-{os.geteuid()}.lock").open("w") as lock:
        if isinstance(rabbitmq, ForeignRabbitMQ):
            fcntl.flock(lock, fcntl.LOCK_EX)  # one server for all xdist workers: one test at a time
        try:
            await delete_queues(rabbitmq.url)
        except (OSError, aio_pika.exceptions.AMQPError) as error:
            pytest.fail(f"RabbitMQ of the tests does not answer: {error}", pytrace=False)
        yield rabbitmq.url


async def delete_queues(url: str) -> None:
    """Delete the program's queues."""
    connection = await aio_pika.connect(url, timeout=30)
    async with connection, connection.channel() as channel:
        for name in (*map(queue_name, Stage), DEAD):
            await channel.queue_delete(name)
