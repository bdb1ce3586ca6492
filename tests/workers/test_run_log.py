"""The log of a run: kept in order, bounded, without secrets, and there before the run's end is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from etl_core.connector import ExtractContext, Page, Record, Stream
from etl_core.control.run_logs import read_log
from etl_core.secret_values import remember_secret
from tests.workers.running import Hand
from workers import execution, run_log
from workers.connectors.synthetic import SyntheticConnector
from workers.connectors.synthetic.config import SyntheticConfig


class Talking(SyntheticConnector):
    """Tells a line for each of many, one with a secret and what PostgreSQL cannot store, and fails."""

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        context.log.write("with talkative-secret, \0 and \ud800")
        for number in range(20):
            context.log.write(f"line {number}", "debug")
        context.log.write("x" * 9_000, "error")
        yield Page(lane="l", records={})
        raise RuntimeError("at the end")

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        return []

    def transform(self, stream: Stream, record: Record) -> Record:
        return record


async def test_kept_in_order_bounded_and_masked(worker: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    remember_secret("talkative-secret")
    monkeypatch.setattr(run_log, "FIRST_LINES", 3)
    monkeypatch.setattr(run_log, "LAST_LINES", 2)

    def talking(*_: Any, **__: Any) -> Talking:
        return Talking(SyntheticConfig())

    monkeypatch.setattr(execution, "connector_for", talking)
    run = await worker.run(await worker.make_job())
    assert run["state"] == "FAILED"
    lines = await read_log(worker.db, run["id"])
    assert [(line.level, line.message[:40]) for line in lines] == [
        ("info", "with ***, \\x00 and \\ud800"),
        ("debug", "line 0"),
        ("debug", "line 1"),
        ("warning", "... 17 lines left out ..."),
        ("debug", "line 19"),
        ("error", "x" * 40),
    ]
    assert lines[-1].message.endswith("... (9,000 characters)")
    assert [line.id for line in await read_log(worker.db, run["id"], after=lines[-2].id)] == [lines[-1].id]
