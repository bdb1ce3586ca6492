"""Bad input gives one sentence that names file, place and remedy; a bad row costs that row only."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from etl_core.connector import ExtractContext
from etl_core.errors import Permanent, SourceError, Transient
from tests.workers.connectors.files.delivering import connector, deliver, read, table
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.formats import csv_rows, learning, lines

Content = str | bytes


@pytest.mark.parametrize(
    ("name", "content", "config", "sentence"),
    [
        ("q.csv", 'a,b\n1,"x\n2,y\n3,z\n', {}, r"q.csv, line 2: a quote is opened and never closed; mend"),
        ("n.csv", "a,b\n1,x\0y\n", {}, r"n.csv, line 2: a NUL byte at offset 7; .*utf-16"),
        (
            "e.csv",
            b"a,b\n1,caf\xe9\n",
            {},
            r"e.csv, line 2: byte offset 9 \(0xe9\) is not utf-8; set `enc.*cp1252",
        ),
        ("u.csv", "a,b\n1,2\n".encode("utf-16"), {}, r'u.csv begins like UTF-16, .*`encoding` to "utf-16"'),
        ("d.csv", "a,b,a\n1,2,3\n", {}, r"d.csv, line 1: the column name 'a' comes twice; rename"),
        ("h.csv", "a,,c\n1,2,3\n", {}, r"h.csv, line 1: column 2 of 3 has no name"),
        ("z.csv", "", {}, r"z.csv is empty; deliver it again"),
        ("b.csv", "\n\n", {}, r"b.csv holds no line; a header was expected"),
        ("bom.csv", b"\xef\xbb\xbf", {}, r"bom.csv holds no line"),
        (
            "k.csv",
            "a,b\n1,2\n",
            {"key": ["id"]},
            r"k.csv: the key column 'id' is not there; .* a, b",
        ),
        (
            "c.csv",
            "a,b\n1,2\n",
            {"columns": {"x": "date"}},
            r"c.csv: the declared column 'x' is not .* a, b",
        ),
        (
            "w.csv",
            "1,2\n",
            {"header": False, "columns": {"x": "text"}},
            r"w.csv, line 1: 2 fields, but `columns` names 1",
        ),
        ("r.csv", "a,b\n1\n2\n", {}, r"r.csv: no record in it can be read; line 2: 1 fields"),
        ("x.csv.gz", b"plain", {}, r"x.csv.gz is called .gz but is not gzip"),
        ("j.jsonl", "nonsense\n[1]\n", {}, r"j.jsonl: no record in it can be read; line 1: not valid JSON"),
        (
            "m.jsonl",
            '{"a": 1}\n',
            {"key": ["id"]},
            r"m.jsonl: no record .* the key column 'id' is missing",
        ),
        ("l.csv", b"a,b\r1,2\r", {}, r"l.csv, header: line 1: a carriage return that ends no line"),
    ],
)
async def test_one_sentence(
    tmp_path: Path, name: str, content: Content, config: dict[str, Any], sentence: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Permanent, match=f"^{re.escape(str(tmp_path))}/{sentence}") as raised:
        await read(path, **config)
    assert "\n" not in str(raised.value)
    with pytest.raises(Permanent):
        await connector(path, **config).check()


async def test_check_goes_on_to_a_file_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,id\n1,2\n")
    (tmp_path / "b.csv").write_text("id,n\n1,2\n2,3\n")
    files, bad, good = await connector(tmp_path / "*.csv", key=["id"]).check()
    assert (files.state, files.detail) == ("ok", f"2 at {tmp_path}/*.csv")
    assert (bad.what, bad.state) == ("a.csv", "failed")
    assert (good.what, good.detail) == ("b.csv", "2 records of 2 columns, key id")
    (tmp_path / "b.csv").unlink()
    with pytest.raises(Permanent, match=r"a\.csv"):
        await connector(tmp_path / "*.csv").check()


@pytest.mark.parametrize("keep", [40, -4])
async def test_cut_gzip(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + os.urandom(3_000).hex().encode() + b",2\n")[:keep])
    with pytest.raises(Permanent, match=r"cut.csv.gz is cut short: its gzip data ends too early"):
        await read(path)


async def test_damaged_gzip(tmp_path: Path) -> None:
    raw = bytearray(gzip.compress(b"a,b\n" + b"1,2\n" * 100))
    raw[-6] ^= 0xFF
    (tmp_path / "bad.csv.gz").write_bytes(raw)
    with pytest.raises(Permanent, match=r"bad.csv.gz is damaged"):
        await read(tmp_path / "bad.csv.gz")


async def test_what_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    for path, sentence in (
        (tmp_path / "x.csv", "no file at .*/x.csv: check"),
        (tmp_path / "*.csv", "no file matches"),
    ):
        with pytest.raises(Transient, match=sentence) as raised:
            await read(path)
        assert not raised.value.retry_in_place
    with pytest.raises(Transient, match="no file at"):
        await read(tmp_path / "no" / "folder.csv")


async def test_folder_and_pipe(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"is a folder; give a file or a pattern, such as .*/\*\.csv"):
        await read(tmp_path, format="csv")
    os.mkfifo(tmp_path / "p.csv")
    with pytest.raises(Permanent, match="is no regular file"):
        await read(tmp_path / "p.csv")


async def test_no_permission(tmp_path: Path) -> None:
    path = deliver(tmp_path / "secret.csv", "a\n1\n")
    # Once before, for what Python imports late may lie where that user cannot read it.
    await read(path)
    path.chmod(0)
    was = os.geteuid()
    # Root may read everything, so as root the test is somebody else for a moment.
    user = 65_534 if was == 0 else was
    os.seteuid(user)
    try:
        with pytest.raises(Permanent, match=rf"secret.csv may not be read by user id {user}; mend"):
            await read(path)
        # The folder that pytest made is not this user's either.
        if was == 0:
            with pytest.raises(Permanent, match=rf"{tmp_path.name} may not be read by user id {user}; mend"):
                await read(tmp_path / "*.csv")
    finally:
        os.seteuid(was)


async def test_ragged_rows_and_bad_quotes_cost_themselves_only(tmp_path: Path) -> None:
    path = deliver(tmp_path / "r.csv", 'id,v\n1,a\n2\n3,c,d\n4,"e"f\n5,"g\nh"\n,i\n\n6,j\n')
    loaded = await read(path, key=["id"])
    assert [(row["id"], row["v"]) for row in table(loaded, "r")] == [(1, "a"), (5, "g\nh"), (6, "j")]
    assert [(reject.stream, reject.reason, reject.payload) for reject in loaded.rejects] == [
        ("r", "line 3: 1 fields, but the header has 2", "2"),
        ("r", "line 4: 3 fields, but the header has 2", "3,c,d"),
        ("r", "line 5: ',' expected after '\"'", '4,"e"f'),
        ("r", "line 8: the key column 'id' is empty", ",i"),
    ]


async def test_bad_json_lines_cost_themselves_only(tmp_path: Path) -> None:
    path = deliver(
        tmp_path / "j.jsonl",
        '{"id": 1}\n{"id": 2\n[3]\n\n{"id": null}\n{"v": 1}\n'
        '{"id": 5, "v": NaN}\n{"id": 6, "v": "\\u0000"}\n{"id": 7}',
    )
    loaded = await read(path, key=["id"])
    assert [row["id"] for row in table(loaded, "j")] == [1, 7]
    reasons = [reject.reason for reject in loaded.rejects]
    assert [reason.split(":")[0] for reason in reasons] == [
        "line 2",
        "line 3",
        "line 5",
        "line 6",
        "line 7",
        "line 8",
    ]
    assert "not valid JSON" in reasons[0]
    assert "array, not an object" in reasons[1]
    assert "null" in reasons[2]
    assert "missing" in reasons[3]
    assert "NUL" in reasons[5]


async def test_a_monstrous_line_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "RECORD_LIMIT", 1 << 20)
    one_line = deliver(tmp_path / "one.csv", "a,b\n1," + "x" * (1 << 20) + "\n")
    with pytest.raises(Permanent, match=r"one.csv, line 2: a record longer than 1 MB"):
        await read(one_line)
    open_quote = deliver(tmp_path / "quote.csv", 'a,b\n1,"x\n' + "2,some text\n" * 100_000)
    with pytest.raises(Permanent, match=r"quote.csv, line 2: a record longer than 1 MB; is a quote"):
        await read(open_quote)


async def test_a_large_field_is_no_error(tmp_path: Path) -> None:
    path = deliver(tmp_path / "large.csv", "a,b\n1," + "x" * 300_000 + "\n")
    assert len(table(await read(path), "large")[0]["b"]) == 300_000


async def test_too_many_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "MOST_COLUMNS", 2)
    monkeypatch.setattr(learning, "MOST_COLUMNS", 2)
    with pytest.raises(Permanent, match="3 columns; at most 2"):
        await read(deliver(tmp_path / "w.csv", "a,b,c\n"))
    with pytest.raises(Permanent, match="more than 2 different fields"):
        await read(deliver(tmp_path / "w.jsonl", '{"a": 1}\n{"b": 1}\n{"c": 1}\n'))


async def test_a_bad_file_among_good_ones_is_told_after_them(tmp_path: Path) -> None:
    deliver(tmp_path / "1.csv", "id\n1\n")
    deliver(tmp_path / "2.csv", "")
    deliver(tmp_path / "3.csv", "id\n3\n")
    deliver(tmp_path / "4.csv", 'id\n"4\n')
    made = connector(tmp_path / "*.csv", stream="s")
    from etl_core.testing.walking import Destination, run

    loaded = Destination()
    with pytest.raises(SourceError, match=r"2.csv is empty.* \(and 1 more file failed\)"):
        await run(made, loaded)
    assert [row["id"] for row in table(loaded, "s")] == [1, 3]
    with pytest.raises(SourceError, match=r"2.csv is empty[^(]* \(and 1 more file failed\)$"):
        [page async for page in made.extract(ExtractContext(checkpoint=loaded.checkpoint))]
    deliver(tmp_path / "2.csv", "id\n2\n")
    deliver(tmp_path / "4.csv", "id\n4\n")
    await read(tmp_path / "*.csv", loaded, stream="s")
    assert loaded.records == 2


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"path": "relative.csv"}, "absolute path"),
        ({"path": "/x.dat"}, "format: the suffix"),
        ({"path": "/x.csv", "encoding": "utf-9"}, "no encoding 'utf-9'"),
        ({"path": "/x.csv", "encoding": "base64"}, "no encoding 'base64'"),
        ({"path": "/x.csv", "delimiter": ";;"}, "one character"),
        ({"path": "/x.csv", "key": ["a", "a"]}, "comes twice"),
        ({"path": "/x.csv", "columns": {"a": "integer"}}, "bigint"),
        ({"path": "/x.csv", "nulls": []}, "Extra inputs"),
    ],
)
def test_a_wrong_configuration_is_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FilesConfig.model_validate(config)


@pytest.mark.parametrize(
    ("name", "written", "told"),
    [
        ("a.tsv", ",", 'divided by a tab, and its only column holds a comma: set `delimiter` to ","'),
        ("a.csv", ";", 'divided by a comma, and its only column holds a semicolon: set `delimiter` to ";"'),
        ("a.csv", "\t", r'divided by a comma, and its only column holds a tab: set `delimiter` to "\t"'),
    ],
)
async def test_another_delimiter_than_the_files_name_says(
    tmp_path: Path, name: str, written: str, told: str
) -> None:
    path = deliver(tmp_path / name, f"id{written}v\n1{written}2\n")
    for wrong in ({"key": ["id"]}, {"columns": {"v": "text"}}):
        with pytest.raises(Permanent, match="is not there; its columns are") as raised:
            await read(path, **wrong)
        assert told in str(raised.value)
    (found,) = [each for each in await connector(path).check() if each.state == "unknown"]
    assert told in found.remedy
    right = await read(path, key=["id"], delimiter=written)
    assert table(right, "a") == [{"id": 1, "v": 2}]
