"""A TCP relay in front of a real service, so that a test can cut, refuse and stall real connections."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Coroutine
from typing import Any

from tests.support.ports import free_ports


class Relay:
    """Listens on a free port of 127.0.0.1 and passes bytes on to `host:port`; a path is a folder of sockets.

    With `tls` its clients must come by TLS, and it passes on in clear. It runs in a thread of its own: tests
    may use it from any loop, or from none.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._target = (host, port)
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        [self.port] = free_ports(1)

    def open(self) -> None:
        """Accept connections, always on the same port."""
        self._call(self._open())

    def shut(self) -> None:
        """Cut every connection and refuse new ones."""
        self._call(self._shut())

    def cut(self) -> None:
        """Cut every connection; new ones are welcome."""
        self._call(self._cut())

    def stall(self) -> None:
        """Pass no more bytes, but keep connections open and accept new ones, like a dead network."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def flow(self) -> None:
        """End a stall."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    def close(self) -> None:
        """Shut, and end the thread."""
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _open(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)

    async def _shut(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self._cut()

    async def _cut(self) -> None:
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.ensure_future(self._pass_on(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._target
        writers = [writer]
        try:
            await self._flowing.wait()
            if host.startswith("/"):
                up_reader, up_writer = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
            else:
                up_reader, up_writer = await asyncio.open_connection(host, port)
            writers.append(up_writer)
            ways = [self._copy(reader, up_writer), self._copy(up_reader, writer)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        except OSError:
            pass  # the service is down: its client sees the connection end
        finally:
            for each in writers:
                each.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                self._see(chunk)
                await self._flowing.wait()
                writer.write(chunk)
                await writer.drain()

    def _see(self, chunk: bytes) -> None:
        """What passes, in either direction."""


class Tapped(Relay):
    """Keeps all that passes."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.passed = bytearray()

    def _see(self, chunk: bytes) -> None:
        self.passed += chunk
