"""Rejects: one row per record however often it comes, and never more than a batch may leave."""

from __future__ import annotations

import asyncio

import pytest

from etl_core.store.database import Connection
from tests.workers.loader.conftest import Connect
from workers.loader import rejects, store_rejects
from workers.transform import Reject


@pytest.fixture
async def run_id(db: Connection, job_id: int) -> int:
    found: int = await db.fetchval(
        "INSERT INTO job_runs (job_id, tenant_id, trigger) SELECT id, tenant_id, 'manual' FROM etl_jobs "
        "WHERE id = $1 RETURNING id",
        job_id,
    )
    return found


async def test_a_reject_that_comes_again_is_counted(db: Connection, job_id: int, run_id: int) -> None:
    bad = Reject.of("s", {"id": "x"}, "no key")
    other = Reject.of("t", {"id": "x"}, "no key")
    nul = Reject.of("s", {"id": "\x00\ud800"}, "a NUL \x00")
    assert await store_rejects(db, job_id=job_id, run_id=run_id, seq=1, rejects=[bad, bad, other, nul]) == 4
    later = Reject.of("s", {"id": "x"}, "another reason")
    assert await store_rejects(db, job_id=job_id, run_id=run_id, seq=2, rejects=[later]) == 1
    assert [
        tuple(row)
        for row in await db.fetch(
            "SELECT stream, payload, reason, count, seq FROM rejected_records ORDER BY 1, 2"
        )
    ] == [
        ("s", b'{"id": "\\u0000\\ud800"}', "a NUL \\x00", 1, 1),
        ("s", b'{"id":"x"}', "another reason", 3, 2),
        ("t", b'{"id":"x"}', "no key", 1, 1),
    ]


async def test_none(db: Connection, job_id: int, run_id: int) -> None:
    assert await store_rejects(db, job_id=job_id, run_id=run_id, seq=1, rejects=[]) == 0


async def test_a_batch_leaves_a_bounded_heap(
    db: Connection, job_id: int, run_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [Reject.of("s", {"id": n}, "r") for n in range(rejects.MAX_KEPT + 50)]
    assert (
        await store_rejects(db, job_id=job_id, run_id=run_id, seq=1, rejects=[*many, many[0]])
        == rejects.MAX_KEPT + 1
    )
    assert await db.fetchval("SELECT count(*) FROM rejected_records") == rejects.MAX_KEPT
    monkeypatch.setattr(rejects, "MAX_KEPT_BYTES", 100)
    big = [Reject.of("big", {"id": n, "x": "x" * 60}, "r") for n in range(3)]
    assert await store_rejects(db, job_id=job_id, run_id=run_id, seq=2, rejects=big) == 1


async def test_the_same_rejects_at_once_do_not_deadlock(
    db: Connection, connect: Connect, job_id: int, run_id: int
) -> None:
    bad = [Reject.of("s", {"id": n}, "r") for n in range(200)]

    async def one(order: list[Reject]) -> None:
        conn = await connect()
        for seq in range(5):
            await store_rejects(conn, job_id=job_id, run_id=run_id, seq=seq, rejects=order)

    await asyncio.gather(one(bad), one(bad[::-1]), one(bad[100:] + bad[:100]))
    assert await db.fetchval("SELECT sum(count) FROM rejected_records") == 3 * 5 * 200
