"""`etl-tui` without a command: opens the database, then gives the terminal to the dashboard."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode

if TYPE_CHECKING:
    from etl_core.settings import Settings
    from etl_tui.app.app import DashboardApp
    from etl_tui.app.feed.workplace import SettingsIn

FRAMES_PER_SECOND = 20
"""Enough for hands; 60 is bytes for a remote terminal."""


def run_dashboard(
    settings: Settings,
    *,
    settings_in: SettingsIn | None = None,
    ascii: bool = False,  # noqa: A002
    mouse: bool = True,
) -> int:
    """Shows the dashboard until it is quit (q, SIGTERM, SIGHUP); returns the exit code.

    The database is opened before Textual takes the terminal, so that what is wrong with it is one line on
    stderr. `settings_in` gives the settings of other contexts to work in. `ascii` shows no glyphs beyond
    ASCII; without `mouse` the terminal keeps it (selecting text).

    Raises:
        InvalidInput, Unreachable, Conflict: the database's URL, the database or its schema.
    """
    # Nothing of what a start makes is garbage; to look for some, again and again, is a tenth of the start.
    gc.disable()
    return asyncio.run(show_dashboard(settings, settings_in=settings_in, ascii=ascii, mouse=mouse))


async def show_dashboard(
    settings: Settings,
    *,
    settings_in: SettingsIn | None = None,
    ascii: bool = False,  # noqa: A002
    mouse: bool = True,
) -> int:
    """The same for a caller that has an event loop."""
    # Textual reads it when it is imported.
    os.environ.setdefault("TEXTUAL_FPS", str(FRAMES_PER_SECOND))
    if os.environ.get("NO_COLOR") == "":  # which asks for nothing (no-color.org), but not to Textual
        del os.environ["NO_COLOR"]

    from etl_core.settings import config_path
    from etl_tui.app.commands.keymap import read_keymap
    from etl_tui.app.feed.workplace import Workplaces
    from etl_tui.app.look.theme import choose_look

    keymap = read_keymap(settings.keys, f"settings ({config_path() or 'ETL_KEYS'}), [keys]")
    workplaces = Workplaces(settings, settings_in)
    try:
        workplace = await workplaces.enter()

        from etl_tui.app.app import DashboardApp
        from etl_tui.app.preferences import Preferences
        from etl_tui.app.terminal.background import ask_background
        from etl_tui.app.terminal.endings import Endings

        app = DashboardApp(
            workplace.source,
            choose_look(plain=ascii, theme=settings.theme, asked=ask_background),
            tenant=workplace.settings.tenant,
            preferences=Preferences.of_user(),
            keymap=keymap,
        )
        app.begin_in(workplace, workplaces)
        app.notify_by = settings.notify
        endings = Endings(app)
        app.terminal_gone = endings.gone
        app.first_painted = _collect_garbage
        with endings.listening():
            await app.run_async(mouse=mouse)
    finally:
        await workplaces.close()
    return _tell_crash(app, workplaces.urls) if app.crash else app.return_code or 0


def _collect_garbage() -> None:
    """From now on; what the start made is left alone for good."""
    gc.freeze()
    gc.enable()


def _tell_crash(app: DashboardApp, urls: Sequence[str]) -> int:
    """One line on stderr, and where the report is."""
    from etl_tui.app.terminal.crash_report import without_secrets, write_crash_report
    from etl_tui.cli.output import one_line

    assert app.crash is not None  # noqa: S101 - it is asked before
    told = one_line(without_secrets(f"{type(app.crash).__name__}: {app.crash}", urls))
    try:
        report = write_crash_report(app.crash, terminal=app.terminal_facts, urls=urls)
        where = f"what is known of it is in {report}"
    except OSError as refusal:
        where = f"no report could be written ({refusal})"
    if sys.stderr is not None:
        sys.stderr.write(f"etl-tui: unexpected {told}; {one_line(where)}\n")
    return ExitCode.FAILED
