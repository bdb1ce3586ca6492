"""Reading neither fills the memory nor holds up the event loop."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from etl_core.connector import ExtractContext
from tests.workers.connectors.files.delivering import connector

_MEASURE = """
import asyncio, resource, sys
from etl_core.connector import ExtractContext
from workers.connectors.files import FilesConnector
from workers.connectors.files.config import FilesConfig

async def main():
    connector = FilesConnector(FilesConfig(path=sys.argv[1], key=["id"]))
    (stream,) = await connector.discover(ExtractContext())
    count = 0
    async for page in connector.extract(ExtractContext()):
        for record in page.records.get(stream.name, ()):
            connector.transform(stream, record)
            count += 1
    print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

asyncio.run(main())
"""
_LINE = b'%d,2024-01-01T00:00:00Z,12.5,"some text of a row, with a comma in it and nothing else"\n'


def _write(path: Path, rows: int) -> None:
    open_it: Any = partial(gzip.open, compresslevel=1) if path.suffix == ".gz" else open
    with open_it(path, "wb") as file:
        file.write(b"id,at,amount,text\n")
        for start in range(0, rows, 1_000):
            file.write(b"".join(_LINE % number for number in range(start, start + 1_000)))


def _peak_kb(path: Path, rows: int) -> int:
    _write(path, rows)
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(path)], capture_output=True, text=True, check=True
    )
    count, peak = map(int, done.stdout.split())
    assert count == rows
    # ru_maxrss is in bytes on macOS.
    return peak // 1_024 if sys.platform == "darwin" else peak


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_twelve_times_the_file_takes_no_more_memory(tmp_path: Path, suffix: str) -> None:
    small = _peak_kb(tmp_path / f"small{suffix}", 15_000)
    large = _peak_kb(tmp_path / f"large{suffix}", 180_000)
    if suffix == ".csv":
        assert (tmp_path / "large.csv").stat().st_size > 15_000_000
    assert large - small < 12_000, f"{small} KB for 1.4 MB, {large} KB for 16 MB"


async def test_the_event_loop_goes_on_while_a_file_is_read(tmp_path: Path) -> None:
    _write(tmp_path / "a.csv", 60_000)
    made = connector(tmp_path / "a.csv")
    beats = 0

    async def heartbeat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.005)
            beats += 1

    beating = asyncio.create_task(heartbeat())
    await made.discover(ExtractContext())
    assert beats > 3
    beating.cancel()


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
async def test_cancelled_during_the_first_pass(tmp_path: Path, suffix: str) -> None:
    """The pass is far from its end when it is cancelled, and its thread has ended when the cancel returns."""
    path = tmp_path / f"a{suffix}"
    _write(path, 300_000)
    made = connector(path)
    discovering = asyncio.create_task(cast("Any", made.discover(ExtractContext())))
    await asyncio.sleep(0.1)
    assert not discovering.done()
    discovering.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await discovering
    _expect_idle_readers()


async def test_cancelled_while_pages_are_read(tmp_path: Path) -> None:
    _write(tmp_path / "a.csv", 60_000)
    made = connector(tmp_path / "a.csv")
    await made.discover(ExtractContext())
    first = asyncio.Event()

    async def work() -> None:
        async with aclosing(cast("Any", made.extract(ExtractContext()))) as pages:
            async for _ in pages:
                first.set()

    working = asyncio.create_task(work())
    await first.wait()
    await asyncio.sleep(0.005)
    working.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await working
    _expect_idle_readers()


def _expect_idle_readers() -> None:
    """No thread is inside the connector any more."""
    for frame in sys._current_frames().values():
        names = []
        at: Any = frame
        while at:
            names.append(at.f_code.co_name)
            at = at.f_back
        assert "scan_file" not in names
        assert "next_page" not in names
