"""What was chosen is kept: over a restart, beside other dashboards, past a broken file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from etl_tui.app.preferences import Preference, Preferences

HISTORY: Preference[list[str]] = Preference("history", list[str], [])
COLUMNS: Preference[tuple[str, ...] | None] = Preference("columns", tuple[str, ...] | None, None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "etl-tui" / "preferences.json"


def test_what_is_chosen_is_there_next_time(path: Path) -> None:
    chosen = Preferences(path)
    assert chosen.get(COLUMNS) is None
    chosen.set(COLUMNS, ("JOB", "NOTE"))
    assert chosen.get(COLUMNS) == Preferences(path).get(COLUMNS) == ("JOB", "NOTE")
    assert sorted(file.name for file in path.parent.iterdir()) == ["preferences.json", "preferences.lock"]
    assert path.stat().st_mode & 0o077 == 0


def test_two_dashboards_keep_what_the_other_one_chose(path: Path) -> None:
    one, other = Preferences(path), Preferences(path)
    one.set(COLUMNS, ("JOB",))
    other.change(HISTORY, lambda known: [*known, "failed"])
    one.change(HISTORY, lambda known: [*known, "late>1h"])
    assert Preferences(path).get(HISTORY) == ["failed", "late>1h"]
    assert Preferences(path).get(COLUMNS) == ("JOB",)


def test_processes_that_write_at_once_lose_nothing(path: Path) -> None:
    program = (
        "import sys, pathlib; from etl_tui.app import preferences as p; "
        "h = p.Preference('history', list[str], []); p.LOCK_PATIENCE = 60; "
        "mine = p.Preferences(pathlib.Path(sys.argv[1])); "
        "[mine.change(h, lambda known: [*known, f'{sys.argv[2]} {n}']) for n in range(50)]; "
        "sys.exit(mine.trouble)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path), name]) for name in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    known = Preferences(path).get(HISTORY)
    assert len(known) == len(set(known)) == 100


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b"", b"[" * 100_000])
def test_a_broken_file_is_told_in_a_line_and_put_aside(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    chosen = Preferences(path)
    assert chosen.trouble is not None and "\n" not in chosen.trouble and "broken.json" in chosen.trouble
    assert path.with_suffix(".broken.json").read_bytes() == content
    chosen.set(HISTORY, ["late"])
    assert Preferences(path).get(HISTORY) == ["late"] and Preferences(path).trouble is None


def test_a_value_of_another_type_is_as_if_unchosen_and_unknown_keys_stay(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text('{"history": 3, "newer": {"a": 1}}')
    chosen = Preferences(path)
    assert chosen.get(HISTORY) == [] and chosen.trouble is None
    chosen.set(HISTORY, ["x"])
    assert '"newer"' in path.read_text()


def test_a_folder_that_cannot_be_written_is_told_and_the_choice_holds(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    chosen = Preferences(tmp_path / "file" / "preferences.json")
    chosen.trouble = None
    chosen.set(HISTORY, ["late"])
    assert chosen.get(HISTORY) == ["late"]
    assert "choices are not kept" in str(chosen.trouble)


def test_the_users_file_is_in_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert Preferences.of_user().path == tmp_path / "state" / "etl-tui" / "preferences.json"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Preferences.of_user().path == tmp_path / ".local" / "state" / "etl-tui" / "preferences.json"
