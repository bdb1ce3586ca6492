"""What is read again, where reading goes on, and what a file may do meanwhile."""

from __future__ import annotations

import os
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_core.connector import ExtractContext
from etl_core.errors import Transient
from etl_core.testing.walking import Destination, run
from tests.workers.connectors.files.delivering import connector, deliver, read, table
from workers.connectors.files import pages, reading
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.places import local


def rows(*numbers: int) -> str:
    return "id,v\n" + "".join(f'{n},"value, ""{n}""\n\n{n}"\n' for n in numbers)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_RECORDS", 4)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv", "a.ndjson", "a.jsonl.gz"])
async def test_every_format_resumes_in_mid_file(tmp_path: Path, name: str) -> None:
    if "json" in name:
        content = "".join(f'{{"id": {n}, "v": "ä {n}"}}\n\n' for n in range(11))
    else:
        content = rows(*range(11)).replace(",", "\t" if "tsv" in name else ",")
    path = deliver(tmp_path / name, content)
    whole = await read(path, key=["id"])
    assert len(whole.rows["a"]) == 11
    assert whole.pages == 3
    broken = Destination()
    await run(connector(path, key=["id"]), broken, stop_after=2)
    await read(path, broken, key=["id"])
    assert broken.records == 3, "no record was read twice"
    assert broken.rows == whole.rows


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp1252", "shift_jis", "utf-8-sig"])
async def test_encodings_resume_too(tmp_path: Path, encoding: str) -> None:
    text = "id,v\r\n" + "".join(
        f'{n},"{"日本" if encoding == "shift_jis" else "né"}\r\n{n}"\r\n' for n in range(11)
    )
    path = deliver(tmp_path / "e.csv", text.encode(encoding))
    whole = await read(path, key=["id"], encoding=encoding)
    assert table(whole, "e")[3]["v"].endswith("\r\n3")
    assert len(table(whole, "e")) == 11
    broken = Destination()
    await run(connector(path, key=["id"], encoding=encoding), broken, stop_after=1)
    await read(path, broken, key=["id"], encoding=encoding)
    assert broken.records == 7
    assert broken.rows == whole.rows


async def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    path = deliver(tmp_path / "bom.csv", b"\xef\xbb\xbfid,v\n1,x\n")
    assert table(await read(path, key=["id"]), "bom") == [{"id": 1, "v": "x"}]
    path = deliver(tmp_path / "bom.jsonl", b'\xef\xbb\xbf{"id": 1}\n')
    assert table(await read(path), "bom") == [{"id": 1}]


async def test_without_a_header(tmp_path: Path) -> None:
    path = deliver(tmp_path / "h.csv", "".join(f"{n};x\n" for n in range(6)))
    loaded = Destination()
    config: dict[str, Any] = {"header": False, "delimiter": ";"}
    await run(connector(path, **config), loaded, stop_after=1)
    await read(path, loaded, **config)
    assert table(loaded, "h") == [{"column_1": n, "column_2": "x"} for n in range(6)]
    named = await read(path, **config, columns={"id": "text", "v": "text"})
    assert table(named, "h")[5] == {"id": "5", "v": "x"}


async def test_an_unchanged_file_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = deliver(tmp_path / "a.csv", rows(1))
    loaded = await read(path, key=["id"])

    def refuse(*_: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(local.WatchedFile, "__init__", refuse)
    await read(path, loaded, key=["id"])
    assert loaded.pages == 0


async def test_a_touched_file_is_not_read_again(tmp_path: Path) -> None:
    path = deliver(tmp_path / "a.csv", rows(1, 2))
    loaded = await read(path, key=["id"])
    os.utime(path, (1_000_000_000, 1_000_000_000))
    await read(path, loaded, key=["id"])
    assert (loaded.pages, loaded.records) == (1, 0)
    await read(path, loaded, key=["id"])
    assert loaded.pages == 0


async def test_a_fresh_file_is_compared_by_its_contents(tmp_path: Path) -> None:
    """Written moments ago: the same size and time of change may come again with other contents."""
    path = deliver(tmp_path / "a.csv", "id,v\n1,a\n", age_s=0)
    before = path.stat()
    loaded = await read(path, key=["id"])
    path.write_text("id,v\n1,b\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    await read(path, loaded, key=["id"])
    assert table(loaded, "a") == [{"id": 1, "v": "b"}]


async def test_a_changed_file_is_read_again_and_appends_without_a_key(tmp_path: Path) -> None:
    path = deliver(tmp_path / "a.csv", "id,v\n1,a\n")
    keyed, keyless = await read(path, key=["id"]), await read(path)
    deliver(path, "id,v\n1,b\n2,c\n", age_s=60)
    await read(path, keyed, key=["id"])
    await read(path, keyless)
    assert table(keyed, "a") == [{"id": 1, "v": "b"}, {"id": 2, "v": "c"}]
    assert len(table(keyless, "a")) == 3


async def test_other_settings_read_again(tmp_path: Path) -> None:
    path = deliver(tmp_path / "a.csv", "id,v\n1,é\n")
    loaded = await read(path, key=["id"], encoding="cp1252")
    assert table(loaded, "a")[0]["v"] == "Ã©"
    await read(path, loaded, key=["id"])
    assert table(loaded, "a")[0]["v"] == "é"


async def test_changed_in_mid_walk_starts_over(tmp_path: Path) -> None:
    path = deliver(tmp_path / "a.csv", rows(*range(11)))
    loaded = Destination()
    await run(connector(path, key=["id"]), loaded, stop_after=2)
    deliver(path, rows(*range(100, 111)), age_s=60)
    await read(path, loaded, key=["id"])
    assert loaded.records == 11
    assert {row["id"] for row in table(loaded, "a")} >= set(range(100, 111))


async def test_changed_back_in_mid_walk_restores_the_old_rows(tmp_path: Path) -> None:
    old, new = rows(*range(9)), rows(*range(9)).replace("value", "other")
    path = deliver(tmp_path / "a.csv", old)
    loaded = await read(path, key=["id"])
    expected = dict(loaded.rows["a"])
    deliver(path, new)
    await run(connector(path, key=["id"]), loaded, stop_after=1)
    assert loaded.rows["a"] != expected
    deliver(path, old)
    await read(path, loaded, key=["id"])
    assert loaded.rows["a"] == expected


async def _extract_changing(path: Path, contents: list[str], loaded: Destination) -> None:
    """A run during which the file is rewritten in place before each page, as long as `contents` last."""
    made = connector(path, key=["id"])
    context = ExtractContext(checkpoint=loaded.checkpoint)
    streams = {stream.name: stream for stream in await made.discover(context)}
    waiting = list(contents)
    if waiting:
        deliver(path, waiting.pop(0), age_s=len(waiting))
    async with aclosing(cast("Any", made.extract(context))) as extracted:
        async for page in extracted:
            loaded.load(made, streams, page)
            if waiting:
                deliver(path, waiting.pop(0), age_s=len(waiting) * 10)


async def test_changed_between_inference_and_reading(tmp_path: Path) -> None:
    path = deliver(tmp_path / "a.csv", rows(*range(3)))
    loaded = Destination()
    await _extract_changing(path, [rows(*range(20, 31))], loaded)
    assert [row["id"] for row in table(loaded, "a")] == list(range(20, 31))


async def test_changed_while_pages_are_read(tmp_path: Path) -> None:
    path = deliver(tmp_path / "a.csv", rows(*range(11)))
    loaded = Destination()
    await _extract_changing(path, [rows(*range(11)), rows(*range(5, 18))], loaded)
    # The first page was read before the change, all others after it.
    assert {row["id"] for row in table(loaded, "a")} == set(range(4)) | set(range(5, 18))
    await read(path, loaded, key=["id"])
    assert loaded.records == 0


async def test_a_file_that_outgrows_its_columns_waits_for_the_next_attempt(tmp_path: Path) -> None:
    path = deliver(tmp_path / "a.csv", rows(*range(3)))
    loaded = Destination()
    with pytest.raises(
        Transient, match=r"a.csv was changed while it was read: its column 'id' no longer fits"
    ) as raised:
        await _extract_changing(path, ["id,v\nx,1\n"], loaded)
    assert not raised.value.retry_in_place
    await read(path, loaded, key=["id"])
    assert table(loaded, "a") == [{"id": "x", "v": 1}]


async def test_a_file_that_keeps_changing_is_left_for_later(tmp_path: Path) -> None:
    path = deliver(tmp_path / "a.csv", rows(*range(11)))
    with pytest.raises(Transient, match="keeps changing"):
        await _extract_changing(path, [rows(*range(n, n + 11)) for n in range(8)], Destination())


async def test_one_of_a_pattern_that_keeps_changing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(tmp_path / "a.csv", "id,v\n1,x\n")
    deliver(tmp_path / "b.csv", "id,v\n2,x\n")
    drain = reading.OpenFile.drain

    def append_meanwhile(source: reading.OpenFile) -> None:
        drain(source)
        if str(getattr(source.raw, "name", "")).endswith("a.csv"):
            with (tmp_path / "a.csv").open("a") as file:
                file.write("3,y\n")

    monkeypatch.setattr(reading.OpenFile, "drain", append_meanwhile)
    loaded = Destination()
    with pytest.raises(Transient, match=r"a.csv keeps changing"):
        await run(connector(tmp_path / "*.csv", stream="s"), loaded)
    assert [row["id"] for row in table(loaded, "s")] == [2]


async def test_tried_again_in_place_it_goes_on(tmp_path: Path) -> None:
    """A worker calls extract again on the same instance, with the checkpoint as it is then."""
    path = deliver(tmp_path / "a.csv", rows(*range(11)))
    made = connector(path)
    loaded = Destination()
    await run(made, loaded, stop_after=1)
    again = [page async for page in made.extract(ExtractContext(checkpoint=loaded.checkpoint))]
    assert sum(len(page.records["a"]) for page in again) == 7


async def test_patterns_partitions_and_files_that_vanish(tmp_path: Path) -> None:
    (tmp_path / "2024" / "deep").mkdir(parents=True)
    for name in ("2024/a.csv", "2024/deep/b.csv", "c.csv"):
        deliver(tmp_path / name, f"id\n{len(name)}\n")
    (tmp_path / "folder.csv").mkdir()
    odd = os.fsencode(tmp_path) + b"/odd-\xff.csv"
    Path(os.fsdecode(odd)).write_text("id\n99\n")
    loaded = await read(f"{tmp_path}/**/*.csv", stream="all")
    assert sorted(partition for _, partition in loaded.checkpoint) == [
        "2024/a.csv",
        "2024/deep/b.csv",
        "c.csv",
        "odd-\\xff.csv",
    ]
    assert len(table(loaded, "all")) == 4
    kept = loaded.checkpoint["all", "c.csv"]
    (tmp_path / "c.csv").unlink()
    await read(f"{tmp_path}/**/*.csv", loaded, stream="all")
    assert loaded.records == 0
    assert loaded.checkpoint["all", "c.csv"] == kept
    deliver(tmp_path / "c.csv", "id\n5\n")
    await read(f"{tmp_path}/**/*.csv", loaded, stream="all")
    assert loaded.records == 0, "delivered again with the same contents"


async def test_a_file_of_a_pattern_that_vanishes_before_it_is_read(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        deliver(tmp_path / name, f"id\n{name}\n")
    made = connector(tmp_path / "*.csv", stream="s")
    await made.discover(ExtractContext())
    (tmp_path / "a.csv").unlink()
    found = [page async for page in made.extract(ExtractContext())]
    assert [page.records for page in found] == [{"s": [{"id": "b.csv", "_file": "b.csv"}]}]


async def test_a_name_that_looks_like_a_pattern(tmp_path: Path) -> None:
    path = deliver(tmp_path / "report[1].csv", "id\n1\n")
    deliver(tmp_path / "report1.csv", "id\n2\n")
    assert [row["id"] for row in table(await read(path, stream="s"), "s")] == [1]


def test_stream_names() -> None:
    assert FilesConfig(path="/data/airports.csv.gz").stream_name == "airports"
    assert FilesConfig(path="/data/sales/2024-*.csv").stream_name == "sales"
    assert FilesConfig(path="/*.csv").stream_name == "files"
    given_both = FilesConfig.model_validate({"path": "/x.dat", "format": "csv", "stream": "s"})
    assert given_both.stream_name == "s"


_field = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    table_of_text=st.lists(st.tuples(_field, _field), min_size=1, max_size=14),
    cut=st.integers(1, 4),
    packed=st.booleans(),
)
async def test_any_text_comes_through_and_resumes(
    tmp_path: Path, table_of_text: list[tuple[str, str]], cut: int, packed: bool
) -> None:
    import csv
    import io

    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("n", "a", "b"), *((n, *row) for n, row in enumerate(table_of_text))])
    path = deliver(tmp_path / ("p.csv.gz" if packed else "p.csv"), written.getvalue())
    config: dict[str, Any] = {"key": ["n"], "columns": {"n": "bigint", "a": "text", "b": "text"}}
    loaded = Destination()
    await run(connector(path, **config), loaded, stop_after=cut)
    done = len(table(loaded, "p"))
    await read(path, loaded, **config)
    assert loaded.records == len(table_of_text) - done
    assert [(row["a"] or "", row["b"] or "") for row in table(loaded, "p")] == table_of_text
