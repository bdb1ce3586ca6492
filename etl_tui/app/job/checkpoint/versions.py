"""The versions of a checkpoint, newest first: when each was cut, what moved it, by whom."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from etl_core.models.checkpoint import CheckpointVersion
from etl_core.rules.clock_text import clock_text
from etl_core.rules.job_tone import Tone
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.look.cells import clean
from etl_tui.app.look.line_list import LineList, padded
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

NEWEST, BY_HAND, LAST_GOOD, MARKED = "●", "◆", "✔", "›"
TITLE = " VERSIONS WHEN        MOVED BY"
_WHEN_CELLS = 11
_DONE = {"edit": "edited", "rewind": "rewound", "clear": "cleared", "migration": "migrated", "sql": "by SQL"}


class VersionList(LineList[CheckpointVersion]):
    """The marked one is what others are compared with."""

    def __init__(self, look: Look, clock: DatabaseClock) -> None:
        super().__init__(look, "versions", empty="no version yet")
        self._clock = clock
        self.marked: int | None = None
        self.follows_first = True

    def toggle_mark(self) -> None:
        """Marks the version under the cursor; the marked one is let go."""
        if self.current is not None:
            self.marked = None if self.marked == self.current.version else self.current.version
            self.refresh()

    def key_of(self, item: CheckpointVersion) -> Hashable:
        return item.version

    def pieces(self, item: CheckpointVersion, width: int) -> Sequence[Piece]:
        look = self.look
        glyph, tone = _glyph(item)
        mark = MARKED if item.version == self.marked else " "
        when = clock_text(item.at, self._clock.now())
        return [
            Piece(mark, look.title),
            Piece(f"{glyph} ", look.tone(tone) if tone else look.text),
            Piece(padded(f"v{item.version}", 6), look.title),
            Piece(padded(when, _WHEN_CELLS) + " ", look.dim),
            Piece(clean(moved_by(item)), look.text),
        ]


def _glyph(version: CheckpointVersion) -> tuple[str, Tone | None]:
    if version.is_newest:
        return NEWEST, Tone.RUNNING
    if version.source in ("edit", "rewind", "clear", "sql"):
        return BY_HAND, Tone.WAITING
    return (LAST_GOOD, Tone.READY) if version.is_last_good else (" ", None)


def moved_by(version: CheckpointVersion) -> str:
    """`run 5121  2 changed: orders`; `m.ito edited, "skip 7"`."""
    if version.source == "run":
        who = f"run {version.run_id}" if version.run_id is not None else "a run"
        good = ", last good" if version.is_last_good else ""
        return f"{who}{good}  {version.what}".rstrip()
    who = f"{version.actor} {_DONE.get(version.source, version.source)}"
    return f'{who}, "{version.reason}"' if version.reason else f"{who}  {version.what}".rstrip()
