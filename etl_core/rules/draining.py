"""What it means to drain a worker, told before it is done. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl_core.models.dispatch import WorkerRow

MOST_NAMED = 6
"""Runs in hand that are named; the others are counted."""


def why_not_drain(worker: WorkerRow | None) -> str | None:
    """Why it can neither be drained nor be let work again (None: no worker); None when it can."""
    if worker is None:
        return "only a worker can be drained"
    if worker.state in ("lost", "stopped"):
        return f"{worker_name(worker)} is {worker.state}: there is nothing to drain"
    return None


def worker_name(worker: WorkerRow) -> str:
    """How a worker is named in sentences."""
    return f"worker {worker.id} ({worker.host}, pid {worker.pid})"


def drain_effect(worker: WorkerRow, workers: Iterable[WorkerRow]) -> list[str]:
    """What happens when it is drained, or let work again; a line each."""
    if worker.draining_by is not None:
        return [f"{worker_name(worker)} takes runs again; {worker.draining_by} had it drained."]
    lines = [f"{worker_name(worker)} finishes what it has and takes no more; it may then be stopped."]
    if worker.holds:
        lines.append(f"It still has {len(worker.holds)}:")
        lines += [f"  {held.tenant}/{held.job}, run {held.run_id}" for held in worker.holds[:MOST_NAMED]]
        if (more := len(worker.holds) - MOST_NAMED) > 0:
            lines.append(f"  and {more} more")
    else:
        lines.append("It has nothing in hand: it may be stopped at once.")
    others = [
        other
        for other in workers
        if other.id != worker.id and other.state == "alive" and not other.draining_by
    ]
    unserved = sorted(set(worker.stages) - {stage for other in others for stage in other.stages})
    if not others:
        lines.append("No other worker takes runs: what falls due waits.")
    elif unserved:
        lines.append(f"No other worker does {', '.join(unserved)}: that work waits.")
    else:
        lines.append(f"{len(others)} other worker{'s go' if len(others) > 1 else ' goes'} on taking runs.")
    return lines
