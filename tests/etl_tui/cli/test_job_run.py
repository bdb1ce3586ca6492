"""`jobs run`: starting, waiting, and ending with the run.

The worker here is one of SQL statements, so that every way a run can go is shown at will; real workers do it
in tests/e2e.
"""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from etl_core.models.run import RunRow, RunState
from etl_core.store import database
from etl_tui.cli import job_run
from etl_tui.cli.output import Output
from etl_tui.cli.run_progress import LineProgress, PlainProgress, Rate, progress_sentence
from tests.etl_tui.cli.conftest import Cli

Program = Callable[..., "subprocess.Popen[str]"]

START = "UPDATE job_runs SET state = 'RUNNING', started_at = now(), counters = '{\"rows_extracted\": 5}'"
SUCCEED = (
    "UPDATE job_runs SET state = 'SUCCEEDED', finished_at = now(), started_at = now(),"
    ' counters = \'{"rows_extracted": 7, "rows_new": 5, "rows_changed": 2, "batches": 1}\''
)
FAIL = (
    "UPDATE job_runs SET state = 'FAILED', finished_at = now(), started_at = now(), error_kind = 'transient',"
    " error_message = 'payments.example did not answer\nin 30 s'"
)
CANCEL = "UPDATE job_runs SET state = 'CANCELLED', finished_at = now()"
WORKER = (
    "INSERT INTO workers (host, pid, version, stages, slots)"
    " VALUES ('a', 1, '0', '{extract,transform,load}', 1)"
)


async def _execute(url: str, statement: str, *, once_queued: bool = False) -> None:
    conn = await database.connect(url, application_name="tests")
    try:
        while once_queued and not await conn.fetchval("SELECT count(*) FROM job_runs WHERE state = 'QUEUED'"):
            await asyncio.sleep(0.02)
        if once_queued:
            await asyncio.sleep(0.5)  # the command hears of its COMMIT, and begins to wait
        await conn.execute(statement)
    finally:
        await conn.close()


def execute(url: str, statement: str) -> None:
    asyncio.run(_execute(url, statement))


@contextmanager
def once_queued(url: str, statement: str) -> Iterator[None]:
    """Beside the command under test: executes the statement as soon as a run is queued."""
    execute(url, WORKER)
    thread = threading.Thread(target=lambda: asyncio.run(_execute(url, statement, once_queued=True)))
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_run_now_is_real(acme: Cli) -> None:
    started = acme("jobs", "run", "acme/orders", "--json")
    run = RunRow.model_validate(started.document)
    assert (started.code, run.state, run.trigger) == (0, "QUEUED", "manual")
    assert "no worker alive; start one with `etl-worker`" in started.err
    job = acme("jobs", "show", "acme/orders", "--json").document
    assert (job["status"], job["run_id"]) == ("RUNNING", run.id)
    acme("jobs", "run", "acme/orders").refused(4, "acme/orders", f"run {run.id}", "already running")
    acme("jobs", "settings", "acme/orders", "--integration", "made-up").refused(4, "is running")


def test_a_job_without_integration_cannot_run(acme: Cli) -> None:
    acme("jobs", "run", "acme/GitHub").refused(4, "jobs settings acme/GitHub --integration NAME")


def test_waiting_ends_with_a_good_run(program: Program, acme: Cli, database_url: str) -> None:
    execute(database_url, WORKER)
    process = program("jobs", "run", "acme/orders", "--wait")
    assert process.stdout is not None
    assert process.stdout.readline() == "acme/orders: run 1 queued\n"
    execute(database_url, START)
    assert process.stdout.readline().startswith("acme/orders: run 1 running, 5 records")
    execute(database_url, SUCCEED)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1].startswith("acme/orders: run 1 succeeded in ")
    assert out.splitlines()[-1].endswith(": 5 new, 2 changed")


@pytest.mark.parametrize(
    ("statement", "word"), [(FAIL, "payments.example did not answer in 30 s"), (CANCEL, "was cancelled")]
)
def test_waiting_ends_with_a_bad_run(acme: Cli, database_url: str, statement: str, word: str) -> None:
    with once_queued(database_url, statement):
        done = acme("jobs", "run", "acme/orders", "--wait", "--json")
    assert done.code == 1
    assert RunRow.model_validate(done.document).state in ("FAILED", "CANCELLED")
    last = done.err.splitlines()[-1]
    assert last.startswith("etl-tui: acme/orders: run 1 ")
    assert word in last


def test_waiting_gives_up_after_the_timeout_and_says_who_is_missing(acme: Cli) -> None:
    done = acme("jobs", "run", "acme/orders", "--wait", "--timeout", "0.5", "--json")
    assert done.code == 1
    assert done.document["state"] == "QUEUED"
    assert "run 1 is queued: no worker alive; start one with `etl-worker`" in done.err
    assert "has not ended after 0.5 s; it goes on" in done.err


def test_a_database_that_goes_away_while_waiting(acme: Cli, database_url: str) -> None:
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with once_queued(database_url, kill):
        acme("jobs", "run", "acme/orders", "--wait", "--json").refused(
            5, "lost the database", "run 1 goes on"
        )
    assert acme("jobs", "show", "acme/orders", "--json").document["status"] == "RUNNING"


def test_on_a_terminal_one_line_is_written_anew(program: Program, acme: Cli, database_url: str) -> None:
    execute(database_url, WORKER)
    controller, terminal = pty.openpty()
    process = program("jobs", "run", "acme/orders", "--wait", stdout=terminal, stdin=terminal)
    os.close(terminal)
    shown = _read_until(controller, "\racme/orders run 1: queued\x1b[K")
    execute(database_url, START)
    shown += _read_until(controller, "\racme/orders run 1: running, 5 records")
    execute(database_url, SUCCEED)
    shown += _read_until(controller, None)
    os.close(controller)
    _, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert shown.count("\n") == 1  # the last line alone stays
    assert "\r\x1b[Kacme/orders: run 1 succeeded in " in shown


def _read_until(terminal: int, text: str | None) -> str:
    """What the terminal shows, up to and with the text; to its end when there is none to wait for."""
    shown = ""
    while text is None or text not in shown:
        chunk = _read(terminal)
        assert chunk or text is None, shown
        if not chunk:
            break
        shown += chunk.decode()
    return shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO: the program closed its end
        return b""


def _run(**changes: Any) -> RunRow:
    values: dict[str, Any] = dict.fromkeys(RunRow.model_fields)
    counts = {name: 0 for name in RunRow.model_fields if name.startswith("rows_")}
    values |= {**counts, "batches": 0, "losses": 0, "id": 7, "job_id": 1, "state": RunState.RUNNING}
    values |= {"trigger": "manual", "queued_at": datetime(2026, 1, 1, tzinfo=UTC), "rows_expected": None}
    return RunRow.model_validate(values | changes)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"state": "QUEUED"}, "queued"),
        ({"state": "QUEUED", "wait_reason": "GitHub limit"}, "waits: GitHub limit"),
        ({"rows_extracted": 12_400}, "running, 12,400 records, 1.2k/s"),
        ({"rows_extracted": 62, "rows_expected": 100}, "running 62%, 62 records, 1.2k/s"),
        ({"rows_extracted": 300, "rows_expected": 100}, "running 99%, 300 records, 1.2k/s"),
        ({"state": "SUCCEEDED"}, "succeeded"),
    ],
)
def test_progress_sentence(changes: dict[str, Any], sentence: str) -> None:
    assert progress_sentence(_run(**changes), "1.2k/s") == sentence


def test_the_rate_is_of_the_last_seconds() -> None:
    rate = Rate()
    assert rate.add(0, 0) == ""
    assert rate.add(1, 1_000) == "1k/s"
    for second in range(2, 20):
        shown = rate.add(second, 1_000)
    assert shown == ""  # it stalls


def test_plain_lines_come_when_something_changed_and_not_too_often(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = PlainProgress(Output(), "acme/a")
    for tenth in range(200):
        progress.show(_run(rows_extracted=tenth), tenth / 10)
    lines = capsys.readouterr().out.splitlines()
    assert 3 <= len(lines) <= 4
    progress.show(_run(rows_extracted=1, state="QUEUED", wait_reason="a limit"), 20)
    progress.show(_run(rows_extracted=1, state="QUEUED", wait_reason="a limit"), 30)
    assert capsys.readouterr().out == "acme/a: run 7 waits: a limit\n"


def test_a_line_fits_the_terminal_and_obeys_nothing_from_outside(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    progress = LineProgress(Output(), "acme/日本")
    progress.show(_run(state="QUEUED", wait_reason="\x1b[2J and a long, long reason"), 1)
    out = capsys.readouterr().out
    assert out.startswith("\r")
    assert out.endswith("\x1b[K")
    assert "\x1b" not in out[1:-3]
    assert len(out) < 35


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x", ""])
def test_a_timeout_and_a_rate_are_positive(text: str) -> None:
    with pytest.raises(Exception, match="greater than zero"):
        job_run.positive(text)
