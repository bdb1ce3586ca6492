"""Settings from variables and a file: what is read, and how what cannot be is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl_core.errors import InvalidInput
from etl_core.settings import load_settings


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("ETL_DATABASE_URL", "ETL_AMQP_URL", "ETL_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "etl.toml"
    path.write_text("")
    monkeypatch.setenv("ETL_CONFIG", str(path))
    return path


def test_a_variable_goes_before_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("lease_timeout = 30\nkeep_days = 10\n[keys]\nrun-now = 'R'\n")
    variables = {
        "ETL_LEASE_TIMEOUT": "20.5",
        "etl_read_only": "Yes",
        "ETL_KEEP_VERSIONS": "7",
        "ETL_ALLOW_COMMANDS": "/opt/etl/bin/:taps",
        "ETL_DATABASE_URL": "postgresql://etl:hunter22@db/etl",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(theme="light")
    assert (settings.lease_timeout, settings.keep_days, settings.keep_versions) == (20.5, 10, 7)
    assert settings.read_only and settings.theme == "light" and settings.keys == {"run-now": "R"}
    assert settings.allow_commands == ("/opt/etl/bin/", "taps")
    assert settings.database_url is not None and "hunter22" in settings.database_url.get_secret_value()
    assert "hunter22" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("claim_intervall = 5", ["claim_intervall: unknown field"]),
        (
            "theme = 'pink'\nkeep_versions = 'x'\nread_only = 'maybe'",
            ["theme: Input should be 'auto', 'dark', 'light'", "keep_versions", "read_only"],
        ),
        ("heartbeat_interval = 10", ["heartbeat_interval (10 s) must be shorter than lease_timeout"]),
        (
            "[contexts.prod]\ncolour = 'pink'\nurl = 'x'",
            ["contexts.prod.colour: Input should be 'red'", "contexts.prod.url: unknown"],
        ),
        ("[contexts.'a b']", ["contexts.a b", "'a b': letters, digits"]),
        ("contexts = 1", ["contexts"]),
        ("contexts.prod = 1", ["contexts.prod"]),
        ("database_url = 5", ["database_url"]),
    ],
)
def test_everything_that_is_wrong_is_told_with_its_place(file: Path, text: str, told: list[str]) -> None:
    file.write_text(text)
    with pytest.raises(InvalidInput) as refusal:
        load_settings()
    assert [part for part in [file.name, *told] if part not in str(refusal.value)] == []
