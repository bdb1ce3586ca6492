"""The commands of the dashboard that mark jobs and do something to them."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from etl_core.control.audit import Actor
from etl_core.models.job import JobRow
from etl_core.rules.job_filter import completions, parse_filter
from etl_tui.app.commands.command import Command
from etl_tui.app.commands.host import CommandScreen
from etl_tui.app.dashboard.arrangement import Group
from etl_tui.app.dashboard.columns import full_name
from etl_tui.app.dashboard.grid import JobGrid
from etl_tui.app.dashboard.job_actions import JobActions
from etl_tui.app.dashboard.job_order import SORTABLE
from etl_tui.app.dashboard.marks import MARK, Marks
from etl_tui.app.dashboard.message_line import MessageLine
from etl_tui.app.feed.clock import DatabaseClock

MANY = 200
"""Marked jobs from which on hints are not judged by each of them: they are drawn with every move."""
_SNOOZES = ("30m", "2h", "06:00", "tomorrow 08:00", "7 days")


class JobCommands(CommandScreen):
    """What a person does stands here; what is shown is the dashboard's own, which inherits this."""

    _jobs: dict[int, JobRow]
    _grid: JobGrid
    _marks: Marks
    _actions: JobActions
    _clock: DatabaseClock
    _message: MessageLine

    @property
    def meant(self) -> list[JobRow]:
        """The jobs that an action is for: those that are marked, else what is under the cursor, which may be
        a group."""
        if marks := self._marks.ids:
            marked = (self._jobs[job_id] for job_id in marks if job_id in self._jobs)
            return sorted(marked, key=lambda job: (job.job_name.casefold(), job.job_name, job.tenant))
        line = self._grid.selected_line
        if isinstance(line, Group):
            return list(line.jobs)
        return [line] if line else []

    def why_not(self, command: Command) -> str | None:
        """As the marked jobs, or the selected one, have it; of very many the question of the action tells."""
        if len(self._marks.ids) > MANY and command.name != "undo":
            return None
        return self._actions.why_not(command.name, self.meant)

    def complete(self, command: Command, text: str) -> Sequence[str]:
        jobs = list(self._jobs.values())
        if command.name in ("filter", "mark-all"):
            return completions(text, jobs)
        if command.name == "sort":
            return [title.lower() for title in SORTABLE if title.startswith(text.upper())]
        if command.name == "snooze":
            return [moment for moment in _SNOOZES if moment.startswith(text)]
        if command.name in ("pause", "resume"):
            from etl_tui.app.actions.pausing import places

            return places(text, jobs)
        return ()

    # To jobs

    def action_details(self) -> None:
        if job := self._grid.selected:
            self.show_job(job)
        else:
            self._grid.fold()

    def action_run_now(self) -> None:
        self._actions.run_now(self.meant)

    def action_run_full(self, text: str = "") -> None:
        self._actions.run_full(self.meant, text)

    def action_cancel(self) -> None:
        self._actions.cancel(self.meant)

    def action_clear(self) -> None:
        self._actions.clear(self.meant)

    def action_toggle_active(self) -> None:
        self._actions.toggle(self.meant)

    def action_switch(self, on: bool) -> None:
        self._actions.switch(self.meant, on)

    def action_settings(self) -> None:
        self._actions.change_settings(self.meant)

    def action_snooze(self, text: str = "") -> None:
        self._actions.snooze(self.meant, text)

    def action_hold(self, text: str = "") -> None:
        self._actions.hold(self.meant, text)

    def action_copy(self) -> None:
        if jobs := self.meant:
            told = (": ".join(filter(None, [full_name(job), job.error_message])) for job in jobs)
            self.app.copy_to_clipboard("\n".join(told))
            self._message.confirm(f"copied: {len(jobs):,} job{'' if len(jobs) == 1 else 's'}")

    def action_undo(self) -> None:
        self._actions.undo()

    def action_pause(self, text: str) -> None:
        from etl_core.control import pauses
        from etl_tui.app.actions.pausing import read_pause

        place, reason = read_pause(text)

        async def pause(conn: asyncpg.Connection, actor: Actor) -> str:
            row = await pauses.pause(conn, place, actor, reason=reason)
            return f"{place} is paused: {row.reason}; :resume {place} ends it"

        self._actions.act(pause)

    def action_resume(self, text: str) -> None:
        from etl_core.control import pauses
        from etl_tui.app.actions.pausing import read_resume

        place = read_resume(text)

        async def resume(conn: asyncpg.Connection, actor: Actor) -> str:
            await pauses.resume(conn, place, actor)
            return f"{place} is not paused any more"

        self._actions.act(resume)

    # Marks

    def action_mark(self) -> None:
        line = self._grid.selected_line
        if line is None:
            return
        self._marks.end_range()
        if isinstance(line, Group):
            self._marks.toggle_all([job.id for job in line.jobs])
        else:
            self._marks.toggle(line.id)
        self._grid.move(1)
        self.show_marks()

    def action_mark_range(self) -> None:
        if self._marks.is_drawing:
            self._marks.end_range()
        elif job := self._grid.selected:
            self._marks.begin_range(job.id)
        self.show_marks()

    def action_mark_move(self, rows: int) -> None:
        if job := self._grid.selected:
            if not self._marks.is_drawing:
                self._marks.begin_range(job.id, held=True)
            self._grid.move(rows)
            self.show_marks()

    def action_mark_all(self, text: str = "") -> None:
        """What is shown; with a filter, all jobs that meet it, shown or not."""
        if text:
            wanted, now = parse_filter(text), self._clock.now()
            self._marks.add([job.id for job in self._jobs.values() if wanted.matches(job, now)])
        else:
            self._marks.add(self.shown_ids())
        self.show_marks()

    def action_mark_invert(self) -> None:
        self._marks.invert(self.shown_ids())
        self.show_marks()

    def action_mark_none(self) -> None:
        self._marks.clear()
        self.show_marks()

    def drop_marks(self) -> bool:
        """Takes back the range that is drawn, else all marks; whether there were any."""
        if self._marks.is_drawing:
            self._marks.drop_range()
        elif self._marks.ids:
            self._marks.clear()
        else:
            return False
        self.show_marks()
        return True

    def show_job(self, job: JobRow) -> None:
        """Opens its own screen."""
        raise NotImplementedError

    def show_marks(self) -> None:
        """Draws them, and tells their count."""
        raise NotImplementedError

    def shown_ids(self) -> list[int]:
        return [job.id for job in self._grid.jobs]

    def marks_text(self) -> str:
        """`12 marked, 3 not shown`; empty without marks."""
        marks = self._marks.ids
        hidden = len(marks - set(self.shown_ids())) if marks else 0
        more = f", {hidden:,} not shown" if hidden else ""
        return f"{MARK} {len(marks):,} marked{more}" if marks else ""
