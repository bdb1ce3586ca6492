"""`doctor`: a line per check, what to do about it, and an exit code that a monitor can use."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from etl_core.models.check import Check
from etl_tui.cli import machine_checks
from tests.etl_tui.cli.conftest import Cli, Result, execute


def _checks(result: Result) -> dict[str, Check]:
    return {row["check"]: Check.model_validate(row) for row in result.document}


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Doctor silences the broker's logs for its whole process, which is ours here."""
    yield
    structlog.reset_defaults()


def test_nothing_failed(acme: Cli) -> None:
    told = acme("doctor", "--json")
    checks = _checks(told)
    assert told.code == 0
    assert {"python", "package workers", "settings", "database", "schema", "clock", "broker", "jobs"} <= set(
        checks
    )
    assert checks["broker"].detail.startswith("PostgreSQL carries the queues")
    assert "synthetic" in checks["connectors"].detail
    assert (checks["workers"].status, checks["schedulers"].status) == ("warn", "warn")
    assert "acme/" in (checks["integrations of jobs"].remedy or "")
    assert all(check.remedy for check in checks.values() if check.status != "ok")


def test_the_lines_are_the_same(acme: Cli) -> None:
    lines = acme("doctor").out.splitlines()
    checks = _checks(acme("doctor", "--json")).values()
    assert len([line for line in lines if line.split("  ")[0] in ("ok", "warn", "fail")]) == len(checks)
    assert "      -> start one with `etl-worker`" in lines


def test_processes_and_jobs(acme: Cli, database_url: str) -> None:
    asyncio.run(
        execute(
            database_url,
            "INSERT INTO workers (host, pid, version, stages, slots)"
            " VALUES ('a', 11, '0.1', '{extract,load}', 1);"
            "INSERT INTO workers (host, pid, version, stages, slots, heartbeat_at)"
            " VALUES ('b', 22, '0.1', '{extract}', 1, now() - interval '2 minutes');"
            "INSERT INTO schedulers (host, pid, version, heartbeat_at)"
            " VALUES ('c', 33, '0.1', now() - interval '2 minutes');"
            "UPDATE etl_jobs SET created_at = now() - interval '1 day' WHERE job_name = 'orders';"
            "UPDATE etl_jobs SET held = true, hold_reason = 'bad credential' WHERE job_name = 'AD'",
        )
    )
    checks = _checks(acme("doctor", "--json"))
    assert "a:11 (heartbeat 0 s ago, 0.1, extract+load)" in checks["workers"].detail
    assert "pid 22 on b" in (checks["workers"].remedy or "")
    assert "c:33" in checks["schedulers"].detail
    assert "none alive" in checks["schedulers"].detail
    assert "acme/orders" in checks["overdue jobs"].detail
    assert "jobs show acme/AD" in (checks["held jobs"].remedy or "")


def test_services_that_are_not_there(cli_anywhere: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_DATABASE_URL", "postgresql://etl:s3cr3t@127.0.0.1:1/etl")
    monkeypatch.setenv("ETL_AMQP_URL", "amqp://guest:s3cr3t@127.0.0.1:1/")
    told = cli_anywhere("doctor", "--json")
    assert told.code == 1
    checks = _checks(told)
    assert checks["database"].status == checks["broker"].status == "fail"
    assert "127.0.0.1:1" in checks["database"].detail
    assert "s3cr3t" not in told.out


def test_settings_that_cannot_be_read(cli_anywhere: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_LEASE_TIMEOUT", "never")
    told = cli_anywhere("doctor", "--json")
    assert told.code == 1
    assert "lease_timeout" in _checks(told)["settings"].detail
    assert "database" not in _checks(told)


def test_a_schema_that_is_missing(
    cli_anywhere: Cli, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_DATABASE_URL", empty_database_url)
    told = cli_anywhere("doctor", "--json")
    assert told.code == 1
    assert "etl-tui db migrate" in _checks(told)["schema"].detail


def test_a_package_of_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine_checks.check_package("workers").status == "ok"
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name == "workers" or name.startswith("workers.")]:
        monkeypatch.delitem(sys.modules, name)
    found = machine_checks.check_package("workers")
    assert found.status == "fail"
    assert str(tmp_path) in found.detail
    assert "pipx" in (found.remedy or "")
    assert machine_checks.check_package("no_such_package_of_ours").status == "fail"


def test_a_program_that_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine_checks.check_git().status == "warn"


def test_a_connector_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl_core.connectors_registry.connector_types", lambda: ("broken",))

    def explode(_: str) -> None:
        raise SyntaxError("what is this")

    monkeypatch.setattr("etl_core.connectors_registry.find_connector", explode)
    found = machine_checks.check_connectors()
    assert (found.status, "what is this" in found.detail) == ("fail", True)
