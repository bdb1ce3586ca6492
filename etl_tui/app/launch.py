"""`etl-tui` without a command: opens the database, then gives the terminal to the dashboard."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

    from etl_core.settings import Settings
    from etl_tui.app.app import DashboardApp

APPLICATION_NAME = "etl-tui dashboard"
FRAMES_PER_SECOND = 20
"""Enough for hands; 60 is bytes for a remote terminal."""


def run_dashboard(settings: Settings, *, ascii: bool = False, mouse: bool = True) -> int:  # noqa: A002
    """Shows the dashboard until it is quit (q, SIGTERM, SIGHUP); returns the exit code.

    The database is opened before Textual takes the terminal, so that what is wrong with it is one line on
    stderr. `ascii` shows no glyphs beyond ASCII; without `mouse` the terminal keeps it (selecting text).

    Raises:
        InvalidInput, Unreachable, Conflict: the database's URL, the database or its schema.
    """
    return asyncio.run(show_dashboard(settings, ascii=ascii, mouse=mouse))


async def show_dashboard(settings: Settings, *, ascii: bool = False, mouse: bool = True) -> int:  # noqa: A002
    """The same for a caller that has an event loop."""
    # Textual reads it when it is imported.
    os.environ.setdefault("TEXTUAL_FPS", str(FRAMES_PER_SECOND))

    from etl_core.settings import config_path
    from etl_core.store.database import connect
    from etl_core.store.location import database_location
    from etl_core.store.migrations import check_schema
    from etl_tui.app.commands.keymap import read_keymap

    keymap = read_keymap(settings.keys, f"settings ({config_path() or 'ETL_KEYS'}), [keys]")
    async with database_location(settings) as url:

        async def open_connection() -> asyncpg.Connection:
            conn = await connect(url, application_name=APPLICATION_NAME)
            try:
                await check_schema(conn)
            except BaseException:
                conn.terminate()
                raise
            return conn

        conn = await open_connection()

        from etl_core.control.audit import Actor
        from etl_tui.app.app import DashboardApp
        from etl_tui.app.feed.source import DatabaseSource
        from etl_tui.app.look.theme import choose_look
        from etl_tui.app.preferences import Preferences

        source = DatabaseSource(
            open_connection,
            conn,
            tenant=settings.tenant,
            actor=Actor.current(),
            lost_after=settings.lease_timeout,
        )
        try:
            app = DashboardApp(
                source,
                choose_look(plain=ascii),
                tenant=settings.tenant,
                preferences=Preferences.of_user(),
                keymap=keymap,
            )
            with _quitting_on_signals(app):
                await app.run_async(mouse=mouse)
        finally:
            await source.close()
        return app.return_code or 0


@contextmanager
def _quitting_on_signals(app: DashboardApp) -> Iterator[None]:
    """SIGTERM and SIGHUP end it as `q` does, so that the terminal is given back in order."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, app.exit)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
