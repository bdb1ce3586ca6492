"""Lines that are decoded together give what they give one by one, page by page."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.errors import SourceError
from workers.connectors.files import pages, reading
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.formats import json_rows
from workers.connectors.files.places.local import LocalCopy, find_local
from workers.connectors.files.scan import scan_file

PLAIN = st.sampled_from(
    [b'{"id":1,"a":"x"}', '{"id":2,"a":"ä€"}'.encode(), b'{"id":3}', b'{"id":4,"a":[{}]}']
)
ODD = st.sampled_from(
    [
        b"",
        b" \t",
        b'{"id":5}\r',
        b' {"id":6} ',
        b'{"id":7} {"id":8}',
        b'{"id":9,',
        b'"a":10}',
        b"[1]",
        b"null",
        b'{"id":null}',
        b'{"a":1}',
        b'{"id":11,"":1}',
        rb'{"id":12,"a":"\u0000"}',
        rb'{"id":13,"a":"\\u0000"}',
        rb'{"id":14,"a":"\ud800"}',
        b'{"id":15,"a":"\0"}',
        b'{"id":16,"a":"\xff"}',
        b'\xef\xbb\xbf{"id":17}',
        '{"id":18,"a":"\u2028\x85"}'.encode(),
        b'{"id":1' + 200 * b"0" + b"}",
        b"[" * 5_000,
    ]
)


@given(
    lines=st.lists(st.one_of(PLAIN, PLAIN, PLAIN, ODD), min_size=1, max_size=30),
    end=st.sampled_from([b"", b"\n"]),
    most=st.sampled_from([(2, 1 << 20), (7, 1 << 20), (100, 40), (100, 100)]),
    buffer=st.sampled_from([30, 100, 1 << 16]),
)
def test_the_same_pages(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[bytes],
    end: bytes,
    most: tuple[int, int],
    buffer: int,
) -> None:
    path = tmp_path_factory.mktemp("lines") / "x.jsonl"
    path.write_bytes(b"\n".join(lines) + end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "PAGE_RECORDS", most[0])
        patch.setattr(pages, "PAGE_BYTES", most[1])
        patch.setattr(reading, "CHUNK", buffer)
        at_once = told(path)
        patch.setattr(json_rows.JsonRows, "next_decoded", lambda *args: None)
        assert at_once == told(path)


def told(path: Path) -> Any:
    """What is learned of a file and what stands on its pages, or the sentence why it cannot be read."""
    config = FilesConfig(path=str(path), key=("id",))
    stop = threading.Event()
    [file] = find_local(config.selection).files
    copy = LocalCopy(file.path)
    try:
        scan = scan_file(file, copy, config, stop)
        read = pages.FilePages(file, copy, config, scan, resume=None, stop=stop)
        found = []
        while (page := read.next_page()).resume:
            found.append(page)
    except SourceError as error:
        return str(error)
    return scan.columns, scan.records, found, page


def test_plain_lines_are_decoded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(f'{{"id":{n},"a":"ä"}}\n' for n in range(1_000)))
    one_by_one: list[object] = []
    real = json_rows.JsonRows._why_not

    def why_not(rows: json_rows.JsonRows, record: object, line: str) -> str | None:
        one_by_one.append(record)
        return real(rows, record, line)

    monkeypatch.setattr(json_rows.JsonRows, "_why_not", why_not)
    assert told(path)[1] == 1_000
    assert len(one_by_one) < 10
