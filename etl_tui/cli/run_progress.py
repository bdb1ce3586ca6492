"""How `jobs run --wait` shows a run: one line that is written anew on a terminal, else lines now and then."""

from __future__ import annotations

import shutil
from collections import deque
from typing import TYPE_CHECKING

from etl_tui.cli.output import cell_width, one_line

if TYPE_CHECKING:
    from etl_core.models.run import RunRow
    from etl_tui.cli.output import Output

RATE_WINDOW = 5.0
"""Seconds over which the rate is taken: long enough not to flicker, short enough to show a stall."""
PLAIN_EVERY = 5.0
"""Seconds between two plain lines that tell of records only."""


def progress_sentence(run: RunRow, rate: str) -> str:
    """`queued`, `waits: GitHub limit`, `running 62%, 12,400 records, 1.2k/s`."""
    if run.state == "QUEUED":
        return f"waits: {run.wait_reason}" if run.wait_reason else "queued"
    if not run.state.is_open:
        return run.state.lower()
    share = ""
    if run.rows_expected:
        # A source that has more than it said is not done before it says so.
        share = f" {min(99, run.rows_extracted * 100 // run.rows_expected)}%"
    return ", ".join(filter(None, (f"running{share}", f"{run.rows_extracted:,} records", rate)))


class Rate:
    """Records a second over the last few seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, now: float, records: int) -> str:
        """Notes how many there are at `now` (monotonic seconds); returns the rate, empty when unknown."""
        from etl_core.rules.counts_text import rate_text

        self._seen.append((now, records))
        while len(self._seen) > 2 and now - self._seen[1][0] >= RATE_WINDOW:
            self._seen.popleft()
        then, before = self._seen[0]
        return rate_text(records - before, now - then)


class LineProgress:
    """The terminal's current line, written anew."""

    def __init__(self, output: Output, name: str) -> None:
        self._output = output
        self._name = name
        self._rate = Rate()
        self._shown = ""

    def show(self, run: RunRow, now: float) -> None:
        rate = self._rate.add(now, run.rows_extracted)
        text = one_line(f"{self._name} run {run.id}: ") + " " + progress_sentence(run, rate)
        text = _fit(one_line(text), shutil.get_terminal_size().columns - 1)
        if text != self._shown:
            self._output.overwrite(text)
            self._shown = text

    def close(self) -> None:
        """Clears the line, so that what is printed next starts at its beginning."""
        if self._shown:
            self._output.overwrite("")
            self._shown = ""


class PlainProgress:
    """A line when the state changes, and every few seconds while records come."""

    def __init__(self, output: Output, name: str) -> None:
        self._output = output
        self._name = name
        self._rate = Rate()
        self._told: tuple[str, str | None] | None = None
        self._told_records = 0
        self._told_at = 0.0

    def show(self, run: RunRow, now: float) -> None:
        rate = self._rate.add(now, run.rows_extracted)
        state = (run.state.value, run.wait_reason)
        moved = run.rows_extracted != self._told_records and now - self._told_at >= PLAIN_EVERY
        if state != self._told or moved:
            self._output.line(one_line(f"{self._name}: run {run.id} {progress_sentence(run, rate)}"))
            self._output.flush()
            self._told, self._told_records, self._told_at = state, run.rows_extracted, now

    def close(self) -> None:
        """Nothing is left open."""


def _fit(text: str, width: int) -> str:
    while cell_width(text) > width > 0:
        text = text[:-1]
    return text
