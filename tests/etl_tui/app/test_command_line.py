"""The `:` line and the palette: everything by its name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual import events

from etl_core.errors import InvalidInput
from etl_tui.app.commands.command import Command
from etl_tui.app.commands.line import complete_line, matching, read_line
from etl_tui.app.preferences import Preferences
from tests.etl_tui.app.conftest import AddJob, Drive

RUN = Command("run-now", "Runs the job", "run_now", aliases=("run",))
RUNS = Command("runs", "Past runs", "runs")
SORT = Command("sort", "Sorts by a column", "sort", takes="COLUMN", needs=True)
QUIT = Command("quit", "Ends it", "quit", aliases=("q",))
ALL = (RUN, RUNS, SORT, QUIT)


@pytest.mark.parametrize(
    ("line", "command", "rest"),
    [("run", RUN, ""), ("runs", RUNS, ""), ("q", QUIT, ""), ("so  next ", SORT, "next"), ("run-", RUN, "")],
)
def test_a_line_is_a_command_and_what_it_takes(line: str, command: Command, rest: str) -> None:
    assert read_line(line, ALL) == (command, rest)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ru", "ru: which one? run-now, runs"),
        ("quid", "there is no command quid: do you mean quit?"),
        ("zebra", "there is no command zebra: ctrl+p shows all"),
        ("run now", "run-now takes nothing behind it"),
        ("sort", "sort needs COLUMN"),
        (" ", "write a command; tab completes it"),
    ],
)
def test_a_line_that_is_not_understood_says_why(line: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(told)):
        read_line(line, ALL)


def test_names_then_what_they_take_are_completed() -> None:
    def titles(command: Command, text: str) -> list[str]:
        return [title for title in ("next", "note") if title.startswith(text)]

    assert complete_line("ru", ALL, titles) == ["run-now", "run", "runs"]
    assert complete_line("sort n", ALL, titles) == ["sort next", "sort note"]
    assert complete_line("sort next", ALL, titles) == []
    assert complete_line("quit x", ALL, titles) == []


def test_the_palette_finds_by_any_word() -> None:
    assert matching("run", ALL) == [RUN, RUNS]
    assert matching("column", ALL) == [SORT]
    assert matching("the job", ALL) == [RUN]
    assert matching("", ALL) == list(ALL)


async def test_the_line_does_completes_and_remembers(drive: Drive, add_job: AddJob, tmp_path: Path) -> None:
    await add_job("alpha", schedule_interval_minutes=720)
    await add_job("bravo", schedule_interval_minutes=60)
    preferences = Preferences(tmp_path / "preferences.json")
    async with drive(preferences=preferences) as dashboard:
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 2)
        press = dashboard.pilot.press
        await press("colon", *"sor", "tab", *"ever")
        await dashboard.until(lambda: ": sort every" in dashboard.screen_text())
        await press("tab", "enter")
        await dashboard.until(lambda: "▲EVERY" in dashboard.line("heading"))
        await press("colon", *"filter alpha", "enter")
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 1)
        await press("colon", *"sort", "enter")
        await dashboard.until(lambda: "sort needs COLUMN" in dashboard.screen_text())
        await press("escape", "colon", *"sort nowhere", "enter")
        await dashboard.until(lambda: "nowhere: sort by status" in dashboard.line("message"))
    async with drive(preferences=Preferences(preferences.path)) as dashboard:
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 2)
        press = dashboard.pilot.press
        await press("colon", "up", "up")
        await dashboard.until(lambda: ": filter alpha" in dashboard.screen_text())
        await press("escape", "slash", "up")  # a filter is one, however it was given
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 1)
        await press("enter", "colon", "q", "enter")
        await dashboard.until(lambda: dashboard.app.return_code == 0)


async def test_the_palette_does_what_is_chosen_and_says_what_cannot_be(drive: Drive, add_job: AddJob) -> None:
    await add_job("github")
    async with drive() as dashboard:
        await dashboard.until(lambda: dashboard.grid.jobs)
        press = dashboard.pilot.press
        await press("ctrl+p", *"cancel")
        await dashboard.until(lambda: "not now: it is not running" in dashboard.screen_text())
        await press(*["backspace"] * 6, *"switches", "enter")
        await dashboard.until(lambda: "is off; u undoes it" in dashboard.line("message"))
        await press("ctrl+p", *"by a column", "enter")  # it needs a text: asked for in the line
        await dashboard.until(lambda: ": sort" in dashboard.screen_text())
        await press(*"every", "enter")
        await dashboard.until(lambda: "▲EVERY" in dashboard.line("heading"))


async def test_what_is_typed_in_one_go_arrives(drive: Drive, add_job: AddJob) -> None:
    await add_job("alpha")
    await add_job("bravo")
    async with drive() as dashboard:
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 2)
        for line, shown in ((":filter bravo\n", 1), (":view all\n", 2), ("/alpha\n", 1)):
            for character in line:
                key = {"\n": "enter", " ": "space", ":": "colon", "/": "slash"}.get(character, character)
                dashboard.app.post_message(events.Key(key, None if key == "enter" else character))
            await dashboard.until(lambda shown=shown: len(dashboard.grid.jobs) == shown)
