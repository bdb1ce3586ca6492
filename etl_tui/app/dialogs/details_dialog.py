"""All there is to know of a job, its checkpoint document included, to scroll through."""

from __future__ import annotations

import json
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from etl_core.errors import EtlError
from etl_core.models.job import JobDetails, JobDetailsResponse, JobRow
from etl_core.rules.intervals import humanise_minutes
from etl_tui.app.dashboard.columns import full_name
from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.feed.source import JobSource
from etl_tui.app.look.cells import clean
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.text_view import TextView
from etl_tui.app.look.theme import Look

CHECKPOINT = "checkpoint_data"


class DetailsDialog(Dialog[None]):
    """Reads the job anew when it opens: the grid's row has no checkpoint."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,enter", "close", "close", show=False)]

    def __init__(self, source: JobSource, look: Look, job: JobRow) -> None:
        super().__init__(look)
        self._source = source
        self._job = job

    def compose(self) -> ComposeResult:
        frame = Vertical(classes="frame tall")
        frame.border_title = self.look.glyphs.show(f"Job · {full_name(self._job)}").replace("[", r"\[")
        frame.border_subtitle = self.look.glyphs.show("j k scroll · esc close")
        with frame:
            yield TextView(self.look)

    def on_mount(self) -> None:
        self.query_one(TextView).focus()
        self.run_worker(self._read())

    async def _read(self) -> None:
        view = self.query_one(TextView)
        try:
            view.show_lines(_lines(await self._source.show_job(self._job.id), self.look))
        except EtlError as refusal:
            view.show_lines([[Piece(clean(str(refusal)), self.look.text)]])


def _lines(job: JobDetails, look: Look) -> list[list[Piece]]:
    fields = [name for name in JobDetailsResponse.model_fields if name != CHECKPOINT]
    lines = []
    for name in fields:
        # An error may have lines of its own; they stay apart.
        first, *more = _value_text(name, getattr(job, name)).splitlines() or [""]
        lines.append([Piece(f"{name:<27}", look.dim), Piece(clean(first), look.text)])
        lines += [[Piece(f"{'':<27}", look.dim), Piece(clean(line), look.text)] for line in more]
    lines += [[], [Piece(CHECKPOINT, look.dim), Piece(f" v{job.checkpoint_version}", look.dim)]]
    document = json.dumps(job.checkpoint_data, indent=2, ensure_ascii=False)
    lines += [[Piece(clean_indented(line), look.text)] for line in document.splitlines()]
    return lines


def clean_indented(line: str) -> str:
    """A line of JSON fit for the terminal with its indentation kept."""
    content = line.lstrip(" ")
    return " " * (len(line) - len(content)) + clean(content)


def _value_text(name: str, value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name.endswith("_minutes"):
        return f"{value} ({humanise_minutes(value)})"
    return str(value)
