"""Repairs: refused while the job runs and when somebody was faster; a version with who and why; an undo."""

from __future__ import annotations

from typing import Any

import pytest

from etl_core.control import checkpoints
from etl_core.rules.checkpoints.document import Document
from etl_core.rules.checkpoints.exact_json import parse
from etl_core.rules.checkpoints.paths import parse_path
from etl_core.rules.checkpoints.repairs import (
    EditValue,
    Repair,
    SetDocument,
)
from etl_core.store.database import Connection
from tests.support.jobs import PERSON, make_job, one

HUGE = 2**53 + 1
TEXT = (
    '{"streams": {"records": {'
    '"part-0": {"bookmark": {"generation": 1, "through": 900}, "resume": {"generation": 2, "next": 40}},'
    '"part-1": {"bookmark": {"generation": 1, "through": 9007199254740993}}},'
    '"others": {"default": {"bookmark": {"generation": 0, "through": 5}}}}}'
)
THROUGH = "records/part-0.bookmark.through"


@pytest.fixture
async def job_id(db: Connection) -> int:
    job = await make_job(db)
    await change(db, job, SetDocument(checkpoints.parse_document(TEXT)))
    return job


async def change(db: Connection, job_id: int, repair: Repair, **options: Any) -> int:
    options = {"reason": "so that it is right", **options}
    return (await checkpoints.repair(db, job_id, repair, PERSON, **options)).version


async def document(db: Connection, job_id: int) -> Document:
    return (await checkpoints.read_checkpoint(db, job_id)).document


def edit(path: str, text: str) -> EditValue:
    return EditValue(parse_path(path), parse(text))


async def test_a_repair_is_a_version_with_who_and_why_and_an_event(db: Connection, job_id: int) -> None:
    done = await checkpoints.repair(db, job_id, edit(THROUGH, "700"), PERSON, reason=" skip 7 ")
    assert (done.version, done.before_version, done.partitions_changed) == (2, 1, 1)
    newest, first = await checkpoints.list_versions(db, job_id)
    assert (newest.version, newest.source, newest.actor, newest.reason) == (2, "edit", "tess", "skip 7")
    assert newest.what == "1 changed: records/part-0"
    assert (first.what, newest.is_newest, first.is_newest) == (
        "3 new: others, records/part-0, records/part-1",
        True,
        False,
    )
    event = await one(db, "SELECT * FROM job_events WHERE detail ->> 'version' = '2'")
    assert (event["action"], event["actor"], event["detail"]["reason"]) == (
        "checkpoint_edit",
        "tess",
        "skip 7",
    )
    assert event["detail"]["before"]["records/part-0"]["bookmark"]["through"] == 900
    assert event["detail"]["after"]["records/part-0"]["bookmark"]["through"] == 700
