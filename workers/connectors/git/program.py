"""Running the real git program: no shell, no surprises from the environment, no process left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from etl_core.errors import Permanent

CHUNK = 1 << 16
_STDERR_KEPT = 4_096
_OUTPUT_LIMIT = 64 << 20
"""Bytes of an answer that is collected whole; a hundred thousand refs are 10 MB."""

# What a repository's own configuration must not decide: it may belong to somebody else, and reading it must
# not run its programs, fetch from its remotes or change the output.
_OPTIONS = (
    "--no-pager",
    *("-c", "safe.directory=*"),
    *("-c", "core.quotePath=off"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "protocol.allow=never"),
    *("-c", "log.showRoot=true"),
    *("-c", "diff.renameLimit=1000"),
)


class GitFailed(Exception):
    """git ended with an error; `str()` is its last line on stderr."""


def environment() -> dict[str, str]:
    """Ours without git's own variables, which would redirect it to other repositories and configurations."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
    }


class Git:
    """git, working on one folder."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def ask(self, *arguments: str, given: bytes = b"") -> bytes:
        """The whole output of a command whose answer is small.

        Raises:
            GitFailed: it ended with an error.
        """
        answer = bytearray()
        async with self.stream(*arguments, given=given) as chunks:
            async for chunk in chunks:
                answer += chunk
                if len(answer) > _OUTPUT_LIMIT:
                    raise Permanent(
                        f"{self._path}: git {arguments[0]} answers with more than {_OUTPUT_LIMIT} bytes"
                    )
        return bytes(answer)

    @asynccontextmanager
    async def stream(self, *arguments: str, given: bytes = b"") -> AsyncIterator[AsyncIterator[bytes]]:
        """The output of a command in chunks; leaving the block early kills it.

        Raises:
            GitFailed: it ended with an error; raised by the iteration, at its end.
            Permanent: there is no git program.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                "git",
                *_OPTIONS,
                *("-C", self._path),
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment(),
            )
        except FileNotFoundError:
            raise Permanent(
                "the git program is not installed where this worker runs; install it there"
            ) from None
        feeding = asyncio.create_task(_feed(process, given))
        complaints = asyncio.create_task(_drain(process))
        try:
            yield _output(process, complaints)
        finally:
            await _end(process, feeding, complaints)


async def _output(process: asyncio.subprocess.Process, complaints: asyncio.Task[str]) -> AsyncIterator[bytes]:
    assert process.stdout is not None  # noqa: S101 - asked for a pipe
    while chunk := await process.stdout.read(CHUNK):
        yield chunk
    if await process.wait():
        raise GitFailed(await complaints or f"exit code {process.returncode}")


async def _feed(process: asyncio.subprocess.Process, given: bytes) -> None:
    assert process.stdin is not None  # noqa: S101 - asked for a pipe
    # A git that ended early has said why on stderr.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(given)
        await process.stdin.drain()
    process.stdin.close()


async def _drain(process: asyncio.subprocess.Process) -> str:
    """Reads stderr for as long as it is written, lest git waits for it; the last line that says something."""
    assert process.stderr is not None  # noqa: S101 - asked for a pipe
    kept = b""
    while chunk := await process.stderr.read(CHUNK):
        kept = (kept + chunk)[-_STDERR_KEPT:]
    lines = kept.decode("utf-8", "backslashreplace").strip().splitlines()
    fatal = [line for line in lines if line.startswith("fatal:")] or lines
    return fatal[-1].removeprefix("fatal: ") if fatal else ""


async def _end(
    process: asyncio.subprocess.Process, feeding: asyncio.Task[None], complaints: asyncio.Task[str]
) -> None:
    """Sees a process off, whether it ended or not: killed, its pipes emptied, its exit code collected."""
    with contextlib.suppress(ProcessLookupError):
        if process.returncode is None:
            process.kill()
    feeding.cancel()
    assert process.stdout is not None  # noqa: S101 - asked for a pipe
    while await process.stdout.read(CHUNK):
        pass
    await asyncio.wait({feeding, complaints})
    await process.wait()
