"""Workbooks: what their cells mean, and what makers of workbooks do."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest

from etl_core.errors import Permanent
from etl_core.testing.walking import Destination, run
from tests.workers.connectors.files.delivering import connector, deliver, read, table, types_of
from workers.connectors.files import pages
from workers.connectors.files.formats import excel


def write(path: Path, *rows: Sequence[object], title: str = "Orders") -> Path:
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    book.create_sheet("Other").append(["x"])
    book["Other"].append([1])
    book.save(path)
    return deliver(path, path.read_bytes())


async def test_cells_keep_their_types(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.xlsx",
        [],
        ["id", "zip", "price", "day", "at", "flag", "mixed", "formula", "empty"],
        [1, "007", 2.5, date(2024, 2, 29), datetime(2024, 2, 29, 12, 30), True, 1, "#N/A", None],
        [],
        [2.0, "008", 3, date(2024, 3, 1), datetime(2024, 3, 1), False, "x", 5, None],
    )
    assert await types_of(path, key=["id"]) == {
        "id": "bigint",
        "zip": "text",
        "price": "numeric",
        "day": "date",
        "at": "timestamptz",
        "flag": "boolean",
        "mixed": "text",
        "formula": "bigint",
        "empty": "text",
    }
    first, second = table(await read(path, key=["id"]), "a")
    assert (first["zip"], first["price"], first["day"], first["at"]) == (
        "007",
        2.5,
        "2024-02-29",
        "2024-02-29T12:30:00",
    )
    assert (first["formula"], first["empty"], second["id"], second["flag"]) == (None, None, 2, False)


async def test_another_sheet_and_resuming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.xlsx", ["id"], *([n] for n in range(11)))
    assert table(await read(path, sheet="Other"), "a") == [{"x": 1}]
    assert table(await read(path, sheet=2), "a") == [{"x": 1}]
    with pytest.raises(Permanent, match=r"no sheet 'Nope'; there are 'Orders', 'Other'"):
        await read(path, sheet="Nope")
    monkeypatch.setattr(pages, "PAGE_RECORDS", 4)
    monkeypatch.setattr(excel, "_AT_ONCE", 3)
    broken = Destination()
    await run(connector(path, key=["id"]), broken, stop_after=2)
    await read(path, broken, key=["id"])
    assert broken.records == 3
    assert [row["id"] for row in table(broken, "a")] == list(range(11))


async def test_a_wrong_dimension_cuts_nothing_off(tmp_path: Path) -> None:
    """Some writers say `A1` whatever the sheet holds, and openpyxl would believe it."""
    path = write(tmp_path / "a.xlsx", ["id", "v"], *([n, "x"] for n in range(5)))
    changed = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for part in old.infolist():
            data = old.read(part)
            new.writestr(part, data.replace(b'ref="A1:B6"', b'ref="A1"'))
    deliver(path, changed.getvalue())
    assert [row["id"] for row in table(await read(path), "a")] == list(range(5))


async def test_bad_rows_and_bad_workbooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.xlsx", ["id", "v"], [1, "x"], [None, "y"], [3, "z", "too much"], [4])
    loaded = await read(path, key=["id"])
    assert table(loaded, "a") == [{"id": 1, "v": "x"}, {"id": 4, "v": None}]
    assert [reject.reason for reject in loaded.rejects] == [
        "row 3: the key column 'id' is empty",
        "row 4: 3 cells, but the header has 2",
    ]
    for content, sentence in (
        (b"\xd0\xcf\x11\xe0" + b"x" * 600, r"old .xls, or protected"),
        (path.read_bytes()[:-30], "damaged or cut short"),
    ):
        with pytest.raises(Permanent, match=sentence):
            await read(deliver(tmp_path / "bad.xlsx", content))
    monkeypatch.setattr(excel, "HELD_BYTES", 1_000)
    with pytest.raises(Permanent, match="too much to hold"):
        await read(path)
