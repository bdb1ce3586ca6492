"""The second stream of `vanished: delete`: all files there are, read anew in every run.

It is a full refresh, so what it does not yield is marked deleted, and the rows of a file go with it. The
loader's guard is the reason for this way: a folder that is empty, or lost half of its files, deletes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from etl_core.connector import SINGLE_PARTITION, Column, ColumnType, Fragment, Page, Stream
from workers.connectors.files.places.files import SourceFile

FILE = "file"
_PAGE = 5_000


def census_name(stream: str) -> str:
    return f"{stream}_files"


def census_stream(stream: str) -> Stream:
    return Stream(
        census_name(stream),
        (
            Column(FILE, ColumnType.TEXT),
            Column("size", ColumnType.BIGINT),
            Column("changed_at", ColumnType.TIMESTAMPTZ),
        ),
        key=(FILE,),
        full_refresh=True,
    )


def census_pages(files: Sequence[SourceFile], stream: str) -> Iterator[Page]:
    """In the lane of the rows: behind all of them."""
    name = census_name(stream)
    for at in range(0, len(files), _PAGE):
        part = files[at : at + _PAGE]
        resume = None if at + _PAGE >= len(files) else {"after": part[-1].partition}
        yield Page(
            lane=stream,
            records={name: [_record(file) for file in part]},
            checkpoint=[Fragment(name, SINGLE_PARTITION, bookmark=None, resume=resume, begins_anew=at == 0)],
        )


def _record(file: SourceFile) -> dict[str, str | int | None]:
    moment = file.version.mtime_ns
    changed_at = None if moment is None else datetime.fromtimestamp(moment / 1e9, UTC).isoformat()
    return {FILE: file.partition, "size": file.version.size, "changed_at": changed_at}
