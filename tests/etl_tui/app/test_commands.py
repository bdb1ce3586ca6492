"""The registry of commands: keys come from it, and the settings give others."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from etl_core.errors import InvalidInput
from etl_tui.app.commands.command import EVERYWHERE, JOBS, Command
from etl_tui.app.commands.keymap import Keymap, key_text, read_keymap
from etl_tui.app.commands.registry import COMMANDS, commands_at
from tests.etl_tui.app.conftest import AddJob, Drive


def test_names_are_unique_and_no_key_means_two_things_in_a_place() -> None:
    names = [command.name for command in COMMANDS]
    assert len(names) == len(set(names))
    for one, other in combinations(COMMANDS, 2):
        if {*one.places} & {*other.places}:
            assert not {*one.keys} & {*other.keys}, (one.name, other.name)


def test_a_command_works_at_its_place_within_it_and_everywhere() -> None:
    command = Command("x", "", "x", places=("job",))
    assert command.works_at("job")
    assert command.works_at("job.log")
    assert not command.works_at("jobs")
    assert Command("x", "", "x").works_at("jobs")
    assert [command.name for command in commands_at(JOBS)][-1] == "quit"
    assert all(EVERYWHERE in command.places for command in commands_at("nowhere"))


def test_keys_are_read_as_people_write_them() -> None:
    keymap = read_keymap({"run-now": "f5, ~", "help": "ctrl+h", "refresh": "r", "filter": ","})
    shown = {command.name: keymap.all_shown(command) for command in COMMANDS}
    assert (shown["run-now"], shown["filter"], shown["help"]) == (["f5", "~"], [","], ["^h"])
    assert [key_text(key) for key in ("question_mark", "slash", "pagedown", "shift+up")] == [
        "?",
        "/",
        "PgDn",
        "shift+↑",
    ]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"run": "R"}, "FILE: run: there is no such command; do you mean run-now?"),
        ({"run-now": "s"}, "FILE: the key s is given to run-now and to settings; give one of them another"),
        ({"run-now": "?"}, "FILE: the key ? is given to run-now and to help; give one of them another"),
        ({"run-now": ""}, "FILE: run-now = '': '' is no key; write a character, ctrl+r, f5, pagedown"),
        ({"run-now": "hyper"}, "FILE: run-now = 'hyper': 'hyper' is no key"),
    ],
)
def test_a_wrong_table_is_refused_by_name(table: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_keymap(table, "FILE")
    assert str(refusal.value).startswith(told)


async def test_other_keys_work_and_hints_and_help_show_them(drive: Drive, add_job: AddJob) -> None:
    await add_job("github")
    keymap = read_keymap({"on-off": "x", "refresh": "o"})
    async with drive(keymap=keymap) as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        assert "x on/off" in dashboard.line("hints")
        await dashboard.pilot.press("o", "ctrl+r")  # neither switches it off
        await dashboard.pilot.press("x")
        await dashboard.until(lambda: "is off; u undoes it" in dashboard.line("message"))
        await dashboard.pilot.press("question_mark")
        await dashboard.until(lambda: "Help · Jobs" in dashboard.screen_text())
        assert "x             Switches the job on or off" in dashboard.screen_text()


async def test_a_click_on_a_hint_does_it(drive: Drive, add_job: AddJob) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        at = dashboard.line("hints").index("? help")
        await dashboard.pilot.click("#hints", offset=(at + 3, 0))
        await dashboard.until(lambda: "Help · Jobs" in dashboard.screen_text())


def test_wrong_keys_in_the_settings_are_told_before_the_terminal_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etl_core.settings import load_settings
    from etl_tui.app.launch import run_dashboard

    config = tmp_path / "config.toml"
    config.write_text('[keys]\nrun-later = "R"\n')
    monkeypatch.setenv("ETL_CONFIG", str(config))
    with pytest.raises(InvalidInput) as refusal:
        run_dashboard(load_settings())
    assert str(refusal.value).startswith(f"settings ({config}), [keys]: run-later: there is no such command")


def test_without_a_table_keys_are_the_usual_ones() -> None:
    assert Keymap().shown(COMMANDS[0]) == key_text(COMMANDS[0].keys[0])
