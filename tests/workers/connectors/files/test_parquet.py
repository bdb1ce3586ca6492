"""Parquet: types exactly as the file has them, row groups streamed, and what files of others hold."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl_core.errors import Permanent
from etl_core.testing.walking import Destination, run
from tests.workers.connectors.files.delivering import connector, deliver, read, table, types_of
from workers.connectors.files import pages
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.formats import parquet


def write(path: Path, made: pa.Table, **options: object) -> Path:
    pq.write_table(made, path, **options)
    return deliver(path, path.read_bytes())


async def test_types_are_exact(tmp_path: Path) -> None:
    moment = datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC)
    columns = {
        "id": pa.array([1, 2], pa.int64()),
        "unsigned": pa.array([2**64 - 1, None], pa.uint64()),
        "price": pa.array([Decimal("1234567890123456789.10"), None], pa.decimal128(21, 2)),
        "single": pa.array([0.1, float("nan")], pa.float32()),
        "double": pa.array([0.1, 1e300], pa.float64()),
        "flag": pa.array([True, None]),
        "day": pa.array([date(2024, 2, 29), None]),
        # Nanoseconds, of which Python knows nothing; and a zone of its own.
        "at": pa.array([moment.timestamp() * 1_000_000_000 // 1, None], pa.int64()).cast(
            pa.timestamp("ns", "UTC")
        ),
        "local": pa.array([moment, None], pa.timestamp("us", "Europe/Vienna")),
        "naive": pa.array([moment.replace(tzinfo=None), None], pa.timestamp("ms")),
        "word": pa.array(["ä", None]).dictionary_encode(),
        "raw": pa.array([b"\x00\xff", None]),
        "nested": pa.array([{"a": [1, 2], "at": moment}, None]),
        "pairs": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        "uid": pa.array([uuid.UUID(int=7).bytes, None], pa.uuid()),
        "nothing": pa.nulls(2),
    }
    path = write(tmp_path / "a.parquet", pa.table(columns))
    found = await types_of(path, key=["id"])
    assert found == {
        "id": "bigint",
        "unsigned": "numeric",
        "price": "numeric",
        "single": "numeric",
        "double": "numeric",
        "flag": "boolean",
        "day": "date",
        "at": "timestamptz",
        "local": "timestamptz",
        "naive": "timestamptz",
        "word": "text",
        "raw": "text",
        "nested": "jsonb",
        "pairs": "jsonb",
        "uid": "uuid",
        "nothing": "text",
    }
    first, second = table(await read(path, key=["id"]), "a")
    assert first["unsigned"] == 2**64 - 1
    assert first["price"] == "1234567890123456789.10"
    assert first["single"] == "0.1", "no noise of a double"
    assert first["day"] == "2024-02-29"
    for name in ("at", "local"):
        assert first[name].startswith("2024-02-29 12:30:15.123"), first[name]
    assert first["naive"].startswith("2024-02-29 12:30:15.123")
    assert (first["word"], first["raw"]) == ("ä", "AP8=")
    assert first["nested"]["a"] == [1, 2]
    assert first["pairs"] == {"k": 1}
    assert first["uid"] == str(uuid.UUID(int=7))
    assert {name: value for name, value in second.items() if value is not None} == {"id": 2, "double": 1e300}


async def test_a_year_that_python_does_not_know_is_no_crash(tmp_path: Path) -> None:
    far = pa.array([253_402_300_800 * 1_000_000, 0], pa.int64()).cast(pa.timestamp("us"))
    path = write(tmp_path / "a.parquet", pa.table({"id": [1, 2], "at": far}))
    loaded = await read(path)
    assert [row["id"] for row in table(loaded, "a")] == [2]
    assert len(loaded.refused) == 1


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip"])
async def test_it_resumes_in_mid_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str
) -> None:
    monkeypatch.setattr(pages, "PAGE_RECORDS", 4)
    monkeypatch.setattr(parquet, "MOST_ROWS", 3)
    made = pa.table({"id": list(range(23)), "v": [f"v{n}" for n in range(23)]})
    path = write(tmp_path / "a.parquet", made, row_group_size=10, compression=compression)
    whole = await read(path, key=["id"])
    assert [row["id"] for row in table(whole, "a")] == list(range(23))
    for stop in (1, 3, 5):
        broken = Destination()
        await run(connector(path, key=["id"]), broken, stop_after=stop)
        await read(path, broken, key=["id"])
        assert broken.records == 23 - 4 * stop
        assert broken.rows == whole.rows


async def test_null_keys_are_rejected_and_damage_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", pa.table({"id": [1, None, 3]}))
    loaded = await read(path, key=["id"])
    assert [row["id"] for row in table(loaded, "a")] == [1, 3]
    assert [reject.reason for reject in loaded.rejects] == ["row 2: the key column 'id' is null"]
    deliver(path, path.read_bytes()[:-9])
    with pytest.raises(Permanent, match=r"a.parquet is no Parquet, cut short or damaged"):
        await read(path)


async def test_files_of_different_types_are_joined(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", pa.table({"id": [1], "v": [1], "d": [date(2024, 1, 1)]}))
    write(tmp_path / "b.parquet", pa.table({"id": [2], "v": ["x"], "d": [datetime(2024, 1, 1)]}))
    found = await types_of(tmp_path / "*.parquet", file_column=None)
    assert found == {"id": "bigint", "v": "text", "d": "timestamptz"}


def test_wide_rows_are_decoded_few_at_a_time(tmp_path: Path) -> None:
    """A row group of 30 MB, in rows of 100 KB, is never in the memory as a whole."""
    made = pa.table({"id": list(range(300)), "text": [f"{n:06}" * 17_000 for n in range(300)]})
    path = write(tmp_path / "a.parquet", made, compression="zstd", use_dictionary=False)
    config = FilesConfig(path=str(path))
    with path.open("rb") as file:
        rows = parquet.ParquetRows(file, config, "a", threading.Event())
        sizes = [len(chunk) for chunk, _ in rows._decoded(0)]
        rows.close()
    assert sum(sizes) == 300
    assert max(sizes) <= 42
