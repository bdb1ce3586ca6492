"""Records that could not be loaded: look at them, replay them after a fix, drop them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from etl_core.control.audit import Actor, record_event
from etl_core.control.jobs import lock_job, run_now
from etl_core.errors import Conflict, InvalidInput, NotFound
from etl_core.models.reject import RejectDetails, RejectRow, ReplaySelection, ReplayStart
from etl_core.store.database import Connection
from etl_core.store.queries import load

_rejects = load("rejects")

NAMED_IDS = 100
"""So many ids of dropped rejects are kept in the audit."""


async def list_rejects(
    conn: Connection, job_id: int, *, stream: str | None = None, reason: str | None = None, limit: int = 50
) -> list[RejectRow]:
    """Rejects of a job, the last seen first; of one stream, or whose reason holds this text in any case."""
    return [
        RejectRow.model_validate(dict(row))
        async for row in _rejects.list_rejects(
            conn, job_id=job_id, stream=stream, reason=reason, at_most=limit
        )
    ]


async def show_reject(conn: Connection, reject_id: int) -> RejectDetails:
    """One reject with its payload.

    Raises:
        NotFound: no such reject.
    """
    row = await _rejects.reject_by_id(conn, reject_id=reject_id)
    if row is None:
        raise NotFound(f"no reject {reject_id}; `etl-tui rejects list JOB` shows those of a job")
    return RejectDetails.model_validate({**row, "payload": _readable(row["payload"])})


async def replay_rejects(
    conn: Connection, job_id: int, selection: ReplaySelection, actor: Actor
) -> ReplayStart:
    """Starts a run of the job that loads chosen rejects again, in place of records from its source.

    It moves no checkpoint. What it loads is gone from the rejects in the transaction that loads it; what is
    refused again stays, counted once more.

    Raises:
        NotFound: no such job, or an id that is no reject of it. Conflict: the job is running or has no
            integration, or there is nothing to replay.
    """
    async with conn.transaction():
        job = await lock_job(conn, job_id)
        name = f"{job['tenant']}/{job['job_name']}"
        if selection.ids is not None:
            await _check_ids(conn, job_id, name, selection.ids)
        counts = await _rejects.count_rejects(
            conn, job_id=job_id, ids=selection.ids, stream=selection.stream, streams=None
        )
        if not counts["rejects"]:
            of_stream = f" of stream {selection.stream!r}" if selection.stream is not None else ""
            raise Conflict(f"{name} has no rejects{of_stream} to replay")
        if not counts["records"]:
            raise Conflict(
                f"{_are(counts['rejects'])} no JSON records and cannot be replayed: the source must deliver "
                f"them again; `etl-tui rejects drop {name}` removes them"
            )
        run = await run_now(conn, job_id, actor, options=selection.as_options())
        return ReplayStart(run=run, records=counts["records"], kept=counts["rejects"] - counts["records"])


async def drop_rejects(
    conn: Connection, job_id: int, actor: Actor, *, ids: Sequence[int] | None, reason: str
) -> list[int]:
    """Removes rejects of a job for good, these or (None) all; the ids of those that were removed.

    Raises:
        InvalidInput: no reason. NotFound: no such job, or an id that is no reject of it.
        Conflict: a replay of its rejects is open.
    """
    reason = reason.strip()
    if not reason:
        raise InvalidInput("dropping rejects needs a reason: others will ask where the records went")
    async with conn.transaction():
        job = await lock_job(conn, job_id)
        name = f"{job['tenant']}/{job['job_name']}"
        replay = await _rejects.open_replay_of(conn, job_id=job_id)
        if replay is not None:
            raise Conflict(
                f"run {replay} replays rejects of {name} now; wait for its end, "
                f"or `etl-tui jobs cancel {name}`"
            )
        if ids is not None:
            await _check_ids(conn, job_id, name, ids)
        gone = [row["id"] async for row in _rejects.drop_rejects(conn, job_id=job_id, ids=ids)]
        if gone:
            await record_event(
                conn,
                "drop_rejects",
                actor,
                job_id=job_id,
                reason=reason,
                count=len(gone),
                ids=gone[:NAMED_IDS],
            )
        return gone


async def _check_ids(conn: Connection, job_id: int, name: str, ids: Sequence[int]) -> None:
    missing = [str(row["id"]) async for row in _rejects.list_missing_rejects(conn, job_id=job_id, ids=ids)]
    if missing:
        named = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise NotFound(f"{name} has no reject {named}; `etl-tui rejects list {name}` shows all")


def _are(count: int) -> str:
    return "the reject is" if count == 1 else f"the {count:,} rejects are"


def _readable(payload: bytes) -> Any:
    """The JSON object that a payload is; else its text, lone surrogates left in their escapes."""
    text = payload.decode("utf-8", "backslashreplace")
    try:
        record = json.loads(text)
        json.dumps(record, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return text
    return record if isinstance(record, dict) else text
