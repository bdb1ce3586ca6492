"""How a run ends: pure rules from what became of its batches to the state of run and job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etl_core.errors import ErrorKind
from etl_core.models.run import RunState

REJECT_SHARE = 0.05
REJECT_COUNT = 100
"""A run fails when more than this share *and* more than this count of its records were refused."""

MAX_LOSSES = 3
"""So many workers lost without a batch stored in between end a run; on one batch, they set it aside."""


NAMED_PARTITIONS = 3
"""So many of the partitions that failed are named in the run's error."""


@dataclass(frozen=True, slots=True)
class FailedPartition:
    """A partition that could not be read, and why."""

    stream: str
    partition: str
    error_kind: str
    error_message: str


@dataclass(frozen=True, slots=True)
class RunTally:
    """What became of a run when extract is done and nothing is left to load."""

    error_kind: str | None
    error_message: str | None
    set_aside_seq: int | None
    set_aside_error: str | None
    rows_extracted: int
    rows_rejected: int
    set_aside_losses: int | None = None
    """Workers that the batch cost."""
    failed_partitions: Sequence[FailedPartition] = ()
    partitions: int = 0
    """That the job is known to have, the failed ones among them."""
    frequent_reasons: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run, and what its job shows of it."""

    state: RunState
    error_kind: ErrorKind | None = None
    error_message: str | None = None
    hold_reason: str | None = None
    """Set when the job must wait for a person."""

    @property
    def succeeded(self) -> bool:
        return self.state is RunState.SUCCEEDED


def decide(tally: RunTally) -> Outcome:
    """The first of: an error of extract, a batch that could not be loaded, too many rejects, partitions that
    could not be read; else success."""
    if tally.error_kind is not None:
        kind = ErrorKind(tally.error_kind)
        message = tally.error_message or "failed without a message"
        hold = _hold(message) if kind is ErrorKind.UNAUTHORISED else None
        return Outcome(RunState.FAILED, kind, message, hold)
    if tally.set_aside_seq is not None:
        message = f"batch {tally.set_aside_seq} could not be loaded: {tally.set_aside_error}"
        lost = (tally.set_aside_losses or 0) >= MAX_LOSSES
        return Outcome(RunState.FAILED, ErrorKind.LOST if lost else ErrorKind.INTERNAL, message)
    if too_many_rejects(tally.rows_extracted, tally.rows_rejected):
        share = tally.rows_rejected / tally.rows_extracted
        reasons = "; ".join(f"{count:,} x {reason}" for reason, count in tally.frequent_reasons)
        message = (
            f"{tally.rows_rejected:,} of {tally.rows_extracted:,} records rejected ({share:.0%}): {reasons}"
        )
        return Outcome(RunState.FAILED, ErrorKind.REJECTS, message)
    if tally.failed_partitions:
        return _of_partitions(tally)
    return Outcome(RunState.SUCCEEDED)


def _of_partitions(tally: RunTally) -> Outcome:
    """One that may pass is tried again; where none may, the next whole walk finds out."""
    failed = tally.failed_partitions
    named = [f"{f.stream} {f.partition}: {f.error_message}" for f in failed[:NAMED_PARTITIONS]]
    if len(failed) > NAMED_PARTITIONS:
        named.append(f"and {len(failed) - NAMED_PARTITIONS} more")
    lasting = {ErrorKind.PERMANENT, ErrorKind.UNAUTHORISED}
    kind = ErrorKind.PERMANENT if {f.error_kind for f in failed} <= lasting else ErrorKind.PARTITIONS
    message = f"{len(failed):,} of {tally.partitions:,} partitions failed: {'; '.join(named)}"
    return Outcome(RunState.FAILED, kind, message)


def too_many_rejects(extracted: int, rejected: int) -> bool:
    """More than 5 % and more than 100 of the records (rejected ones count as extracted)."""
    return rejected > REJECT_COUNT and rejected > REJECT_SHARE * extracted


def _hold(message: str) -> str:
    """Why the job rests and what ends that; connectors mostly say what is to be done."""
    remedy = "" if "renew the credential" in message else "; renew the credential"
    return f"{message}{remedy}, then run it or clear the hold"
