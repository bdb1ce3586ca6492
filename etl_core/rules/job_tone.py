"""The state of a job as glyph, word and colour name. Pure: what the colours are is the screen's theme."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl_core.models.job import JobRow


class Tone(Enum):
    """A name of the palette and its glyph. Glyph and word carry the meaning, the colour only helps."""

    READY = ("ready", "●")
    RUNNING = ("running", "▶")
    FINISHED = ("finished", "✔")
    FAILED = ("failed", "✖")
    WAITING = ("waiting", "◷")
    OFF = ("off", "○")

    def __init__(self, colour: str, glyph: str) -> None:
        self.colour = colour
        self.glyph = glyph


def tone_of(job: JobRow) -> Tone:
    """How a job is shown. Off dims all but a run still going; a run that is barred and a held job wait."""
    if job.status == "RUNNING":
        barred = job.run_state == "QUEUED" and (job.run_wait_reason or job.obstacle_kind)
        return Tone.WAITING if barred else Tone.RUNNING
    if not job.active:
        return Tone.OFF
    if job.status == "FAILED":
        return Tone.FAILED
    if job.held:
        return Tone.WAITING
    return Tone.FINISHED if job.status == "FINISHED" else Tone.READY


def status_word(job: JobRow) -> str:
    """The documented status, with `off` or `held` where that is why the job rests; at most 10 characters."""
    if job.status in ("READY", "FAILED") and not job.active:
        return f"{job.status} off"
    if job.status == "READY" and job.held:
        return "READY held"
    return job.status
