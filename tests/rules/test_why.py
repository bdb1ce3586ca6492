"""Why a job is not running: each answer by its example, and that every state there can be has one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.models.health import Health
from etl_core.rules.job_sentence import job_sentence
from etl_core.rules.notes import note_text
from etl_core.rules.why import WhyKind, why
from tests.rules.job_rows import NOW, ago, coming, failed_row, job_row, running_row
from tests.rules.test_notes import any_jobs


def health(**fields: Any) -> Health:
    """One scheduler and two workers with four free slots each, all well."""
    alive: dict[str, Any] = {
        "now": NOW,
        "database": "etl",
        "workers_alive": 2,
        "schedulers_alive": 1,
        "worker_last_seen": ago(seconds=1),
        "scheduler_last_seen": ago(seconds=1),
        "slots": 8,
    }
    return Health(**(alive | fields))


def queued_row(**fields: Any) -> Any:
    return running_row(**({"run_state": "QUEUED", "run_queued_at": ago(seconds=3)} | fields))


def due_row(**fields: Any) -> Any:
    return job_row(**({"due_at": ago(seconds=20)} | fields))


BUSY = {"obstacle_kind": "busy", "obstacle": "busy: acme/jira has 1 of 1 runs"}
PAUSED = {"obstacle_kind": "paused", "obstacle": "paused by ana: migration"}
BLACKOUT = {"obstacle_kind": "blackout", "obstacle": "blackout", "obstacle_until": coming(minutes=28)}
LIMITED = {"obstacle_kind": "limited", "obstacle": "GitHub limit", "obstacle_until": coming(minutes=32)}


@pytest.mark.parametrize(
    ("job", "kind", "text"),
    [
        (running_row(), "running", "running: run 5120 since 14:24"),
        (queued_row(), "queued", "queued 3 s: a worker is about to take run 5120"),
        (
            queued_row(run_wait_reason="limit", run_ready_at=coming(minutes=32)),
            "waiting",
            "waits: limit until 15:04",
        ),
        (queued_row(run_wait_reason="limit", run_ready_at=ago(minutes=1), **BUSY), "busy", BUSY["obstacle"]),
        (queued_row(**PAUSED), "paused", "paused by ana: migration"),
        (
            running_row(run_state="SUCCEEDED"),
            "queued",
            "running without an open run (run 5120 has ended): a scheduler mends it",
        ),
        (job_row(active=False, off_by="ana", off_reason="noisy"), "off", "off by ana: noisy"),
        (job_row(active=False, held=True), "off", "off"),
        (job_row(integration_id=None), "no_integration", "no integration"),
        (
            failed_row(held=True, held_by="etl-tui", hold_reason="401 from GitHub; renew it, then clear"),
            "held",
            "held: 401 from GitHub; renew it, then clear",
        ),
        (job_row(held=True, held_by="ana", hold_reason="x\ny"), "held", "held by ana: x y (until cleared)"),
        (
            job_row(held=True, held_by="ana", hold_reason="edit", held_until=coming(minutes=15)),
            "held",
            "held by ana: edit until 14:47",
        ),
        (
            job_row(due_at=coming(days=1), not_before=coming(days=1)),
            "snoozed",
            "snoozed until 11-25 14:32",
        ),
        (job_row(not_before=coming(minutes=1)), "not_due", "due in 2m"),
        (job_row(not_before=ago(minutes=1)), "not_due", "due in 2m"),
        (job_row(**PAUSED), "not_due", "due in 2m"),
        (failed_row(), "not_due", "retry in 18m"),
        (
            failed_row(error_kind="permanent"),
            "not_due",
            "due in 18m; no retry before: it would fail in the same way (permanent)",
        ),
        (due_row(**PAUSED), "paused", "paused by ana: migration"),
        (due_row(**BLACKOUT), "blackout", "blackout until 15:00"),
        (due_row(**(BLACKOUT | {"obstacle_until": ago(seconds=1)})), "due", "due, about to start"),
        (due_row(**LIMITED), "limited", "waits: GitHub limit until 15:04"),
        (due_row(**BUSY), "busy", "busy: acme/jira has 1 of 1 runs"),
        (due_row(), "due", "due, about to start"),
        (due_row(due_at=ago(minutes=4)), "due", "due for 4m, about to start"),
        (due_row(due_at=None), "not_due", "not due: it has no next time"),
    ],
)
def test_each_answer(job: Any, kind: str, text: str) -> None:
    answer = why(job, health(), NOW)
    assert (answer.kind.value, answer.text) == (kind, text)


@pytest.mark.parametrize(
    ("state", "kind", "text"),
    [
        (
            {"schedulers_alive": 0, "scheduler_last_seen": ago(minutes=30)},
            "no_scheduler",
            "no scheduler alive since 14:02",
        ),
        ({"schedulers_alive": 0, "scheduler_last_seen": None}, "no_scheduler", "no scheduler alive"),
        ({"schedulers_alive": 0, "workers_alive": 0}, "no_scheduler", "no scheduler alive since 14:32"),
        (
            {"workers_alive": 0, "worker_last_seen": ago(minutes=30)},
            "no_worker",
            "no worker alive since 14:02",
        ),
        ({"stages_missing": ("extract",)}, "no_worker", "no worker alive that does extract"),
        ({"workers_draining": 2, "slots": 0}, "draining", "every worker is draining"),
        ({"workers_draining": 1, "slots": 4}, "due", "due for 4m, about to start"),
        ({"slots_taken": 8}, "no_slot", "no free slot: 8 of 8 taken"),
        ({"runs_queued": 1}, "due", "due for 4m: 1 queued run is ahead"),
        ({"runs_queued": 1200}, "due", "due for 4m: 1,200 queued runs are ahead"),
    ],
)
def test_a_due_job_and_those_who_would_run_it(state: dict[str, Any], kind: str, text: str) -> None:
    answer = why(due_row(due_at=ago(minutes=4)), health(**state), NOW)
    assert (answer.kind.value, answer.text) == (kind, text)


def test_a_queued_run_needs_a_worker_and_no_scheduler() -> None:
    nobody = health(workers_alive=0, schedulers_alive=0, worker_last_seen=ago(minutes=30))
    assert why(queued_row(), nobody, NOW).text == "no worker alive since 14:02"
    assert why(queued_row(), health(schedulers_alive=0), NOW).kind is WhyKind.QUEUED


def test_a_run_whose_batches_nobody_takes() -> None:
    answer = why(running_row(), health(stages_missing=("load",)), NOW)
    assert answer.kind is WhyKind.NO_WORKER
    assert answer.text == "run 5120 has batches that wait: no worker alive that does load"


def test_a_job_that_is_not_due_needs_nobody() -> None:
    assert why(job_row(), health(workers_alive=0, schedulers_alive=0), NOW).text == "due in 2m"


def test_what_bars_the_place_is_told_before_who_is_missing() -> None:
    assert why(due_row(**PAUSED), health(workers_alive=0), NOW).kind is WhyKind.PAUSED


def test_the_grid_says_it_in_fewer_cells() -> None:
    assert note_text(due_row(**BLACKOUT), NOW, health=health()) == "blackout → 15:00"
    assert note_text(queued_row(**BUSY), NOW, health=health()) == "busy: acme/jira has 1 of 1 runs"
    gone = health(workers_alive=0, worker_last_seen=ago(minutes=30))
    assert note_text(due_row(), NOW, health=gone) == "no worker alive since 14:02"
    assert note_text(due_row(), NOW, health=health()) == "1,204 new"


def test_the_sentence_says_it_in_full() -> None:
    assert job_sentence(due_row(**BLACKOUT), NOW, health=health()).endswith("· blackout until 15:00")
    assert job_sentence(queued_row(**BUSY), NOW) == "run 5120 · busy: acme/jira has 1 of 1 runs"
    held = failed_row(held=True, held_by="etl-tui", hold_reason="401; renew it, then clear")
    assert job_sentence(held, NOW).endswith("· held: 401; renew it, then clear · r tries it, C clears it")


healths = st.one_of(
    st.none(),
    st.builds(
        health,
        workers_alive=st.integers(0, 3),
        workers_draining=st.integers(0, 3),
        schedulers_alive=st.integers(0, 2),
        worker_last_seen=st.one_of(st.none(), st.just(ago(days=400))),
        scheduler_last_seen=st.one_of(st.none(), st.just(ago(days=1))),
        slots=st.integers(0, 9),
        slots_taken=st.integers(0, 9),
        runs_queued=st.integers(0, 10**6),
    ),
)


@given(any_jobs(), healths)
def test_every_state_has_one_answer_of_one_line(job: Any, state: Health | None) -> None:
    answer = why(job, state, NOW)
    for text in (answer.text, answer.narrow):
        assert text
        assert text == " ".join(text.split())
        assert len(text.splitlines()) == 1
    assert (answer.kind is WhyKind.RUNNING) == (job.status == "RUNNING" and job.run_state == "RUNNING")


@given(any_jobs(), healths)
def test_grid_and_sentence_tell_the_same(job: Any, state: Health | None) -> None:
    answer = why(job, state, NOW)
    if answer.kind.is_ordinary:
        return
    assert note_text(job, NOW, health=state) == answer.narrow
    assert answer.text in job_sentence(job, NOW, health=state)


@given(any_jobs(), st.timedeltas(timedelta(), timedelta(days=30)))
def test_what_is_over_is_not_told_any_more(job: Any, later: timedelta) -> None:
    answer = why(job, None, NOW + later)
    if answer.kind in (WhyKind.SNOOZED, WhyKind.BLACKOUT, WhyKind.LIMITED, WhyKind.WAITING):
        assert answer.until is None or answer.until > NOW + later
