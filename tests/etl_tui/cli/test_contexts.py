"""Named databases of the settings file, and what may not be changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etl_core.errors import InvalidInput
from etl_core.settings import load_settings
from scheduler.__main__ import main as run_scheduler
from tests.etl_tui.cli.conftest import Cli, Sql

NOWHERE = "postgresql://etl:hunter22@127.0.0.1:1/nowhere"


@pytest.fixture
def settings_file(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two contexts: one on the test's database, by reference, and one that does not answer."""
    path = tmp_path / "config.toml"
    path.write_text(
        f"""
context = "down"
amqp_url = "amqp://other/"
tenant = "globex"

[contexts.down]
database_url = "{NOWHERE}"
production = true

[contexts.lost]
database_url = "postgresql://etl@nowhere.invalid/etl"

[contexts.here]
database_url = "env:HERE_URL"
tenant = "acme"

[contexts.look]
database_url = "file:{tmp_path}/url"
read_only = true
"""
    )
    (tmp_path / "url").write_text(f"{database_url}\n")
    monkeypatch.setenv("ETL_CONFIG", str(path))
    monkeypatch.setenv("HERE_URL", database_url)
    return path


@pytest.mark.parametrize(
    ("said", "environ", "context"),
    [
        (None, {}, "down"),
        ("here", {}, "here"),
        (None, {"ETL_CONTEXT": "here"}, "here"),
        ("look", {"ETL_CONTEXT": "here", "ETL_DATABASE_URL": NOWHERE}, "look"),
        (None, {"ETL_CONTEXT": "here", "ETL_DATABASE_URL": NOWHERE}, "here"),
        (None, {"ETL_DATABASE_URL": NOWHERE}, None),
        (None, {"ETL_CONTEXT": "", "ETL_DATABASE_URL": NOWHERE}, None),
    ],
)
def test_which_context_is_chosen(
    settings_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
    said: str | None,
    environ: dict[str, str],
    context: str | None,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(context=said)
    assert settings.context == context
    assert settings.database_url is not None
    url = database_url if context in ("here", "look") else NOWHERE
    assert settings.database_url.get_secret_value() == url
    assert (settings.amqp_url is None) is (context is not None)  # a context without a broker uses none
    assert settings.tenant == ("acme" if context == "here" else "globex")
    assert settings.read_only is (context == "look")


def test_an_unknown_name_and_a_lost_reference_are_told(
    settings_file: Path, cli_anywhere: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli_anywhere("jobs", "list", "--context", "pord").refused(2, "'pord'", "down, lost, here, look")
    monkeypatch.delenv("HERE_URL")
    cli_anywhere("--context", "here", "jobs", "list").refused(2, "context here", "env:HERE_URL", "not set")
    with pytest.raises(InvalidInput, match="colour"):
        settings_file.write_text("[contexts.prod]\ncolour = 'pink'\n")
        load_settings()


def test_every_command_works_in_a_context_and_the_list_shows_no_password(
    settings_file: Path, cli_anywhere: Cli
) -> None:
    assert cli_anywhere("--context", "here", "tenants", "add", "acme").code == 0
    listed = cli_anywhere("jobs", "list", "--context", "here", "--json").document
    assert {job["tenant"] for job in listed} == {"acme"}
    cli_anywhere("jobs", "list").refused(5, "127.0.0.1:1")
    cli_anywhere("jobs", "list", "--context", "lost").refused(5, f"[contexts.lost] in {settings_file}")
    shown = cli_anywhere("contexts", "list")
    assert shown.code == 0
    assert "hunter22" not in shown.out
    assert "postgresql://etl:***@127.0.0.1:1/nowhere" in shown.out
    assert "env:HERE_URL" in shown.out
    in_use = [
        row["name"] for row in json.loads(cli_anywhere("contexts", "list", "--json").out) if row["in_use"]
    ]
    assert in_use == ["down"]


def test_read_only_refuses_changes_and_nothing_else(
    acme: Cli, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert acme("jobs", "list", "--read-only").code == 0
    assert acme("runs", "list", "acme/orders", "--read-only").code == 0
    acme("--read-only", "jobs", "run", "acme/orders").refused(
        4, "read-only", "--read-only", "nothing was changed"
    )
    acme("tenants", "add", "globex", "--read-only").refused(4, "read-only")
    acme("db", "rollback", "--read-only").refused(4, "read-only")
    acme("queues", "dead", "--purge", "--read-only").refused(4, "read-only")
    monkeypatch.setenv("ETL_READ_ONLY", "1")
    acme("jobs", "disable", "acme/orders").refused(4, "read-only")
    assert sql("SELECT count(*) FROM job_runs") == 0
    assert sql("SELECT active FROM etl_jobs WHERE job_name = 'orders'") is True


def test_a_read_only_context_refuses_whatever_changes(
    acme: Cli, settings_file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    acme("--context", "look", "jobs", "disable", "acme/orders").refused(4, "the context look is")
    monkeypatch.setenv("ETL_CONTEXT", "look")
    assert run_scheduler([]) == 4
    assert "etl-scheduler cannot run there" in capfd.readouterr().err
