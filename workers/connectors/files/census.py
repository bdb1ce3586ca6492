"""The second stream of `vanished: delete`: all files there are, read anew in every run.

It is a full refresh, so what it does not yield is marked deleted, and the rows of a file go with it. The
loader's guard is the reason for this way: a folder that is empty, or lost half of its files, deletes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from etl_core.connector import SINGLE_PARTITION, Column, ColumnType, ExtractContext, Fragment, Page, Stream
from workers.connectors.files.ledger import LEDGER, RECENT, Ledger
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


def forget_gone(
    context: ExtractContext, stream: str, files: Sequence[SourceFile], ledger: Ledger
) -> list[Fragment]:
    """Takes the bookmarks of vanished files away: one that comes back is read again, as its rows went."""
    there = {file.partition for file in files}
    gone = [
        Fragment(stream, partition, bookmark=None)
        for (of, partition), state in context.checkpoint.items()
        if of == stream and partition not in there and partition not in (LEDGER, RECENT) and state.bookmark
    ]
    return gone + (ledger.fragments(stream, files, pour=True) if ledger.holds_gone(files) else [])


def census_pages(files: Sequence[SourceFile], stream: str, forgotten: Sequence[Fragment]) -> Iterator[Page]:
    """In the lane of the rows, behind all of them. What is `forgotten` goes with the deletion, at the end."""
    name = census_name(stream)
    for at in range(0, len(files), _PAGE):
        part = files[at : at + _PAGE]
        resume = None if at + _PAGE >= len(files) else {"after": part[-1].partition}
        yield Page(
            lane=stream,
            records={name: [_record(file) for file in part]},
            checkpoint=[
                Fragment(name, SINGLE_PARTITION, bookmark=None, resume=resume, begins_anew=at == 0),
                *(forgotten if resume is None else ()),
            ],
        )


def _record(file: SourceFile) -> dict[str, str | int | None]:
    moment = file.version.mtime_ns
    changed_at = None if moment is None else datetime.fromtimestamp(moment / 1e9, UTC).isoformat()
    return {FILE: file.partition, "size": file.version.size, "changed_at": changed_at}
