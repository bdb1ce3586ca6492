"""`connectors`: what is installed, and what a package of somebody else brings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from etl_core.models.connector import ConnectorRow
from tests.etl_tui.cli.conftest import Cli, Install


def test_ours_are_listed_with_what_they_are(cli_anywhere: Cli) -> None:
    listed = cli_anywhere("connectors", "list", "--json")
    assert listed.code == 0
    rows = {row.type: row for row in map(ConnectorRow.model_validate, listed.document) if not row.tap}
    assert list(rows) == sorted(rows)
    assert (rows["git"].package, rows["git"].streams) == ("etl-tui", ("commits", "commit_files", "authors"))
    assert all(row.summary.endswith(".") and row.version and not row.error for row in rows.values())
    assert "git repository" in cli_anywhere("connectors", "list").out


def test_a_package_that_cannot_be_loaded_says_why(
    cli_anywhere: Cli, tmp_path: Path, install: Install
) -> None:
    (tmp_path / "broken_connector.py").write_text("raise RuntimeError('its library\\nis missing')\n")
    install("broken", "broken_connector:Connector")
    told = cli_anywhere("connectors", "list")
    assert told.code == 1
    [line] = [line for line in told.out.splitlines() if line.startswith("broken")]
    assert "acme-broken 2.5" in line
    assert line.endswith("cannot be loaded: RuntimeError: its library is missing")
    assert "synthetic" in told.out


def test_a_new_package_bears_its_name_everywhere(cli_anywhere: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "somewhere" / "crm"
    written = cli_anywhere("connectors", "new", "acme-crm-2", "--folder", str(folder), "--json").document
    assert written["type"] == "acme-crm-2"
    assert (written["package"], written["module"]) == ("etl-tui-acme-crm-2", "etl_tui_acme_crm_2")
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == sorted(written["files"])
    texts = {name: (folder / name).read_text() for name in found}
    assert "class AcmeCrm2Connector" in texts["etl_tui_acme_crm_2/connector.py"]
    for name, text in texts.items():
        assert not re.search("my.?system", name + text, re.IGNORECASE), name
        if name.endswith(".py"):
            compile(text, name, "exec")


@pytest.mark.parametrize("name", ["Acme", "acme_crm", "2acme", "acme-", "a--b", "ac/me", "", "x" * 41])
def test_a_name_that_cannot_be(cli_anywhere: Cli, tmp_path: Path, name: str) -> None:
    cli_anywhere("connectors", "new", name, "--folder", str(tmp_path / "x")).refused(2, "acme-crm")
    assert not (tmp_path / "x").exists()


def test_what_is_there_is_not_written_over(cli_anywhere: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    cli_anywhere("connectors", "new", "acme", "--folder", str(tmp_path)).refused(4, "not empty")
    cli_anywhere("connectors", "new", "git", "--folder", str(tmp_path / "x")).refused(4, "installed already")
    file = str(tmp_path / "mine.txt" / "below")
    cli_anywhere("connectors", "new", "acme", "--folder", file).refused(2, "mine.txt")
