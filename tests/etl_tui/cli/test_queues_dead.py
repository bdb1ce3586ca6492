"""`queues dead`: what could not be parsed is shown, stays, and is purged with an event."""

from __future__ import annotations

import asyncio

import aio_pika
import pytest

from etl_core.broker.amqp import AmqpBroker
from etl_core.broker.amqp_link import DEAD
from etl_core.broker.protocol import Stage
from etl_core.models.dead_letter import DeadLetterRow
from tests.etl_tui.cli.conftest import Cli, Sql


@pytest.fixture
def rabbit_url(rabbitmq: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """A RabbitMQ with our queues, which are empty."""
    url: str = rabbitmq.url  # type: ignore[attr-defined]  # ours or a foreign one
    asyncio.run(_prepare(url))
    monkeypatch.setenv("ETL_AMQP_URL", url)
    return url


async def _prepare(url: str) -> None:
    broker = AmqpBroker(url)
    await broker.ring(Stage.EXTRACT)  # declares them
    await broker.purge_dead_letters()
    await broker.close()


async def put(url: str, *bodies: bytes) -> None:
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        for body in bodies:
            message = aio_pika.Message(
                body, headers={"x-reason": "not JSON", "x-queue": "etl.load", "x-size": 70_000}
            )
            await channel.default_exchange.publish(message, DEAD)


def test_show_and_purge(cli: Cli, rabbit_url: str, sql: Sql) -> None:
    assert cli("queues", "dead").out == "nothing: every message could be parsed\n"
    assert cli("queues", "dead", "--json").document == []
    asyncio.run(put(rabbit_url, b"\x1b[2Jgarbage\xff", b"x" * 500))
    for _ in range(2):  # it stays
        shown = cli("queues", "dead")
        assert shown.out.splitlines()[0].split()[-1] == "BODY"
        assert "\\x1b[2Jgarbage\\xff" in shown.out
        assert "etl.load" in shown.out
        assert "70000" in shown.out
        assert "\x1b" not in shown.out
    rows = [DeadLetterRow.model_validate(row) for row in cli("queues", "dead", "--json").document]
    assert [(row.queue, row.reason, row.size) for row in rows] == [("etl.load", "not JSON", 70_000)] * 2
    assert len(cli("queues", "dead", "--at-most", "1", "--json").document) == 1
    assert cli("queues", "dead", "--purge").out == "2 messages purged\n"
    assert cli("queues", "dead", "--purge", "--json").document == {"purged": 0}
    assert sql("SELECT array_agg(detail -> 'messages' ORDER BY id) FROM job_events") == [2, 0]
    assert sql("SELECT DISTINCT action FROM job_events") == "purge_dead"


def test_on_postgres_there_is_nothing(cli: Cli) -> None:
    assert cli("queues", "dead").out == "nothing: on PostgreSQL the queues hold no messages\n"
    assert cli("queues", "dead", "--purge").out == "0 messages purged\n"


def test_a_broker_that_is_down(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_AMQP_URL", "amqp://guest:s3cr3t@127.0.0.1:1/")
    for arguments in ([], ["--purge"], ["--json"]):
        down = cli("queues", "dead", *arguments)
        down.refused(5, "amqp://guest:***@127.0.0.1:1/")
        assert "s3cr" not in down.err


@pytest.mark.parametrize("count", ["0", "1001", "many", "-1"])
def test_a_count_that_cannot_be(cli: Cli, count: str) -> None:
    cli("queues", "dead", f"--at-most={count}").refused(2, count)
