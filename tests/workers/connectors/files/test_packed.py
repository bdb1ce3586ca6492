"""zstd and zip, beside gzip: frames, members, damage and bombs."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from etl_core.errors import Permanent
from etl_core.testing.walking import Destination, run
from tests.workers.connectors.files.delivering import connector, deliver, read, table
from workers.connectors.files import pages, unpacking

CSV = b"id,v\n" + b"".join(b"%d,value\n" % n for n in range(11))


def zipped(members: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return written.getvalue()


async def test_zstd_of_many_frames_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_RECORDS", 4)
    pack = zstandard.ZstdCompressor().compress
    skipped = struct.pack("<II", 0x184D2A50, 4) + b"pzst"
    path = deliver(tmp_path / "a.csv.zst", skipped + pack(CSV[:30]) + pack(CSV[30:]))
    whole = await read(path, key=["id"])
    assert len(table(whole, "a")) == 11
    broken = Destination()
    await run(connector(path, key=["id"]), broken, stop_after=1)
    await read(path, broken, key=["id"])
    assert (broken.records, broken.rows) == (7, whole.rows)


@pytest.mark.parametrize("cut", [4, 40])
async def test_a_cut_zstd_is_told(tmp_path: Path, cut: int) -> None:
    """zstandard's own reader would end there in silence."""
    content = zstandard.ZstdCompressor().compress(CSV * 20)
    with pytest.raises(Permanent, match=r"cut short: its zstd data ends too early"):
        await read(deliver(tmp_path / "a.csv.zst", content[:-cut]))


async def test_damage_and_wrong_names(tmp_path: Path) -> None:
    for name, content, sentence in (
        ("a.csv.zst", b"id\n1\n", "is called .zst but is not zstd"),
        ("a.csv.zip", b"id\n1\n", "is called .zip but is not zip"),
        ("b.csv.zip", zipped({"a.csv": CSV})[:-10], "damaged or cut short: not a valid zip"),
        ("c.csv.zip", zipped({}), "holds no file to read"),
        ("d.csv.zst", b"\x28\xb5\x2f\xfd" + b"\xff" * 90, "cannot be unpacked"),
    ):
        with pytest.raises(Permanent, match=sentence):
            await read(deliver(tmp_path / name, content))


async def test_members_of_a_zip_are_one_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_RECORDS", 4)
    content = zipped(
        {
            "a.csv": CSV,
            "sub/b.csv": b"id,w\n100,1\n",
            "c.csv.gz": gzip.compress(b"id,v\n200,x\n"),
            "__MACOSX/a.csv": b"\0\0",
            "notes.txt": b"not read",
        }
    )
    path = deliver(tmp_path / "all.csv.zip", content)
    config: dict[str, Any] = {"key": ["id"], "members": ["*.csv", "*.csv.gz"], "stream": "s"}
    whole = await read(path, **config)
    rows = table(whole, "s")
    assert [row["id"] for row in rows] == [*range(11), 100, 200]
    assert rows[0]["_file"] == "all.csv.zip/a.csv"
    assert rows[-2] == {"id": 100, "w": 1, "_file": "all.csv.zip/sub/b.csv"}
    for stop in (1, 2, 3):
        broken = Destination()
        await run(connector(path, **config), broken, stop_after=stop)
        await read(path, broken, **config)
        assert broken.records == 13 - 4 * stop
        assert broken.rows == whole.rows


async def test_parquet_in_a_zip_and_in_gzip(tmp_path: Path) -> None:
    written = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2]}), written)
    path = deliver(tmp_path / "a.parquet.zip", zipped({"x.parquet": written.getvalue()}))
    assert [row["id"] for row in table(await read(path), "a")] == [1, 2]
    path = deliver(tmp_path / "b.parquet.gz", written.getvalue())
    assert [row["id"] for row in table(await read(path), "b")] == [1, 2]


async def test_an_encrypted_member_is_told(tmp_path: Path) -> None:
    content = bytearray(zipped({"a.csv": CSV}))
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(Permanent, match=r"a.csv is encrypted"):
        await read(deliver(tmp_path / "a.csv.zip", bytes(content)))


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".zip"])
async def test_a_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr(unpacking, "UNASKED", 1 << 20)
    monkeypatch.setattr("workers.connectors.files.parts.UNASKED", 1 << 20)
    bomb = b"id\n" + (b"x" * 999 + b"\n") * 3_000
    content = {
        ".gz": lambda: bomb,
        ".zst": lambda: zstandard.ZstdCompressor().compress(bomb),
        ".zip": lambda: zipped({"a.csv": bomb}),
    }[suffix]()
    path = deliver(tmp_path / f"a.csv{suffix}", content)
    with pytest.raises(Permanent, match=r"more than 100 times its size.*bomb"):
        await read(path, max_ratio=100)
