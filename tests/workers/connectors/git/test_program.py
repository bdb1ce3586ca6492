"""The git program: where it is missing, cut off, noisy, or has much to say."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest

from etl_core.connector import ExtractContext
from etl_core.errors import Permanent
from tests.workers.connectors.git.reading import connector
from tests.workers.connectors.repositories import Repo
from workers.connectors.git import program, walk


async def test_without_the_git_program(repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Permanent, match="the git program is not installed where this worker runs"):
        await connector(repo.path).check()


async def test_cancelled_it_leaves_no_process(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "PAGE_ROWS", 20)
    repo.commit_many(2_000)
    made = connector(repo.path)
    first = asyncio.Event()
    started: list[asyncio.subprocess.Process] = []
    start = asyncio.create_subprocess_exec

    async def start_and_note(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await start(*arguments, **options)
        started.append(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_and_note)

    async def work() -> None:
        async with aclosing(cast("Any", made.extract(ExtractContext()))) as pages:
            async for _ in pages:
                first.set()
                await asyncio.sleep(3_600)

    working = asyncio.create_task(work())
    await first.wait()
    assert [process.returncode for process in started][-1] is None, "git waits for its pipe to be read"
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert [process.returncode for process in started][-1] == -signal.SIGKILL
    for process in started:
        # A zombie would still answer.
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)


async def test_a_program_that_floods_stderr_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More complaints than a pipe holds: read meanwhile, or both would wait for ever."""
    fake = tmp_path / "git"
    fake.write_text(
        "#!/bin/sh\ni=0\nwhile [ $i -lt 3000 ]; do\n"
        "echo 'warning: a line of one hundred characters or so, to fill up the pipe, which holds 64 KB' >&2\n"
        "i=$((i+1))\ndone\necho out\necho 'fatal: gone wrong' >&2\nexit 128\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(program.GitFailed, match=r"^gone wrong$"):
        await program.Git(str(tmp_path)).ask("log", given=b"x" * 1_000_000)


async def test_a_long_history_takes_little_memory(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are let go: ten times the commits, the same peak."""
    import tracemalloc

    monkeypatch.setattr(walk, "PAGE_ROWS", 100)
    repo.commit_many(150, branch="short")
    repo.commit_many(1_500, branch="long")

    async def peak(branch: str) -> int:
        made = connector(repo.path, branch)
        tracemalloc.start()
        count = 0
        async for page in made.extract(ExtractContext()):
            count += len(page.records.get("commits", ()))
        measured = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == (150 if branch == "short" else 1_500)
        return measured

    await peak("short")
    assert await peak("long") < 2 * await peak("short") + 500_000
