"""Why a run brought no rows. A pure rule: "0 rows" alone says neither that all is well nor that it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Brought(Protocol):
    """What of a run tells what it brought; counts are records."""

    @property
    def state(self) -> str: ...
    @property
    def trigger(self) -> str: ...
    @property
    def options(self) -> Mapping[str, Any]: ...
    @property
    def is_partial(self) -> bool: ...
    @property
    def started_at(self) -> object | None: ...
    @property
    def error_kind(self) -> str | None: ...
    @property
    def rows_extracted(self) -> int: ...
    @property
    def rows_new(self) -> int: ...
    @property
    def rows_changed(self) -> int: ...
    @property
    def rows_unchanged(self) -> int: ...
    @property
    def rows_deleted(self) -> int: ...
    @property
    def rows_rejected(self) -> int: ...


def why_no_rows(run: Brought) -> str | None:
    """One sentence; None where it brought some (new, changed or deleted), or has not ended."""
    if run.state in ("QUEUED", "RUNNING") or run.rows_new or run.rows_changed or run.rows_deleted:
        return None
    if run.state == "CANCELLED" and run.started_at is None:
        return "it was cancelled before it started"
    read = run.rows_extracted
    if read == 0:
        return _nothing_read(run)
    parts = []
    if run.rows_unchanged:
        parts.append(_all_of(run.rows_unchanged, read, "unchanged: the destination had it so already"))
    if run.rows_rejected:
        parts.append(_all_of(run.rows_rejected, read, "rejected; `etl-tui rejects list JOB` tells why"))
    not_loaded = read - run.rows_unchanged - run.rows_rejected
    if not_loaded > 0 and run.state != "SUCCEEDED":
        ended = "cancelled" if run.state == "CANCELLED" else "failed"
        parts.append(_all_of(not_loaded, read, f"not loaded: it {ended} before"))
    elif not_loaded > 0 and not parts:
        parts.append(f"{_records(read)} read, and none of them told of a row")
    return "; ".join(parts)


def _nothing_read(run: Brought) -> str:
    if run.state != "SUCCEEDED":
        ended = "was cancelled" if run.state == "CANCELLED" else "failed"
        kind = f" ({run.error_kind})" if run.error_kind else ""
        return f"it {ended} before the source had delivered anything{kind}"
    if run.options.get("replay_rejects"):
        return "there was no reject left to replay"
    if run.trigger == "backfill":
        return "the source has nothing in this range"
    if run.options.get("full_refresh"):
        return "everything was asked for, and the source has no record"
    since = "of what had failed before" if run.is_partial else "since the last run"
    return f"the source had nothing new {since}"


def _all_of(count: int, of: int, what: str) -> str:
    if count == of:
        return f"{'the 1 record was' if of == 1 else f'all {of:,} records were'} {what}"
    return f"{count:,} of {of:,} {what}"


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count:,} records"
