"""What was done to the job, newest first; below the one under the cursor in full."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult

from etl_core.control.events import list_events
from etl_core.models.audit import EventRow
from etl_core.rules.clock_text import clock_text
from etl_tui.app.commands.job import AUDIT
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.job.desk import Desk
from etl_tui.app.job.tab import JobTab
from etl_tui.app.look.cells import clean, fit
from etl_tui.app.look.line_list import LineList
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.text_view import TextView
from etl_tui.app.look.theme import Look

MOST_EVENTS = 500
_WHEN, _WHO = 11, 12


class EventList(LineList[EventRow]):
    """A sentence a line."""

    def __init__(self, look: Look, clock: DatabaseClock) -> None:
        super().__init__(look, "events", empty="nobody has done anything to it yet")
        self._clock = clock
        self.follows_first = True

    def key_of(self, item: EventRow) -> Hashable:
        return item.id

    def pieces(self, item: EventRow, width: int) -> Sequence[Piece]:
        look = self.look
        when = clock_text(item.at, self._clock.now())
        return [
            Piece(f" {fit(when, _WHEN)}  ", look.dim),
            Piece(fit(clean(item.actor), _WHO) + "  ", look.title),
            Piece(clean(item.sentence), look.text),
        ]


class AuditTab(JobTab):
    """Cannot be changed through the program."""

    TITLE: ClassVar[str] = "Audit"
    PLACE: ClassVar[str] = AUDIT
    DEFAULT_CSS = """
    AuditTab #event { height: 40%; border-top: solid $line; overflow-x: hidden; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._list = EventList(desk.look, desk.clock)
        self._event = TextView(desk.look, "event")

    def compose(self) -> ComposeResult:
        yield self._list
        yield self._event

    def take_focus(self) -> None:
        self._list.focus()

    async def load(self) -> None:
        job_id = self.desk.job.id
        found = await self.desk.ask(lambda conn: list_events(conn, job_id=job_id, limit=MOST_EVENTS))
        if found is not None:
            self._list.show_items(found)
            self._show_event()

    @on(LineList.Moved, "#events")
    def _moved(self) -> None:
        self._show_event()

    def _show_event(self) -> None:
        event = self._list.current
        self._event.show_lines([] if event is None else event_lines(self.desk.look, event))


def event_lines(look: Look, event: EventRow) -> list[list[Piece]]:
    """Who, from where, and what it was about, value by value."""
    told = [
        ("at", f"{event.at.astimezone():%Y-%m-%d %H:%M:%S %Z}"),
        ("action", event.action),
        ("by", event.actor),
        ("system user", event.os_user or ""),
        ("over SSH", event.ssh_origin or ""),
        ("database role", event.db_role),
        ("run", str(event.run_id) if event.run_id is not None else ""),
        *((name, _value(value)) for name, value in event.detail.items() if value is not None),
    ]
    return [
        [Piece(f" {fit(clean(name), 14)}", look.dim), Piece(clean(text), look.text)]
        for name, text in told
        if text
    ]


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
