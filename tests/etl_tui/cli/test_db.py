"""`etl-tui db`, as people and scripts call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from etl_core.store.migration_files import discover
from etl_tui.cli.main import run

NEWEST = discover()[-1].version


@pytest.fixture
def command(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """Runs a command against an empty database in a thread of its own; returns exit code, stdout, stderr."""
    monkeypatch.setenv("ETL_DATABASE_URL", empty_database_url)

    async def call(*argv: str) -> tuple[int, str, str]:
        import asyncio

        code = await asyncio.to_thread(run, argv)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


async def test_migrate_status_and_rollback_in_lines(command: Callable[..., Any]) -> None:
    code, out, _ = await command("db", "migrate", "--to", "5")
    assert code == 0
    assert out.splitlines()[4].startswith("0005 etl_jobs_autonomous_architecture: applied (")
    code, out, _ = await command("db", "status")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["VERSION", "NAME", "STATE", "APPLIED", "AT"]
    assert lines[5].split()[:3] == ["0005", "etl_jobs_autonomous_architecture", "applied"]
    assert lines[6].split()[2] == "pending"
    code, out, _ = await command("db", "rollback")
    assert (code, len(out.splitlines())) == (0, 1), "one step unless told"
    assert out.startswith("0005 etl_jobs_autonomous_architecture: rolled back (")
    assert (await command("db", "rollback", "--to", "4"))[
        1
    ] == "nothing to do: the schema is not newer than 4\n"
    assert (await command("db", "migrate"))[0] == 0
    assert (await command("db", "migrate"))[1] == "nothing to do: the schema is up to date\n"


async def test_json_is_an_array_every_time(command: Callable[..., Any]) -> None:
    code, out, _ = await command("db", "status", "--json")
    listed = json.loads(out)
    assert (code, len(listed)) == (0, NEWEST)
    assert listed[0] == {
        "version": 1,
        "name": "tenants_and_integrations",
        "state": "pending",
        "applied_at": None,
    }
    code, out, _ = await command("db", "migrate", "--json")
    done = json.loads(out)
    assert (code, [step["version"] for step in done]) == (0, list(range(1, NEWEST + 1)))
    assert {"version", "name", "state", "applied_at", "duration_ms", "notices"} == done[0].keys()
    assert json.loads((await command("--json", "db", "migrate"))[1]) == []


async def test_a_mended_row_is_told(command: Callable[..., Any], empty_database_url: str) -> None:
    await command("db", "migrate", "--to", "4")
    conn = await asyncpg.connect(empty_database_url)
    await conn.execute(
        "INSERT INTO tenants (name) VALUES ('acme');"
        "INSERT INTO etl_jobs (job_name, status, tenant_id) SELECT 'Jira', 'PAUSED', id FROM tenants"
    )
    await conn.close()
    _, out, _ = await command("db", "migrate", "--to", "5")
    assert "     job 1 (Jira) was PAUSED: it is READY now, and off\n" in out


async def test_refusals_are_one_line_and_an_exit_code(command: Callable[..., Any]) -> None:
    assert (await command("db", "migrate", "--legacy-timezone", "Nowhere"))[0] == 2
    assert (await command("db", "migrate", "--to", "99"))[0] == 2
    code, out, err = await command("db", "migrate", "--baseline", "4")
    assert (code, out, err.count("\n")) == (4, "", 1)
    assert "table tenants" in err
