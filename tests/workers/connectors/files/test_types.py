"""Types are inferred over whole files, strictly, or declared."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.coercion import COERCERS
from etl_core.connector import ColumnType
from tests.workers.connectors.files.delivering import deliver, read, table, types_of
from workers.connectors.files.formats.types import join_types, type_of_json, type_of_text
from workers.connectors.files.formats.values import converter


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0", "bigint"),
        ("-12", "bigint"),
        ("9223372036854775807", "bigint"),
        ("9223372036854775808", "numeric"),
        ("-9223372036854775809", "numeric"),
        ("1.50", "numeric"),
        (".5", "numeric"),
        ("1e-05", "numeric"),
        ("1E5", "text"),
        ("007", "text"),
        ("+1", "text"),
        (" 1", "text"),
        ("1_000", "text"),
        ("١", "text"),
        ("NaN", "text"),
        ("true", "boolean"),
        ("FALSE", "boolean"),
        ("yes", "text"),
        ("2024-02-29", "date"),
        ("2023-02-29", "text"),
        ("2024-02-29T10:00:00Z", "timestamptz"),
        ("2024-02-29 10:00:00.123456+02:00", "timestamptz"),
        ("2024-02-29 25:00", "text"),
        ("c56a4180-65aa-42ec-a945-5fd21dec0538", "uuid"),
        ('{"a": 1}', "text"),
    ],
)
def test_the_type_of_a_text(text: str, kind: str) -> None:
    assert type_of_text(text) == kind


_texts = st.one_of(
    st.text(),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.dates().map(str),
    st.datetimes().map(str),
    st.uuids().map(str),
    st.booleans().map(str),
)


@given(_texts)
def test_what_is_inferred_can_be_converted(text: str) -> None:
    kind = type_of_text(text)
    converted = converter(kind)(text)
    if kind in {ColumnType.BIGINT, ColumnType.NUMERIC, ColumnType.TEXT}:
        assert str(converted) == text


@given(st.lists(_texts, min_size=1))
def test_a_joined_type_holds_every_value(texts: list[str]) -> None:
    joined: ColumnType | None = None
    for text in texts:
        joined = join_types(joined, type_of_text(text), mixed=ColumnType.TEXT)
    assert joined is not None
    for text in texts:
        converter(joined)(text)


_json_texts = _texts.filter(lambda text: "\0" not in text)  # such a record is none: it is set aside before
_json = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), _json_texts),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(_json_texts, inner)),
    max_leaves=5,
)


@given(st.lists(_json, min_size=1))
def test_a_joined_type_holds_every_json_value(values: list[object]) -> None:
    joined: ColumnType | None = None
    for value in values:
        joined = join_types(joined, type_of_json(value), mixed=ColumnType.JSONB)
    assert joined is not None
    for value in values:
        COERCERS[joined](value)


async def test_a_late_value_widens_the_column(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n},\n" for n in range(10_001))
    path = deliver(tmp_path / "late.csv", f"id,amount,note\n{rows}10001,12.5,\n10002,n/a,\n")
    assert await types_of(path) == {"id": "bigint", "amount": "text", "note": "text"}


async def test_all_eight_types_from_csv(tmp_path: Path) -> None:
    content = (
        "i,n,b,t,d,u,x,j\n"
        '1,1,true,2024-01-01T00:00:00,2024-01-01,C56A4180-65AA-42EC-A945-5FD21DEC0538,007,"{""a"": [1]}"\n'
        "2,1.5,FALSE,2024-01-01 02:00+02:00,,,,\n"
    )
    path = deliver(tmp_path / "all.csv", content)
    assert list((await types_of(path, columns={"j": "jsonb"})).values()) == [
        "bigint",
        "numeric",
        "boolean",
        "timestamptz",
        "date",
        "uuid",
        "text",
        "jsonb",
    ]
    first, second = table(await read(path, columns={"j": "jsonb"}), "all")
    assert first == {
        "i": 1,
        "n": "1",
        "b": True,
        "t": "2024-01-01T00:00:00+00:00",
        "d": "2024-01-01",
        "u": "c56a4180-65aa-42ec-a945-5fd21dec0538",
        "x": "007",
        "j": {"a": [1]},
    }
    assert second["t"] == "2024-01-01T02:00:00+02:00"
    assert second["d"] is second["x"] is second["j"] is None


async def test_all_types_from_json_lines(tmp_path: Path) -> None:
    path = deliver(
        tmp_path / "all.jsonl",
        '{"i": 1, "n": 1, "b": true, "t": "2024-01-01T00:00:00Z", "s": "12", "o": {"a": 1}, "m": 1}\n'
        '{"i": 2, "n": 123456789012345678901234567890, "b": null, "s": "x", "m": "one", '
        '"later": "2024-01-01"}\n',
    )
    assert await types_of(path) == {
        "i": "bigint",
        "n": "numeric",
        "b": "boolean",
        "t": "timestamptz",
        "s": "text",
        "o": "jsonb",
        "m": "jsonb",
        "later": "date",
    }
    first, second = table(await read(path), "all")
    assert "later" not in first, "an absent field keeps its old value"
    assert second["n"] == 123456789012345678901234567890
    assert second["b"] is None


async def test_declared_types_read_generously_and_refuse_what_does_not_fit(tmp_path: Path) -> None:
    path = deliver(tmp_path / "d.csv", "id,n,ok\n007, 1 ,yes\n8,x,no\n")
    loaded = await read(path, columns={"id": "bigint", "n": "bigint", "ok": "boolean"})
    assert table(loaded, "d") == [{"id": 7, "n": 1, "ok": True}]
    assert loaded.refused == ["column 'n': 'x' is no bigint"]


async def test_null_texts_do_not_widen(tmp_path: Path) -> None:
    path = deliver(tmp_path / "n.csv", "id,n\n1,NA\n2,5\n3,\n")
    assert await types_of(path, null=["NA"]) == {"id": "bigint", "n": "bigint"}
    assert [row["n"] for row in table(await read(path, null=["NA"]), "n")] == [None, 5, None]


async def test_types_are_those_of_all_files_together(tmp_path: Path) -> None:
    deliver(tmp_path / "1.csv", "id,v\n1,1\n")
    loaded = await read(tmp_path / "*.csv", stream="s")
    deliver(tmp_path / "2.csv", "id,v,w\n2,2.5,x\n")
    assert await types_of(tmp_path / "*.csv", stream="s", file_column=None) == {
        "id": "bigint",
        "v": "numeric",
        "w": "text",
    }
    await read(tmp_path / "*.csv", loaded, stream="s")
    assert loaded.records == 1, "the first file was read before"


async def test_a_real_data_set() -> None:
    """28,000 airports: codes like 00AA and 1E5 stay text, coordinates become numbers, nothing is lost."""
    found = importlib.util.find_spec("airportsdata")
    assert found and found.origin
    path = Path(found.origin).parent / "airports.csv"
    kinds = await types_of(path)
    assert kinds["icao"] == kinds["lid"] == "text"
    assert kinds["lat"] == kinds["lon"] == "numeric"
    loaded = await read(path, key=["icao"])
    with path.open(encoding="utf-8", newline="") as file:
        expected = {row["icao"]: row for row in csv.DictReader(file)}
    got = {row["icao"]: row for row in table(loaded, "airports")}
    assert {code: {k: v or "" for k, v in row.items()} for code, row in got.items()} == expected
    assert not loaded.rejects
    assert not loaded.refused
