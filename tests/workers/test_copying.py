"""Others wait while rows are copied, for nothing else, and never for long."""

from __future__ import annotations

import asyncio

import pytest

from tests.workers.loader.loading import start_loading
from tests.workers.running import Hand
from tests.workers.test_load import THINGS, things
from workers import copying
from workers.copying import Copying
from workers.loader.merge import FEW_ROWS


async def test_others_wait_until_the_rows_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "PATIENCE", 3600.0)
    gate = Copying()
    with gate.about_to(FEW_ROWS + 1):
        waiting = asyncio.create_task(gate.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        gate.end()
        await waiting
    await gate.wait()
    with gate.about_to(FEW_ROWS):
        await gate.wait()


async def test_what_fails_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "PATIENCE", 3600.0)
    gate = Copying()
    with pytest.raises(ValueError, match="refused"), gate.about_to(FEW_ROWS + 1):
        raise ValueError("refused")
    await gate.wait()


async def test_nobody_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "PATIENCE", 0.01)
    gate = Copying()
    with gate.about_to(FEW_ROWS + 1):
        await gate.wait()


async def test_a_load_says_when_its_rows_are_there(worker: Hand) -> None:
    loading = await start_loading(worker, THINGS)
    told: list[bool] = []
    loading.loader._on_staged = lambda: told.append(True)
    await loading.load_batch(await loading.store({"things": things(*range(FEW_ROWS + 1))}))
    assert told == [True]
