"""Records that could not be loaded: reason and payload; replayed, corrected, dropped."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from etl_core.control.rejects import list_rejects, show_reject
from etl_core.models.job import JobRow
from etl_core.models.reject import RejectDetails, RejectRow
from etl_core.rules.clock_text import clock_text
from etl_core.rules.job_tone import Tone
from etl_tui.app.commands.job import REJECTS
from etl_tui.app.commands.registry import bindings
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.job.checkpoint.value_words import size_text
from etl_tui.app.job.desk import Desk
from etl_tui.app.job.latest import run_latest
from etl_tui.app.job.prompt_line import PromptLine
from etl_tui.app.job.prompted_tab import PromptedTab
from etl_tui.app.job.rejects.mending import Mending
from etl_tui.app.look.cells import clean, fit
from etl_tui.app.look.line_list import LineList
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.text_view import TextView
from etl_tui.app.look.theme import Look

MOST_REJECTS = 500
_WHEN, _STREAM = 11, 16


class RejectList(LineList[RejectRow]):
    """A record a line, the last seen first."""

    def __init__(self, look: Look, clock: DatabaseClock) -> None:
        super().__init__(look, "rejects", empty="no rejects: every record was loaded")
        self._clock = clock

    def key_of(self, item: RejectRow) -> Hashable:
        return item.id

    def pieces(self, item: RejectRow, width: int) -> Sequence[Piece]:
        look = self.look
        when = clock_text(item.last_seen_at, self._clock.now())
        times = f" x {item.count:,}" if item.count > 1 else ""
        return [
            Piece(f" {fit(when, _WHEN)}  ", look.dim),
            Piece(fit(clean(item.stream), max(_STREAM, width // 6)) + "  ", look.title),
            Piece(clean(item.reason), look.text if item.is_record else look.tone(Tone.OFF)),
            Piece(f"{times}  {size_text(item.bytes)}", look.dim),
        ]


class RejectsTab(PromptedTab):
    """Of the job; of one run when it is given."""

    TITLE: ClassVar[str] = "Rejects"
    PLACE: ClassVar[str] = REJECTS
    BINDINGS: ClassVar[list[BindingType]] = bindings(REJECTS)
    DEFAULT_CSS = """
    RejectsTab #payload { height: 50%; border-top: solid $line; overflow-x: hidden; }
    """

    def __init__(self, desk: Desk, *, run_id: int | None = None) -> None:
        super().__init__(desk)
        self._run_id = run_id
        self._title = StyledLine(desk.look, "rejects-title")
        self._list = RejectList(desk.look, desk.clock)
        self._payload = TextView(desk.look, "payload")
        self._rejects: list[RejectRow] = []
        self._shown: RejectDetails | None = None
        self._mending = Mending(self, desk)

    def compose(self) -> ComposeResult:
        yield self._title
        yield self._list
        yield self._payload
        yield self.prompt

    def take_focus(self) -> None:
        self._list.focus()

    def state_of(self, job: JobRow) -> tuple[int, ...]:
        return (*super().state_of(job), job.rows_rejected or 0)

    async def load(self) -> None:
        job_id = self.desk.job.id
        found = await self.desk.ask(lambda conn: list_rejects(conn, job_id, limit=MOST_REJECTS))
        if found is not None:
            own = self._run_id
            self._rejects = found if own is None else [one for one in found if one.run_id == own]
            self._show()

    def _show(self) -> None:
        words = self.prompt.text.lower().split()
        shown = [
            one
            for one in self._rejects
            if all(word in f"{one.stream} {one.reason}".lower() for word in words)
        ]
        self._list.empty = "none holds this text; esc shows all" if words else self._none()
        self._list.show_items(shown)
        self.prompt.tell(f"{len(shown):,} of {len(self._rejects):,}" if words else "")
        more = " and more" if len(self._rejects) >= MOST_REJECTS else ""
        told = f" REJECTS  {len(self._rejects):,}{more}" if self._rejects else " REJECTS"
        self._title.show([Piece(told, self.desk.look.dim)])
        if self._list.current is None:
            self._shown = None
            self._payload.show_lines([])
        elif self._shown is None or self._shown.id != self._list.current.id:
            self._begin_reading()

    def _none(self) -> str:
        return "no rejects" if self._run_id is None else "this run refused no record that is still kept"

    @property
    def current(self) -> RejectRow | None:
        """The one under the cursor."""
        return self._list.current

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._rejects)

    @on(LineList.Moved, "#rejects")
    def _begin_reading(self) -> None:
        if row := self._list.current:
            run_latest(self, partial(self._read, row.id), "payload")

    async def _read(self, reject_id: int) -> None:
        found = await self.desk.ask(lambda conn: show_reject(conn, reject_id))
        if found is not None:
            self._shown = found
            self._payload.show_lines(reject_lines(self.desk.look, found))

    # Commands

    def action_filter_rejects(self, text: str = "") -> None:
        self.prompt.begin()

    @on(PromptLine.Changed)
    def _filter(self) -> None:
        self._show()

    def prompt_dropped(self) -> None:
        self._show()

    def why_not(self, command: str) -> str | None:
        if command in ("replay", "replay-all", "drop-reject", "drop-rejects", "correct-reject"):
            return None if self._rejects else "there are no rejects"
        return None

    def action_replay(self) -> None:
        self._mending.replay_one()

    def action_replay_all(self) -> None:
        self._mending.replay_all()

    def action_correct(self) -> None:
        self._mending.correct()

    def action_drop(self) -> None:
        self._mending.drop_one()

    def action_drop_all(self) -> None:
        self._mending.drop_all()


def reject_lines(look: Look, reject: RejectDetails) -> list[list[Piece]]:
    """Reason, times, and the payload as it came."""
    lines = [
        [Piece(f" {clean(reject.reason)}", look.tone(Tone.FAILED))],
        [
            Piece(
                f" reject {reject.id}, stream {clean(reject.stream)}, refused {_times(reject.count)}, first "
                f"{reject.first_seen_at.astimezone():%Y-%m-%d %H:%M}"
                + (f", last by run {reject.run_id}" if reject.run_id is not None else "")
                + ("" if reject.is_record else "; no JSON record: it cannot be replayed"),
                look.dim,
            )
        ],
    ]
    payload = reject.payload
    text = payload if isinstance(payload, str) else json.dumps(payload, indent=2, ensure_ascii=False)
    for line in text.splitlines():
        content = line.lstrip(" ")
        lines.append([Piece(" " + " " * (len(line) - len(content)) + clean(content), look.text)])
    return lines


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
