"""`etl.dead`: what arrived in a stage's queue and cannot be parsed, kept for a person to look at.

It is bounded by who writes it, not by arguments of the queue: those cannot change once the queue exists, and
an operator may want other limits, by policy (`rabbitmqctl set_policy`).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from etl_core.broker.amqp_link import DEAD, Link
from etl_core.broker.protocol import RING_TIMEOUT, DeadLetter

log = structlog.get_logger(__name__)

MOST_KEPT: Final = 1_000
"""Messages; what comes when there are so many is logged and dropped: the first ones tell what is wrong."""
LONGEST_KEPT: Final = 65_536
"""Bytes of a message; the rest is cut off."""
MOST_RETURNS: Final = 8
"""RabbitMQ 4 drops what was given back to a quorum queue 20 times; a copy takes its place long before."""
RETURNS: Final = "x-delivery-count"


async def put_aside(link: Link, message: AbstractIncomingMessage, reason: str) -> None:
    """Copies a message to `etl.dead`; the caller acknowledges it.

    Raises BlockedError, TimeoutError and what the driver raises.
    """
    queue = message.routing_key or ""
    async with asyncio.timeout(RING_TIMEOUT):
        if await _count(link.channel) >= MOST_KEPT:
            log.warning("broker_message_dropped", queue=queue, reason=reason, full=DEAD)
            return
        log.warning("broker_message_unparsable", queue=queue, reason=reason, put_into=DEAD)
        copy = aio_pika.Message(
            message.body[:LONGEST_KEPT],
            content_type=message.content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            timestamp=datetime.now(UTC),  # this machine's clock: for people only
            headers={"x-reason": reason, "x-queue": queue, "x-size": len(message.body)},
        )
        await link.alarm.guard(lambda: _publish(link.channel, copy))


async def look_at(link: Link, at_most: int) -> list[DeadLetter]:
    """What is there, none of it lost: it is taken, looked at and given back."""
    async with link.connection.channel(publisher_confirms=True, on_return_raises=True) as channel:
        queue = await channel.get_queue(DEAD, ensure=False)
        taken: list[AbstractIncomingMessage] = []
        # Not acknowledged: should we die, all of it is back in the queue.
        while len(taken) < at_most and (message := await queue.get(fail=False)) is not None:
            taken.append(message)
        for message in taken:
            if _number(message.headers.get(RETURNS)) < MOST_RETURNS:
                await message.nack(requeue=True)
            else:
                await _publish(channel, _copy(message))
                await message.ack()
        # Asked for an answer, RabbitMQ has done what was sent before.
        await _count(channel)
    return [_dead_letter(message) for message in taken]


async def purge(link: Link) -> int:
    """Removes everything; how much."""
    async with link.connection.channel(publisher_confirms=False) as channel:
        queue = await channel.get_queue(DEAD, ensure=False)
        return (await queue.purge()).message_count or 0


async def _count(channel: AbstractChannel) -> int:
    queue = await channel.declare_queue(DEAD, passive=True)
    return queue.declaration_result.message_count or 0


async def _publish(channel: AbstractChannel, message: aio_pika.Message) -> None:
    await channel.default_exchange.publish(message, DEAD, mandatory=True)


def _copy(message: AbstractIncomingMessage) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        content_type=message.content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        timestamp=message.timestamp,
        headers={name: value for name, value in message.headers.items() if name != RETURNS},
    )


def _dead_letter(message: AbstractIncomingMessage) -> DeadLetter:
    queue, reason = (message.headers.get(name) for name in ("x-queue", "x-reason"))
    return DeadLetter(
        put_aside_at=message.timestamp,
        queue=None if queue is None else str(queue),
        reason=None if reason is None else str(reason),
        size=max(_number(message.headers.get("x-size")), len(message.body)),
        body=message.body,
    )


def _number(header: Any) -> int:
    return header if isinstance(header, int) else 0
