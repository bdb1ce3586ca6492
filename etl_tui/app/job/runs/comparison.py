"""Two runs beside each other, as lines. Pure."""

from __future__ import annotations

from datetime import datetime

from etl_core.models.run_comparison import RunComparison
from etl_core.rules.clock_text import clock_text
from etl_tui.app.look.cells import clean, fit
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

_WHAT, _CHANGE = 13, 9


def comparison_lines(look: Look, found: RunComparison, now: datetime, width: int) -> list[list[Piece]]:
    """The older run at the left; below what was done to the job between both."""
    room = max(8, (width - _WHAT - _CHANGE - 6) // 2)
    lines = [
        [
            Piece(f" {'':<{_WHAT}}", look.dim),
            Piece(fit(f"run {found.a.id}", room) + "  ", look.title),
            Piece(fit(f"run {found.b.id}", room), look.title),
        ]
    ]
    lines += [
        [
            Piece(f" {fit(clean(difference.what), _WHAT)}", look.dim),
            Piece(fit(clean(difference.a), room) + "  ", look.text),
            Piece(fit(clean(difference.b), room) + "  ", look.text),
            Piece(difference.change, look.dim),
        ]
        for difference in found.differences
    ]
    if not found.differences:
        lines.append([Piece(" both are the same in everything that is kept", look.dim)])
    for event in found.changed_between:
        told = f" {clock_text(event.at, now)}  {event.actor}  {event.sentence}"
        lines.append([Piece(clean(told), look.text)])
    return lines
