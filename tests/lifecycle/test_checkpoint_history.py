"""The history of a checkpoint as the scheduler keeps it at a size: what stays can still be built."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from etl_core.control import checkpoints
from etl_core.errors import NotFound
from etl_core.lifecycle.checkpoint_history import prune_histories
from etl_core.lifecycle.settle import settle_run
from etl_core.rules.checkpoints.exact_json import dump
from etl_core.rules.checkpoints.repairs import Rewind, SetDocument
from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.support.jobs import PERSON, fragment, load_batch, make_job, make_worker, start_run, store_batch

_leases = load("leases")


async def a_run(db: Connection, job_id: int, worker_id: int, position: int, partition: str) -> int:
    """A run that succeeds and moves one partition."""
    run = await start_run(db, job_id, worker_id)
    seq = await store_batch(db, run, worker_id, fragments=[fragment(position, partition=partition)])
    await load_batch(db, run, seq)
    await _leases.end_extract(db, run_id=run.id)
    assert await settle_run(db, run.id, actor="worker 1")
    return run.id


def bookmark(through: int) -> dict[str, Any]:
    return {"bookmark": {"generation": 0, "through": through}}


async def by_hand(db: Connection, job_id: int, partitions: dict[str, Any]) -> None:
    document = checkpoints.parse_document(dump({"streams": {"records": partitions}}))
    await checkpoints.repair(db, job_id, SetDocument(document), PERSON, reason="by hand")


async def documents(db: Connection, job_id: int) -> dict[int, str]:
    versions = await checkpoints.list_versions(db, job_id)
    return {
        row.version: dump((await checkpoints.read_version(db, job_id, row.version)).as_json())
        for row in versions
    }


async def test_what_stays_is_still_built(db: Connection) -> None:
    job_id, worker_id = await make_job(db), await make_worker(db)
    for number in range(1, 4):  # v1 to v3, each of another partition
        await a_run(db, job_id, worker_id, number, f"p{number}")
    # v4 to v9 by hand, so that v3 stays the last good one.
    for number in range(4, 10):
        await by_hand(db, job_id, {"p1": bookmark(number), "hand": bookmark(2**53 + 1)})
    before = await documents(db, job_id)
    assert sorted(before) == list(range(1, 10))

    assert await prune_histories(db, keep_versions=2, keep_days=90) == 5
    after = await documents(db, job_id)
    assert sorted(after) == [2, 3, 8, 9]  # the newest run began from v2, v3 is the last good one
    assert after == {version: before[version] for version in after}
    assert await prune_histories(db, keep_versions=2, keep_days=90) == 0
    versions = {row.version: row for row in await checkpoints.list_versions(db, job_id)}
    assert versions[9].is_newest
    assert [row.is_last_good for row in versions.values()] == [False, False, True, False]
    assert [row.is_run_start for row in versions.values()] == [False, False, False, True]

    with pytest.raises(NotFound, match="version 5 is past retention, or was removed"):
        await checkpoints.read_version(db, job_id, 5)
    with pytest.raises(NotFound, match="version 4 is past retention"):
        await checkpoints.diff_versions(db, job_id, 4, 8)
    assert (await checkpoints.diff_versions(db, job_id, 3, 8)).difference.partitions
    done = await checkpoints.repair(db, job_id, Rewind(3), PERSON, reason="to the last good one")
    assert done.version == 10
    assert (await documents(db, job_id))[10] == before[3]


async def test_old_versions_go_by_age_and_the_newest_stays(db: Connection) -> None:
    job_id = await make_job(db)
    for number in (1, 2, 3):
        await by_hand(db, job_id, {f"p{number}": bookmark(number)})
    assert await prune_histories(db, keep_versions=10, keep_days=1) == 0
    await db.execute("UPDATE job_checkpoint_history SET cut_at = cut_at - $1::interval", timedelta(days=2))
    (newest, *_) = await checkpoints.list_versions(db, job_id)
    with pytest.raises(NotFound, match="no version 4; the newest is v3"):
        await checkpoints.read_version(db, job_id, 4)
    assert await prune_histories(db, keep_versions=10, keep_days=1) == 2
    assert list(await documents(db, job_id)) == [3]
    with pytest.raises(NotFound, match="past retention: the oldest version kept is v3"):
        await checkpoints.plan(db, job_id, Rewind(newest.at - timedelta(days=1)))
