"""The log of a run: of the job's newest, or of the one whose screen this is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import asyncpg
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from etl_core.control.run_logs import read_log, read_log_end
from etl_core.models.job import JobRow
from etl_core.models.run import LogLine
from etl_core.run_log import Level
from etl_tui.app.commands.job import LOG
from etl_tui.app.commands.registry import bindings
from etl_tui.app.job.desk import Desk
from etl_tui.app.job.latest import run_latest
from etl_tui.app.job.prompt_line import PromptLine
from etl_tui.app.job.prompted_tab import PromptedTab
from etl_tui.app.job.runs.log_view import LogView, line_text
from etl_tui.app.look.cells import clean
from etl_tui.app.look.styled_line import Piece, StyledLine

NEWEST_LINES = 5_000
"""So many of the last lines are shown; the file of an export has all."""
EXPORT_PAGE = 10_000
_LEVELS: tuple[Level | None, ...] = (None, "warning", "error")


class LogTab(PromptedTab):
    """Asks for what came since the last line it has."""

    TITLE: ClassVar[str] = "Log"
    PLACE: ClassVar[str] = LOG
    BINDINGS: ClassVar[list[BindingType]] = bindings(LOG)

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._title = StyledLine(desk.look, "log-title")
        self._view = LogView(desk.look, desk.clock)
        self._level: Level | None = None
        self._lines: list[LogLine] = []
        self._read_of: int | None = None

    @property
    def run_id(self) -> int | None:
        """Whose log it is; None while the job never ran."""
        return self.desk.job.run_id

    def compose(self) -> ComposeResult:
        yield self._title
        yield self._view
        yield self.prompt

    def take_focus(self) -> None:
        self._view.focus()

    def state_of(self, job: JobRow) -> tuple[int, ...]:
        return (*super().state_of(job), self.run_id or 0)

    def tick(self) -> None:
        """An open run may tell something at any moment."""
        job = self.desk.job
        if job.status == "RUNNING" and job.run_id == self.run_id:
            self.begin_loading()

    async def load(self) -> None:
        run_id, level = self.run_id, self._level
        if run_id is None:
            self._view.empty = "it never ran"
            self._draw()
            return
        if run_id != self._read_of:
            found = await self.desk.ask(
                lambda conn: read_log_end(conn, run_id, level=level, limit=NEWEST_LINES)
            )
            if found is None:
                return
            self._read_of, self._lines = run_id, found
        else:
            after = self._lines[-1].id if self._lines else 0
            more = await self.desk.ask(
                lambda conn: read_log(conn, run_id, after=after, level=level, limit=NEWEST_LINES)
            )
            if not more:
                self._draw_title()
                return
            self._lines = [*self._lines, *more][-NEWEST_LINES:]
        self._draw()

    def _draw(self) -> None:
        self._view.show_log(self._lines)
        self._draw_title()

    def _draw_title(self) -> None:
        look = self.desk.look
        run = f"run {self.run_id}" if self.run_id is not None else "no run"
        told = [f"{len(self._lines):,} lines"]
        if len(self._lines) >= NEWEST_LINES:
            told.append("the last ones: w writes all to a file")
        if self._level is not None:
            told.append(f"{self._level} and graver")
        if self._view.follows:
            told.append("follows")
        self._title.show([Piece(f" LOG  {run}", look.title), Piece(f"  {' · '.join(told)}", look.dim)])

    # Commands

    def action_level(self) -> None:
        """All lines, warnings, errors, and round again."""
        at = (_LEVELS.index(self._level) + 1) % len(_LEVELS)
        self._level, self._read_of, self._lines = _LEVELS[at], None, []
        self._view.empty = "no lines of this level" if self._level else "no lines yet"
        self.begin_loading()

    def action_follow(self) -> None:
        self._view.action_last()
        self._draw_title()

    def action_search(self) -> None:
        self.prompt.begin()

    def action_find(self, step: int) -> None:
        if not self.prompt.text:
            self.desk.message.refuse("nothing is looked for: / begins a search")
        elif not self._view.find(self.prompt.text, step):
            self.desk.message.refuse(f"no line holds {self.prompt.text!r}")
        self._draw_title()

    @on(PromptLine.Changed)
    def _search(self, event: PromptLine.Changed) -> None:
        found = bool(event.text) and self._view.find(event.text, -1)
        self.prompt.tell("" if found or not event.text else "not found")

    def action_export(self, text: str = "") -> None:
        """Writes all lines to a file beside the person's working folder, or to the one that is named."""
        run_id = self.run_id
        if run_id is None:
            self.desk.message.refuse("there is no run yet")
            return
        path = Path(text or f"run-{run_id}.log").expanduser()
        run_latest(self, partial(self._export, run_id, path), "export")

    async def _export(self, run_id: int, path: Path) -> None:
        async def read(conn: asyncpg.Connection) -> list[LogLine]:
            lines: list[LogLine] = []
            while page := await read_log(conn, run_id, after=lines[-1].id if lines else 0, limit=EXPORT_PAGE):
                lines += page
            return lines

        lines = await self.desk.ask(read)
        if lines is None:
            return
        try:
            written = await asyncio.to_thread(_write, path, lines)
        except FileExistsError:
            self.desk.message.refuse(f"{path} is there already; :export-log FILE names another one")
        except OSError as error:
            self.desk.message.refuse(f"{path}: {error.strerror}")
        else:
            self.desk.message.confirm(f"{len(lines):,} lines of run {run_id} are in {written}")


def _write(path: Path, lines: Sequence[LogLine]) -> Path:
    """The file's full name; one that is there already stays as it is."""
    with path.open("x", encoding="utf-8") as file:
        file.writelines(f"{clean(line_text(line))}\n" for line in lines)
    return path.resolve()


class NewestLogTab(LogTab):
    """Of the job's newest run: another one when it runs again."""
