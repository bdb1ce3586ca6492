"""Who runs the jobs and who starts them: workers and schedulers, and what each worker has in hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from etl_core.control.processes import drain_worker, list_schedulers, list_workers
from etl_core.models.dispatch import HeldRun, SchedulerRow, WorkerRow
from etl_core.rules.clock_text import NOTHING, clock_text, span_text
from etl_core.rules.draining import drain_effect, why_not_drain, worker_name
from etl_core.rules.job_tone import Tone
from etl_tui.app.commands.command import Command
from etl_tui.app.commands.registry import bindings
from etl_tui.app.commands.views import WORKERS
from etl_tui.app.dialogs.confirm_dialog import ConfirmDialog
from etl_tui.app.look.cells import clean
from etl_tui.app.views.columns import Column
from etl_tui.app.views.list_pane import ListPane
from etl_tui.app.views.list_view import ListView
from etl_tui.app.views.view import View

Process = WorkerRow | SchedulerRow

_TONES = {
    "alive": Tone.READY,
    "draining": Tone.WAITING,
    "silent": Tone.WAITING,
    "lost": Tone.FAILED,
    "stopped": Tone.OFF,
}

_STATES = ("lost", "silent", "draining", "alive", "stopped")
"""The most urgent first."""


def _tone(row: Process) -> Tone:
    return _TONES[row.state]


def _what(row: Process, _: datetime) -> str:
    return f"{'worker' if isinstance(row, WorkerRow) else 'scheduler'} {row.id}"


def _slots(row: Process, _: datetime) -> str:
    return f"{row.slots_used}/{row.slots}" if isinstance(row, WorkerRow) else ""


def _free(row: Process) -> int | None:
    return row.slots - row.slots_used if isinstance(row, WorkerRow) else None


def _in_hand(row: Process, _: datetime) -> str:
    if not isinstance(row, WorkerRow) or not row.holds:
        return ""
    return clean(", ".join(f"{held.tenant}/{held.job}" for held in row.holds))


def _stages(row: Process, _: datetime) -> str:
    return ",".join(row.stages) if isinstance(row, WorkerRow) else ""


def _up(row: Process, now: datetime) -> str:
    return span_text(now - row.started_at)


def _beat(row: Process, _: datetime) -> str:
    if row.state == "stopped":
        return NOTHING
    age = row.heartbeat_age_seconds
    return f"{max(0.0, age):.0f} s ago" if age < 60 else f"{span_text(timedelta(seconds=age))} ago"


PROCESSES: tuple[Column[Process], ...] = (
    Column("PROCESS", 14, _what, lambda row: (isinstance(row, SchedulerRow), row.id)),
    Column("STATE", 8, lambda row, _: row.state, lambda row: _STATES.index(row.state)),
    Column("BEAT", 8, _beat, lambda row: row.heartbeat_age_seconds, right=True, largest_first=True),
    Column("SLOTS", 7, _slots, _free, right=True),
    Column("BATCHES", 7, lambda row, _: str(row.batches) if isinstance(row, WorkerRow) else "",
           lambda row: row.batches if isinstance(row, WorkerRow) else None, right=True, from_width=90,
           largest_first=True),
    Column("HOST", 24, lambda row, _: clean(row.host), lambda row: row.host),
    Column("PID", 8, lambda row, _: str(row.pid), lambda row: row.pid, right=True, from_width=70),
    Column("UP", 4, _up, lambda row: row.started_at, right=True, from_width=70),
    Column("VERSION", 12, lambda row, _: clean(row.version), lambda row: row.version, from_width=100),
    Column("STAGES", 30, _stages, from_width=120),
    Column("IN HAND", 60, _in_hand, grows=True),
)  # fmt: skip


def _held_what(held: HeldRun, _: datetime) -> str:
    batches = f"{held.batches} batch{'' if held.batches == 1 else 'es'}" if held.batches else ""
    return " and ".join(part for part in ("the run" if held.whole else "", batches) if part)


IN_HAND: tuple[Column[HeldRun], ...] = (
    Column("RUN", 12, lambda held, _: str(held.run_id), lambda held: held.run_id, right=True),
    Column("SINCE", 6, lambda held, now: span_text(now - held.started_at) if held.started_at else NOTHING,
           lambda held: held.started_at, right=True),
    Column("HAS", 24, _held_what, lambda held: held.batches),
    Column("JOB", 60, lambda held, _: clean(f"{held.tenant}/{held.job}"),
           lambda held: (held.tenant, held.job), grows=True),
)  # fmt: skip


class WorkersView(View):
    """Above the processes, below the runs in hand of the selected worker, for a scheduler those of all."""

    NAME = "workers"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WORKERS)
    DEFAULT_CSS = """
    WorkersView #in-hand-pane { height: 35%; }
    """

    def body(self) -> Sequence[Widget]:
        def now() -> datetime:
            return self.board.now

        self._processes: ListView[Process] = ListView(
            self.look,
            PROCESSES,
            name="processes",
            key=lambda row: (type(row), row.id),
            tone=_tone,
            now=now,
            empty="no worker and no scheduler within the last hour",
        )
        self._runs: ListView[HeldRun] = ListView(
            self.look,
            IN_HAND,
            name="in-hand",
            key=lambda held: held.run_id,
            tone=lambda _: Tone.RUNNING,
            now=now,
            empty="nothing in hand",
        )
        return [ListPane(self.look, self._processes), ListPane(self.look, self._runs)]

    async def read(self) -> None:
        silent_after = self.source.lost_after
        workers = await self.source.ask(lambda conn: list_workers(conn, lost_after=silent_after))
        schedulers = await self.source.ask(lambda conn: list_schedulers(conn, silent_after=silent_after))
        self._processes.show_rows([*workers, *schedulers])
        self._show_runs()

    def tell(self) -> None:
        self._show_runs()
        super().tell()

    def _show_runs(self) -> None:
        of = [self._chosen] if self._chosen else self._workers
        self._runs.show_rows([held for worker in of for held in worker.holds])

    @property
    def _workers(self) -> list[WorkerRow]:
        return [row for row in self._processes.rows if isinstance(row, WorkerRow)]

    def summary(self, count: str) -> str:
        alive = [worker for worker in self._workers if worker.state in ("alive", "draining")]
        free = sum(worker.slots - worker.slots_used for worker in alive if worker.state == "alive")
        return f"{count} · {free} slots free"

    def sentence(self) -> tuple[Tone, str]:
        row = self._processes.selected
        if row is None:
            return (
                Tone.OFF,
                "nobody within the last hour; etl-worker and etl-scheduler start them",
            )
        if isinstance(row, SchedulerRow):
            return _tone(row), f"scheduler {row.id} ({row.host}, pid {row.pid}) is {row.state}"
        return _tone(row), _sentence(row, self.board.now)

    def chosen_job(self) -> int | None:
        if self.list is self._runs:
            return self._runs.selected.job_id if self._runs.selected else None
        row = self._chosen
        return row.holds[0].job_id if row and row.holds else None

    @property
    def _chosen(self) -> WorkerRow | None:
        row = self._processes.selected
        return row if isinstance(row, WorkerRow) else None

    def why_not(self, command: Command) -> str | None:
        if command.name == "drain":
            return why_not_drain(self._chosen)
        return super().why_not(command)

    def action_drain(self) -> None:
        row = self._chosen
        if row is None or why_not_drain(row):
            self.refuse(why_not_drain(row) or "")
            return
        drain = row.draining_by is None

        def answered(yes: bool | None) -> None:
            if yes:
                self.act(lambda: self._drain(row, drain=drain))

        title = f"{'Drain' if drain else 'Undo the drain of'} worker {row.id}"
        self.app.push_screen(
            ConfirmDialog(
                self.look,
                title,
                drain_effect(row, self._workers),
                yes="Drain" if drain else "Let it work",
                no="Leave it",
            ),
            answered,
        )

    async def _drain(self, row: WorkerRow, *, drain: bool) -> str:
        await self.source.act(lambda conn, actor: drain_worker(conn, row.id, actor, drain=drain))
        return f"{worker_name(row)} {'takes no more runs' if drain else 'takes runs again'}"


def _sentence(row: WorkerRow, now: datetime) -> str:
    name = worker_name(row)
    if row.state == "lost":
        return f"{name} was lost: its runs went to others"
    if row.state == "silent":
        return f"{name} has been silent for {row.heartbeat_age_seconds:.0f} s; it is declared lost soon"
    if row.state == "stopped":
        return f"{name} has stopped"
    if row.state == "draining":
        left = (
            f"; it still has {len(row.holds)}" if row.holds else " and has nothing in hand: it may be stopped"
        )
        return f"{name} is drained by {row.draining_by}{left}"
    free = row.slots - row.slots_used
    return f"{name} up since {clock_text(row.started_at, now)}, {free} of {row.slots} slots free"
