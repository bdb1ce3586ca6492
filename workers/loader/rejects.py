"""Keeps what could not be loaded, in the transaction that loads the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from etl_core.store.database import Connection
from etl_core.store.queries import load
from workers.transform import Reject

MAX_KEPT: Final = 1_000
MAX_KEPT_BYTES: Final = 16 * 1024 * 1024
"""What one batch may leave behind; a source gone wrong must not fill the database with its rejects."""

_loader = load("loader")


async def store_rejects(
    conn: Connection, *, job_id: int, run_id: int, seq: int, rejects: Iterable[Reject]
) -> int:
    """Writes rejects to `rejected_records` and returns how many records that were.

    The same record of the same stream is one row with a count. Past MAX_KEPT different ones, or
    MAX_KEPT_BYTES, the rest of the batch is not kept: it still counts as rejected for the run, which the
    caller sees to.
    """
    kept: dict[tuple[str, bytes], tuple[Reject, int]] = {}
    size = 0
    for reject in rejects:
        key = (reject.stream, reject.hash)
        if key in kept:
            kept[key] = (reject, kept[key][1] + 1)
        elif len(kept) < MAX_KEPT and size + len(reject.payload) <= MAX_KEPT_BYTES:
            kept[key] = (reject, 1)
            size += len(reject.payload)
    if kept:
        entries = list(kept.values())
        await _loader.upsert_rejects(
            conn,
            job_id=job_id,
            run_id=run_id,
            seq=seq,
            streams=[reject.stream for reject, _ in entries],
            hashes=[reject.hash for reject, _ in entries],
            payloads=[reject.payload for reject, _ in entries],
            reasons=[reject.reason for reject, _ in entries],
            counts=[times for _, times in entries],
        )
    return sum(times for _, times in kept.values())
