"""The runs of a job, newest first."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from etl_core.models.run import RunListRow, RunState
from etl_core.rules.clock_text import clock_text
from etl_core.rules.job_tone import Tone
from etl_core.rules.run_differences import checkpoint_text
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.job.runs.run_words import by_text, run_result, took_text
from etl_tui.app.look.cells import clean, fit, width_of
from etl_tui.app.look.line_list import LineList
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

RUN_TONES = {
    RunState.QUEUED: Tone.WAITING,
    RunState.RUNNING: Tone.RUNNING,
    RunState.SUCCEEDED: Tone.FINISHED,
    RunState.FAILED: Tone.FAILED,
    RunState.CANCELLED: Tone.OFF,
}
"""How a run's state is shown everywhere."""
MARKED = "›"
_RUN, _WHEN, _TOOK, _BY, _POINT = 8, 11, 5, 20, 12
_WIDE, _NARROW = 110, 70


def titles(width: int) -> str:
    """The heading of the columns."""
    by = f"  {'BY':<{_BY}}  {'CHECKPOINT':<{_POINT}}" if width >= _WIDE else ""
    point = f"{'CHECKPOINT':>{_POINT}} " if _NARROW <= width < _WIDE else ""
    left = f"   {'RUN':<{_RUN}} {'QUEUED':<{_WHEN}} {'TOOK':>{_TOOK}}{by}  RESULT"
    return fit(left, max(0, width - len(point))) + point


class RunList(LineList[RunListRow]):
    """The marked one is what others are compared with."""

    def __init__(self, look: Look, clock: DatabaseClock) -> None:
        super().__init__(look, "runs", empty="it never ran")
        self._clock = clock
        self.marked: int | None = None
        self.follows_first = True

    def toggle_mark(self) -> None:
        """Marks the run under the cursor; the marked one is let go."""
        if self.current is not None:
            self.marked = None if self.marked == self.current.id else self.current.id
            self.refresh()

    def key_of(self, item: RunListRow) -> Hashable:
        return item.id

    def pieces(self, item: RunListRow, width: int) -> Sequence[Piece]:
        look, tone = self.look, RUN_TONES[item.state]
        mark = MARKED if item.id == self.marked else " "
        point = checkpoint_text(item)
        # Where lines are long what differs stands beside the rest, not at the other end.
        by = f"  {fit(clean(by_text(item)), _BY)}  {fit(point, _POINT)}" if width >= _WIDE else ""
        when = clock_text(item.queued_at, self._clock.now())
        point = f"{fit(point, _POINT, right=True)} " if _NARROW <= width < _WIDE else ""
        head = (
            f"{fit(str(item.id), _RUN)} {fit(when, _WHEN)} {fit(took_text(item.seconds), _TOOK, right=True)}"
        )
        room = width - 3 - width_of(f"{head}{by}{point}") - 2
        style = look.tone(tone) if item.state is RunState.FAILED else look.text
        return [
            Piece(mark, look.title),
            Piece(f"{tone.glyph} ", look.tone(tone)),
            Piece(head, look.text),
            Piece(by, look.dim),
            Piece("  " + fit(clean(run_result(item)), max(0, room)), style),
            Piece(point, look.dim),
        ]
