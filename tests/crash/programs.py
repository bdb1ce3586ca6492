"""Programs for one case at a time: forked by a nursery, told which database and broker are theirs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.crash.nursery import Order

SETTINGS = {
    "ETL_CLAIM_INTERVAL": "0.3",
    "ETL_HEARTBEAT_INTERVAL": "0.2",
    "ETL_LEASE_TIMEOUT": "1.5",
}
"""A killed worker is found within two seconds."""


@dataclass(frozen=True)
class Program:
    """A program that runs, or ran."""

    pid: int
    log: Path
    ended: asyncio.Future[int]
    """Its exit code, or minus the signal that ended it."""

    def send(self, number: int) -> None:
        """A signal, if it runs."""
        if not self.ended.done():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it at once, if it runs."""
        self.send(signal.SIGKILL)


class Nursery:
    """The client of `tests.crash.nursery`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._numbers = count(1)
        self._starting: dict[int, asyncio.Future[tuple[int, asyncio.Future[int]]]] = {}
        self._ended: dict[int, asyncio.Future[int]] = {}

    async def start(
        self, program: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> Program:
        """A new process of `program`: `workers` or `scheduler`."""
        number = next(self._numbers)
        order = Order(
            number=number,
            program=program,
            arguments=[*arguments],
            environment={**environment},
            log=str(log),
        )
        started = self._starting[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(order)}\n".encode())
        pid, ended = await started
        return Program(pid, log, ended)

    async def listen(self) -> None:
        """Hears what becomes of the programs, until the nursery ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            if "started" in told:
                pid, ended = told["pid"], asyncio.get_running_loop().create_future()
                self._ended[pid] = ended
                _resolve(self._starting.pop(told["started"]), (pid, ended))
            else:
                _resolve(self._ended.pop(told["ended"]), told["status"])
        for number in self._starting:
            self._starting[number].set_exception(RuntimeError("the nursery has ended"))


def _resolve(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():  # who waited for it may have been cancelled
        future.set_result(result)


@asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    """A nursery of its own; all that it started is gone at the end."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ETL_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.crash.nursery", stdin=PIPE, stdout=PIPE, env=inherited
    )
    made = Nursery(process)
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await listening
