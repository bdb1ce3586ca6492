"""What a drain does is told before it is done."""

from __future__ import annotations

from datetime import UTC, datetime

from etl_core.models.dispatch import HeldRun, WorkerRow
from etl_core.rules.draining import drain_effect, why_not_drain


def worker(
    number: int, *stages: str, state: str = "alive", holds: int = 0, by: str | None = None
) -> WorkerRow:
    now = datetime.now(UTC)
    return WorkerRow(
        id=number, host="box", pid=1, version="0", stages=list(stages), slots=4, started_at=now,
        heartbeat_age_seconds=1, state=state, draining_by=by or None, runs=[],
        holds=[
            HeldRun(run_id=n, job_id=n, tenant="acme", job=f"j{n}", started_at=now, whole=True, batches=0)
            for n in range(holds)
        ],
    )  # fmt: skip


def test_names_what_it_has_and_who_goes_on() -> None:
    busy = worker(1, "extract", "load", holds=8)
    text = "\n".join(drain_effect(busy, [busy, worker(2, "extract", "load")]))
    assert "acme/j0, run 0" in text
    assert "and 2 more" in text
    assert "1 other worker goes on" in text
    assert "does load" in "\n".join(drain_effect(busy, [busy, worker(2, "extract")]))
    drained = worker(2, "extract", "load", state="draining", by="bo")
    assert "No other worker takes runs" in "\n".join(drain_effect(busy, [busy, drained]))
    assert "bo had it drained" in "\n".join(drain_effect(drained, []))


def test_only_who_lives_is_drained() -> None:
    assert why_not_drain(worker(1, state="lost"))
    assert why_not_drain(worker(1, state="silent")) is None
