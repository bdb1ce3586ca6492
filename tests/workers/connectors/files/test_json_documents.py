"""Records cut out of JSON documents: lists, objects, lists deep inside, and whatever people call .json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_core.connector import ExtractContext
from etl_core.errors import Permanent
from etl_core.testing.walking import Destination, run
from tests.workers.connectors.files.delivering import connector, deliver, read, table
from workers.connectors.files import pages
from workers.connectors.files.formats import elements

ROWS = [{"id": n, "v": f'a "quoted" ] value\n{n}', "deep": {"list": [1, {"x": "}"}]}} for n in range(9)]


@pytest.mark.parametrize(
    ("content", "config"),
    [
        (json.dumps(ROWS), {}),
        (json.dumps(ROWS, indent=2), {}),
        ("\ufeff" + json.dumps(ROWS), {}),
        ("\n".join(json.dumps(row) for row in ROWS), {}),
        ("\n".join(json.dumps(row, indent=1) for row in ROWS), {}),
        (json.dumps(ROWS[:4]) + "\n" + json.dumps(ROWS[4:]), {}),
        (
            json.dumps({"skipped": ROWS, "n": 12, "data": {"none": None, "items": ROWS}, "after": [1]}),
            {"records": "data.items"},
        ),
    ],
    ids=["list", "pretty", "mark", "lines", "pretty objects", "two lists", "deep"],
)
async def test_every_form_resumes_in_mid_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, config: dict[str, Any]
) -> None:
    monkeypatch.setattr(pages, "PAGE_RECORDS", 4)
    monkeypatch.setattr(elements, "_READ", 50)
    path = deliver(tmp_path / "a.json", content)
    whole = await read(path, key=["id"], **config)
    assert table(whole, "a") == ROWS
    for stop in (1, 2):
        broken = Destination()
        await run(connector(path, key=["id"], **config), broken, stop_after=stop)
        await read(path, broken, key=["id"], **config)
        assert broken.records == 9 - 4 * stop
        assert broken.rows == whole.rows


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(st.characters(exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    rows=st.lists(st.fixed_dictionaries({"v": VALUES}), max_size=6), read_bytes=st.sampled_from([2, 7, 40])
)
@settings(suppress_health_check=list(HealthCheck), max_examples=30, deadline=None)
async def test_any_list_is_cut_where_it_should_be(
    tmp_path: Path, rows: list[dict[str, Any]], read_bytes: int
) -> None:
    path = deliver(tmp_path / "a.json", json.dumps(rows, ensure_ascii=False, indent=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elements, "_READ", read_bytes)
        made = connector(path)
        found: list[Any] = []
        await made.discover(ExtractContext())
        async for page in made.extract(ExtractContext()):
            found += page.records.get("a", [])
    kept = [row for row in rows if "\\u0000" not in json.dumps(row)]
    assert found == kept


async def test_a_bad_element_costs_itself_only(tmp_path: Path) -> None:
    path = deliver(tmp_path / "a.json", '[{"id": 1}, {"id": nonsense}, 3, {"v": 1}, {"id": 5}]')
    loaded = await read(path, key=["id"])
    assert [row["id"] for row in table(loaded, "a")] == [1, 5]
    assert [reject.reason.split(":")[0] for reject in loaded.rejects] == [
        "element 2",
        "element 3",
        "element 4",
    ]


@pytest.mark.parametrize(
    ("content", "config", "sentence"),
    [
        ('[{"id": 1}, {"id": 2', {}, "ends in the middle of a value: is it cut short"),
        ('[{"id": 1}, {"id": "2', {}, "a string is never closed: is it cut short"),
        ('[{"id": 1},', {}, "ends in the middle of the list"),
        ('[{"id": 1} {"id": 2}]', {}, "a comma or the end of the list"),
        ("id,v\n1,2\n", {}, "neither an object nor a list"),
        ('{"data": []}', {"records": "items"}, "the field 'items' is not there"),
        ('{"data": {}}', {"records": "data"}, "data is no list"),
    ],
)
async def test_a_broken_document_fails_the_file(
    tmp_path: Path, content: str, config: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Permanent, match=sentence):
        await read(deliver(tmp_path / "a.json", content), **config)


async def test_a_list_that_nobody_named_is_one_record_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elements, "RECORD_LIMIT", 1_000)
    path = deliver(tmp_path / "a.json", json.dumps({"skipped": "x" * 900, "data": ROWS * 20}))
    with pytest.raises(Permanent, match="name it in `records`"):
        await read(path)
    assert len(table(await read(path, records="data"), "a")) == 180
