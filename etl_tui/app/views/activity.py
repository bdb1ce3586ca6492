"""What happened, newest first: who did what, what failed, what recovered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from textual.widget import Widget

from etl_core.control.events import list_events
from etl_core.models.audit import EventRow
from etl_core.rules.clock_text import clock_text
from etl_core.rules.job_tone import Tone
from etl_tui.app.look.cells import clean
from etl_tui.app.views.columns import Column
from etl_tui.app.views.list_pane import ListPane
from etl_tui.app.views.list_view import ListView
from etl_tui.app.views.view import View

PAGE: Final = 200
"""Events of one question."""
MOST_KEPT: Final = 5_000
"""Beyond that one looks with `etl-tui audit`."""
_BY_ITSELF: Final = frozenset({"etl-tui", "sweep"})
_TONES: Final = {
    "failed": Tone.FAILED,
    "switched_off": Tone.FAILED,
    "worker_lost": Tone.WAITING,
    "mend": Tone.WAITING,
    "recovered": Tone.FINISHED,
}


def _tone(event: EventRow) -> Tone:
    """What a person did stands out by its actor, not by a colour."""
    return _TONES.get(event.action, Tone.OFF if event.actor in _BY_ITSELF else Tone.READY)


def _actor(event: EventRow, _: datetime) -> str:
    return "" if event.actor in _BY_ITSELF else clean(event.actor)


EVENTS: tuple[Column[EventRow], ...] = (
    Column("WHEN", 11, lambda event, now: clock_text(event.at, now), lambda event: event.id, right=True),
    Column("ACTOR", 14, _actor, lambda event: event.actor.casefold()),
    Column("JOB", 36, lambda event, _: clean(event.place), lambda event: event.place.casefold()),
    Column("WHAT", 60, lambda event, _: clean(event.sentence), grows=True),
)


class ActivityView(View):
    """The audit as a feed. The newest page is asked for again and again, older ones when one gets there."""

    NAME = "activity"

    def body(self) -> Sequence[Widget]:
        self._events: dict[int, EventRow] = {}
        self._is_whole = False
        self._feed: ListView[EventRow] = ListView(
            self.look,
            EVENTS,
            name="feed",
            key=lambda event: event.id,
            tone=_tone,
            now=lambda: self.board.now,
            fields=lambda event: {"action": event.action, "by": event.actor, "from": event.ssh_origin or ""},
            empty="nothing has happened yet",
        )
        return [ListPane(self.look, self._feed)]

    async def read(self) -> None:
        newest = await self._page(None)
        if self._events and newest and newest[-1].id > max(self._events):
            self._events.clear()  # more happened than a page holds: no hole is left in the feed
            self._is_whole = False
        self._events.update((event.id, event) for event in newest)
        self._is_whole |= len(newest) < PAGE
        self._show()
        if self._wants_more:
            older = await self._page(min(self._events))
            self._events.update((event.id, event) for event in older)
            self._is_whole = len(older) < PAGE
            self._show()

    def _show(self) -> None:
        self._feed.show_rows([self._events[number] for number in sorted(self._events, reverse=True)])

    async def _page(self, before_id: int | None) -> list[EventRow]:
        return await self.source.ask(
            lambda conn: list_events(conn, tenant=self.tenant, before_id=before_id, limit=PAGE)
        )

    @property
    def _wants_more(self) -> bool:
        """The cursor is near the end of what is known, or what is known does not fill the screen."""
        if self._is_whole or not self._events or len(self._events) >= MOST_KEPT:
            return False
        return self._feed.rows_below < self._feed.size.height

    def action_move(self, rows: int) -> None:
        super().action_move(rows)
        self._look_further()

    def action_page(self, pages: int) -> None:
        super().action_page(pages)
        self._look_further()

    def action_last(self) -> None:
        super().action_last()
        self._look_further()

    def _look_further(self) -> None:
        if self._wants_more:
            self.wake()

    def summary(self, count: str) -> str:
        return count if self._is_whole else f"{count} newest"

    def sentence(self) -> tuple[Tone, str]:
        event = self._feed.selected
        if event is None:
            return Tone.OFF, ""
        who = event.actor
        if event.os_user and event.os_user != who:
            who += f" ({event.os_user})"
        if event.ssh_origin:
            who += f" from {event.ssh_origin}"
        return _tone(event), f"{event.at.astimezone():%Y-%m-%d %H:%M:%S} {who}: {event.sentence}"

    def chosen_job(self) -> int | None:
        event = self._feed.selected
        return event.job_id if event else None
