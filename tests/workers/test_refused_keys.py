"""A record that is refused is not gone from its source, whoever transforms it and whoever loads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from etl_core.broker.protocol import Stage
from etl_core.connector import Column, ColumnType, ExtractContext, Fragment, Page, Record, Stream
from etl_core.errors import BadRecord
from tests.workers.running import Hand
from workers.connectors.synthetic import SyntheticConnector
from workers.execution import Execution
from workers.transform import TypedRows
from workers.typed_payload import decode_typed, encode_typed, retyped

T = ColumnType
THINGS = Stream(
    "records", (Column("id", T.BIGINT), Column("at", T.TIMESTAMPTZ)), key=("id",), full_refresh=True
)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """What a whole walk through the stream finds."""
    records: list[Record] = []

    async def discover(self: Any, context: ExtractContext) -> Sequence[Stream]:
        return [THINGS]

    async def extract(self: Any, context: ExtractContext) -> AsyncIterator[Page]:
        yield Page("records", {"records": list(records)}, [Fragment("records", "default", {}, None)])

    def transform(self: Any, stream: Stream, record: Record) -> Record:
        if record.get("id") is None:
            raise BadRecord("no id")
        return record

    for function in (discover, extract, transform):
        monkeypatch.setattr(SyntheticConnector, function.__name__, function)
    return records


async def carry_out(worker: Hand, other: Hand, carried: bool) -> Any:
    """A run of one worker, or of one that extracts, one that transforms, and another that loads."""
    _, run = await worker.start(await worker.db.fetchval("SELECT id FROM etl_jobs"))
    await Execution(worker.pool, worker.worker_id, run, carries=carried).carry_out()
    if not carried:
        assert await worker.work_batches([Stage.TRANSFORM]) == [1]
        assert await other.work_batches([Stage.LOAD]) == [1]
    return await worker.row(run)


async def live(worker: Hand) -> list[int]:
    found = await worker.db.fetch("SELECT id FROM acme_made_up.records WHERE _deleted_at IS NULL ORDER BY id")
    return [row["id"] for row in found]


@pytest.mark.parametrize("carried", [True, False])
async def test_what_was_refused_is_not_gone(
    worker: Hand, other_worker: Hand, source: list[Record], carried: bool
) -> None:
    await worker.make_job()
    source[:] = [{"id": n, "at": "2026-01-01T00:00:00Z"} for n in range(1, 6)]
    await carry_out(worker, other_worker, carried)
    assert await live(worker) == [1, 2, 3, 4, 5]

    source[:] = [{"id": 1}, {"id": 2, "at": "no time"}, {"id": 3}, {"id": 4}]
    run = await carry_out(worker, other_worker, carried)
    assert (run["counters"]["rows_rejected"], run["counters"]["rows_deleted"]) == (1, 1)
    assert await live(worker) == [1, 2, 3, 4]

    source[:] = [{"id": None}, {"id": 1}, {"id": 2}, {"id": 3}]
    run = await carry_out(worker, other_worker, carried)
    assert (run["counters"]["rows_rejected"], run["counters"]["rows_deleted"]) == (1, 0)
    assert await live(worker) == [1, 2, 3, 4]


def test_they_travel_with_the_rows_and_into_other_types() -> None:
    rows = TypedRows(THINGS, rejected_keys=[(7,), (8,)], rejects_without_key=2)
    (read,) = decode_typed(encode_typed([rows]))
    assert (read.rejected_keys, read.rejects_without_key) == ([(7,), (8,)], 2)
    wider = Stream("records", (Column("id", T.TEXT), *THINGS.columns[1:]), key=("id",))
    again = retyped(read, wider)
    assert (again.rejected_keys, again.rejects_without_key) == ([("7",), ("8",)], 2)
