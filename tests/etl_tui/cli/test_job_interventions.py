"""`jobs cancel|release|hold|clear|snooze|why` and the limits of a job, on a real database."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from etl_core.models.job import JobDetails, JobRow
from etl_core.models.run import RunRow
from tests.etl_tui.cli.conftest import Cli, Sql

WORKER = (
    "INSERT INTO workers (host, pid, version, stages, slots)"
    " VALUES ('box', 4711, '0', '{extract,transform,load}', 2) RETURNING id"
)
TAKE = "UPDATE job_runs SET state = 'RUNNING', started_at = now(), worker_id = $1, lease = lease + 1"
DUE = "UPDATE etl_jobs SET created_at = now() - interval '1 day' WHERE job_name = 'orders'"
FAILED = (
    "UPDATE etl_jobs SET status = 'FAILED', error_message = 'timeout', error_kind = 'transient',"
    " retry_count = 3, last_run_started_at = now(), last_run_finished_at = now() WHERE job_name = 'orders'"
)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> object:
    """A terminal in Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def events(sql: Sql) -> list[str]:
    """The actions that were audited, in order."""
    found: list[str] = sql("SELECT array_agg(action ORDER BY id) FROM job_events WHERE job_id IS NOT NULL")
    return found


def test_cancel_ends_a_queued_run(acme: Cli, sql: Sql) -> None:
    acme("jobs", "cancel", "acme/orders").refused(4, "acme/orders", "not running")
    run = acme("jobs", "run", "acme/orders", "--json").document
    cancelled = RunRow.model_validate(acme("jobs", "cancel", "acme/orders", "--json").document)
    assert (cancelled.id, cancelled.state) == (run["id"], "CANCELLED")
    job = JobRow.model_validate(acme("jobs", "list", "--json").document[-1])
    assert (job.job_name, job.status) == ("orders", "READY")
    assert events(sql)[-2:] == ["run_now", "cancel"]
    acme("jobs", "run", "acme/orders")
    assert "is cancelled; due in 6h" in acme("jobs", "cancel", "acme/orders").out


def test_release_takes_a_run_from_its_worker(acme: Cli, sql: Sql) -> None:
    acme("jobs", "release", "acme/orders").refused(4, "not running")
    acme("jobs", "run", "acme/orders")
    acme("jobs", "release", "acme/orders").refused(4, "held by no worker", "jobs why")
    worker = sql(WORKER)
    sql(TAKE, worker)
    lease = sql("SELECT lease FROM job_runs")
    run = RunRow.model_validate(acme("jobs", "release", "acme/orders", "--json").document)
    assert run.state == "QUEUED"
    assert sql("SELECT lease FROM job_runs") > lease
    assert sql("SELECT detail ->> 'worker' FROM job_events WHERE action = 'release'") == str(worker)
    sql(TAKE, worker)
    assert "waits for another worker; queued" in acme("jobs", "release", "acme/orders").out


def test_hold_until_cleared_or_for_a_while(acme: Cli, sql: Sql) -> None:
    held = acme("jobs", "hold", "acme/orders", "--reason", "token is renewed")
    assert held.out == "acme/orders is held until `etl-tui jobs clear acme/orders`\n"
    assert "held by " in acme("jobs", "why", "acme/orders").out
    assert "token is renewed (until cleared)" in acme("jobs", "show", "acme/orders").out
    job = JobRow.model_validate(
        acme("jobs", "hold", "acme/orders", "--reason", "edit", "--for", "2h", "--json").document
    )
    assert (job.held, job.hold_reason, job.due_at) == (True, "edit", None)
    assert job.held_until is not None
    cleared = JobRow.model_validate(acme("jobs", "clear", "acme/orders", "--json").document)
    assert (cleared.held, cleared.held_until) == (False, None)
    assert events(sql)[-3:] == ["hold", "hold", "clear"]
    acme("jobs", "hold", "acme/orders").refused(2, "--reason")
    acme("jobs", "hold", "acme/orders", "--reason", " ").refused(2, "reason")
    acme("jobs", "hold", "acme/orders", "--reason", "x", "--for", "soon").refused(2, "--for", "'soon'")


def test_clear_ends_a_failure(acme: Cli, sql: Sql) -> None:
    acme("jobs", "clear", "acme/orders").refused(4, "no hold, failure or snooze")
    sql(FAILED)
    assert acme("jobs", "why", "acme/orders").out == "acme/orders  retry in 15m\n"
    assert acme("jobs", "clear", "acme/orders").out == "acme/orders is cleared: READY, due in 6h\n"
    job = JobDetails.model_validate(acme("jobs", "show", "acme/orders", "--json").document)
    assert (job.status, job.error_message, job.retry_count) == ("READY", None, 0)


@pytest.mark.usefixtures("berlin")
def test_snooze_until_a_wall_time_of_this_terminal(acme: Cli, sql: Sql) -> None:
    snoozed = acme("jobs", "snooze", "acme/orders", "2030-07-25 06:00")
    assert snoozed.out == "acme/orders is snoozed until 2030-07-25 06:00 CEST\n"
    assert sql("SELECT not_before FROM etl_jobs WHERE job_name = 'orders'") == datetime(
        2030, 7, 25, 4, tzinfo=UTC
    )
    winter = acme("jobs", "snooze", "acme/orders", "2030-11-25T06:00", "--json").document
    assert JobRow.model_validate(winter).not_before == datetime(2030, 11, 25, 5, tzinfo=UTC)
    assert acme("jobs", "why", "acme/orders", "--json").document["kind"] == "snoozed"
    assert acme("jobs", "snooze", "acme/orders", "off").out == "acme/orders is not snoozed\n"
    assert "is snoozed until " in acme("jobs", "snooze", "acme/orders", "2h").out
    acme("jobs", "snooze", "acme/orders", "06:00")
    assert events(sql)[-5:] == ["snooze"] * 5


@pytest.mark.parametrize(
    "until", ["soon", "2020-01-01 06:00", "2030-13-01 06:00", "25:00", "0m", "4000d", ""]
)
def test_a_snooze_that_cannot_be(acme: Cli, until: str) -> None:
    acme("jobs", "snooze", "acme/orders", until).refused(2, "snooze")


def test_why_is_one_line_and_a_document_of_four_fields(acme: Cli, sql: Sql) -> None:
    def why() -> dict[str, object]:
        document: dict[str, object] = acme("jobs", "why", "acme/orders", "--json").document
        assert list(document) == ["job", "why", "kind", "until"]
        assert document["job"] == "acme/orders"
        assert str(document["why"]) in acme("jobs", "why", "acme/orders").out
        return document

    assert (why()["kind"], why()["until"] is not None) == ("not_due", True)
    sql(DUE)
    assert why()["why"] == "no scheduler alive"
    sql("INSERT INTO schedulers (host, pid, version) VALUES ('here', 1, '0')")
    assert why()["why"] == "no worker alive"
    assert "etl-worker" in acme("jobs", "why", "acme/orders").err
    sql(WORKER)
    assert why()["kind"] == "due"
    sql("UPDATE workers SET heartbeat_at = now() - interval '2 days'")
    assert str(why()["why"]).startswith("no worker alive since ")
    acme("pause", "acme", "--reason", "migration")
    assert why()["kind"] == "paused"
    acme("resume", "acme")
    always = ("--days", "daily", "--from", "00:00", "--to", "00:00", "--zone", "UTC")
    acme("windows", "add", "--job", "acme/orders", *always)
    assert why()["kind"] == "blackout"
    assert str(why()["why"]).startswith("blackout until ")
    acme("jobs", "disable", "acme/orders", "--reason", "noisy\nand loud")
    assert str(why()["why"]).endswith(": noisy and loud")
    assert why()["kind"] == "off"
    acme("jobs", "why", "acme/nothing").refused(3, "acme/nothing")


def test_the_list_says_why_in_its_note(acme: Cli, sql: Sql) -> None:
    sql(DUE)
    acme("pause", "all", "--reason", "migration")
    listed = acme("jobs", "list").out
    assert next(row for row in listed.splitlines() if "acme/orders" in row).endswith(": migration")


def test_why_a_queued_run_waits_for_its_integration(acme: Cli, sql: Sql) -> None:
    acme("jobs", "add", "acme/other", "--integration", "made-up")
    acme("limits", "set", "acme/made-up", "1")
    acme("jobs", "run", "acme/other")
    sql(TAKE, sql(WORKER))
    acme("jobs", "run", "acme/orders")
    answer = acme("jobs", "why", "acme/orders", "--json").document
    assert (answer["kind"], answer["why"]) == ("busy", "busy: acme/made-up has 1 of 1 runs")


def test_deadline_and_failures_in_a_row(acme: Cli, sql: Sql) -> None:
    changed = acme("jobs", "settings", "acme/orders", "--deadline", "2h", "--max-failures", "3")
    assert changed.out == "a run ends after 2 hours; off after 3 failures in a row\n"
    job = JobDetails.model_validate(acme("jobs", "show", "acme/orders", "--json").document)
    assert (job.deadline_minutes, job.max_failures) == (120, 3)
    shown = acme("jobs", "show", "acme/orders").out
    assert "2 hours" in shown
    assert "3 failures in a row" in shown
    acme("jobs", "settings", "acme/orders", "--deadline", "none", "--retry", "5m")
    job = JobDetails.model_validate(acme("jobs", "show", "acme/orders", "--json").document)
    assert (job.deadline_minutes, job.retry_interval_minutes) == (None, 5)
    assert events(sql)[-4:] == ["set_deadline", "set_max_failures", "set_deadline", "settings"]
    for wrong in ("--deadline=0", "--deadline=soon", "--max-failures=0", "--max-failures=-1"):
        acme("jobs", "settings", "acme/orders", wrong).refused(2)
    for wrong in ("none", "1e3", ""):
        acme("jobs", "settings", "acme/orders", "--max-failures", wrong).refused(2, "--max-failures")
    acme("jobs", "settings", "acme/orders", "--deadline", "3h", "--retry", "9h").refused(2, "shorter")
    assert acme("jobs", "show", "acme/orders", "--json").document["deadline_minutes"] is None


def test_an_unknown_job_is_named(acme: Cli) -> None:
    for command in (["cancel"], ["release"], ["hold", "--reason", "x"], ["clear"], ["why"]):
        acme("jobs", *command, "acme/nothing").refused(3, "acme/nothing", "jobs list")
    acme("jobs", "snooze", "acme/nothing", "2h").refused(3, "acme/nothing")
