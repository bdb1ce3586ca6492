"""Records that could not be loaded: look at them, replay them after a fix, drop them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

import asyncpg

from etl_core.control.audit import Actor, record_event
from etl_core.control.jobs import lock_job, run_now
from etl_core.errors import Conflict, InvalidInput, NotFound
from etl_core.models.reject import RejectDetails, RejectRow, ReplayPreview, ReplaySelection, ReplayStart
from etl_core.store.database import Connection
from etl_core.store.queries import load

_rejects = load("rejects")

NAMED_IDS = 100
"""So many ids of dropped rejects are kept in the audit."""
KEPT_TEXT = 4_000
"""Characters of a record that the audit keeps when it is corrected."""
_CORRECTED = re.compile(r"^corrected by .*?; it was: ", re.DOTALL)


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
        raise _no_reject(reject_id)
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
        found = await preview_replay(conn, job_id, selection)
        run = await run_now(conn, job_id, actor, options=selection.as_options())
        return ReplayStart(run=run, records=found.records, kept=found.kept)


async def preview_replay(conn: Connection, job_id: int, selection: ReplaySelection) -> ReplayPreview:
    """What a replay would load again; changes nothing.

    Raises as `replay_rejects`, but for the state of the job.
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
            f"them again; `etl-tui rejects correct ID` makes a record of one, `etl-tui rejects drop {name}` "
            "removes them"
        )
    return ReplayPreview(records=counts["records"], kept=counts["rejects"] - counts["records"])


async def correct_reject(
    conn: Connection, reject_id: int, payload: str, actor: Actor, *, reason: str | None = None
) -> RejectDetails:
    """Puts another record in the place of a rejected one, to be replayed; the audit keeps both.

    It counts as extracted when the reject was: rows that were extracted later stay as they are.

    Raises:
        NotFound: no such reject. InvalidInput: no JSON object (line and column). Conflict: a replay of its
            job's rejects is open, another reject of the stream is this record, or it is this record already.
    """
    record = parse_record(payload)
    corrected = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "backslashreplace"
    )
    async with conn.transaction():
        row = await _rejects.reject_by_id(conn, reject_id=reject_id)
        if row is None:
            raise _no_reject(reject_id)
        name = f"{row['tenant']}/{row['job_name']}"
        await lock_job(conn, row["job_id"])
        await _refuse_while_replayed(conn, row["job_id"], name)
        before = _readable(row["payload"])
        if before == record:
            raise Conflict(f"reject {reject_id} is this record already: nothing was changed")
        told = f"corrected by {actor.name}; it was: {_CORRECTED.sub('', row['reason'])}"
        try:
            async with conn.transaction():
                changed = await _rejects.correct_reject(
                    conn,
                    reject_id=reject_id,
                    payload=corrected,
                    hash=hashlib.blake2b(corrected, digest_size=16).digest(),
                    reason=told,
                )
        except asyncpg.UniqueViolationError:
            raise Conflict(
                f"{name} has this record of stream {row['stream']} among its rejects already; "
                f"`etl-tui rejects drop {name} --id {reject_id}` removes this one"
            ) from None
        if changed is None:
            raise _no_reject(reject_id)
        await record_event(
            conn,
            "correct_reject",
            actor,
            job_id=row["job_id"],
            reject=reject_id,
            stream=row["stream"],
            reason=(reason or "").strip() or None,
            before=_kept_text(row["payload"]),
            after=_kept_text(corrected),
        )
        return await show_reject(conn, reject_id)


def parse_record(text: str) -> dict[str, Any]:
    """The JSON object that a text is.

    Raises:
        InvalidInput: it is none; with line and column where it cannot be read.
    """
    try:
        record = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"the record cannot be taken: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"this cannot be read as JSON: {error}") from None
    if not isinstance(record, dict):
        raise InvalidInput('a record is a JSON object, as {"id": 1}; this is none')
    return record


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
        await _lock_for_drop(conn, job_id, ids)
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


async def preview_drop(conn: Connection, job_id: int, *, ids: Sequence[int] | None) -> list[int]:
    """The ids of the rejects that `drop_rejects` would remove; changes nothing. Raises as that does."""
    async with conn.transaction():
        await _lock_for_drop(conn, job_id, ids)
        return [row["id"] async for row in _rejects.list_reject_ids(conn, job_id=job_id, ids=ids)]


async def _lock_for_drop(conn: Connection, job_id: int, ids: Sequence[int] | None) -> None:
    job = await lock_job(conn, job_id)
    name = f"{job['tenant']}/{job['job_name']}"
    await _refuse_while_replayed(conn, job_id, name)
    if ids is not None:
        await _check_ids(conn, job_id, name, ids)


async def _refuse_while_replayed(conn: Connection, job_id: int, name: str) -> None:
    replay = await _rejects.open_replay_of(conn, job_id=job_id)
    if replay is not None:
        raise Conflict(
            f"run {replay} replays rejects of {name} now; wait for its end, or `etl-tui jobs cancel {name}`"
        )


async def _check_ids(conn: Connection, job_id: int, name: str, ids: Sequence[int]) -> None:
    missing = [str(row["id"]) async for row in _rejects.list_missing_rejects(conn, job_id=job_id, ids=ids)]
    if missing:
        named = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise NotFound(f"{name} has no reject {named}; `etl-tui rejects list {name}` shows all")


def _no_reject(reject_id: int) -> NotFound:
    return NotFound(f"no reject {reject_id}; `etl-tui rejects list JOB` shows those of a job")


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _kept_text(payload: bytes) -> str:
    """As the audit keeps it: whole, if it is not long."""
    text = payload.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    return text if len(text) <= KEPT_TEXT else f"{text[:KEPT_TEXT]}... ({len(payload):,} bytes)"


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
