"""The receiving end of the amqp transport.

A message is a ring and holds no truth, so it is acknowledged on receipt and never requeued: RabbitMQ 4 moves
what was requeued twenty times to the dead letters, and holding it through the work runs into its 30 minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aio_pika.abc import AbstractIncomingMessage, AbstractQueue
from yarl import URL

from etl_core.broker.amqp_dead import put_aside
from etl_core.broker.amqp_link import Link, open_link
from etl_core.broker.amqp_message import UnparsableError, decode
from etl_core.broker.protocol import RING_TIMEOUT, Bell
from etl_core.broker.supervise import cancelled_by_us

PREFETCH = 4
"""Rings on their way to one worker: few, for a stopped process takes them with it."""


class ConsumingBell(Bell):
    """A doorbell that consumes from stage queues; `session` keeps it connected under a supervisor."""

    def __init__(self, url: URL, name: str, queues: list[str]) -> None:
        super().__init__()
        self._url = url
        self._name = f"{name} bell"
        self._queues = queues
        self._paused = False
        self._link: Link | None = None
        self._consumers: list[tuple[AbstractQueue, str]] = []
        self._changing = asyncio.Lock()

    async def pause(self) -> None:
        """Cancel the consumers, so that messages go to other workers."""
        self._paused = True
        await self._change(self._stop_consuming)

    async def resume(self) -> None:
        """Consume again, and ring once."""
        if self._paused:
            self._paused = False
            await self._change(self._consume)
            self.ring()

    async def session(self, up: Callable[[], None]) -> None:
        """One connection, from connecting to its loss."""
        async with open_link(self._url, self._name) as link:
            try:
                async with asyncio.timeout(RING_TIMEOUT), self._changing:
                    await link.channel.set_qos(prefetch_count=PREFETCH)
                    self._link = link
                    await self._consume(link)
                self.connected = True
                up()
                if not self._paused:
                    self.ring()
                await link.lost.wait()
            finally:
                self.connected = False
                self._link = None
                self._consumers.clear()

    async def _change(self, change: Callable[[Link], Awaitable[None]]) -> None:
        link = self._link
        if link is None:
            return  # the next session begins as it should be
        try:
            async with asyncio.timeout(RING_TIMEOUT), self._changing:
                await change(link)
        except asyncio.CancelledError as error:
            if cancelled_by_us():
                raise
            link.lost.tell(error)
        except Exception as error:  # whatever it was, a new session puts it right
            link.lost.tell(error)

    async def _consume(self, link: Link) -> None:
        if self._paused or self._consumers:
            return

        async def receive(message: AbstractIncomingMessage) -> None:
            await self._receive(link, message)

        for name in self._queues:
            queue = await link.channel.get_queue(name, ensure=False)
            tag = await queue.consume(receive)
            self._consumers.append((queue, tag))

    async def _stop_consuming(self, _: Link) -> None:
        while self._paused and self._consumers:
            queue, tag = self._consumers.pop()
            await queue.cancel(tag)

    async def _receive(self, link: Link, message: AbstractIncomingMessage) -> None:
        try:
            try:
                decode(message.body)
            except UnparsableError as error:
                await put_aside(link, message, str(error))
            else:
                self.ring()
            await message.ack()
        except Exception as error:  # not acknowledged: it comes again on the next connection
            link.lost.tell(error)
