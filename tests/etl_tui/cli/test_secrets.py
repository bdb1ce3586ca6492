"""`etl-tui secrets`, and secrets that are kept encrypted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from etl_core.connectors_registry import find_connector
from etl_core.control.secret_fields import secret_fields
from etl_core.secret_references import resolve_secrets
from tests.etl_tui.cli.conftest import Cli, Sql

TOKEN = "ghp_" + "s3cr3t" * 6
CONFIG = {"owners": ["octo"], "token": TOKEN}


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A file with a secret in clear, as `--config` takes it."""
    file = tmp_path / "code.json"
    file.write_text(json.dumps(CONFIG))
    return f"@{file}"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    key = Fernet.generate_key().decode()
    monkeypatch.setenv("ETL_SECRET_KEY", key)
    return key


def kept(sql: Sql) -> str:
    text: str = sql("SELECT config ->> 'token' FROM integrations WHERE name = 'code'")
    return text


def test_a_secret_in_a_file_is_kept_encrypted(acme: Cli, sql: Sql, config: str, key: str) -> None:
    added = acme("integrations", "add", "acme", "code", "--type", "github", "--config", config, "--json")
    assert added.code == 0
    assert TOKEN not in added.out + added.err
    assert kept(sql).startswith("encrypted:gAAAA")
    assert sql("SELECT count(*) FROM job_events WHERE detail::text LIKE '%s3cr3t%'") == 0
    resolved = resolve_secrets({"token": kept(sql)}, secret_fields(find_connector("github").Config))
    assert resolved["token"] == TOKEN
    (row,) = acme("secrets", "list", "--json").document
    assert (row["integration"], row["field"], row["kept"], row["key"]) == ("code", "token", "encrypted", 1)


def test_what_everyone_can_read_is_refused_with_a_key_too(acme: Cli, key: str) -> None:
    given = json.dumps(CONFIG)
    refused = acme("integrations", "add", "acme", "code", "--type", "github", "--config", given)
    refused.refused(2, "token", "@FILE")
    assert TOKEN not in refused.err


def test_without_a_key_both_ways_out_are_named(acme: Cli, config: str) -> None:
    acme("integrations", "add", "acme", "code", "--type", "github", "--config", config).refused(
        2, "token", "env:NAME", "ETL_SECRET_KEY"
    )


def test_a_key_is_replaced(
    acme: Cli, sql: Sql, config: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert acme("integrations", "add", "acme", "code", "--type", "github", "--config", config).code == 0
    before = kept(sql)
    new = acme("secrets", "key").out.strip()
    monkeypatch.setenv("ETL_SECRET_KEY", f"{new},{key}")
    assert acme("secrets", "list", "--json").document[0]["key"] == 2
    assert acme("secrets", "rotate", "--json").document == {"secrets": 1, "integrations": 1}
    assert acme("secrets", "rotate", "--json").document == {"secrets": 0, "integrations": 0}
    monkeypatch.setenv("ETL_SECRET_KEY", new)
    assert kept(sql) != before
    assert acme("secrets", "list", "--json").document[0]["key"] == 1
    assert sql("SELECT count(*) FROM job_events WHERE action = 'rotate_secrets'") == 1


def test_what_no_key_opens_stops_a_rotation(
    acme: Cli, sql: Sql, config: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert acme("integrations", "add", "acme", "code", "--type", "github", "--config", config).code == 0
    before = kept(sql)
    monkeypatch.setenv("ETL_SECRET_KEY", Fernet.generate_key().decode())
    acme("secrets", "rotate").refused(4, "acme/code", "nothing was changed")
    assert kept(sql) == before
    assert "none that is here" in acme("secrets", "list").out


def test_a_rotation_needs_keys(acme: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    acme("secrets", "rotate").refused(2, "ETL_SECRET_KEY", "secrets key")
    monkeypatch.setenv("ETL_SECRET_KEY", "no key")
    acme("secrets", "rotate").refused(2, "ETL_SECRET_KEY", "number 1")
