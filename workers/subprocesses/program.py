"""A running program: its output in lines, how it ended; leaving it early ends it within 2 seconds."""

from __future__ import annotations

import asyncio
import contextlib
import marshal
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from etl_core.errors import Permanent, SourceError, Transient
from workers.subprocesses.run_folder import remove_run_folder

_WATCHER: Final = Path(__file__).with_name("watcher.py")
_CHUNK: Final = 1 << 16
LONGEST_LINE: Final = 16 << 20
"""Bytes of a line of output."""
LONGEST_SAID: Final = 4_000
"""Bytes of a line of stderr; what follows is cut off."""
GRACE_S: Final = 1.0
"""Seconds between SIGTERM and SIGKILL."""
_WATCHER_PATIENCE: Final = 0.7
"""Seconds more that its watcher has to end it."""
_LAST_SAID: Final = 5


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run."""

    program: Path
    argv: Sequence[str]
    """With the name of the program as its first."""
    environment: Mapping[str, str]
    folder: Path
    """Of `make_run_folder`; removed with the program."""
    time_limit_s: float
    memory_mb: int
    """Of all its processes together, as far as resident; 0: no limit."""
    directory: Path | None = None
    """Where it runs; None: in its folder."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program ended."""

    code: int | None
    """Its exit code; None where a signal ended it."""
    signal: int | None
    ended: str
    """itself, or why we ended it: time, memory, stopped."""


@dataclass(slots=True)
class Program:
    """In mid-run; made by `running`."""

    order: Order
    pid: int
    _process: asyncio.subprocess.Process
    _reports: asyncio.StreamReader
    _said: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_SAID))
    _listening: asyncio.Task[None] | None = None
    _ending: Ending | None = None

    async def lines(self) -> AsyncIterator[list[bytes]]:
        """What it prints, as lines without their ends, some at a time.

        Raises:
            Permanent: a line that is longer than LONGEST_LINE.
        """
        assert self._process.stdout is not None  # noqa: S101 - asked for a pipe
        rest: list[bytes] = []
        size = 0
        while chunk := await self._process.stdout.read(_CHUNK):
            head, end, tail = chunk.rpartition(b"\n")
            if not end:
                rest.append(chunk)
                size += len(chunk)
                if size > LONGEST_LINE:
                    raise Permanent(
                        f"{self.order.program} printed a line of more than {LONGEST_LINE >> 20} MB"
                    )
                continue
            lines = b"".join([*rest, head]).split(b"\n")
            rest, size = [tail], len(tail)
            yield lines
        if last := b"".join(rest):
            yield [last]

    def listen(self, stderr: asyncio.StreamReader, tell: Callable[[str], None]) -> None:
        """Tells what it says on stderr from now on."""
        self._listening = asyncio.create_task(_listen(stderr, tell, self._said), name="stderr")

    async def ended(self) -> Ending:
        """How it ended, once it has, and all that it said was told.

        Raises:
            Transient: its watcher was killed.
        """
        if self._ending is None:
            report = await _report(self._reports)
            if report is None:
                raise Transient(f"{self.order.program}: its watcher was killed", retry_in_place=False)
            _, code, number, ended = report.split()
            self._ending = Ending(
                None if code == "-" else int(code), None if number == "-" else int(number), ended
            )
        if self._listening is not None:
            await asyncio.wait({self._listening}, timeout=2)
        return self._ending

    def let_go(self, *, killed: bool) -> None:
        """After the end. `killed`: its watcher was, so that nobody has ended its group."""
        if self._listening is not None:
            self._listening.cancel()
        if killed:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            remove_run_folder(self.order.folder)

    @property
    def last_said(self) -> str:
        """The last line on stderr that says something, "" if there was none."""
        return next((line for line in reversed(self._said) if line.strip()), "").strip()

    def why_failed(self, ending: Ending) -> SourceError | None:
        """What stands for an end that was not its own doing; None where its exit code decides."""
        name = self.order.program
        match ending.ended:
            case "time":
                return Transient(
                    f"{name} was ended after {self.order.time_limit_s:g} s, its time_limit_s",
                    retry_in_place=False,
                )
            case "memory":
                return Permanent(
                    f"{name} was ended: it took more than {self.order.memory_mb} MB, its memory_mb"
                )
            case "stopped":
                return Transient(f"{name} was stopped from outside", retry_in_place=False)
        if ending.signal is not None:
            told = signal.Signals(ending.signal).name
            return Transient(f"{name} was ended by {told}{self.and_said()}", retry_in_place=False)
        return None

    def and_said(self) -> str:
        """`: last line of stderr`, or nothing."""
        return f": {self.last_said[:500]}" if self.last_said else ""


@asynccontextmanager
async def running(order: Order, tell: Callable[[str], None]) -> AsyncIterator[Program]:
    """Starts the program; leaving the block ends it and its descendants, and removes its folder.

    Args:
        tell: gets each line of stderr, shortened to LONGEST_SAID.

    Raises:
        Permanent: it cannot be started.
    """
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", str(_WATCHER), str(writing)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_CHUNK,
            pass_fds=[writing],
            start_new_session=True,
        )
    except BaseException:
        os.close(reading)
        remove_run_folder(order.folder)
        raise
    finally:
        os.close(writing)
    program = None
    reports = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reports), os.fdopen(reading, "rb", buffering=0)
    )
    try:
        assert process.stdin is not None and process.stderr is not None  # noqa: S101 - asked for pipes
        process.stdin.write(_marshalled(order))
        started = await _report(reports)
        if started is None:
            raise Transient(f"{order.program} could not be started: its watcher ended")
        word, _, told = started.partition(" ")
        if word == "error":
            raise Permanent(f"{order.program} cannot be run: {told}")
        program = Program(order, int(told), process, reports)
        program.listen(process.stderr, tell)
        yield program
    finally:
        await _to_its_end(asyncio.create_task(_end(process, program), name="end of a program"))
        transport.close()


def _marshalled(order: Order) -> bytes:
    """As the watcher reads it."""
    told = {
        "program": str(order.program),
        "argv": list(order.argv),
        "environment": dict(order.environment),
        "directory": str(order.directory or order.folder),
        "folder": str(order.folder),
        "time_limit_s": order.time_limit_s,
        "memory_bytes": order.memory_mb << 20,
        "grace_s": GRACE_S,
    }
    written = marshal.dumps(told)
    return len(written).to_bytes(8, "big") + written


async def _report(reports: asyncio.StreamReader) -> str | None:
    """What the watcher tells next; None if it is gone."""
    line = await reports.readline()
    return line.decode().rstrip() if line.endswith(b"\n") else None


async def _listen(stream: asyncio.StreamReader, tell: Callable[[str], None], said: deque[str]) -> None:
    """Reads stderr for as long as it is written, lest the program waits for it."""
    rest = b""
    while chunk := await stream.read(_CHUNK):
        *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
        rest = rest[: LONGEST_SAID + 1]
        for line in lines:
            _tell(line, tell, said)
    _tell(rest, tell, said)


def _tell(line: bytes, tell: Callable[[str], None], said: deque[str]) -> None:
    text = line[:LONGEST_SAID].decode("utf-8", "backslashreplace").rstrip()
    if text:
        said.append(text)
        tell(text)


async def _to_its_end(ending: asyncio.Task[None]) -> None:
    """Waits for it though we are cancelled, perhaps again and again: it takes less than 2 seconds."""
    cancelled = None
    while not ending.done():
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    ending.result()


async def _end(process: asyncio.subprocess.Process, program: Program | None) -> None:
    """Lets go of the watcher, which ends what is left; kills it and the program where it does not."""
    assert process.stdin is not None and process.stdout is not None  # noqa: S101 - asked for pipes
    process.stdin.close()
    emptying = asyncio.create_task(_empty(process.stdout))
    try:
        async with asyncio.timeout(GRACE_S + _WATCHER_PATIENCE):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    finally:
        emptying.cancel()
        # Where somebody else holds the other ends of its pipes, nothing but this closes ours.
        process._transport.close()  # type: ignore[attr-defined]
        if program is not None:
            program.let_go(killed=process.returncode != 0)


async def _empty(stream: asyncio.StreamReader) -> None:
    while await stream.read(_CHUNK):
        pass
