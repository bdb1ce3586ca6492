"""`integrations` and `tenants` on a real database: what is refused, and that no secret is ever repeated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etl_core.models.tenant import IntegrationRow, TenantRow
from tests.etl_tui.cli.conftest import Cli


def test_tenants_are_listed(cli: Cli) -> None:
    assert cli("tenants", "list", "--json").document == []
    assert "tenants add" in cli("tenants", "list").out
    added = cli("tenants", "add", "  Acme & Söhne ")
    assert added.out.startswith("tenant Acme & Söhne added, with 4 jobs")
    assert "Acme & Söhne/GitHub" in added.out
    [tenant] = [TenantRow.model_validate(row) for row in cli("tenants", "list", "--json").document]
    assert (tenant.name, tenant.jobs, tenant.integrations, tenant.active) == ("Acme & Söhne", 4, 0, True)
    assert "Acme & Söhne" in cli("tenants", "list").out


def test_a_tenant_that_cannot_be(cli: Cli) -> None:
    cli("tenants", "add", "acme")
    cli("tenants", "add", " acme ").refused(4, "'acme'")
    for name in ("", "   ", "a/b", "a\nb", "a\x1b[31m", "a" * 201):
        cli("tenants", "add", name).refused(2, "tenant")
    cli("tenants", "add").refused(2, "NAME")
    assert len(cli("tenants", "list", "--json").document) == 1


def test_an_integration_keeps_its_configuration_as_it_was_given(acme: Cli, tmp_path: Path) -> None:
    config = {"records": 7, "seed": 3}
    given = acme(
        "integrations", "add", "acme", "b", "--type", "synthetic", "--config", json.dumps(config), "--json"
    )
    row = IntegrationRow.model_validate(given.document)
    assert (row.tenant, row.name, row.type, row.config, row.jobs) == ("acme", "b", "synthetic", config, 0)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8-sig")  # as some editors save it
    assert "jobs settings acme/JOB --integration c" in (
        acme("integrations", "add", "acme", "c", "--type", "synthetic", "--config", f"@{file}").out
    )
    listed = acme("integrations", "list", "--json").document
    assert [row["name"] for row in listed] == ["b", "c", "made-up"]
    assert listed[1]["config"] == config
    assert listed[2]["jobs"] == 1
    assert "made-up" in acme("integrations", "list", "--tenant", "acme").out


def test_an_integration_is_named_in_two_words_or_in_one(acme: Cli) -> None:
    add = ("--type", "synthetic", "--config", "{}")
    assert "acme/one of" in acme("integrations", "add", "acme/one", *add).out
    for words in (("acme", "one"), ("acme/one",)):
        changed = acme("integrations", "set", *words, "--config", '{"records": 5}')
        assert changed.out.startswith("integration acme/one has")
        assert "acme/one" in acme("integrations", "test", *words).out
        assert "vectorize" in acme("integrations", "vectorize", *words).out
    for command in (("set", "one", "--config", "{}"), ("add", "/one", *add), ("vectorize", "acme/")):
        acme("integrations", *command).refused(2, "as in `acme app` or `acme/app`")
    acme("integrations", "set", "acme/two", "--config", "{}").refused(3, "two")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('{"recrods": 1}', ["recrods", "unknown field"]),
        ('{"records": -1}', ["records"]),
        ('{"records": "many"}', ["records"]),
        ("{", ["line 1, column 2"]),
        ('{"records": 1,\n "seed": }', ["line 2, column 10"]),
        ("[1]", ["JSON object"]),
        ("", ["line 1, column 1"]),
        ('{"seed": 1, "seed": 2}', ["'seed'", "twice"]),
        ('{"mutate": NaN}', ["NaN"]),
        ("@/nowhere/config.json", ["/nowhere/config.json", "No such file"]),
        ("@/", ["@/"]),
        ("[" * 100_000, []),
        (r'{"seed": "\u0000"}', ["seed", "NUL"]),
        (r'{"streams": ["\ud800"]}', ["streams.0", "surrogate"]),
        (r'{"\ud800": 1}', ["ud800", "surrogate"]),
    ],
)
def test_a_configuration_that_cannot_be(acme: Cli, config: str, words: list[str]) -> None:
    acme("integrations", "add", "acme", "x", "--type", "synthetic", "--config", config).refused(2, *words)
    assert len(acme("integrations", "list", "--json").document) == 1


def test_a_file_that_is_not_text(acme: Cli, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(b"\xff\xfe\x00")
    acme("integrations", "add", "acme", "x", "--type", "synthetic", "--config", f"@{file}").refused(
        2, "UTF-8"
    )


@pytest.mark.parametrize(
    "config",
    [
        {"token": "hunter2-s3cr3t"},
        {"nested": [{"client_secret": "hunter2-s3cr3t"}]},
        {"base_url": "https://me:hunter2-s3cr3t@host/"},
        {"token": "env:hunter2-s3cr3t"},
        {"dsn": "host=a password=hunter2-s3cr3t"},
    ],
)
def test_a_secret_in_clear_is_refused_and_not_repeated(acme: Cli, config: dict[str, object]) -> None:
    text = json.dumps(config)
    refused = acme("integrations", "add", "acme", "x", "--type", "synthetic", "--config", text)
    refused.refused(2, "env:NAME", "file:/path")
    assert "s3cr3t" not in refused.err
    broken = acme("integrations", "add", "acme", "x", "--type", "synthetic", "--config", text[:-1])
    broken.refused(2, "line 1")
    assert "s3cr3t" not in broken.err


def test_an_integration_that_cannot_be(acme: Cli) -> None:
    def add(tenant: str, name: str, kind: str) -> tuple[str, ...]:
        return ("integrations", "add", tenant, name, "--type", kind, "--config", "{}")

    acme(*add("acme", "made-up", "synthetic")).refused(4, "made-up")
    acme(*add("nobody", "x", "synthetic")).refused(3, "nobody")
    acme(*add("acme", "x", "oracle")).refused(2, "oracle", "synthetic", "files", "git")
    acme(*add("acme", "a/b", "synthetic")).refused(2, "a/b")
    acme("integrations", "add", "acme", "x", "--type", "synthetic").refused(2, "--config")
    acme("integrations", "list", "--tenant", "nobody").refused(3, "nobody")
