"""Repairs of a checkpoint: what one would do, and doing it. Refused while the job runs; each is a version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from etl_core.control.audit import Actor, record_event
from etl_core.control.checkpoints.checking import can_check, check_difference, newer_places, told
from etl_core.control.checkpoints.collector import without_collector
from etl_core.control.checkpoints.reading import (
    LARGE,
    list_versions,
    read_checkpoint,
    read_version,
    version_at,
)
from etl_core.errors import Conflict, InvalidInput, NotFound
from etl_core.models.checkpoint import CurrentCheckpoint, RepairDone, RepairPlan
from etl_core.rules.checkpoints.consequences import PastRun, consequences, key_less_warning
from etl_core.rules.checkpoints.diff import Change, DocumentDiff, diff
from etl_core.rules.checkpoints.document import EMPTY, BadForm, Document, from_json
from etl_core.rules.checkpoints.exact_json import BadJson, dump, parse, refuse_unstorable
from etl_core.rules.checkpoints.paths import ValuePath, place_text
from etl_core.rules.checkpoints.repairs import (
    CannotRepair,
    Clear,
    DropResume,
    EditValue,
    NoSuchPlace,
    RemoveValue,
    Repair,
    Rewind,
    Scope,
    SetDocument,
    outcome,
    source_of,
)
from etl_core.store.database import Connection
from etl_core.store.queries import load

_checkpoints = load("checkpoints")
_settle = load("settle")

RUNS_LOOKED_AT = 200
"""Past runs that say how much will be read again."""
_LOOKED_AT_WHEN_BACK = 200
_MOST_IN_AUDIT = 20
_MOST_AUDIT_BYTES = 16_384
_ACTIONS = {
    SetDocument: "checkpoint_set",
    EditValue: "checkpoint_edit",
    RemoveValue: "checkpoint_edit",
    DropResume: "checkpoint_drop_resume",
    Rewind: "checkpoint_rewind",
    Clear: "checkpoint_clear",
}


def parse_document(text: str) -> Document:
    """The document that a person or a file gives; its version is not looked at.

    Raises:
        InvalidInput: it is no JSON (with line and column), cannot be stored, or has another form.
    """
    try:
        with without_collector():
            return from_json(parse(text))
    except BadJson as error:
        raise InvalidInput(f"the document cannot be taken: {error}") from None
    except ValueError as error:
        raise InvalidInput(f"the document is no checkpoint: {error}") from None


async def plan(
    conn: Connection, job_id: int, repair: Repair, *, expected_version: int | None = None
) -> RepairPlan:
    """What a repair would do; nothing is written.

    A job that runs is told in `refusal`, everything else is raised as `repair` does.
    """
    current = await read_checkpoint(conn, job_id)
    refusal = _runs(current.job_name) if current.is_moving else None
    await _expect_version(conn, current, expected_version)
    return await _plan(conn, current, repair, refusal)


async def repair(
    conn: Connection,
    job_id: int,
    repair: Repair,
    actor: Actor,
    *,
    reason: str,
    expected_version: int | None = None,
) -> RepairDone:
    """Does it: the partitions that differ are written, all others are not touched, and a version is cut.

    What changes nothing cuts no version.

    Raises:
        NotFound: no such job, version, stream, partition or value. InvalidInput: no reason; a value that
            its connector's model refuses, or that cannot be stored. Conflict: the job runs; the checkpoint
            is not that of `expected_version` any more (the other change is told); there is nothing to clear.
    """
    reason = _checked_reason(reason)
    async with conn.transaction():
        held = await _checkpoints.hold_checkpoint(conn, job_id=job_id)
        if held is None:
            raise NotFound(f"no job with id {job_id}; `etl-tui jobs list` shows all")
        if held["status"] == "RUNNING":
            raise Conflict(_runs(held["job_name"]))
        current = await read_checkpoint(conn, job_id)
        await _expect_version(conn, current, expected_version)
        planned = await _plan(conn, current, repair, None)
        version = current.version
        if not planned.difference.is_empty:
            version = await _write(conn, planned, source_of(repair), actor, reason)
            await _record(conn, planned, repair, actor, reason=reason, version=version)
    counts = {change: planned.difference.count(change) for change in Change}
    return RepairDone(
        job_id=job_id,
        job_name=current.job_name,
        version=version,
        before_version=current.version,
        changed=version != current.version,
        partitions_new=counts[Change.NEW],
        partitions_changed=counts[Change.CHANGED],
        partitions_gone=counts[Change.GONE],
        warnings=list(planned.warnings),
    )


async def _plan(
    conn: Connection, current: CurrentCheckpoint, repair: Repair, refusal: str | None
) -> RepairPlan:
    name = current.job_name
    if current.raw is not None and not isinstance(repair, Clear | Rewind | SetDocument):
        raise Conflict(f"{name}: {current.uneditable}; it can be rewound or cleared as a whole")
    if isinstance(repair, Clear) and current.document.is_empty and current.raw is None:
        raise Conflict(f"{name} has no checkpoint: its next run reads everything anyway")
    back = await _go_back(conn, current, repair) if isinstance(repair, Rewind) else _Back(None, EMPTY, None)
    runs = await _past_runs(conn, current.job_id)
    try:
        with without_collector():
            after = outcome(current.document, repair, back.document)
            difference = diff(current.document, after)
            effects = consequences(
                current.document, after, difference, now=current.now, runs=runs, since=back.at
            )
            warnings = _check(current, repair, after, difference)
    except NoSuchPlace as error:
        raise NotFound(f"{name}: {error}") from None
    except CannotRepair as error:
        raise Conflict(f"{name}: {error}") from None
    except BadForm as error:
        raise InvalidInput(f"{name}: {error}") from None
    keyless = [row["stream"] async for row in _checkpoints.list_keyless_streams(conn, job_id=current.job_id)]
    appended = key_less_warning(effects, keyless)
    return RepairPlan(
        job_id=current.job_id,
        job_name=name,
        version=current.version,
        to_version=back.version,
        before=current.document,
        after=after,
        difference=difference,
        consequences=effects,
        warnings=(*warnings, *([appended] if appended else ())),
        refusal=refusal,
    )


@dataclass(frozen=True, slots=True)
class _Back:
    version: int | None
    document: Document
    at: datetime | None


async def _go_back(conn: Connection, current: CurrentCheckpoint, rewind: Rewind) -> _Back:
    version = rewind.to
    if isinstance(version, datetime):
        version = await version_at(conn, current.job_id, version)
    document = await read_version(conn, current.job_id, version)
    if version == 0:
        return _Back(0, document, None)
    (row,) = await list_versions(conn, current.job_id, before=version + 1, limit=1)
    return _Back(version, document, row.at)


def _check(
    current: CurrentCheckpoint, repair: Repair, after: Document, difference: DocumentDiff
) -> list[str]:
    """Raises InvalidInput or Conflict for what cannot be; returns what is only odd."""
    warnings = []
    # To write it all down takes its time: only where it may have grown.
    size = len(dump(after.as_json())) if isinstance(repair, SetDocument) else current.bytes
    if size > LARGE and not isinstance(repair, Clear):
        warnings.append(f"the document is {size / LARGE:.1f} MiB: every version and every look costs as much")
    if isinstance(repair, (Clear, DropResume)):
        return warnings
    if isinstance(repair, Rewind):
        if after.is_empty and isinstance(repair.to, datetime):
            warnings.append("the job had no checkpoint yet at that time: this is a clear")
        return [*warnings, *_odd_when_back(current.integration_type, after, difference)]
    problems = check_difference(current.integration_type, difference)
    if problems:
        raise InvalidInput(f"{current.job_name}: {told(problems)}")
    if not can_check(current.integration_type) and not after.is_empty:
        kind = current.integration_type
        warnings.append(
            f"no models of a connector of type {kind!r} are known here: a worker checks the values"
            if kind
            else "the job has no integration: nobody knows what its values must look like"
        )
    return warnings


def _odd_when_back(integration_type: str | None, after: Document, difference: DocumentDiff) -> list[str]:
    """It was right once, and the worker upgrades what it can: a look at some of it is enough."""
    newer = newer_places(integration_type, after)
    if newer:
        return [f"{place_text(min(newer))}: of a newer form: only a newer worker reads it"]
    some = DocumentDiff(difference.partitions[:_LOOKED_AT_WHEN_BACK])
    problems = check_difference(integration_type, some)
    return [f"its connector may refuse it now: {told(problems[:3])}"] if problems else []


async def _past_runs(conn: Connection, job_id: int) -> list[PastRun]:
    return [
        PastRun(row["finished_at"], row["rows"], row["streams"])
        async for row in _checkpoints.list_past_reading(conn, job_id=job_id, at_most=RUNS_LOOKED_AT)
    ]


async def _expect_version(conn: Connection, current: CurrentCheckpoint, expected: int | None) -> None:
    if expected is None or expected == current.version:
        return
    since = await list_versions(conn, current.job_id, limit=max(1, min(3, current.version - expected)))
    changes = "; ".join(
        f"v{row.version} {row.source} by {row.actor}"
        + (f" ({row.reason})" if row.reason else "")
        + (f", {row.what}" if row.what else "")
        for row in since
    )
    raise Conflict(
        f"{current.job_name}: its checkpoint is v{current.version} now, and this was made for v{expected}; "
        f"meanwhile: {changes or 'nothing that is kept'}"
    )


async def _write(conn: Connection, planned: RepairPlan, source: str, actor: Actor, reason: str) -> int:
    """The version that it cut. The caller holds the job."""
    told_by = {"job_id": planned.job_id, "source": source, "actor": actor.name, "reason": reason}
    if planned.after.other is not None:
        legacy: int = await _checkpoints.put_legacy_checkpoint(
            conn, **told_by, document=dump(planned.after.other)
        )
        return legacy
    rows = _rows(planned.difference)
    await _checkpoints.put_checkpoints(conn, job_id=planned.job_id, rows=dump(rows))
    forgetful = sorted(
        {
            one.place.stream
            for one in planned.difference.partitions
            if one.after is None and len(planned.before.streams[one.place.stream]) > 1
        }
    )
    if forgetful:
        await _checkpoints.doubt_walks(conn, job_id=planned.job_id, streams=forgetful)
    version: int = await _settle.cut_checkpoint(conn, **told_by, run_id=None)
    return version


def _rows(difference: DocumentDiff) -> list[dict[str, Any]]:
    return [
        {
            "stream": one.place.stream,
            "partition": one.place.partition,
            **({"gone": True} if one.after is None else one.after.as_json()),
        }
        for one in difference.partitions
    ]


async def _record(
    conn: Connection, planned: RepairPlan, repair: Repair, actor: Actor, *, reason: str, version: int
) -> None:
    """The audit: what was asked for, and the values before and after while they are few."""
    asked: dict[str, Any] = {}
    match repair:
        case Rewind() | Clear() | DropResume() if not repair.scope.is_all:
            asked = _named(repair.scope)
        case EditValue() | RemoveValue():
            asked = {"path": str(repair.path)}
    if planned.to_version is not None:
        asked["to_version"] = planned.to_version
    before, after = _sides(planned.difference)
    await record_event(
        conn,
        _ACTIONS[type(repair)],
        actor,
        job_id=planned.job_id,
        reason=reason,
        before_version=planned.version,
        version=version,
        partitions=len(planned.difference.partitions),
        before=before,
        after=after,
        **asked,
    )


def _named(scope: Scope) -> dict[str, str]:
    named = {"stream": scope.stream, "partition": scope.partition}
    return {name: value for name, value in named.items() if value is not None}


def _sides(difference: DocumentDiff) -> Sequence[Any]:
    """Both sides of the first partitions as JSON that is stored as it is; None where they are too large."""
    if difference.other_before is not None or difference.other_after is not None:
        sides = [difference.other_before, difference.other_after]
    else:
        some = difference.partitions[:_MOST_IN_AUDIT]
        sides = [
            {str(ValuePath(one.place)): one.before and one.before.as_json() for one in some},
            {str(ValuePath(one.place)): one.after and one.after.as_json() for one in some},
        ]
    return [_raw(side) for side in sides]


def _raw(side: Any) -> msgspec.Raw | None:
    written = dump(side).encode()
    return msgspec.Raw(written) if len(written) <= _MOST_AUDIT_BYTES else None


def _checked_reason(reason: str) -> str:
    reason = reason.strip()
    if not reason:
        raise InvalidInput("changing a checkpoint needs a reason: others will ask why it was moved")
    try:
        refuse_unstorable(reason, "the reason")
    except BadJson as error:
        raise InvalidInput(str(error)) from None
    return reason


def _runs(name: str) -> str:
    return f"{name} is running: `etl-tui jobs cancel {name}` first, or wait for its end"
