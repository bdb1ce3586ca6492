"""A run's log: the newest lines, followed; by level, searched, exported."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Any

from etl_core.models.run import LogLine
from etl_core.rules.job_tone import Tone
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.look.cells import clean
from etl_tui.app.look.line_list import LineList
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

_TONES = {"error": Tone.FAILED, "warning": Tone.WAITING}
_LEVEL = 8


class LogView(LineList[LogLine]):
    """While it follows, the cursor stays on the last line; moving it up ends that."""

    def __init__(self, look: Look, clock: DatabaseClock) -> None:
        super().__init__(look, "log", empty="no lines yet")
        self._clock = clock
        self.follows = True

    def show_log(self, lines: Sequence[LogLine]) -> None:
        """These are all."""
        self.show_items(lines)
        if self.follows:
            self.go_to(len(lines) - 1)

    def find(self, needle: str, step: int) -> bool:
        """Goes to the next line that holds the text, in any case; whether there is one."""
        needle, count = needle.lower(), len(self.items)
        for offset in range(1, count + 1):
            index = (self.cursor + step * offset) % count
            if needle in line_text(self.items[index]).lower():
                self.follows = False
                self.go_to(index)
                return True
        return False

    def action_move(self, lines: int) -> None:
        super().action_move(lines)
        self.follows = self.cursor == len(self.items) - 1

    def action_page(self, pages: int) -> None:
        super().action_page(pages)
        self.follows = self.cursor == len(self.items) - 1

    def action_first(self) -> None:
        self.follows = False
        super().action_first()

    def action_last(self) -> None:
        self.follows = True
        super().action_last()

    def key_of(self, item: LogLine) -> Hashable:
        return item.id

    def pieces(self, item: LogLine, width: int) -> Sequence[Piece]:
        look = self.look
        at = item.at.astimezone(self._clock.now().tzinfo)
        tone = _TONES.get(item.level)
        style = look.tone(tone) if tone else look.dim
        return [
            Piece(f" {at:%H:%M:%S} ", look.dim),
            Piece(f"{item.level:<{_LEVEL}}", style),
            Piece(clean(item.message), look.tone(tone) if tone is Tone.FAILED else look.text),
            Piece(f"  {clean(fields_text(item.fields))}" if item.fields else "", look.dim),
        ]


def fields_text(fields: dict[str, Any]) -> str:
    """`rows=200 seq=12`."""
    return " ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)}"
        for name, value in fields.items()
    )


def line_text(line: LogLine) -> str:
    """A line as it stands in an exported file."""
    fields = f"  {fields_text(line.fields)}" if line.fields else ""
    return f"{line.at:%Y-%m-%dT%H:%M:%S%z} {line.level:<{_LEVEL - 1}} {line.message}{fields}"
