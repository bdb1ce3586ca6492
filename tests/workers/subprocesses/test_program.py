"""A program that a run started is bounded, and nothing of it outlives the run, however that ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from etl_core.errors import Permanent, SourceError, Transient
from workers.subprocesses import run_folder
from workers.subprocesses.program import Ending, Order, running
from workers.subprocesses.run_folder import make_run_folder, write_private

NOTHING_HELPS = (
    "trap '' TERM; echo $$ > pids; (trap '' TERM; setsid sh -c 'echo $$ >> pids; exec sleep 600') &"
)
"""A shell that ignores SIGTERM, with a child that ignores it, too, in a session of its own."""
PATIENCE = 30.0


def order(script: str, *, program: str = "/bin/sh", seconds: float = 60, memory_mb: int = 0) -> Order:
    folder = make_run_folder()
    argv = [program, "-c", script]
    return Order(Path(program), argv, {"PATH": "/usr/bin:/bin"}, folder, seconds, memory_mb)


async def run(given: Order) -> tuple[bytes, list[str], Ending, SourceError | None]:
    said: list[str] = []
    printed = bytearray()
    async with running(given, said.append) as program:
        async for lines in program.lines():
            printed += b"".join(line + b"\n" for line in lines)
        ending = await program.ended()
        return bytes(printed), said, ending, program.why_failed(ending)


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, "waited too long"
        time.sleep(0.02)


def pids_in(folder: Path, count: int) -> list[int]:
    file = folder / "pids"
    until(lambda: file.exists() and len(file.read_text().split()) == count)
    return [int(pid) for pid in file.read_text().split()]


async def test_the_environment_is_the_given_one_and_stdin_is_empty() -> None:
    given = order("cat; env | grep -v '^PWD=\\|^_=\\|^SHLVL='; pwd; ls -A; exit 3")
    printed, _, ending, _ = await run(given)
    assert printed.decode().split() == ["PATH=/usr/bin:/bin", str(given.folder)]
    assert ending == Ending(3, None, "itself")
    assert not given.folder.exists()


async def test_long_lines_and_much_on_stderr_stop_nothing() -> None:
    script = (
        "import sys; print('a' * 200_000); sys.stderr.write('b' * 300_000 + '\\n' + 'c\\n' * 100_000);"
        " sys.stdout.write('end')"
    )
    printed, said, ending, _ = await run(order(script, program=sys.executable))
    assert printed == b"a" * 200_000 + b"\nend\n"
    assert len(said) == 100_001
    assert len(said[0]) == 4_000
    assert ending.code == 0


async def test_what_a_program_leaves_running_ends_with_it() -> None:
    given = order(
        "setsid sh -c 'echo $$ > pids; sleep 600' > /dev/null & while [ ! -s pids ]; do :; done; cat pids"
    )
    printed, _, ending, _ = await run(given)
    assert ending == Ending(0, None, "itself")
    assert not is_there(int(printed))


async def test_past_its_time_it_ends_with_all_its_children() -> None:
    given = order(NOTHING_HELPS + " while :; do sleep 1; done", seconds=1.5)
    async with running(given, lambda _: None) as program:
        pids = pids_in(given.folder, 2)
        ending = await program.ended()
        assert ending.ended == "time"
        assert isinstance(program.why_failed(ending), Transient)
    assert not [pid for pid in pids if is_there(pid)]


async def test_the_memory_of_all_its_processes_counts() -> None:
    hungry = (
        f"{sys.executable} -ISc 'x = bytearray(40_000_000); x[::4096] = b\"1\" * len(x[::4096]); input()'"
    )
    _, _, ending, error = await run(order(f"sleep 600 | {hungry} & sleep 600 | {hungry}", memory_mb=80))
    assert ending.ended == "memory"
    assert isinstance(error, Permanent)


async def test_cancelled_nothing_is_left() -> None:
    given = order(NOTHING_HELPS + " while :; do sleep 1; done")
    task = asyncio.create_task(run(given))
    pids = await asyncio.to_thread(pids_in, given.folder, 2)
    task.cancel()
    await asyncio.sleep(0.3)
    task.cancel()  # as a worker does that looks every second
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [pid for pid in pids if is_there(pid)]
    assert not given.folder.exists()


async def test_its_watcher_killed_it_ends_and_may_be_tried_again() -> None:
    given = order("echo $$ > pids; sleep 600")
    async with running(given, lambda _: None) as program:
        [pid] = pids_in(given.folder, 1)
        os.kill(program._process.pid, signal.SIGKILL)
        with pytest.raises(Transient, match="watcher was killed"):
            await program.ended()
    until(lambda: not is_there(pid))
    assert not given.folder.exists()


async def test_what_cannot_be_run_is_told(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    given = order("", program=str(script))
    with pytest.raises(Permanent, match="No such file"):
        await run(given)
    assert not given.folder.exists()


WORKER = """
import asyncio, sys
from tests.workers.subprocesses.test_program import NOTHING_HELPS, order, run
given = order(NOTHING_HELPS + " while :; do sleep 1; done")
print(given.folder, flush=True)
asyncio.run(run(given))
"""


@pytest.mark.parametrize("watcher_too", [False, True])
def test_the_worker_killed_nothing_is_left(watcher_too: bool) -> None:
    """Nor the folder with its secrets; without its watcher the next program that starts removes it."""
    worker = subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, cwd=Path.cwd())
    assert worker.stdout
    folder = Path(worker.stdout.readline().decode().strip())
    program, child = pids_in(folder, 2)
    write_private(folder / "secret", b"s3cret")
    watcher = int(Path(f"/proc/{program}/stat").read_text().rpartition(")")[2].split()[1])
    worker.kill()
    if watcher_too:
        os.kill(watcher, signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    until(lambda: not is_there(program))
    if not watcher_too:
        until(lambda: not is_there(child) and not folder.exists())
        return
    os.kill(child, signal.SIGKILL)  # in a session of its own, and nobody is left who knows of it
    assert (folder / "secret").exists()
    os.utime(folder, (1, 1))
    run_folder.remove_run_folder(make_run_folder())
    assert not folder.exists()
