"""A run in a worker's hands, with the synthetic connector: how it ends, waits, fails and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl_core.connector import ExtractContext, Page, Record, Stream
from etl_core.errors import Permanent, RateLimited
from tests.support.jobs import make_job
from tests.workers.running import Hand
from workers import extract, run_connector
from workers.batch import Batch
from workers.connectors.synthetic import SyntheticConnector
from workers.load import Loader
from workers.transform import TypedRows


async def test_success(worker: Hand) -> None:
    job_id = await worker.make_job(records=250, page_size=100)
    run = await worker.run(job_id)
    assert (run["state"], run["error_kind"], run["error_message"]) == ("SUCCEEDED", None, None)
    counters = run["counters"]
    assert (counters["rows_extracted"], counters["rows_new"], counters["batches"]) == (250, 250, 3)
    job = await worker.job()
    assert (job["status"], job["retry_count"], job["checkpoint_version"]) == ("FINISHED", 0, 1)
    assert job["checkpoint_data"]["streams"] == {
        "records": {"default": {"bookmark": {"generation": 0, "through": 250}}}
    }
    await worker.expect_rows(250)
    assert await worker.db.fetchval("SELECT count(*) FROM batch_payloads") == 0


async def test_the_next_run_takes_only_what_is_new(worker: Hand) -> None:
    job_id = await worker.make_job(records=250)
    await worker.run(job_id)
    await worker.configure(records=300)
    assert (await worker.run(job_id))["counters"]["rows_extracted"] == 50
    nothing_new = await worker.run(job_id)
    assert (nothing_new["state"], nothing_new["counters"]["rows_extracted"]) == ("SUCCEEDED", 0)
    await worker.expect_rows(300)
    assert (await worker.job())["checkpoint_version"] == 2


async def test_lanes_and_streams(worker: Hand) -> None:
    await worker.run(await worker.make_job(records=90, page_size=10, streams=2, partitions=3))
    await worker.expect_rows(90)
    await worker.expect_rows(90, table="acme_made_up.records_2")
    assert await worker.db.fetchval("SELECT count(*) FROM job_checkpoints WHERE resume IS NULL") == 6


async def test_a_retry_goes_on_where_the_failed_run_ended(worker: Hand) -> None:
    job_id = await worker.make_job(records=250, page_size=100, fail_at=201, fail_kind="permanent")
    run = await worker.run(job_id)
    assert (run["state"], run["error_kind"]) == ("FAILED", "permanent")
    assert "failed at record 201" in run["error_message"]
    await worker.expect_rows(200)  # what was stored before the error is loaded
    job = await worker.job()
    assert (job["status"], job["retry_count"]) == ("FAILED", 1)
    assert job["checkpoint_data"]["streams"]["records"]["default"]["resume"]["next"] == 201
    await worker.configure(records=250, page_size=100)
    again = await worker.run(job_id)
    assert (again["state"], again["counters"]["rows_extracted"]) == ("SUCCEEDED", 50)
    assert (await worker.job())["retry_count"] == 0
    await worker.expect_rows(250)


async def test_a_transient_error_is_tried_again_in_place(
    worker: Hand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extract, "FIRST_PAUSE", 0.01)
    run = await worker.run(await worker.make_job(records=250, page_size=100, fail_at=150))
    assert (run["state"], run["error_kind"]) == ("FAILED", "transient")
    assert run["counters"]["rows_extracted"] == 149  # no record twice for all the tries
    await worker.expect_rows(149)
    job = await worker.job()
    assert job["due_at"] - job["last_run_finished_at"] == timedelta(minutes=15)
    assert len(capsys.readouterr().out.split("trying again")) == extract.TRIES_IN_PLACE


async def test_a_rate_limit_parks_the_run_and_frees_the_worker(worker: Hand) -> None:
    job_id = await worker.make_job(
        records=250, page_size=100, fail_at=150, fail_kind="rate_limited", rate_limit_s=600
    )
    execution, claimed = await worker.start(job_id)
    await execution.carry_out()
    run = await worker.row(claimed)
    assert (run["state"], run["worker_id"], run["extract_done"]) == ("QUEUED", None, False)
    assert "failed at record 150" in run["wait_reason"]
    assert 0 < await worker.db.fetchval("SELECT extract(epoch FROM ready_at - now()) FROM job_runs") <= 600
    job = await worker.job()
    assert (job["status"], job["retry_count"]) == ("RUNNING", 0)  # it waits, it has not failed
    assert job["checkpoint_version"] == 1
    await worker.expect_rows(149)

    await worker.configure(records=250, page_size=100)
    await worker.db.execute("UPDATE job_runs SET ready_at = now()")
    await worker.db.execute("UPDATE integrations SET ready_at = now()")  # its other runs waited too
    execution, again = await worker.claim()
    await execution.carry_out()
    assert again.id == claimed.id
    assert (await worker.row(again))["state"] == "SUCCEEDED"
    await worker.expect_rows(250)


async def test_a_refused_credential_holds_the_job(worker: Hand) -> None:
    job_id = await worker.make_job(records=50, fail_at=1, fail_kind="unauthorised")
    assert (await worker.run(job_id))["error_kind"] == "unauthorised"
    job = await worker.job()
    assert (job["held"], job["due_at"]) == (True, None)
    assert job["hold_reason"].count("renew the credential") == 1
    await worker.configure(records=50)
    assert (await worker.run(job_id))["state"] == "SUCCEEDED"  # a person may try; success clears the hold
    assert (await worker.job())["held"] is False


async def test_a_connector_that_crashes(worker: Hand) -> None:
    run = await worker.run(await worker.make_job(records=50, fail_at=20, fail_kind="crash"))
    assert (run["state"], run["error_kind"]) == ("FAILED", "internal")
    assert "RuntimeError" in run["error_message"]
    await worker.expect_rows(19)


async def test_bad_records_are_kept_and_the_rest_is_loaded(worker: Hand) -> None:
    run = await worker.run(await worker.make_job(records=1_000, page_size=100, bad_rate=0.05))
    assert run["state"] == "SUCCEEDED"
    counters = run["counters"]
    assert (counters["rows_rejected"], counters["rows_new"], counters["rows_extracted"]) == (50, 950, 1_000)
    assert await worker.db.fetchval("SELECT count(*) FROM acme_made_up.records") == 950
    rejects = await worker.db.fetch("SELECT * FROM rejected_records")
    assert len(rejects) == 50
    assert {row["run_id"] for row in rejects} == {run["id"]}
    assert "is no number" in rejects[0]["reason"]


async def test_too_many_bad_records_fail_the_run(worker: Hand) -> None:
    run = await worker.run(await worker.make_job(records=1_000, page_size=100, bad_rate=0.2))
    assert (run["state"], run["error_kind"]) == ("FAILED", "rejects")
    assert "200 of 1,000 records rejected (20%)" in run["error_message"]
    assert await worker.db.fetchval("SELECT count(*) FROM acme_made_up.records") == 800


async def test_secrets_are_read_where_the_worker_runs(
    worker: Hand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reference anywhere in the config; the run sees the value, the database never does."""
    source = tmp_path / "orders.csv"
    source.write_text("id,name\n1,a\n2,b\n")
    job_id = await make_job(
        worker.db, kind="files", config={"path": "env:ORDERS_PATH", "stream": "orders", "key": ["id"]}
    )
    monkeypatch.delenv("ORDERS_PATH", raising=False)
    run = await worker.run(job_id)
    assert (run["state"], run["error_kind"]) == ("FAILED", "unauthorised")
    assert "env:ORDERS_PATH" in run["error_message"]
    assert (await worker.job())["held"] is True

    monkeypatch.setenv("ORDERS_PATH", str(source))
    run = await worker.run(job_id)
    assert (run["state"], run["counters"]["rows_new"]) == ("SUCCEEDED", 2)
    assert not await worker.db.fetchval(
        "SELECT count(*) FROM integrations WHERE config::text LIKE '%' || $1 || '%'", str(source)
    )


async def test_a_job_without_an_integration(worker: Hand) -> None:
    job_id = await worker.make_job()
    execution, claimed = await worker.start(job_id)
    # Taken off between the claim and the start.
    await worker.db.execute("UPDATE etl_jobs SET integration_id = NULL")
    await worker.db.execute("UPDATE job_runs SET state = 'QUEUED'")
    execution, claimed = await worker.claim()
    await execution.carry_out()
    run = await worker.row(claimed)
    assert (run["state"], run["error_kind"]) == ("FAILED", "permanent")
    assert "acme/orders has no integration" in run["error_message"]


@pytest.mark.parametrize(
    ("kind", "config", "words"),
    [
        ("carrier-pigeon", {}, "carrier-pigeon"),
        ("synthetic", {"recrods": 5}, "recrods: unknown field"),
        ("synthetic", {"records": -1}, "records"),
    ],
)
async def test_an_integration_that_cannot_be_read(
    worker: Hand, kind: str, config: dict[str, object], words: str
) -> None:
    """Whatever psql wrote there: the run says what is wrong, and waits for the normal interval."""
    run = await worker.run(await make_job(worker.db, kind=kind, config=config))
    assert (run["state"], run["error_kind"]) == ("FAILED", "permanent")
    assert words in run["error_message"]


class LimitedAtTheDoor(SyntheticConnector):
    """A source that is over its limit before the first page: even asking for its streams costs points."""

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        raise RateLimited("over the limit", until=datetime.now(UTC) + timedelta(minutes=10))


class Unspeakable(SyntheticConnector):
    """A source whose error quotes what it read."""

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        raise Permanent("cannot read 'a\x00b\ud800'")
        yield  # type: ignore[unreachable] # makes it the generator that an extract is


async def test_a_rate_limit_met_by_discover_parks_the_run(
    worker: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_connector, "find_connector", lambda _: LimitedAtTheDoor)
    run = await worker.run(await worker.make_job())
    assert (run["state"], run["wait_reason"], run["error_kind"]) == ("QUEUED", "over the limit", None)
    assert await worker.db.fetchval("SELECT ready_at > now() + interval '9 min' FROM job_runs")


async def test_an_error_that_postgres_cannot_hold_still_ends_the_run(
    worker: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_connector, "find_connector", lambda _: Unspeakable)
    run = await worker.run(await worker.make_job())
    assert (run["state"], run["error_kind"]) == ("FAILED", "permanent")
    assert run["error_message"] == r"cannot read 'a\x00b\ud800'"


async def test_rows_are_made_while_the_batch_before_is_loaded(
    worker: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    third_is_made = asyncio.Event()
    transform, load_rows = Loader.transform, Loader.load_rows

    async def transform_and_tell(loader: Loader, batch: Batch) -> list[TypedRows]:
        typed = await transform(loader, batch)
        made.append(batch.seq)
        if batch.seq == 3:
            third_is_made.set()
        return typed

    async def wait_and_load(loader: Loader, batch: Batch, rows: Sequence[TypedRows]) -> dict[str, int]:
        if batch.seq == 2:
            async with asyncio.timeout(10):
                await third_is_made.wait()
        return await load_rows(loader, batch, rows)

    monkeypatch.setattr(Loader, "transform", transform_and_tell)
    monkeypatch.setattr(Loader, "load_rows", wait_and_load)
    run = await worker.run(await worker.make_job(records=500, page_size=100))
    assert (run["state"], made) == ("SUCCEEDED", [1, 2, 3, 4, 5])
    await worker.expect_rows(500)


async def test_rows_that_cannot_be_made_fail_the_run_behind_what_is_loaded(
    worker: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    transform = SyntheticConnector.transform

    def break_at_250(connector: SyntheticConnector, stream: Stream, record: Record) -> Record:
        if record["id"] == 250:
            raise RuntimeError("a defect")
        return transform(connector, stream, record)

    monkeypatch.setattr(SyntheticConnector, "transform", break_at_250)
    run = await worker.run(await worker.make_job(records=500, page_size=100))
    assert (run["state"], run["error_kind"]) == ("FAILED", "internal")
    assert "a defect" in run["error_message"]
    await worker.expect_rows(200)
