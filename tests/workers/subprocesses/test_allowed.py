"""What the worker's own setting lets run, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl_core.errors import InvalidInput, Permanent
from etl_core.settings import load_settings
from workers.subprocesses.allowed import find_allowed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """bin/job can be run, bin/sub/job, too; bin/out leads to a folder beside it; bin/notes is no program."""
    for name in ("bin/job", "bin/sub/job", "bin/notes", "beside/job", "binary"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755 if name != "bin/notes" else 0o644)
    (tmp_path / "bin" / "out").symlink_to(tmp_path / "beside")
    return tmp_path


@pytest.mark.parametrize(
    ("allow", "program", "refusal"),
    [
        ("", "{}/bin/job", "add it to ETL_ALLOW_COMMANDS"),
        ("taps", "{}/bin/job", "may not run"),
        ("{}/bin/job", "{}/bin/job", None),
        ("/bin/true:{}/bin/", "{}/bin/job", None),
        ("{}/bin/", "{}/bin/sub/job", None),
        ("{}/bin", "{}/bin/job", "may not run"),
        ("{}/bin/", "{}/binary", "may not run"),
        ("{}/bin/", "{}/bin/out/job", "may not run"),
        ("{}/bin/", "{}/bin/../beside/job", r"without \.\."),
        ("{}/bin/job", "job", None),
        ("{}/bin/job", "no-such-program", "no program"),
        ("{}/bin/job", "bin/job", "absolute path"),
        ("{}/bin/", "{}/bin/notes", "chmod"),
        ("{}/bin/", "{}/bin/gone", "there is no program"),
    ],
)
def test_allowed(
    allow: str, program: str, refusal: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_ALLOW_COMMANDS", allow.format(folder))
    monkeypatch.setenv("PATH", str(folder / "bin"))
    if refusal is None:
        assert find_allowed(program.format(folder)).name == "job"
    else:
        with pytest.raises(Permanent, match=refusal):
            find_allowed(program.format(folder))


@pytest.mark.parametrize("entry", ["job", "/", "/opt/../bin/", "./job"])
def test_what_would_allow_too_much_is_no_setting(entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_ALLOW_COMMANDS", entry)
    with pytest.raises(InvalidInput, match="allow_commands"):
        load_settings()
