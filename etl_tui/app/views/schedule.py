"""The next 24 hours: how dense the starts are, what starts next, who waits for whom, blackouts and pauses."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime

from textual.containers import Vertical
from textual.widget import Widget

from etl_core.control.schedule import read_schedule
from etl_core.models.schedule import ComingBar, ComingStart, ComingWait, Schedule
from etl_core.rules.clock_text import clock_text, until_text
from etl_core.rules.density import density_strip, hour_marks
from etl_core.rules.intervals import short_interval
from etl_core.rules.job_tone import Tone
from etl_core.rules.schedule_ahead import wait_text
from etl_tui.app.look.cells import clean
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.views.columns import Column
from etl_tui.app.views.list_pane import ListPane
from etl_tui.app.views.list_view import ListView
from etl_tui.app.views.view import View

HOURS = 24


@dataclass(frozen=True, slots=True)
class Coming:
    """A line of the list, of whatever kind."""

    key: Hashable
    at: datetime
    tone: Tone
    name: str
    note: str
    job_id: int | None = None
    interval_minutes: int | None = None
    starts: int | None = None


def _of_start(start: ComingStart) -> Coming:
    note = f"after the {start.delayed_by}" if start.delayed_by else ""
    tone = Tone.WAITING if start.delayed_by else Tone.READY
    return Coming(
        ("start", start.job_id), start.at, tone, clean(start.job), clean(note), start.job_id,
        start.interval_minutes, start.starts,
    )  # fmt: skip


def _of_wait(wait: ComingWait) -> Coming:
    text = wait_text(wait.job, wait.waits_for, wait.minutes, wait.times)
    return Coming(
        ("wait", wait.job_id, wait.waits_for),
        wait.at,
        Tone.WAITING,
        clean(wait.job),
        clean(text),
        wait.job_id,
    )


def _of_bar(bar: ComingBar, now: datetime) -> Coming:
    jobs = f"{bar.jobs_paused:,} job{'' if bar.jobs_paused == 1 else 's'}"
    until = f"until {clock_text(bar.ends, now)}" if bar.ends else f"until resumed, {jobs}"
    why = f": {bar.reason}" if bar.reason else ""
    tone = Tone.FAILED if bar.kind == "paused" else Tone.OFF
    return Coming((bar.kind, bar.place, bar.starts), bar.starts, tone, clean(bar.place),
                  clean(f"{bar.kind} {until}{why}"))  # fmt: skip


def _in(coming: Coming, now: datetime) -> str:
    return until_text(coming.at, now)


def _every(coming: Coming, _: datetime) -> str:
    return short_interval(coming.interval_minutes) if coming.interval_minutes else ""


LINES: tuple[Column[Coming], ...] = (
    Column("AT", 11, lambda coming, now: clock_text(coming.at, now), lambda coming: coming.at, right=True),
    Column("IN", 4, _in, lambda coming: coming.at, right=True),
    Column("JOB", 40, lambda coming, _: coming.name, lambda coming: coming.name.casefold()),
    Column("EVERY", 6, _every, lambda coming: coming.interval_minutes, right=True),
    Column("STARTS", 6, lambda coming, _: f"{coming.starts:,}" if coming.starts else "",
           lambda coming: coming.starts, right=True, largest_first=True),
    Column("NOTE", 60, lambda coming, _: coming.note, lambda coming: coming.note or None, grows=True),
)  # fmt: skip


class ScheduleView(View):
    """Computed anew every few seconds; the clock moves on between."""

    NAME = "schedule"
    LOOK_EVERY = 10.0
    DEFAULT_CSS = """
    ScheduleView #density { height: 3; }
    """

    def body(self) -> Sequence[Widget]:
        self._schedule: Schedule | None = None
        self._strip = StyledLine(self.look, "strip")
        self._hours = StyledLine(self.look, "hours")
        self._lines: ListView[Coming] = ListView(
            self.look,
            LINES,
            name="coming",
            key=lambda coming: coming.key,
            tone=lambda coming: coming.tone,
            now=lambda: self.board.now,
            empty="nothing starts by itself",
        )
        return [Vertical(self._strip, self._hours, id="density"), ListPane(self.look, self._lines)]

    def on_resize(self) -> None:
        if self._schedule is not None:
            self.wake()

    async def read(self) -> None:
        cells = max(10, self.size.width - 2)
        found = await self.source.ask(
            lambda conn: read_schedule(conn, tenant=self.tenant, hours=HOURS, buckets=cells)
        )
        self._schedule = found
        now = self.board.now
        lines = [_of_start(start) for start in found.coming]
        lines += [_of_wait(wait) for wait in found.waits]
        lines += [_of_bar(bar, now) for bar in found.bars]
        lines.sort(key=lambda coming: (coming.at, coming.name))
        self._lines.show_rows(lines)
        self._draw_density(found, now)

    def _draw_density(self, schedule: Schedule, now: datetime) -> None:
        look = self.look
        numbers = [bucket.starts for bucket in schedule.density]
        strip = density_strip(numbers, ascii_only=look.glyphs.ascii)
        self._strip.show([Piece(" ", look.text), Piece(strip, look.tone(Tone.RUNNING))])
        marks = hour_marks(schedule.start.astimezone(now.tzinfo), schedule.hours, len(numbers))
        self._hours.show([Piece(" ", look.text), Piece(marks, look.dim)])

    def summary(self, count: str) -> str:
        found = self._schedule
        if found is None:
            return ""
        minutes = found.hours * 60 / len(found.density)
        most = max(bucket.starts for bucket in found.density)
        return f"{found.total:,} starts in {found.hours} h · up to {most:,} in {minutes:.0f} min"

    def sentence(self) -> tuple[Tone, str]:
        coming, found = self._lines.selected, self._schedule
        if coming is None or found is None:
            return Tone.OFF, ""
        now = self.board.now
        if coming.starts is None:
            partial = ""
            if found.waits_until < found.density[-1].at:
                partial = f" (waits are followed until {clock_text(found.waits_until, now)})"
            return coming.tone, f"{coming.name}: {coming.note}{partial}"
        more = f", and {coming.starts - 1:,} times more within {found.hours} h" if coming.starts > 1 else ""
        note = f"; {coming.note}" if coming.note else ""
        when = f"in {until_text(coming.at, now)}" if coming.at > now else "now"
        return coming.tone, f"{coming.name} starts {when}{more}{note}"

    def chosen_job(self) -> int | None:
        coming = self._lines.selected
        return coming.job_id if coming else None
