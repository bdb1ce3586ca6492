"""`runs list|show|compare`, `jobs backfill`, `audit list`: what became of runs, and who did what."""

from __future__ import annotations

import os
import pwd

from etl_core.models.audit import EventRow
from etl_core.models.run import RunListRow
from etl_core.models.run_comparison import RunComparison
from tests.etl_tui.cli.conftest import Cli, Sql

END = """
UPDATE job_runs SET
    state = 'SUCCEEDED', started_at = queued_at, finished_at = queued_at + interval '90 seconds',
    counters = '{"rows_extracted": 3, "rows_unchanged": 3, "batches": 1}'
WHERE state = 'QUEUED'
"""
REST = "UPDATE etl_jobs SET status = 'FINISHED', status_before_backfill = NULL WHERE status = 'RUNNING'"


def end_run(sql: Sql) -> None:
    sql(END)
    sql(REST)


def test_runs_are_listed_shown_and_compared(acme: Cli, sql: Sql) -> None:
    assert acme("runs", "list").out == "nothing has run yet\n"
    assert acme("runs", "list", "acme/orders").out == "it never ran\n"
    acme("jobs", "run", "acme/orders")
    end_run(sql)
    acme("jobs", "settings", "acme/orders", "--schedule", "4h")
    acme("jobs", "run", "acme/orders", "--full-refresh", "--stream", "records")
    acme("jobs", "cancel", "acme/orders")
    header, newest, oldest = acme("runs", "list").out.splitlines()
    assert header.split()[:6] == ["RUN", "JOB", "STATE", "TRIGGER", "BY", "QUEUED"]
    one, two = oldest.split()[0], newest.split()[0]
    me = pwd.getpwuid(os.getuid()).pw_name
    assert oldest.split()[1:5] == ["acme/orders", "SUCCEEDED", "manual", me]
    assert oldest.split()[-4:] == ["90.0", "3", "none", "unchanged"]
    rows = acme("runs", "list", "acme/orders", "--state", "succeeded", "--json").document
    assert [RunListRow.model_validate(row).seconds for row in rows] == [90.0]
    assert acme("runs", "list", "acme/orders", "--trigger", "schedule").out == "none that match\n"
    assert acme("runs", "list", "acme/orders", "--since", "1m").out.count("\n") == 3
    acme("runs", "list", "acme/orders", "--since", "soon").refused(2, "--since", "is no time")

    assert "all 3 records were unchanged" in acme("runs", "show", one).out
    document = acme("runs", "show", one, "--json").document
    assert (document["explanation"] is None, document["stages"][0]["stage"]) == (False, "queued")

    told = acme("runs", "compare", two, one).out
    assert "CHANGE" in told
    assert 'option full_refresh  none       ["records"]' in told
    assert "changed the schedule from 6 hours to 4 hours" in told
    compared = RunComparison.model_validate(acme("runs", "compare", one, two, "--json").document)
    assert (str(compared.a.id), str(compared.b.id)) == (one, two)
    acme("runs", "compare", one, "4711").refused(3, "no run 4711")
    acme("jobs", "run", "acme/orders", "--stream", "records").refused(2, "--full-refresh")


def test_the_audit_says_who_did_what(acme: Cli, sql: Sql) -> None:
    acme("jobs", "hold", "acme/orders", "--reason", "token \x1b[31m")
    held = acme("audit", "list", "acme/orders").out.splitlines()[1]
    assert held.endswith("held it: token ?[31m")
    (event,) = [
        EventRow.model_validate(row) for row in acme("audit", "list", "--action", "hold", "--json").document
    ]
    assert event.detail["before"]["held"] is False
    assert event.sentence == "held it: token \x1b[31m"
    me = pwd.getpwuid(os.getuid()).pw_name
    assert event.actor == event.os_user == me
    assert acme("audit", "list", "acme/orders", "--actor", "nobody").out == "nothing that matches\n"
    sql("INSERT INTO job_events (action, actor, detail) VALUES ('hold', 'sql', '[1]')")  # it stays for ever
    (odd,) = acme("audit", "list", "--actor", "sql", "--json").document
    assert odd["detail"] == {"detail": [1]}


def test_a_backfill_is_asked_for(acme: Cli, sql: Sql) -> None:
    arguments = ("jobs", "backfill", "acme/orders", "--from", "1")
    acme(*arguments, "--to", "1").refused(2, "a range from a value to the same value")
    acme(*arguments, "--to", "9", "--stream", "nothing").refused(2, "cannot be backfilled; records can")
    acme(*arguments, "--to", "9", "--rate", "0").refused(2, "--rate")
    started = acme(*arguments, "--to", "9", "--rate", "50", "--json").document
    assert (started["trigger"], started["state"]) == ("backfill", "QUEUED")
    options = sql("SELECT options FROM job_runs")
    assert options == {"backfill": {"start": "1", "end": "9", "rate": 50.0}}
    acme(*arguments, "--to", "9").refused(4, "already running")
    assert "read 1 to 9 again, 50 records a second at most" in acme("audit", "list").out
