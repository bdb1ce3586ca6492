"""A program in a terminal of our own: what it sends is counted and timed, keys are typed into it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import psutil

PATIENCE = 60.0
"""Seconds until a program must have shown what was waited for."""
WHAT_ARE_YOU = b"\x1b[c"
"""The one question (DA1) that every terminal answers, so that a program may wait for it."""


class Terminal:
    """Nobody reads the screen; everything sent is kept with the moment it came."""

    def __init__(self, master: int, pid: int) -> None:
        self._master = master
        self.process = psutil.Process(pid)
        self.sent: list[tuple[float, bytes]] = []
        """(monotonic seconds, bytes)."""
        self._came = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:  # EIO: the program has ended
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
            return
        self.sent.append((time.monotonic(), data))
        if WHAT_ARE_YOU in data:
            self.type(b"\x1b[?62c")
        self._came.set()

    @property
    def text(self) -> bytes:
        """Everything sent so far."""
        return b"".join(data for _, data in self.sent)

    def __len__(self) -> int:
        return sum(len(data) for _, data in self.sent)

    def type(self, keys: bytes) -> None:
        """As if they were pressed."""
        os.write(self._master, keys)

    async def until(self, what: bytes, *, since: int = 0) -> float:
        """Waits until it was sent, not counting the first `since` bytes; the moment it came."""
        give_up = time.monotonic() + PATIENCE
        while what not in self.text[since:]:
            if time.monotonic() > give_up:
                raise TimeoutError(f"{what!r} was never shown; last: {self.text[-2000:]!r}")
            await self.wait(0.2)
        return self.sent[-1][0]

    async def quiet(self, seconds: float = 0.4) -> None:
        """Waits until nothing came for so long, 10 s at most."""
        give_up = time.monotonic() + 10
        while await self.wait(seconds) and time.monotonic() < give_up:
            pass

    async def wait(self, seconds: float) -> bool:
        """Waits for the next bytes, so long at most; whether some came."""
        self._came.clear()
        try:
            await asyncio.wait_for(self._came.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def processor(self) -> float:
        """Seconds of processor that the program took so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def resident(self) -> int:
        """Bytes of memory."""
        return int(self.process.memory_info().rss)


@asynccontextmanager
async def terminal(
    arguments: Sequence[str], environment: Mapping[str, str], *, columns: int = 80, lines: int = 24
) -> AsyncIterator[Terminal]:
    """Runs `python ARGUMENTS` in a terminal of that size until the context ends."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, *arguments], dict(environment))
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    shown = Terminal(master, pid)
    try:
        yield shown
    finally:
        asyncio.get_running_loop().remove_reader(master)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(master)
