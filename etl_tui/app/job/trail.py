"""Where one is, for the first line of a screen over the dashboard: `prod  jobs › acme/orders › run 12`."""

from __future__ import annotations

from etl_tui.app.look.cells import cut, width_of
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

LEAST_NAME = 16
_BETWEEN = " › "
_NARROW = 72


def trail(look: Look, name: str, below: str = "", *, ends: list[Piece], width: int) -> list[Piece]:
    """The context, the jobs, this one and what is `below` it, then as many of `ends` as leave room for that.

    The first of `ends` stays in any case. Where the line is short the name of the job gives way, and what
    stands above it.
    """
    lead = [
        *(Piece(*piece) for piece in look.mark_pieces),
        Piece(f" jobs{_BETWEEN}" if width >= _NARROW else " ‹ ", look.dim),
    ]
    tail = [Piece(_BETWEEN, look.dim), Piece(below, look.title)] if below else []
    room = width - sum(width_of(piece.text) for piece in [*lead, *tail])
    ends = list(ends)
    wanted = min(width_of(name), max(LEAST_NAME, room // 2))
    while len(ends) > 1 and sum(width_of(end.text) for end in ends) > room - wanted:
        ends.pop()
    shown = cut(name, max(8, room - sum(width_of(end.text) for end in ends)))
    return [*lead, Piece(shown, look.title), *tail, *ends]
