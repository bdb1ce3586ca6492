"""What waits for each stage, why jobs wait, and what the broker could not read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from etl_core.control.dead_letters import list_dead_letters, purge_dead_letters
from etl_core.control.processes import add_depths, list_queues
from etl_core.errors import Unreachable
from etl_core.models.dead_letter import DeadLetterRow
from etl_core.models.dispatch import QueueRow
from etl_core.rules.clock_text import NOTHING, ago_text, clock_text, span_text
from etl_core.rules.job_tone import Tone
from etl_core.rules.waiting import Waiting, waiting_by_reason
from etl_core.rules.why import WhyKind
from etl_tui.app.commands.command import Command
from etl_tui.app.commands.registry import bindings
from etl_tui.app.commands.views import QUEUES
from etl_tui.app.dialogs.confirm_dialog import ConfirmDialog
from etl_tui.app.look.cells import clean
from etl_tui.app.views.columns import Column
from etl_tui.app.views.list_pane import ListPane
from etl_tui.app.views.list_view import ListView
from etl_tui.app.views.view import View

DEAD_EVERY = 10.0
"""Seconds between looks at the dead letters: to be seen they are taken from their queue and put back."""
MOST_DEAD = 100
_OLD = 60.0
"""Seconds that something ready may wait before its stage counts as behind."""


def _stage_tone(row: QueueRow) -> Tone:
    if row.ready and not row.workers:
        return Tone.FAILED
    if row.oldest_age_seconds is not None and row.oldest_age_seconds > _OLD:
        return Tone.WAITING
    return Tone.RUNNING if row.in_hand or row.ready else Tone.READY


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return NOTHING
    return f"{max(0.0, seconds):.0f} s" if seconds < 60 else span_text(timedelta(seconds=seconds))


def _number(number: float | None) -> str:
    return NOTHING if number is None else f"{number:,.0f}"


STAGES: tuple[Column[QueueRow], ...] = (
    Column("STAGE", 10, lambda row, _: row.stage),
    Column("READY", 9, lambda row, _: _number(row.ready), lambda row: row.ready, right=True),
    Column("OLDEST", 6, lambda row, _: _seconds(row.oldest_age_seconds),
           lambda row: row.oldest_age_seconds, right=True, largest_first=True),
    Column("IN HAND", 7, lambda row, _: _number(row.in_hand), lambda row: row.in_hand, right=True),
    Column("ROWS/S", 9, lambda row, _: _number(row.rows_per_second),
           lambda row: row.rows_per_second, right=True),
    Column("WORKERS", 7, lambda row, _: _number(row.workers), lambda row: row.workers, right=True),
    Column("SLOTS", 6, lambda row, _: _number(row.slots), lambda row: row.slots, right=True, from_width=70),
    Column("RINGS", 8, lambda row, _: _number(row.broker_messages),
           lambda row: row.broker_messages, right=True),
    Column("CONSUMERS", 9, lambda row, _: _number(row.broker_consumers),
           lambda row: row.broker_consumers, right=True, from_width=75),
)  # fmt: skip


def _names(group: Waiting, _: datetime) -> str:
    return clean(", ".join(f"{job.tenant}/{job.job_name}" for job in group.jobs[:20]))


WAITING: tuple[Column[Waiting], ...] = (
    Column("JOBS", 7, lambda group, _: f"{len(group.jobs):,}", lambda group: len(group.jobs), right=True,
           largest_first=True),
    Column("LONGEST", 7, lambda group, _: _seconds(group.longest.total_seconds()),
           lambda group: group.longest, right=True, largest_first=True),
    Column("WAITS FOR", 60, lambda group, _: clean(group.reason), lambda group: group.reason.casefold()),
    Column("WHO", 30, _names, grows=True),
)  # fmt: skip

DEAD: tuple[Column[DeadLetterRow], ...] = (
    Column("PUT ASIDE", 11, lambda row, now: ago_text(row.put_aside_at, now),
           lambda row: row.put_aside_at, right=True, largest_first=True),
    Column("QUEUE", 14, lambda row, _: clean(row.queue or NOTHING), lambda row: row.queue),
    Column("BYTES", 9, lambda row, _: f"{row.size:,}", lambda row: row.size, right=True, largest_first=True),
    Column("REASON", 30, lambda row, _: clean(row.reason or NOTHING), lambda row: row.reason),
    Column("BODY", 40, lambda row, _: clean(row.body), grows=True),
)  # fmt: skip


class QueuesView(View):
    """Stages on top, below them the reasons why jobs wait; dead letters below those, when there are any."""

    NAME = "queues"
    FIRST_LIST = 1
    BINDINGS: ClassVar[list[BindingType]] = bindings(QUEUES)
    DEFAULT_CSS = """
    QueuesView #stages-pane { height: 5; }
    QueuesView #dead-pane { height: 30%; display: none; }
    """

    def body(self) -> Sequence[Widget]:
        def now() -> datetime:
            return self.board.now

        self._stages: ListView[QueueRow] = ListView(
            self.look, STAGES, name="stages", key=lambda row: row.stage, tone=_stage_tone, now=now
        )
        self._waiting: ListView[Waiting] = ListView(
            self.look,
            WAITING,
            name="waiting",
            key=lambda group: (group.kind, group.reason),
            tone=lambda group: Tone.RUNNING if group.kind is WhyKind.QUEUED else Tone.WAITING,
            now=now,
            empty="nothing waits",
        )
        self._dead: ListView[DeadLetterRow] = ListView(
            self.look,
            DEAD,
            name="dead",
            key=lambda row: (row.put_aside_at, row.body),
            tone=lambda _: Tone.FAILED,
            now=now,
        )
        self._dead_at = 0.0
        self._trouble = ""
        self._dead_pane = ListPane(self.look, self._dead)
        return [ListPane(self.look, self._stages), ListPane(self.look, self._waiting), self._dead_pane]

    async def read(self) -> None:
        queues = await self.source.ask(list_queues)
        self._trouble = ""
        broker = await self.source.broker()
        if broker is not None:
            try:
                queues = await add_depths(queues, broker)
                if time.monotonic() >= self._dead_at:
                    self._dead_at = time.monotonic() + DEAD_EVERY
                    self._show_dead(await list_dead_letters(broker, at_most=MOST_DEAD))
            except Unreachable as error:
                self._trouble = f"RabbitMQ does not answer, workers poll meanwhile: {error}"
        self._stages.show_rows(queues)
        self._show_waiting()

    def _show_dead(self, letters: list[DeadLetterRow]) -> None:
        self._dead.show_rows(letters)
        self._dead_pane.display = bool(letters)
        if not letters and self.list is self._dead:
            self.action_next_list()

    def _show_waiting(self) -> None:
        board = self.board
        self._waiting.show_rows(waiting_by_reason(board.jobs.values(), board.health, board.now))

    def tell(self) -> None:
        self._show_waiting()
        super().tell()

    def summary(self, count: str) -> str:
        jobs = sum(len(group.jobs) for group in self._waiting.rows)
        dead = f" · {self._dead.total:,} dead letters" if self._dead.total else ""
        carrier = "RabbitMQ" if self.source.transport == "amqp" else "PostgreSQL carries the queues"
        return f"{jobs:,} waiting{dead} · {carrier}"

    def sentence(self) -> tuple[Tone, str]:
        if self._trouble:
            return Tone.FAILED, self._trouble
        if self.list is self._dead and (letter := self._dead.selected):
            return Tone.FAILED, f"not a message of this program: {letter.body}"
        if self.list is self._waiting and (group := self._waiting.selected):
            first = group.jobs[0]
            until = f"until {clock_text(group.until, self.board.now)}" if group.until else ""
            until = "" if until in group.reason else f", {until}"  # a limit's own words end with it
            return Tone.WAITING, f"{first.tenant}/{first.job_name} first: {group.reason}{until}"
        behind = [row.stage for row in self._stages.rows if _stage_tone(row) is Tone.FAILED]
        if behind:
            return Tone.FAILED, f"nobody does {', '.join(behind)}; etl-worker --stages {','.join(behind)}"
        return Tone.READY, "rows of the database are the truth; a ring of the broker only says look now"

    def chosen_job(self) -> int | None:
        if self.list is self._waiting and (group := self._waiting.selected):
            return group.jobs[0].id
        return None

    def why_not(self, command: Command) -> str | None:
        if command.name == "purge-dead" and not self._dead.total:
            return "there are no dead letters"
        return super().why_not(command)

    def action_purge(self) -> None:
        if not self._dead.total:
            self.refuse("there are no dead letters")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.act(self._purge)

        self.app.push_screen(
            ConfirmDialog(
                self.look,
                "Purge dead letters",
                [
                    f"All {self._dead.total:,} messages that could not be parsed are removed,",
                    "and any that arrived since. No work is lost with them:",
                    "what is to be done is in the database.",
                ],
                yes="Purge them",
                no="Keep them",
            ),
            answered,
        )

    async def _purge(self) -> str:
        broker = await self.source.broker()
        assert broker is not None  # noqa: S101 - without one there are no dead letters
        purged = await self.source.act(lambda conn, actor: purge_dead_letters(conn, broker, actor))
        self._dead_at = 0.0
        return f"{purged:,} message{'' if purged == 1 else 's'} purged"
