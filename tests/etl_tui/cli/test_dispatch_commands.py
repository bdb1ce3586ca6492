"""`pause|resume`, `limits`, `windows`, `workers`, `queues list` and `runs`, on a real database."""

from __future__ import annotations

import pytest

from etl_core.models.dispatch import LimitRow, PauseRow, QueueRow, WindowRow, WorkerRow
from etl_core.models.run import RunRow
from etl_core.models.schedule import Schedule
from tests.etl_tui.cli.conftest import Cli, Sql
from tests.etl_tui.cli.test_job_interventions import TAKE, WORKER


def test_pause_and_resume(acme: Cli, sql: Sql) -> None:
    assert acme("pause", "--list").out == "nothing is paused\n"
    assert acme("pause", "--json").document == []
    paused = acme("pause", "acme/made-up", "--reason", " migration ")
    assert paused.out == "acme/made-up is paused: migration; `etl-tui resume acme/made-up` ends it\n"
    acme("pause", "acme/made-up", "--reason", "mine").refused(4, "paused already", "migration")
    row = PauseRow.model_validate(acme("pause", "all", "--reason", "disk", "--json").document)
    assert (row.tenant, row.integration, row.reason) == (None, None, "disk")
    listed = [PauseRow.model_validate(row) for row in acme("pause", "--list", "--json").document]
    assert [row.tenant for row in listed] == [None, "acme"]
    assert "acme/made-up" in acme("pause").out
    acme("resume", "acme").refused(4, "acme is not paused", "all, acme/made-up")
    assert acme("resume", "all").out == "all is not paused any more\n"
    assert acme("resume", "acme/made-up", "--json").document == {"place": "acme/made-up", "paused": False}
    assert sql("SELECT array_agg(action ORDER BY id) FROM job_events WHERE action ~ 'pause|resume'") == [
        "pause", "pause", "resume", "resume",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["pause", "acme"], 2, ["reason"]),
        (["pause", "acme", "--reason", " "], 2, ["reason"]),
        (["pause", "--reason", "x"], 2, ["TENANT/INTEGRATION"]),
        (["pause", "acme", "--list"], 2, ["--list"]),
        (["pause", "nobody", "--reason", "x"], 3, ["nobody"]),
        (["pause", "acme/none", "--reason", "x"], 3, ["none"]),
        (["pause", "acme/", "--reason", "x"], 2, ["acme/"]),
        (["resume"], 2, ["PLACE"]),
        (["resume", "nobody"], 3, ["nobody"]),
        (["limits", "set", "acme", "0"], 2, ["1 to 100,000"]),
        (["limits", "set", "acme", "-1"], 2, []),
        (["limits", "set", "acme", "many"], 2, ["many", "none"]),
        (["limits", "set", "acme/none", "1"], 3, ["none"]),
        (["workers", "drain", "999"], 4, ["999"]),
        (["workers", "drain", "all"], 2, ["all"]),
        (["windows", "remove", "999"], 3, ["999"]),
        (["windows", "remove", "x"], 2, ["x"]),
        (["runs", "list", "acme/nothing"], 3, ["acme/nothing"]),
        (["runs", "list", "acme/orders", "--limit", "0"], 2, ["--limit"]),
        (["runs", "show", "999"], 3, ["999"]),
        (["runs", "show", "x"], 3, ["x"]),
    ],
)
def test_what_cannot_be(acme: Cli, arguments: list[str], code: int, words: list[str]) -> None:
    acme(*arguments).refused(code, *words)


def test_limits(acme: Cli, sql: Sql) -> None:
    assert acme("limits", "list", "--json").document == []
    assert "limits set" in acme("limits", "list").out
    assert acme("limits", "set", "all", "8").out == "all has at most 8 runs at once\n"
    assert acme("limits", "set", "acme", "1").out == "acme has at most 1 run at once\n"
    assert acme("limits", "set", "acme/made-up", "2", "--json").document == {
        "place": "acme/made-up",
        "max_runs": 2,
    }
    acme("jobs", "run", "acme/orders")
    sql(TAKE, sql(WORKER))
    limits = [LimitRow.model_validate(row) for row in acme("limits", "list", "--json").document]
    assert [(row.tenant, row.integration, row.max_runs, row.running) for row in limits] == [
        (None, None, 8, 1),
        ("acme", None, 1, 1),
        ("acme", "made-up", 2, 1),
    ]
    assert acme("limits", "list").out.splitlines()[0].split() == ["PLACE", "RUNNING", "AT", "MOST"]
    assert acme("limits", "set", "acme", "none").out == "acme has no limit of its own\n"
    assert len(acme("limits", "list", "--json").document) == 2


def test_an_integration_has_the_limit_of_its_connector_or_its_own(acme: Cli) -> None:
    def add(name: str, *options: str) -> object:
        arguments = ("integrations", "add", "acme", name, "--type", "synthetic", "--config", "{}", "--json")
        return acme(*arguments, *options).document["max_runs"]

    assert add("a") is None
    assert add("b", "--max-runs", "3") == 3
    assert add("c", "--max-runs", "none") is None
    refused = ("integrations", "add", "acme", "d", "--type", "synthetic", "--config", "{}", "--max-runs")
    acme(*refused, "0").refused(2, "1 to 100,000")
    acme(*refused, "x").refused(2, "--max-runs", "none")
    assert [row["max_runs"] for row in acme("integrations", "list", "--json").document] == [
        None,
        3,
        None,
        None,
    ]


HOURS = ("--days", "mon-fri", "--from", "22:00", "--to", "06:00", "--zone", "Europe/Berlin")


def test_windows(acme: Cli, sql: Sql) -> None:
    assert acme("windows", "list", "--json").document == []
    added = acme("windows", "add", "--on", "acme/made-up", *HOURS, "--reason", "backups")
    assert added.out.endswith("nothing of acme/made-up starts by itself mon-fri 22:00-06:00 Europe/Berlin\n")
    row = WindowRow.model_validate(acme("windows", "add", "--job", "acme/orders", *HOURS, "--json").document)
    assert (row.job, row.integration, row.weekdays) == ("orders", None, [1, 2, 3, 4, 5])
    acme(
        "windows",
        "add",
        "--on",
        "acme",
        "--days",
        "daily",
        "--from",
        "0:00",
        "--to",
        "24:00",
        "--zone",
        "UTC",
    )
    windows = [WindowRow.model_validate(row) for row in acme("windows", "list", "--json").document]
    assert [(row.integration, row.job) for row in windows] == [
        (None, None),
        (None, "orders"),
        ("made-up", None),
    ]
    assert windows[0].holds_until is not None
    assert "daily 00:00-00:00 UTC" in acme("windows", "list").out
    assert acme("windows", "remove", str(row.id)).out == f"window {row.id} is gone\n"
    assert len(acme("windows", "list", "--json").document) == 2
    assert sql("SELECT count(*) FROM job_events WHERE action IN ('add_window', 'remove_window')") == 4


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        (["--on", "acme", "--days", "someday"], 2, ["--days", "someday"]),
        (["--on", "acme", "--from", "25:00"], 2, ["--from", "25:00"]),
        (["--on", "acme", "--to", "6"], 2, ["--to", "'6'"]),
        (["--on", "acme", "--zone", "Berlin"], 2, ["Berlin", "Europe/Berlin"]),
        (["--on", "all"], 2, ["pause all"]),
        (["--on", "nobody"], 3, ["nobody"]),
        (["--job", "acme/nothing"], 3, ["acme/nothing"]),
        (["--job", "acme/orders", "--on", "acme"], 2, ["--on"]),
        ([], 2, ["--job", "--on"]),
    ],
)
def test_a_window_that_cannot_be(acme: Cli, changes: list[str], code: int, words: list[str]) -> None:
    acme("windows", "add", *HOURS, *changes).refused(code, *words)
    assert acme("windows", "list", "--json").document == []


def test_workers_are_listed_and_drained(acme: Cli, sql: Sql) -> None:
    assert acme("workers", "list", "--json").document == []
    assert "etl-worker" in acme("workers", "list").out
    worker = sql(WORKER)
    acme("jobs", "run", "acme/orders")
    sql(TAKE, worker)
    [row] = [WorkerRow.model_validate(row) for row in acme("workers", "list", "--json").document]
    assert (row.id, row.host, row.pid, row.state) == (worker, "box", 4711, "alive")
    assert row.runs[0].startswith("acme/orders (run ")
    assert "acme/orders" in acme("workers", "list").out
    assert "it still has acme/orders" in acme("workers", "drain", str(worker)).out
    assert WorkerRow.model_validate(acme("workers", "list", "--json").document[0]).state == "draining"
    undrained = WorkerRow.model_validate(acme("workers", "undrain", str(worker), "--json").document)
    assert (undrained.state, undrained.draining_by) == ("alive", None)
    assert sql("SELECT count(*) FROM job_events WHERE action IN ('drain', 'undrain')") == 2


def test_queues_count_what_is_ready(acme: Cli) -> None:
    acme("jobs", "run", "acme/orders")
    queues = {row["stage"]: QueueRow.model_validate(row) for row in acme("queues", "list", "--json").document}
    assert {"extract", "transform", "load"} <= set(queues)
    assert (queues["extract"].ready, queues["load"].ready) == (1, 0)
    assert queues["extract"].broker_messages is None
    assert acme("queues", "list").out.splitlines()[0].split()[:2] == ["STAGE", "READY"]


def test_queues_of_a_broker_that_is_down(acme: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_AMQP_URL", "amqp://guest:s3cr3t@127.0.0.1:1/")
    down = acme("queues", "list")
    down.refused(5)
    assert "s3cr3t" not in down.err


def test_runs(acme: Cli) -> None:
    assert acme("runs", "list", "acme/orders", "--json").document == []
    assert acme("runs", "list", "acme/orders").out == "it never ran\n"
    for _ in range(3):
        acme("jobs", "run", "acme/orders")
        acme("jobs", "cancel", "acme/orders")
    runs = [RunRow.model_validate(row) for row in acme("runs", "list", "acme/orders", "--json").document]
    assert [run.state for run in runs] == ["CANCELLED"] * 3
    assert runs[0].id > runs[1].id
    assert len(acme("runs", "list", "acme/orders", "--limit", "2", "--json").document) == 2
    assert RunRow.model_validate(acme("runs", "show", str(runs[0].id), "--json").document) == runs[0]
    shown = acme("runs", "show", str(runs[0].id)).out
    assert "CANCELLED" in shown
    assert "manual, by " in shown


def test_the_schedule_to_come(acme: Cli) -> None:
    told = acme("schedule", "--hours", "3")
    assert told.code == 0
    assert "acme/orders" in told.out
    assert "starts in 3 hours" in told.out
    schedule = Schedule.model_validate(acme("schedule", "--json").document)
    assert [start.job for start in schedule.coming] == ["acme/orders"]
    assert acme("schedule", "--tenant", "nobody", "--json").document["total"] == 0
    acme("schedule", "--hours", "0").refused(2, "1 to 336")
