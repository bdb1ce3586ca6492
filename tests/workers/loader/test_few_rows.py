"""Few rows travel with the merge, many by COPY: both leave the same table and count the same."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from etl_core.connector import Column, ColumnType, Record, Stream
from etl_core.store.database import Connection
from tests.workers.loader.conftest import EXTRACTED, Ensure, Untransformed
from workers.loader import LoadCounts, Staged, TargetTable, copy_rows, merge, stage_rows
from workers.loader.merge import FEW_ROWS
from workers.transform import TypedRows, transform_records

T = ColumnType
FIELDS: dict[str, tuple[ColumnType, list[Any]]] = {
    "t": (T.TEXT, ["", "x", "\\N{}\"',\n", "ü🎉"]),
    "i": (T.BIGINT, [0, -(2**63), 2**63 - 1]),
    "n": (T.NUMERIC, ["1", "1.0", 2**100]),
    "b": (T.BOOLEAN, [True, False]),
    "z": (T.TIMESTAMPTZ, ["2024-05-01T12:00:00Z", "0001-01-01", "9999-12-31T23:59:59.999999"]),
    "d": (T.DATE, ["2024-02-29", "0001-01-01", "9999-12-31"]),
    "u": (T.UUID, ["00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"]),
    "j": (T.JSONB, [{}, [1, "2", None], "text", {"a": {"b": 1}}]),
}
COLUMNS = tuple(Column(name, type_) for name, (type_, _) in FIELDS.items())

Stage = Callable[[Connection, TargetTable, TypedRows], Awaitable[Staged]]


def made_up_batches(seed: int, key: tuple[str, ...]) -> list[list[Record]]:
    """Batches with keys that come again, nulls, absent fields, and batches that lack a field altogether."""
    chance = random.Random(seed)
    batches = []
    for _ in range(6):
        never = chance.sample([name for name in FIELDS if name not in key], chance.choice([0, 0, 1, 5]))
        lacks = chance.choice([0, 0, 0.3])
        records: list[Record] = []
        for _ in range(chance.choice([1, 2, 8, 30])):
            record = {
                name: None if name not in key and chance.random() < 0.1 else chance.choice(values)
                for name, (_, values) in FIELDS.items()
                if name in key or (name not in never and chance.random() >= lacks)
            }
            records.append(record)
        batches.append(records)
    return batches


@pytest.mark.parametrize("key", [("t", "i"), ("n", "j"), ("u",), ()])
async def test_both_ways_leave_the_same(db: Connection, ensure: Ensure, key: tuple[str, ...]) -> None:
    copied, carried = Stream("copied", COLUMNS, key), Stream("carried", COLUMNS, key)
    tables = await ensure(copied, carried)
    ways: list[tuple[str, Stage]] = [("copied", copy_rows), ("carried", stage_rows)]
    for seed in range(5):
        chance = random.Random(seed)
        for batch in made_up_batches(seed, key):
            counts: list[LoadCounts] = []
            deleted = chance.choice(FIELDS["i"][1])
            for name, stage in ways:
                table = tables[name]
                await db.execute(f"UPDATE {table} SET _deleted_at = now() WHERE i = $1", deleted)
                rows = transform_records(Untransformed(), table.stream, batch)
                assert rows.rejects == []
                async with db.transaction():
                    staged = await stage(db, table, rows)
                    assert (staged.stage is None) == (name == "carried")
                    counts.append(await merge(db, staged, run_id=7, extracted_at=EXTRACTED))
            assert counts[0] == counts[1]
            assert await contents(db, tables["copied"]) == await contents(db, tables["carried"])
        await db.execute(f"TRUNCATE {tables['copied']}, {tables['carried']} RESTART IDENTITY")


async def contents(db: Connection, table: TargetTable) -> list[str]:
    """All rows but for the times of loading."""
    rows = await db.fetch(
        "SELECT (to_jsonb(whole) - '_loaded_at' - '_deleted_at')::text AS row, _deleted_at IS NULL AS stands "
        f"FROM {table} AS whole"
    )
    return sorted(f"{row['row']} {row['stands']}" for row in rows)


async def test_unchanged_rows_are_not_even_locked(db: Connection, ensure: Ensure) -> None:
    table = (await ensure(Stream("things", COLUMNS, ("i",))))["things"]
    batch: list[Record] = [{"i": n, "t": "x", "j": {"n": n}} for n in range(20)]
    whole: list[Record] = [{**record, "b": True} for record in batch]
    partial = [*whole[:10], *batch[10:]]
    rows_of: list[list[Record]] = [whole, whole, partial]
    found = []
    for records in rows_of:
        rows = transform_records(Untransformed(), table.stream, records)
        async with db.transaction():
            staged = await stage_rows(db, table, rows)
            found.append(await merge(db, staged, run_id=1, extracted_at=EXTRACTED))
    assert found == [LoadCounts(new=20), *[LoadCounts(unchanged=20)] * 2]
    assert await db.fetchval(f"SELECT count(*) FROM {table} WHERE xmax <> 0") == 0


async def test_the_text_does_not_change_from_batch_to_batch(db: Connection, ensure: Ensure) -> None:
    table = (await ensure(Stream("things", COLUMNS, ("i",))))["things"]
    for n in range(5):
        rows = transform_records(
            Untransformed(), table.stream, [{"i": n + k, "t": "x"} for k in range(n + 1)]
        )
        async with db.transaction():
            await merge(db, await stage_rows(db, table, rows), run_id=n, extracted_at=EXTRACTED)
    prepared = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'WITH incoming%'"
    assert await db.fetchval(prepared) == 1


async def test_many_rows_and_large_ones_are_copied(
    db: Connection, ensure: Ensure, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = (await ensure(Stream("things", COLUMNS, ("i",))))["things"]

    async def is_copied(records: list[Record]) -> bool:
        rows = transform_records(Untransformed(), table.stream, records)
        async with db.transaction():
            staged = await stage_rows(db, table, rows)
            counts = await merge(db, staged, run_id=1, extracted_at=EXTRACTED)
        assert counts.new + counts.changed + counts.unchanged == len(records)
        return staged.stage is not None

    assert not await is_copied([{"i": n} for n in range(FEW_ROWS)])
    assert await is_copied([{"i": n} for n in range(FEW_ROWS + 1)])
    assert await is_copied([{"i": 1, "t": "x" * 5_000_000}, {"i": 2, "t": "x" * 5_000_000}])
