"""A run in words: how long, what it brought, by whom. Pure."""

from __future__ import annotations

from datetime import timedelta

from etl_core.models.run import RunListRow, RunState
from etl_core.rules.clock_text import span_text
from etl_core.rules.counts_text import result_sentence

_ASKED = {
    "replay_rejects": "replay of rejects",
    "full_refresh": "full refresh",
    "backfill": "backfill",
    "allow_deletions": "deletions allowed",
    "evolve": "takes new fields",
}


def took_text(seconds: float | None) -> str:
    """`0.4 s`, `30 s`, `4m`, `2h`; empty where it never started."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return span_text(timedelta(seconds=seconds))


def run_result(run: RunListRow) -> str:
    """`1,204 new, 12 changed`; of a run that went wrong its error, of one that waits what for."""
    if run.state is RunState.FAILED:
        return run.error_message or run.error_kind or "failed"
    if run.state is RunState.QUEUED:
        return f"waits: {run.wait_reason}" if run.wait_reason else "queued"
    if run.state is RunState.RUNNING and not run.rows_extracted:
        return "starting"
    if run.state is RunState.CANCELLED and not run.rows_extracted:
        return "cancelled"
    told = result_sentence(run)
    return f"{told}, cancelled" if run.state is RunState.CANCELLED else told


def by_text(run: RunListRow) -> str:
    """`manual by ana: full refresh`, `schedule`, `retry of what failed`."""
    by = f" by {run.requested_by}" if run.requested_by else ""
    partial = " of what failed" if run.is_partial else ""
    asked = ", ".join(words for option, words in _ASKED.items() if run.options.get(option))
    return f"{run.trigger}{partial}{by}" + (f": {asked}" if asked else "")


def meets(run: RunListRow, words: str) -> bool:
    """Whether every word stands in its state, trigger, person, result or number; `-word`: in none of them."""
    told = f"{run.id} {run.state} {by_text(run)} {run_result(run)} {run.error_kind or ''}".lower()
    return all(
        (word[1:] not in told) if word.startswith("-") and len(word) > 1 else word in told
        for word in words.lower().split()
    )
