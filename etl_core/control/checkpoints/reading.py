"""The checkpoint that holds, its history, the document of a version, what differs between two."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from etl_core.control.checkpoints.checking import newer_places
from etl_core.control.checkpoints.collector import without_collector
from etl_core.errors import InvalidInput, NotFound
from etl_core.models.checkpoint import CheckpointVersion, CurrentCheckpoint, VersionDiff
from etl_core.rules.checkpoints.diff import DocumentDiff, diff
from etl_core.rules.checkpoints.document import EMPTY, Document, Place, from_stored
from etl_core.rules.checkpoints.exact_json import BadJson, parse_stored
from etl_core.rules.checkpoints.history import Gap, HistoryRow, rebuild, roll
from etl_core.rules.checkpoints.paths import place_text
from etl_core.store.database import Connection
from etl_core.store.queries import load

_checkpoints = load("checkpoints")

LARGE = 1 << 20
"""Bytes from which on a document is warned of: each version, each look costs as much."""
RUNNING = "RUNNING"


async def read_checkpoint(conn: Connection, job_id: int) -> CurrentCheckpoint:
    """Where a job stands now, in mid-run as well.

    Raises:
        NotFound: no such job.
    """
    row = await _checkpoints.checkpoint_of(conn, job_id=job_id)
    if row is None:
        raise NotFound(f"no job with id {job_id}; `etl-tui jobs list` shows all")
    # Rows are the truth; without any a document of another form may stand.
    text: str | None = row["streams"] if row["streams"] is not None else row["other"]
    document, newer = EMPTY, frozenset[Place]()
    unreadable = None
    try:
        with without_collector():
            value = parse_stored(text)
            document = from_stored({"streams": value} if row["streams"] is not None else value)
            newer = newer_places(row["integration_type"], document)
    except BadJson as error:
        unreadable = str(error)
    size = len(text.encode()) if text else 0
    return CurrentCheckpoint(
        job_id=job_id,
        job_name=row["job_name"],
        version=row["version"],
        at=row["cut_at"],
        document=document,
        is_moving=row["status"] == RUNNING,
        bytes=size,
        integration_type=row["integration_type"],
        notices=tuple(_notices(document, newer, size)),
        uneditable=_uneditable(document, newer, unreadable),
        newer=newer,
        raw=text if unreadable else None,
        now=row["now"],
    )


async def list_versions(
    conn: Connection, job_id: int, *, before: int | None = None, limit: int = 100
) -> list[CheckpointVersion]:
    """The history, newest first: at most `limit` versions older than `before`."""
    return [
        CheckpointVersion.model_validate(dict(row))
        async for row in _checkpoints.list_versions(conn, job_id=job_id, before=before, at_most=limit)
    ]


async def read_version(conn: Connection, job_id: int, version: int) -> Document:
    """The document of a version; of version 0 the empty one, from before the first.

    Raises:
        NotFound: no such version, or it is past retention.
    """
    if version == 0:
        return EMPTY
    rows = [row async for row in _chain(conn, job_id, version)]
    if not rows:
        raise await _no_version(conn, job_id, version)
    try:
        with without_collector():
            return rebuild([_history_row(row) for row in rows])
    except Gap:
        raise await _no_version(conn, job_id, version) from None


async def version_at(conn: Connection, job_id: int, moment: datetime) -> int:
    """The version that held at a moment; 0 before the first one.

    Raises:
        NotFound: it is past retention.
    """
    version: int | None = await _checkpoints.version_at(conn, job_id=job_id, moment=moment)
    if version is not None:
        return version
    span = await _checkpoints.version_span(conn, job_id=job_id)
    if span["oldest"] in (None, 1):
        return 0
    raise NotFound(
        f"what held at {moment:%Y-%m-%d %H:%M %Z} is past retention: the oldest version kept is "
        f"v{span['oldest']}"
    )


async def diff_versions(
    conn: Connection, job_id: int, before: int | None = None, after: int | None = None
) -> VersionDiff:
    """What differs between two versions; without `after` up to now, without `before` from the one before.

    Raises:
        NotFound: no such job or version, or it is past retention.
    """
    if after is None:
        current = await read_checkpoint(conn, job_id)
        if current.raw is not None:
            raise InvalidInput(f"{current.job_name}: {current.uneditable}")
        moving = current.is_moving
        old = before if before is not None else current.version if moving else max(current.version - 1, 0)
        document = await read_version(conn, job_id, old)
        return VersionDiff(
            job_id=job_id,
            before_version=old,
            after_version=None if moving else current.version,
            before=document,
            after=current.document,
            difference=_diff(document, current.document),
        )
    old = max(after - 1, 0) if before is None else before
    first, second = await _two_versions(conn, job_id, old, after)
    return VersionDiff(
        job_id=job_id,
        before_version=old,
        after_version=after,
        before=first,
        after=second,
        difference=_diff(first, second),
    )


def _diff(before: Document, after: Document) -> DocumentDiff:
    with without_collector():
        return diff(before, after)


async def _two_versions(conn: Connection, job_id: int, one: int, other: int) -> tuple[Document, Document]:
    if other != one + 1 or one == 0:
        return await read_version(conn, job_id, one), await read_version(conn, job_id, other)
    rows = [row async for row in _chain(conn, job_id, other)]
    if len(rows) < 2:  # the later one is whole by itself
        return await read_version(conn, job_id, one), await read_version(conn, job_id, other)
    try:
        with without_collector():
            history = [_history_row(row) for row in rows]
            first = rebuild(history[:-1])
            return first, roll(first, history[-1].changes)
    except Gap:
        raise await _no_version(conn, job_id, one) from None


def _chain(conn: Connection, job_id: int, version: int) -> Any:
    if not 0 < version < 2**31:
        version = 0  # there is none of it
    return _checkpoints.chain_to(conn, job_id=job_id, version=version)


def _history_row(row: Any) -> HistoryRow:
    try:
        return HistoryRow(row["version"], parse_stored(row["changes"]), parse_stored(row["whole"]))
    except BadJson as error:
        raise InvalidInput(f"version {row['version']} cannot be read: {error}") from None


async def _no_version(conn: Connection, job_id: int, version: int) -> NotFound:
    span = await _checkpoints.version_span(conn, job_id=job_id)
    if span["newest"] is None:
        return NotFound(f"no version {version}: this checkpoint has no history yet")
    if 0 < version <= span["newest"]:
        # What retention keeps has gaps, too; what is missing there may as well have been deleted by SQL.
        gap = ", or was removed by hand" if version >= span["oldest"] else ""
        return NotFound(
            f"version {version} is past retention{gap}; `etl-tui checkpoint history` shows what is kept "
            f"(v{span['oldest']} to v{span['newest']})"
        )
    return NotFound(f"no version {version}; the newest is v{span['newest']}, the oldest v{span['oldest']}")


def _notices(document: Document, newer: frozenset[Place], size: int) -> list[str]:
    told = []
    if size > LARGE:
        told.append(f"it is {size / LARGE:.1f} MiB: every version and every look at it costs as much")
    if document.other is not None:
        told.append("it is a document of another form, kept whole until its connector reads it")
    if newer:
        named = ", ".join(place_text(place) for place in sorted(newer)[:3])
        more = f" and {len(newer) - 3:,} more" if len(newer) > 3 else ""
        told.append(f"{named}{more}: written by a newer version of the program; not edited with this one")
    return told


def _uneditable(document: Document, newer: frozenset[Place], unreadable: str | None) -> str | None:
    if unreadable:
        return f"it cannot be read: {unreadable}"
    if document.other is not None and not isinstance(document.other, dict):
        return "no JSON object: clear or replace it"
    if newer and len(newer) == len(document):
        return "it was written by a newer version of the program, which this one does not know; update it"
    return None
