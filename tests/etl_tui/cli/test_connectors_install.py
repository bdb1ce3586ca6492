"""`connectors install`: a package into a venv of its own, by the real uv, from a wheel that lies here."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from etl_core import taps
from etl_core.control import tap_install
from etl_core.taps import find_tap
from tests.etl_tui.cli.conftest import Cli

METADATA = (
    "Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nSummary: Reads\n  tiny things.\n{licence}\n"
)


def put_wheel(folder: Path, name: str, version: str, programs: list[str], licence: str) -> None:
    module = name.replace("-", "_")
    about = f"{module}-{version}.dist-info"
    points = "".join(f"{program} = {module}:main\n" for program in programs)
    with zipfile.ZipFile(folder / f"{module}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{module}.py", f"def main():\n    print('{name} {version}')\n")
        wheel.writestr(f"{about}/METADATA", METADATA.format(name=name, version=version, licence=licence))
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/entry_points.txt", f"[console_scripts]\n{points}")
        wheel.writestr(f"{about}/RECORD", "")


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Wheels that are found, and nothing else; taps are kept in a folder of their own."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for module in (taps, tap_install):
        monkeypatch.setattr(module, "taps_dir", lambda: tmp_path / "taps")
    for tool in ("UV", "PIP"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(wheels))
    return wheels


def test_installed_it_is_listed_with_its_licence_and_can_be_replaced(cli_anywhere: Cli, index: Path) -> None:
    classifier = "Classifier: License :: OSI Approved\nClassifier: License :: OSI Approved :: MIT License"
    put_wheel(index, "tap-tiny", "1.0", ["tap-tiny", "tiny-admin"], classifier)
    installed = cli_anywhere("connectors", "install", "Tap_Tiny", "--json").document
    assert (installed["name"], installed["version"], installed["licence"]) == (
        "tap-tiny",
        "1.0",
        "MIT License",
    )
    first = Path(installed["program"])
    assert subprocess.check_output([first], text=True) == "tap-tiny 1.0\n"

    listed = cli_anywhere("connectors", "list", "--json").document
    [row] = [row for row in listed if row["tap"]]
    assert (row["type"], row["package"], row["version"]) == ("singer", "tap-tiny", "1.0")
    assert (row["licence"], row["summary"]) == ("MIT License", "Reads tiny things.")
    assert "Reads tiny things. (licence: MIT License)" in cli_anywhere("connectors", "list").out

    put_wheel(index, "tap-tiny", "2.0", ["tap-tiny"], "License-Expression: AGPL-3.0-only")
    told = cli_anywhere("connectors", "install", "tap-tiny==2.0")
    assert told.out == "tap-tiny 2.0 installed, licence: AGPL-3.0-only\n"
    assert not first.exists()


def test_what_cannot_be_installed_leaves_nothing(cli_anywhere: Cli, index: Path) -> None:
    cli_anywhere("connectors", "install", "tap-tiny").refused(1, "tap-tiny")
    put_wheel(index, "tiny", "1.0", ["one", "two"], "")
    cli_anywhere("connectors", "install", "tiny").refused(1, "brings one, two")
    for name in ("--index-url", "git+https://x/y", "a b", "tap-x; rm", "../tap"):
        cli_anywhere("connectors", "install", name).refused(2)
    assert find_tap("tap-tiny") is None
    assert not list(taps.taps_dir().iterdir())
