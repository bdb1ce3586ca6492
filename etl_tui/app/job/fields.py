"""Every documented field of a job, as lines of name and value."""

from __future__ import annotations

from datetime import datetime

from etl_core.models.job import JobDetails, JobDetailsResponse
from etl_core.rules.intervals import humanise_minutes
from etl_tui.app.look.cells import clean
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

CHECKPOINT = "checkpoint_data"
_CELLS = 27


def field_lines(job: JobDetails, look: Look) -> list[list[Piece]]:
    """The fields of JobDetailsResponse; of the checkpoint its version, for it has a tab of its own."""
    lines = []
    for name in JobDetailsResponse.model_fields:
        text = _checkpoint_text(job) if name == CHECKPOINT else _value_text(name, getattr(job, name))
        # An error may have lines of its own; they stay apart.
        first, *more = text.splitlines() or [""]
        lines.append([Piece(f" {name:<{_CELLS}}", look.dim), Piece(clean(first), look.text)])
        lines += [[Piece(f" {'':<{_CELLS}}", look.dim), Piece(clean(line), look.text)] for line in more]
    return lines


def _checkpoint_text(job: JobDetails) -> str:
    return "none" if job.checkpoint_data is None else f"v{job.checkpoint_version}, in tab 2"


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
