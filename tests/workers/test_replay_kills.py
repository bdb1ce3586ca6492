"""A replay that is killed, at each of its steps: each record is either a reject or loaded, never both."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from etl_core.lifecycle.takeover import take_over
from etl_core.store.database import Connection
from tests.support.jobs import eventually, fall_silent
from tests.workers.replaying import Hang, Replays, counts, make_replays, numbered
from tests.workers.running import Hand
from workers import execution, extract, replay
from workers import load as load_stage
from workers.load import Loader


@pytest.fixture
async def replays(worker: Hand, monkeypatch: pytest.MonkeyPatch) -> Replays:
    return await make_replays(worker, monkeypatch)


STEPS: dict[str, tuple[Any, str, bool]] = {
    "rejects said to be in the batch, not committed": (replay._rejects, "assign_rejects", True),
    "rejects said to be in a batch that is not stored": (extract._leases, "store_batch", False),
    "batch stored, not committed": (extract._leases, "store_batch", True),
    "batch stored, not loaded": (Loader, "load", False),
    "batch merged, its rejects not gone": (load_stage._loader, "finish_load", False),
    "batch merged, its rejects gone, not committed": (load_stage._loader, "finish_load", True),
    "batch loaded and committed": (Loader, "load", True),
    "all loaded, not settled": (execution, "write_end", False),
}


@pytest.mark.parametrize("step", STEPS)
async def test_killed_anywhere_each_record_is_in_one_place(
    replays: Replays, other_worker: Hand, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    db = replays.db
    await replays.extract(
        {"log": numbered(1, "bad", "worse", "bad"), "things": numbered(1, "bad", "worse")},
        {"log": numbered(4, "worse", "bad"), "things": numbered(3, "bad")},
    )
    known = {("log", number) for number in range(1, 6)} | {("things", number) for number in range(1, 4)}
    replays.source.bad = frozenset({"worse"})
    # All of a load in steps, so that it can be stopped between them.
    monkeypatch.setattr(load_stage, "few_rows", lambda *_: None)

    async def places() -> list[tuple[str, int]]:
        # One snapshot: another lane's load may commit between two statements.
        async with db.transaction(isolation="repeatable_read", readonly=True):
            kept = await db.fetch(
                "SELECT stream, (convert_from(payload, 'UTF8')::jsonb -> 'id')::integer FROM rejected_records"
            )
            loaded = [
                (table, row[0]) for table in ("log", "things") for row in await replays.rows(table, "id")
            ]
        return sorted([*(tuple(row) for row in kept), *loaded])

    where, name, after = STEPS[step]
    hang = Hang(getattr(where, name), at_call=1 if name == "write_end" else 2)
    with monkeypatch.context() as patched:
        patched.setattr(where, name, hang.after if after else hang.before)
        working = asyncio.create_task((await replays.start(replays.worker)).carry_out())
        async with asyncio.timeout(60):
            await hang.reached.wait()
        assert await places() == sorted(known)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    await eventually(lambda: _is_idle(db))
    assert await places() == sorted(known)

    await fall_silent(db, replays.worker.worker_id)
    await take_over(db, lost_after=10)
    execution, run = await other_worker.claim()
    await execution.carry_out()
    ended = await other_worker.row(run)
    assert (ended["state"], counts(ended)) == ("SUCCEEDED", {"extracted": 8, "new": 5, "rejected": 3})
    assert await places() == sorted(known)
    assert await replays.rows("log") == [(1, "bad"), (3, "bad"), (5, "bad")]
    assert await replays.rejects("stream, count") == [("log", 2), ("log", 2), ("things", 2)]


async def _is_idle(db: Connection) -> bool:
    """Whether no transaction of a worker is open any more."""
    return not await db.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'etl-worker/%' AND state LIKE 'idle in transaction%'"
    )
