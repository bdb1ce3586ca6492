"""What a person does to jobs: told beforehand why not, asked where it hurts, confirmed in a line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import asyncpg

from etl_core.control.audit import Actor
from etl_core.errors import EtlError, InvalidInput
from etl_core.models.health import Health
from etl_core.models.job import JobRow, JobSettingsRequest
from etl_core.rules.moments import parse_moment
from etl_core.rules.possible import why_not_cancel, why_not_clear, why_not_run
from etl_core.rules.why import why
from etl_tui.app.commands.host import CommandScreen
from etl_tui.app.commands.registry import command_of
from etl_tui.app.dashboard.columns import full_name
from etl_tui.app.dashboard.message_line import MessageLine
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.feed.source import JobSource
from etl_tui.app.look.theme import Look

if TYPE_CHECKING:
    from etl_tui.app.actions.action import Action, Doing
    from etl_tui.app.actions.bulk_run import BulkRun

_OF_JOBS: Final = frozenset(
    {
        "details",
        "run-now",
        "run-full",
        "cancel",
        "clear",
        "settings",
        "on-off",
        "on",
        "off",
        "snooze",
        "hold",
        "mark",
    }
)
"""Commands that need a job."""


class Wakes(Protocol):
    """What looks at the database for the screen."""

    def wake(self) -> None: ...


class JobActions:
    """Of one screen. What comes of an action stands in `message`; `live` then looks at once.

    Each is given the jobs that are meant: one is done at once, or after a question where it hurts; of many
    it is asked once, in a dialog that tells the result of each. Most of what that takes is imported when it
    is first done: it would be a tenth of the start.
    """

    def __init__(
        self,
        screen: CommandScreen,
        source: JobSource,
        look: Look,
        *,
        clock: DatabaseClock,
        message: MessageLine,
        live: Wakes,
    ) -> None:
        self._screen = screen
        self._source = source
        self._look = look
        self._clock = clock
        self._message = message
        self._live = live
        self._undoable: tuple[Action, Sequence[JobRow]] | None = None
        self.health: Health | None = None
        """Who is alive, as the screen knows it: why a job does not start depends on it."""

    def why_not(self, command: str, jobs: Sequence[JobRow]) -> str | None:
        """Why a command can do nothing to any of the jobs now; None when it can, or is not about jobs."""
        if command == "undo":
            return None if self._undoable else "there is nothing to undo"
        if command not in _OF_JOBS:
            return None
        if not jobs:
            return "there is no job"
        now = self._clock.now()
        judge: dict[str, Callable[[JobRow], str | None]] = {
            "run-now": lambda job: why_not_run(job, now),
            "run-full": lambda job: why_not_run(job, now),
            "cancel": why_not_cancel,
            "clear": lambda job: why_not_clear(job, now),
            "on": lambda job: "it is on already" if job.active else None,
            "off": lambda job: None if job.active else "it is off already",
            "hold": lambda job: f"{job.held_by} holds it: {job.hold_reason}" if job.held else None,
        }
        if command not in judge:
            return None
        refusals = [judge[command](job) for job in jobs]
        return None if None in refusals else refusals[0]

    def change_settings(self, jobs: Sequence[JobRow]) -> None:
        from etl_tui.app.actions import kinds
        from etl_tui.app.dialogs.bulk_settings_dialog import BulkSettingsDialog
        from etl_tui.app.dialogs.settings_dialog import SettingsDialog

        if len(jobs) == 1:
            dialog = SettingsDialog(self._source, self._look, jobs[0], self._clock)
            self._screen.app.push_screen(dialog, self._saved)
        elif jobs:

            def save(request: JobSettingsRequest | None) -> None:
                if request is not None:
                    self._do(kinds.change_settings(request), jobs)

            self._screen.app.push_screen(BulkSettingsDialog(self._look, jobs), save)

    def run_now(self, jobs: Sequence[JobRow]) -> None:
        from etl_tui.app.actions import kinds

        self._do(kinds.run_now(self._clock.now()), jobs)

    def run_full(self, jobs: Sequence[JobRow], text: str) -> None:
        """Reads chosen streams (or `all`) from their beginning; asked for when the text is empty."""

        from etl_tui.app.actions import kinds
        from etl_tui.app.actions.questions import ask_streams, read_streams

        def run(streams: tuple[str, ...] | None) -> None:
            if streams is not None:
                self._do(kinds.run_now(self._clock.now(), full_refresh=streams), jobs)

        async def ask() -> None:
            known: list[str] = []
            if len(jobs) == 1:
                document = (await self._source.show_job(jobs[0].id)).checkpoint_data or {}
                known = sorted(document.get("streams") or {})
            self._screen.app.push_screen(ask_streams(self._look, _named(jobs), known), run)

        if text:
            run(read_streams(text))
        elif jobs and (refusal := self.why_not("run-now", jobs)):
            self._message.refuse(f"{_named(jobs)}: {refusal}")
        elif jobs:
            self._attempt(ask)

    def cancel(self, jobs: Sequence[JobRow]) -> None:
        from etl_tui.app.actions import kinds

        self._do(kinds.cancel(self._clock.now()), jobs)

    def clear(self, jobs: Sequence[JobRow]) -> None:
        from etl_tui.app.actions import kinds

        self._do(kinds.clear(self._clock.now()), jobs)

    def toggle(self, jobs: Sequence[JobRow]) -> None:
        """Off, if any of them is on; else on."""
        self.switch(jobs, not any(job.active for job in jobs))

    def switch(self, jobs: Sequence[JobRow], on: bool) -> None:
        from etl_tui.app.actions import kinds

        self._do(kinds.switch(on), jobs)

    def snooze(self, jobs: Sequence[JobRow], text: str) -> None:
        """Until a moment to come: `2h`, `tomorrow 08:00`; asked for when the text is empty.

        Raises:
            InvalidInput: that is no moment to come.
        """

        from etl_tui.app.actions import kinds
        from etl_tui.app.actions.questions import ask_snooze

        def until(moment: datetime | None) -> None:
            if moment is not None:
                self._do(kinds.snooze(moment, self._clock.now()), jobs)

        if text:
            try:
                until(parse_moment(text, self._clock.now()))
            except ValueError as refusal:
                raise InvalidInput(str(refusal)) from None
        elif jobs:
            self._screen.app.push_screen(ask_snooze(self._look, _named(jobs), self._clock), until)

    def hold(self, jobs: Sequence[JobRow], text: str) -> None:
        """With a reason, and `for 2h` at its end if the hold is to end by itself; asked for when empty."""

        from etl_tui.app.actions import kinds
        from etl_tui.app.actions.questions import ask_hold, read_hold

        def because(answer: tuple[str, int | None] | None) -> None:
            if answer is not None:
                self._do(kinds.hold(*answer), jobs)

        if text:
            because(read_hold(text))
        elif jobs:
            self._screen.app.push_screen(ask_hold(self._look, _named(jobs)), because)

    def undo(self) -> None:
        """Takes back what was done last, where that can be."""
        if self._undoable is None or self._undoable[0].undo is None:
            self._message.refuse("there is nothing to undo")
            return
        (action, jobs), undo = self._undoable, self._undoable[0].undo
        self._undoable = None
        back = replace(
            action,
            name=f"Undo of {action.name}",
            yes="Undo",
            effect=["Each is as it was before, unless somebody changed it meanwhile."],
            do=undo,
            why_not=lambda _: None,
            undo=None,
            hurts=None,
        )
        self._do(back, jobs)

    def act(self, action: Callable[[asyncpg.Connection, Actor], Awaitable[str]]) -> None:
        """Anything else that a person does, in its turn; it answers with the sentence of what was done."""

        async def do() -> None:
            self._message.confirm(await self._source.act(action))

        self._attempt(do)

    def _do(self, action: Action, jobs: Sequence[JobRow]) -> None:
        if len(jobs) > 1:
            self._ask_for_many(action, jobs)
        elif jobs:
            self._do_one(action, jobs[0])
        else:
            self._message.refuse("there is no job to do it to")

    def _do_one(self, action: Action, job: JobRow) -> None:
        if refusal := action.why_not(job):
            self._message.refuse(f"{full_name(job)}: {refusal}")
        elif action.hurts is None:
            self._attempt(lambda: self._finish_one(action, job))
        else:
            from etl_tui.app.dialogs.confirm_dialog import ConfirmDialog

            def answered(yes: bool | None) -> None:
                if yes:
                    self._attempt(lambda: self._finish_one(action, job))

            dialog = ConfirmDialog(
                self._look,
                f"{action.name} · {full_name(job)}",
                action.hurts(job),
                yes=action.yes,
                no="Let it run",
            )
            self._screen.app.push_screen(dialog, answered)

    async def _finish_one(self, action: Action, job: JobRow) -> None:
        text = await self._source.act(partial(_call, action.do, job))
        parts = [f"{full_name(job)}{': ' if text.startswith('run ') else ' '}{text}"]
        if text in ("is on", "is cleared"):
            from etl_core.control.jobs import read_job

            after = await self._source.ask(lambda conn: read_job(conn, job.id))
            parts[0] += f", {why(after, self.health, self._clock.now()).text}"
        if action.undo is not None and self._can_undo:
            self._undoable = action, [job]
            parts.append(f"{self._look.glyphs.key(self._screen.commands.key_of('undo'))} undoes it")
        self._message.confirm("; ".join(parts))

    @property
    def _can_undo(self) -> bool:
        undo = command_of("undo")
        return undo is not None and undo.works_at(self._screen.place)

    def _ask_for_many(self, action: Action, jobs: Sequence[JobRow]) -> None:
        from etl_tui.app.actions.bulk_dialog import BulkDialog

        app = self._screen.commands
        dialog = BulkDialog(
            self._look,
            self._source,
            action,
            jobs,
            name_to_type=app.context_name if app.production else "",
            worked=self._live.wake,
        )
        self._screen.app.push_screen(dialog, lambda run: self._ended(action, run))

    def _ended(self, action: Action, run: BulkRun | None) -> None:
        if run is None:
            return
        if action.undo is not None and run.done and run.doing is action.do:
            self._undoable = action, run.done
        failed = f", {run.failed:,} failed" if run.failed else ""
        left = f", {run.left:,} not tried" if run.left else ""
        name = action.name if run.doing is action.do else f"Undo of {action.name}"
        text = f"{name}: {len(run.done):,} done{failed}{left}"
        if run.failed:
            self._message.refuse(text)
        else:
            self._message.confirm(text)

    def _saved(self, message: str | None) -> None:
        if message is not None:
            self._message.confirm(message)
            self._live.wake()

    def _attempt(self, action: Callable[[], Awaitable[None]]) -> None:
        """Runs an action beside the screen; what goes wrong is a line, never the end of the dashboard."""

        async def attempt() -> None:
            try:
                await action()
            except EtlError as refusal:
                self._message.refuse(str(refusal))
            except Exception as defect:
                self._message.refuse(f"unexpected {type(defect).__name__}: {defect}")
            self._live.wake()

        self._screen.run_worker(attempt(), group="action")


async def _call(doing: Doing, job: JobRow, conn: asyncpg.Connection, actor: Actor) -> str:
    return await doing(conn, actor, job)


def _named(jobs: Sequence[JobRow]) -> str:
    return full_name(jobs[0]) if len(jobs) == 1 else f"{len(jobs):,} jobs"
