"""NEXT and NOTE: the examples of the pictures, and what must hold for every job there can be."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.rules.job_sentence import job_sentence
from etl_core.rules.job_tone import Tone, status_word, tone_of
from etl_core.rules.notes import next_text, note_text
from tests.rules.job_rows import NOW, ago, coming, failed_row, job_row, running_row

moments = st.one_of(
    st.none(), st.timedeltas(timedelta(days=-4000), timedelta(days=4000)).map(lambda span: NOW + span)
)
counts = st.one_of(st.none(), st.integers(0, 10**12))
texts = st.one_of(st.none(), st.text(max_size=30))


@st.composite
def any_jobs(draw: st.DrawFn) -> Any:
    """Every combination of states and nulls, the contradictory ones too: a screen must show them."""
    return job_row(
        status=draw(st.sampled_from(["READY", "RUNNING", "FINISHED", "FAILED"])),
        active=draw(st.booleans()),
        held=draw(st.booleans()),
        integration_id=draw(st.one_of(st.none(), st.just(1))),
        schedule_interval_minutes=draw(st.integers(2, 5_256_000)),
        retry_count=draw(st.integers(0, 10**6)),
        run_state=draw(st.sampled_from([None, "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"])),
        error_kind=draw(st.sampled_from([None, "transient", "permanent"])),
        max_failures=draw(st.integers(1, 10**6)),
        obstacle_kind=draw(st.sampled_from([None, "paused", "blackout", "limited", "busy"])),
        **{name: draw(texts) for name in _TEXTS},
        **{name: draw(moments) for name in _MOMENTS},
        **{name: draw(counts) for name in _COUNTS},
    )


_TEXTS = ("error_message", "run_wait_reason", "hold_reason", "held_by", "off_by", "off_reason", "obstacle")
_MOMENTS = (
    "due_at", "held_until", "not_before", "last_run_started_at", "last_run_finished_at", "last_success_at",
    "run_queued_at", "run_started_at", "run_ready_at", "obstacle_until",
)  # fmt: skip
_COUNTS = (
    "rows_extracted", "rows_new", "rows_changed", "rows_unchanged", "rows_deleted", "rows_rejected",
    "rows_expected",
)  # fmt: skip


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (job_row(), "2m"),
        (job_row(due_at=coming(minutes=59, seconds=1)), "1h"),
        (job_row(due_at=ago(seconds=59)), "now"),
        (job_row(due_at=ago(minutes=4, seconds=30)), "late 4m"),
        (job_row(due_at=None), "–"),
        (failed_row(), "retry 18m"),
        (failed_row(error_kind="permanent"), "18m"),
        (failed_row(due_at=ago(minutes=2)), "late 2m"),
        (running_row(due_at=ago(minutes=2)), "–"),
    ],
)
def test_next(job: Any, expected: str) -> None:
    assert next_text(job, NOW) == expected


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (job_row(), "1,204 new"),
        (job_row(rows_new=311, rows_changed=12), "311 new 12 changed"),
        (job_row(rows_new=0, rows_unchanged=40), "unchanged"),
        (job_row(rows_new=0, rows_extracted=0), "unchanged"),
        (job_row(rows_new=0, rows_rejected=3), "3 rejected"),
        (job_row(rows_new=0, rows_unchanged=1, rows_rejected=3), "unchanged 3 rejected"),
        (job_row(rows_new=2, rows_deleted=1, rows_rejected=3), "2 new 1 deleted 3 rejected"),
        (job_row(run_state="CANCELLED"), "cancelled"),
        (job_row(run_state=None), ""),
        (job_row(active=False, off_by="ana", off_reason="noisy"), "off by ana: noisy"),
        (job_row(active=False), "off"),
        (job_row(integration_id=None), "no integration"),
        (job_row(held=True, hold_reason="credential refused"), "held: credential refused"),
        (job_row(held=True, hold_reason="edit", held_until=coming(minutes=15)), "held: edit → 14:47"),
        (job_row(not_before=coming(days=1)), "snoozed → 11-25 14:32"),
        (job_row(last_success_at=ago(days=3)), "last success 3d ago"),
        (job_row(last_success_at=ago(minutes=180)), "1,204 new"),
        (running_row(), "━━━━──── 62% 1.2k/s"),
        (running_row(rows_expected=None, rows_extracted=12_400), "12,400 rows"),
        (running_row(rows_extracted=0, rows_expected=None), "starting"),
        (running_row(rows_extracted=2_000_000), "━━━━━━━─ 99% 4k/s"),
        (running_row(run_state="QUEUED", run_queued_at=ago(seconds=3)), "queued"),
        (running_row(run_state="QUEUED", run_queued_at=ago(minutes=5)), "queued 5m"),
        (
            running_row(run_state="QUEUED", run_wait_reason="limit", run_ready_at=coming(minutes=32)),
            "waits: limit → 15:04",
        ),
        (failed_row(error_message="timeout"), "2 in a row: timeout"),
        (failed_row(error_message="timeout\nTraceback", retry_count=1), "timeout"),
        (failed_row(error_message=None, retry_count=0), "transient"),
        (failed_row(error_message="timeout", retry_count=4), "4 in a row: timeout"),
        (failed_row(error_message="timeout", retry_count=7), "7 in a row, off at 10: timeout"),
        (failed_row(error_message="timeout", retry_count=1, max_failures=3), "1 in a row, off at 3: timeout"),
        (failed_row(error_message="timeout", retry_count=4, max_failures=50), "4 in a row: timeout"),
        (
            failed_row(error_message="timeout", last_success_at=ago(days=3)),
            "2 in a row: timeout · last success 3d ago",
        ),
    ],
)
def test_note(job: Any, expected: str) -> None:
    assert note_text(job, NOW) == expected


def test_only_the_selected_job_counts_seconds() -> None:
    queued = running_row(run_state="QUEUED", run_queued_at=ago(seconds=3))
    assert note_text(queued, NOW, seconds=True) == "queued 3 s"


@pytest.mark.parametrize(
    ("job", "tone", "word"),
    [
        (job_row(), Tone.READY, "READY"),
        (job_row(status="FINISHED"), Tone.FINISHED, "FINISHED"),
        (job_row(active=False), Tone.OFF, "READY off"),
        (job_row(held=True), Tone.WAITING, "READY held"),
        (failed_row(), Tone.FAILED, "FAILED"),
        (failed_row(held=True), Tone.FAILED, "FAILED"),
        (failed_row(active=False), Tone.OFF, "FAILED off"),
        (running_row(), Tone.RUNNING, "RUNNING"),
        (running_row(active=False), Tone.RUNNING, "RUNNING"),
        (running_row(run_state="QUEUED", run_wait_reason="limit"), Tone.WAITING, "RUNNING"),
    ],
)
def test_tone_and_word(job: Any, tone: Tone, word: str) -> None:
    assert (tone_of(job), status_word(job)) == (tone, word)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (job_row(), "last run 13:34, 1,204 new · due in 2m"),
        (
            failed_row(),
            "timeout after 30 s from payments.example · failed 13:38 · retry in 18m",
        ),
        (
            running_row(),
            "run 5120 started 14:24 by its schedule · 620,000 of 1,000,000 rows · 1.2k/s",
        ),
        (
            running_row(run_state="QUEUED", run_wait_reason="limit", run_ready_at=coming(minutes=32)),
            "run 5120 · waits: limit until 15:04",
        ),
        (
            job_row(active=False, off_reason="noisy", last_run_finished_at=ago(days=3)),
            "last run 11-21 14:32, 1,204 new · off: noisy · o switches it on",
        ),
        (job_row(run_state=None, last_run_started_at=None), "never ran · due in 2m"),
        (job_row(due_at=ago(minutes=4)), "last run 13:34, 1,204 new · due for 4m"),
    ],
)
def test_sentence(job: Any, expected: str) -> None:
    assert job_sentence(job, NOW) == expected


@given(any_jobs())
def test_next_is_two_words_in_every_state(job: Any) -> None:
    words = next_text(job, NOW).split(" ")
    assert 1 <= len(words) <= 2
    if job.status == "RUNNING" or job.due_at is None:
        assert words == ["–"]
    elif job.due_at < NOW - timedelta(minutes=1):
        assert words[0] == "late"
    elif len(words) == 2:
        assert words[0] == "retry"
        assert job.status == "FAILED"


@given(any_jobs())
def test_every_state_has_a_note_a_sentence_and_a_word_that_fit(job: Any) -> None:
    note = note_text(job, NOW)
    assert not note.startswith("0 ")
    assert " 0 rows" not in note
    assert job_sentence(job, NOW)
    assert len(status_word(job)) <= 10
    if job.status == "RUNNING":
        assert tone_of(job) in (Tone.RUNNING, Tone.WAITING)


@given(any_jobs(), st.timedeltas(timedelta(), timedelta(minutes=30)))
def test_a_job_that_is_late_stays_late(job: Any, later: timedelta) -> None:
    if next_text(job, NOW).startswith("late"):
        assert next_text(job, NOW + later).startswith("late")


@pytest.mark.parametrize(
    ("state", "told"), [("SUCCEEDED", "backfill: 1,204 new"), ("FAILED", "backfill failed")]
)
def test_a_backfill_is_not_taken_for_the_job_s_own_run(state: str, told: str) -> None:
    job = job_row(run_trigger="backfill", run_state=state, active=True)
    assert note_text(job, NOW) == told
    assert job_sentence(job, NOW).split(" · ")[0].endswith(f", then {told}")
