"""Why a run brought nothing: there is a reason whenever it brought nothing, and only then."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.rules.no_rows import why_no_rows


@dataclass
class Run:
    state: str = "SUCCEEDED"
    trigger: str = "schedule"
    options: dict[str, Any] = field(default_factory=dict)
    is_partial: bool = False
    started_at: object | None = 1
    error_kind: str | None = None
    rows_extracted: int = 0
    rows_new: int = 0
    rows_changed: int = 0
    rows_unchanged: int = 0
    rows_deleted: int = 0
    rows_rejected: int = 0


FEW = st.integers(0, 2)
RUNS = st.builds(
    Run,
    state=st.sampled_from(["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]),
    trigger=st.sampled_from(["schedule", "retry", "manual", "backfill"]),
    options=st.sampled_from([{}, {"replay_rejects": {"all": True}}, {"full_refresh": True}]),
    is_partial=st.booleans(),
    started_at=st.none() | st.just(1),
    error_kind=st.none() | st.just("transient"),
    rows_extracted=st.integers(0, 9),
    rows_new=FEW,
    rows_changed=FEW,
    rows_unchanged=FEW,
    rows_deleted=FEW,
    rows_rejected=FEW,
)


@given(RUNS)
def test_a_reason_whenever_it_brought_nothing_and_only_then(run: Run) -> None:
    is_open = run.state in ("QUEUED", "RUNNING")
    brought = run.rows_new + run.rows_changed + run.rows_deleted
    reason = why_no_rows(run)
    assert (reason is None) == bool(is_open or brought)
    assert reason is None or reason.strip()


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (Run(), "the source had nothing new since the last run"),
        (Run(is_partial=True), "the source had nothing new of what had failed before"),
        (Run(trigger="backfill"), "the source has nothing in this range"),
        (Run(options={"replay_rejects": {"all": True}}), "there was no reject left to replay"),
        (
            Run(rows_extracted=1_204, rows_unchanged=1_204),
            "all 1,204 records were unchanged: the destination had it so already",
        ),
        (
            Run(rows_extracted=2, rows_rejected=2),
            "all 2 records were rejected; `etl-tui rejects list JOB` tells why",
        ),
        (
            Run(rows_extracted=3, rows_unchanged=2, rows_rejected=1),
            "2 of 3 unchanged: the destination had it so already; "
            "1 of 3 rejected; `etl-tui rejects list JOB` tells why",
        ),
        (
            Run(state="FAILED", error_kind="transient"),
            "it failed before the source had delivered anything (transient)",
        ),
        (Run(state="CANCELLED", started_at=None), "it was cancelled before it started"),
        (Run(state="FAILED", rows_extracted=9), "all 9 records were not loaded: it failed before"),
    ],
)
def test_reasons(run: Run, told: str) -> None:
    assert why_no_rows(run) == told
