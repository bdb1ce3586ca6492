"""A replay leaves alone what was extracted, or deleted, later than its rejects."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from etl_core.connector import Record
from tests.workers.replaying import LOG, THINGS, Replays, counts, make_replays, numbered
from tests.workers.running import Hand
from workers import load as load_stage


@pytest.fixture
async def replays(worker: Hand, monkeypatch: pytest.MonkeyPatch) -> Replays:
    return await make_replays(worker, monkeypatch)


@pytest.fixture(params=["at once", "in steps", "by copy", "piece by piece"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By which statements a batch is merged."""
    if request.param in ("in steps", "piece by piece"):
        monkeypatch.setattr(load_stage, "few_rows", lambda *_: None)
    if request.param == "by copy":
        monkeypatch.setattr(load_stage, "few_rows", lambda *_: None)
        monkeypatch.setattr(sys.modules["workers.loader.merge"], "few_rows", lambda *_: None)
    way: str = request.param
    return way


@pytest.mark.parametrize("partial", [False, True])
async def test_a_row_extracted_later_is_left_alone(replays: Replays, way: str, partial: bool) -> None:
    absent: list[Record] = [{"id": 9, "a": "bad", "b": [1]}] if partial else []
    await replays.extract(
        {"things": numbered(1, "old", "old")},
        {"things": [*numbered(1, "bad", "bad", "bad", "bad"), *absent]},
        {"things": numbered(1, "new")},
        {"things": numbered(4, "new")},
    )
    whole = "id, a, b, _run_id, _extracted_at, _loaded_at"
    before = await replays.rows("things", whole)
    replays.source.bad = frozenset()
    if way == "piece by piece":
        await replays.db.execute("ALTER TABLE acme_made_up.things ADD CHECK (id <> 3)")
    run = await replays.replay()
    refused = way == "piece by piece"
    expected = {"extracted": 4 + partial, "new": 1 + partial - refused, "changed": 1, "unchanged": 2}
    expected["rejected"] = int(refused)
    assert counts(run) == {name: count for name, count in expected.items() if count}
    after = await replays.rows("things", whole)
    assert [row for row in after if row[0] in (1, 4)] == [row for row in before if row[0] in (1, 4)]
    loaded = [(1, "new"), (2, "bad"), (3, "bad"), (4, "new"), *([(9, "bad")] if partial else [])]
    assert [row[:2] for row in after] == [row for row in loaded if not refused or row[0] != 3]
    assert len(await replays.rejects()) == refused


async def test_what_was_refused_again_does_not_get_younger(replays: Replays) -> None:
    await replays.extract({"things": numbered(1, "bad")}, {"things": numbered(1, "new")})
    assert counts(await replays.replay()) == {"extracted": 1, "rejected": 1}
    replays.source.bad = frozenset()
    assert counts(await replays.replay()) == {"extracted": 1, "unchanged": 1}
    assert await replays.rows("things") == [(1, "new")]


async def test_what_was_deleted_later_stays_deleted(replays: Replays) -> None:
    await replays.extract({"things": numbered(1, "old", "old")}, {"things": numbered(1, "bad", "bad")})
    mark = "UPDATE acme_made_up.things SET _deleted_at = $1 WHERE id = $2"
    seen = await replays.db.fetchval("SELECT max(extracted_at) FROM rejected_records")
    await replays.db.execute(mark, seen.replace(year=seen.year + 1), 1)
    await replays.db.execute(mark, seen.replace(year=seen.year - 1), 2)
    replays.source.bad = frozenset()
    assert counts(await replays.replay()) == {"extracted": 2, "changed": 1, "unchanged": 1}
    assert await replays.rows("things", "id, a, _deleted_at IS NULL") == [(1, "old", False), (2, "bad", True)]


async def test_a_replay_tells_a_walk_nothing(replays: Replays) -> None:
    replays.source.streams = (replace(THINGS, full_refresh=True), LOG)
    await replays.extract({"things": numbered(1, "fine", "bad")})
    replays.source.bad = frozenset()
    assert counts(await replays.replay()) == {"extracted": 1, "new": 1}
    assert await replays.db.fetchval("SELECT count(*) FROM walk_keys") == 0
    replays.source.bad = frozenset()
    await replays.extract({"things": numbered(1, "fine")})
    assert await replays.rows("things", "id, _deleted_at IS NULL") == [(1, True), (2, False)]


async def test_an_append_only_stream_takes_them_all(replays: Replays) -> None:
    await replays.extract({"log": numbered(1, "bad")}, {"log": numbered(1, "new")})
    replays.source.bad = frozenset()
    assert counts(await replays.replay()) == {"extracted": 1, "new": 1}
    assert await replays.rows("log") == [(1, "new"), (1, "bad")]
