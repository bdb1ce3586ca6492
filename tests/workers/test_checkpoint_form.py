"""Checkpoint values of other versions of a connector: older ones are upgraded, newer ones left alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from etl_core.connector import PartitionState
from tests.support.jobs import one
from tests.workers.running import Hand
from workers import run_connector
from workers.connectors.synthetic import SyntheticConnector

STORED = "SELECT bookmark, schema_version FROM job_checkpoints"


class Second(SyntheticConnector):
    """As if version 1 had called `through` `up_to`."""

    checkpoint_version: ClassVar[int] = 2

    @classmethod
    def upgrade_state(
        cls, stream: str, partition: str, state: PartitionState, version: int
    ) -> PartitionState:
        assert (stream, partition, version) == ("records", "default", 1)
        bookmark = dict(state.bookmark or {})
        return PartitionState({"through": bookmark.pop("up_to"), **bookmark}, state.resume)

    @classmethod
    def upgrade_legacy(cls, document: dict[str, Any]) -> Mapping[tuple[str, str], PartitionState]:
        bookmark = {"generation": 0, "through": document["last_processed_updated_at"]}
        return {("records", "default"): PartitionState(bookmark)}


async def stored_by_the_first(worker: Hand) -> int:
    """A job whose checkpoint is in the first form, at record 30, edited by hand since."""
    job_id = await worker.make_job(records=20)
    await worker.run(job_id)
    await worker.db.execute(
        "UPDATE etl_jobs SET checkpoint_data = $1",
        {"streams": {"records": {"default": {"bookmark": {"generation": 0, "up_to": 30}}}}},
    )
    await worker.configure(records=50)
    return job_id


async def test_an_older_value_is_upgraded_and_stored_in_the_new_form_when_it_moves(
    worker: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await stored_by_the_first(worker)
    monkeypatch.setattr(run_connector, "find_connector", lambda _: Second)
    run = await worker.run(job_id)
    assert (run["state"], run["counters"]["rows_extracted"]) == ("SUCCEEDED", 20)
    assert tuple(await one(worker.db, STORED)) == ({"generation": 1, "through": 50}, 2)


async def test_a_newer_value_is_left_to_the_program_that_wrote_it(worker: Hand) -> None:
    job_id = await stored_by_the_first(worker)
    await worker.db.execute("UPDATE job_checkpoints SET schema_version = 3")
    before = await one(worker.db, STORED)
    run = await worker.run(job_id)
    assert (run["state"], run["error_kind"]) == ("FAILED", "transient")
    assert "written in version 3 of its form, and this worker knows 1" in run["error_message"]
    assert await one(worker.db, STORED) == before

    # An edit by hand is in the form that was shown.
    await worker.db.execute(
        "UPDATE etl_jobs SET checkpoint_data = $1", {"streams": {"records": {"default": {"bookmark": {}}}}}
    )
    assert tuple(await one(worker.db, STORED)) == ({}, 3)


async def test_a_legacy_document_becomes_rows(worker: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_connector, "find_connector", lambda _: Second)
    job_id = await worker.make_job(records=50)
    await worker.db.execute("UPDATE etl_jobs SET checkpoint_data = '{\"last_processed_updated_at\": 30}'")
    run = await worker.run(job_id)
    assert (run["state"], run["counters"]["rows_extracted"]) == ("SUCCEEDED", 20)
    assert (await worker.job())["checkpoint_data"]["streams"]["records"]["default"]["bookmark"][
        "through"
    ] == 50
    sources = await worker.db.fetch("SELECT source FROM job_checkpoint_history ORDER BY version")
    assert [row["source"] for row in sources] == ["sql", "run"]
