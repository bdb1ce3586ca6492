"""A partition that fails neither stops nor falsifies the others, and its retry does only what is not done."""

from __future__ import annotations

import pytest

from etl_core.store.database import Connection
from tests.workers.running import Hand

CONFIG = {"records": 40, "page_size": 5, "partitions": 4, "fail_at": 18, "fail_alone": True}
"""Record 18 is in part-2; the page before it ends with record 14."""


async def due_again(worker: Hand) -> None:
    """The job falls due and is claimed as the schedule does it."""
    await worker.db.execute("UPDATE etl_jobs SET status = 'RUNNING'")
    await worker.db.execute(
        "INSERT INTO job_runs (job_id, tenant_id, trigger) SELECT id, tenant_id, 'retry' FROM etl_jobs"
    )


async def bookmarks(db: Connection) -> dict[str, int | None]:
    rows = await db.fetch("SELECT partition, (bookmark ->> 'through')::integer FROM job_checkpoints")
    return dict(tuple(row) for row in rows)


async def retry(worker: Hand) -> tuple[str, bool, int]:
    """The state of the retry, whether it was partial, and the rows it extracted."""
    await due_again(worker)
    execution, run = await worker.claim()
    await execution.carry_out()
    row = await worker.row(run)
    return row["state"], row["is_partial"], row["counters"]["rows_extracted"]


async def test_the_others_are_done_and_the_retry_does_the_one(worker: Hand) -> None:
    job_id = await worker.make_job(**CONFIG)
    run = await worker.run(job_id)
    assert (run["state"], run["error_kind"], run["is_partial"]) == ("FAILED", "partitions", False)
    assert run["error_message"] == (
        "1 of 4 partitions failed: records part-2: stream records: failed at record 18, as the integration's"
        " fail_at says"
    )
    assert await bookmarks(worker.db) == {"part-1": 40, "part-2": None, "part-3": 40, "part-4": 40}
    assert (await worker.job())["checkpoint_data"]["streams"]["records"]["part-1"]["bookmark"]

    # What is new in the others meanwhile is for the next whole run.
    await worker.configure(**CONFIG | {"records": 80})
    assert (await retry(worker))[:2] == ("FAILED", True)
    await worker.configure(**CONFIG | {"records": 80, "fail_at": None})
    state, is_partial, extracted = await retry(worker)
    assert (state, is_partial) == ("SUCCEEDED", True)
    assert extracted == len(range(18, 81, 4))
    assert (await bookmarks(worker.db))["part-2"] == 80
    assert (await bookmarks(worker.db))["part-1"] == 40

    run = await worker.run(job_id)  # by a person: everything
    assert (run["state"], run["is_partial"]) == ("SUCCEEDED", False)
    await worker.expect_rows(80)


async def test_a_retry_does_everything_when_the_last_whole_run_is_old(worker: Hand) -> None:
    await worker.run(await worker.make_job(**CONFIG))
    await worker.db.execute("UPDATE job_runs SET started_at = started_at - interval '7 hours'")
    await worker.configure(**CONFIG | {"fail_at": None})
    state, is_partial, _ = await retry(worker)
    assert (state, is_partial) == ("SUCCEEDED", False)
    await worker.expect_rows(40)


@pytest.mark.parametrize(("kind", "job_kind"), [("unauthorised", "permanent"), ("permanent", "permanent")])
async def test_what_lasts_is_not_tried_again_before_the_next_whole_run(
    worker: Hand, kind: str, job_kind: str
) -> None:
    await worker.run(await worker.make_job(**CONFIG, fail_kind=kind))
    job = await worker.job()
    assert (job["status"], job["error_kind"], job["held"]) == ("FAILED", job_kind, False)
