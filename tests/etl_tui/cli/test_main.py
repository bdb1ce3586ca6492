"""How the program begins and ends: exit codes, one line for each mistake, what it imports."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from etl_core.store import database
from tests.etl_tui.cli.conftest import Cli, execute


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["jobs", "--help"], ["jobs", "run", "--help"]]
)
def test_what_needs_no_database(cli_anywhere: Cli, arguments: list[str]) -> None:
    told = cli_anywhere(*arguments)
    assert (told.code, told.err) == (0, "")
    assert "etl-tui" in told.out


COMMANDS = """\
db migrate|db status|db rollback|jobs list|jobs show|jobs run|jobs settings|jobs enable|jobs disable|jobs add
tenants list|tenants add|integrations list|integrations add|doctor|demo
""".replace("\n", "|").split("|")[:-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_json_and_shows_an_example(cli_anywhere: Cli, command: str) -> None:
    help_text = cli_anywhere(*command.split(), "--help").out
    assert "--json" in help_text
    _, example = help_text.split("example:\n")
    assert f"etl-tui {command}" in example


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope"], ["nope", "jobs"]),
        (["jobs"], ["COMMAND"]),
        (["jobs", "nope"], ["nope", "list"]),
        (["jobs", "show"], ["JOB"]),
        (["jobs", "list", "--sched"], ["--sched"]),
        (["jobs", "run", "x", "--wait", "--timeout", "0"], ["--timeout", "'0'"]),
        (["jobs", "run", "x", "--timeout", "inf"], ["inf"]),
        (["jobs", "list", "--status", "x\ny"], ["X"]),
        (["--json"], ["--json", "command"]),
        ([], ["terminal", "jobs list"]),
    ],
)
def test_usage(cli_anywhere: Cli, arguments: list[str], words: list[str]) -> None:
    cli_anywhere(*arguments).refused(2, *words)


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("postgresql://etl@127.0.0.1:1/etl", 5, ["127.0.0.1:1", "refused"]),
        ("postgresql://etl:s3cr3t@no-such-host.invalid/etl", 5, ["no-such-host.invalid"]),
        ("postgresql://etl@/etl?host=/nowhere", 5, ["/nowhere"]),
        ("mysql://etl:s3cr3t@host/etl", 2, ["not a PostgreSQL URL"]),
        ("s3cr3t", 2, ["database URL"]),
        ("postgresql://etl:s3cr3t@host:port/etl", 2, ["database URL"]),
    ],
)
def test_a_database_that_is_not_there(
    cli_anywhere: Cli, monkeypatch: pytest.MonkeyPatch, url: str, code: int, words: list[str]
) -> None:
    monkeypatch.setenv("ETL_DATABASE_URL", url)
    refused = cli_anywhere("jobs", "list", "--json")
    refused.refused(code, *words)
    assert ":s3cr3t" not in refused.err


def test_a_server_that_is_no_postgresql(cli_anywhere: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("ETL_DATABASE_URL", f"postgresql://etl@{address}/etl")
        defaults = database.connect.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "timeout", 0.2)
        cli_anywhere("jobs", "list").refused(5, address)


def test_a_database_of_that_name_is_not_there(
    cli_anywhere: Cli, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_DATABASE_URL", database_url.replace("/test_", "/no_such_"))
    cli_anywhere("jobs", "list").refused(5, "no_such_")


def test_a_server_that_is_too_old(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "OLDEST_SERVER", 99)
    cli("jobs", "list").refused(5, "99 or newer")


def test_an_empty_database(
    cli_anywhere: Cli, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_DATABASE_URL", empty_database_url)
    cli_anywhere("jobs", "list").refused(4, "etl-tui db migrate")
    assert cli_anywhere("db", "migrate", "--json").code == 0
    assert cli_anywhere("jobs", "list", "--json").document == []


def test_a_schema_that_is_behind(cli: Cli, database_url: str) -> None:
    asyncio.run(execute(database_url, "DELETE FROM schema_migrations WHERE version > 8"))
    cli("jobs", "list").refused(4, "schema is at 8", "etl-tui db migrate")


def test_a_schema_that_is_ahead(cli: Cli, database_url: str) -> None:
    asyncio.run(
        execute(
            database_url,
            "INSERT INTO schema_migrations (version, name, checksum, programs, applied_program, duration_ms,"
            " legacy_timezone) VALUES (9999, 'from_the_future', 'x', '>=99', '99.0', 0, 'UTC')",
        )
    )
    cli("jobs", "run", "1").refused(4, "schema is at 9999", "upgrade etl-tui")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("databse_url = 'x'", ["databse_url", "unknown field", "etl.toml"]),
        ("log_level = 'loud'", ["log_level"]),
        ("log_level = ", ["etl.toml"]),
        ("claim_interval = -1", ["claim_interval"]),
        ("claim_interval = inf", ["claim_interval"]),
        ("stop_timeout = 1e300", ["stop_timeout"]),
        ("heartbeat_interval = 10", ["heartbeat_interval (10 s)", "shorter than lease_timeout"]),
    ],
)
def test_a_settings_file_that_cannot_be(
    cli_anywhere: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: list[str]
) -> None:
    file = tmp_path / "etl.toml"
    file.write_text(text)
    monkeypatch.setenv("ETL_CONFIG", str(file))
    cli_anywhere("jobs", "list").refused(2, *words)


def test_a_settings_file_that_is_not_there(cli_anywhere: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_CONFIG", "/nowhere/etl.toml")
    cli_anywhere("jobs", "list").refused(2, "ETL_CONFIG", "/nowhere/etl.toml")


def test_what_nobody_expected_is_one_line_and_a_log(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def explode(*_: object, **__: object) -> None:
        raise RuntimeError("the roof\nis on fire")

    monkeypatch.setattr("etl_core.control.jobs.list_jobs", explode)
    log = home / "etl-tui" / "errors.log"
    cli("jobs", "list", "--json").refused(1, "RuntimeError: the roof is on fire", str(log))
    assert "Traceback" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("ETL_LOG_LEVEL", "debug")
    assert "Traceback" in cli("jobs", "list").err


def test_the_database_goes_away_in_the_middle(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from etl_core.control import jobs

    async def read_and_die(conn: database.Connection, **_: object) -> None:
        await conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(jobs, "list_jobs", read_and_die)
    cli("jobs", "list").refused(5, "the database went away")


def test_a_role_that_may_not(acme: Cli, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def forbid() -> None:
        await execute(
            database_url,
            "DO $$ BEGIN CREATE ROLE onlooker LOGIN; EXCEPTION WHEN duplicate_object THEN END $$;"
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO onlooker",
        )

    asyncio.run(forbid())
    monkeypatch.setenv("ETL_DATABASE_URL", database_url.replace("postgres@", "onlooker@", 1))
    assert acme("jobs", "list", "--json").code == 0
    acme("jobs", "disable", "acme/orders").refused(1, "the database role may not do this", "etl_jobs")


def test_listing_jobs_imports_neither_screen_nor_broker_nor_scheduler(database_url: str) -> None:
    script = (
        "import sys; from etl_tui.cli.main import run; code = run(['jobs', 'list']);"
        "heavy = {'textual', 'rich', 'apscheduler', 'aio_pika', 'aiormq'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "ETL_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


Program = Callable[..., "subprocess.Popen[str]"]


def test_a_reader_that_has_had_enough(program: Program, acme: Cli) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = program("jobs", "list", stdout=writing)
    os.close(writing)
    _, err = process.communicate()
    assert process.returncode == 141
    assert "BrokenPipe" not in err
    assert "Traceback" not in err


def test_a_locale_without_our_glyphs(program: Program, acme: Cli) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    table, err = program("jobs", "list", env=environment).communicate()
    assert "acme/orders" in table
    assert "Traceback" not in err


def test_interrupted(program: Program, acme: Cli) -> None:
    process = program("jobs", "run", "acme/orders", "--wait")
    assert process.stdout is not None
    assert process.stderr is not None
    assert "queued" in process.stdout.readline()  # flushed as it comes
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert "goes on" in err
    assert "Traceback" not in err
    assert out == ""
    job = acme("jobs", "show", "acme/orders", "--json").document
    assert (job["status"], job["run_state"]) == ("RUNNING", "QUEUED")


def test_a_terminal_that_cannot_show_the_dashboard(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    ours, theirs = os.openpty()
    with program(stdin=theirs, stderr=theirs) as process:
        os.close(theirs)
        assert process.wait(timeout=60) == 2
        said = os.read(ours, 4096).decode()
    os.close(ours)
    assert said == "etl-tui: TERM=dumb cannot show the dashboard; `etl-tui jobs list` prints the jobs\r\n"
