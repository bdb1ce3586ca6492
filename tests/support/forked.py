"""Programs forked by a nursery (`tests.support.nursery`), each like a Popen; a nursery a process of tests."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import cache
from itertools import count
from pathlib import Path
from signal import SIGKILL
from typing import Protocol

from tests.support.nursery import Order


class Running(Protocol):
    """What tests do with a program, forked or started as `python -m` (a Popen)."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...


class Forked:
    """A program that runs, or ran."""

    def __init__(self, nursery: Nursery, pid: int, ended: Future[int], log: Path) -> None:
        self._nursery = nursery
        self.pid = pid
        self.ended = ended
        """Its exit code, or minus the signal that ended it."""
        self.log = log

    def poll(self) -> int | None:
        """Its exit code, or minus the signal, once it has ended."""
        return self.ended.result() if self.ended.done() else None

    def wait(self, timeout: float | None = None) -> int:
        """The same, when it has ended.

        Raises:
            subprocess.TimeoutExpired: it goes on for so many seconds.
        """
        try:
            return self.ended.result(timeout)
        except TimeoutError:
            raise subprocess.TimeoutExpired(str(self.log), timeout or 0) from None

    def send_signal(self, number: int, /) -> None:
        """If it runs."""
        if not self.ended.done():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it at once, if it runs."""
        self.send_signal(SIGKILL)

    def close_stdin(self) -> None:
        """What it takes for the end of its parent."""
        self._nursery.tell(Order(close=self.pid))


class Nursery:
    """The client of a nursery of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._numbers = count(1)
        self._turn = threading.Lock()
        self._starting: dict[int, Future[tuple[int, Future[int]]]] = {}  # number -> pid, exit code
        self._ended: dict[int, Future[int]] = {}  # pid -> exit code
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def start(
        self,
        program: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        first: str | None = None,
    ) -> Forked:
        """A new process of `program` (`workers` or `scheduler`), which appends to `log`.

        Args:
            environment: all of it.
            first: see `Order`.
        """
        number = next(self._numbers)
        told = self._starting[number] = Future()
        self.tell(
            Order(
                number=number,
                program=program,
                arguments=[*arguments],
                environment={**environment},
                log=str(log),
                first=first,
            )
        )
        pid, ended = told.result()
        return Forked(self, pid, ended, log)

    def tell(self, order: Order) -> None:
        """Nothing is waited for."""
        assert self._process.stdin is not None
        with self._turn:
            self._process.stdin.write(f"{json.dumps(order)}\n".encode())
            self._process.stdin.flush()

    def close(self) -> None:
        """All that it started is gone then."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._listening.join()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "started" in told:
                pid = told["pid"]
                ended = self._ended[pid] = Future()
                ended.set_running_or_notify_cancel()  # who waits for it may be cancelled, it is not
                self._starting.pop(told["started"]).set_result((pid, ended))
            else:
                self._ended.pop(told["ended"]).set_result(told["status"])
        for waiting in self._starting.values():
            waiting.set_exception(RuntimeError("the nursery has ended"))


@cache
def nursery() -> Nursery:
    """This process's, made on first use; it ends with this process, however that ends."""
    made = Nursery()
    atexit.register(made.close)
    return made
