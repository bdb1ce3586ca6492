"""The line of a group: its name, how many jobs it has and in which states."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from etl_tui.app.dashboard.arrangement import Group
from etl_tui.app.dashboard.totals import count_states, totals_pieces
from etl_tui.app.look.cells import cut, width_of
from etl_tui.app.look.theme import Look

FOLDED, OPEN = "▶", "▼"


def group_strip(group: Group, look: Look, width: int, *, selected: bool) -> Strip:
    """`›▼ acme  12 jobs  ✖ 3 failed  ● 9 ready`."""

    def shown(text: str, style: Style) -> Segment:
        return Segment(look.glyphs.show(text), look.on_selected(style) if selected else style)

    number = len(group.jobs)
    name = cut(group.name, max(10, width // 2))
    head = f"{'›' if selected else ' '}{FOLDED if group.folded else OPEN} {name}  "
    count = f"{number:,} {'job' if number == 1 else 'jobs'} "
    pieces = [shown(head, look.title), shown(count, look.dim)]
    room = width - width_of(head) - len(count)
    pieces += [shown(*piece) for piece in totals_pieces(count_states(group.jobs), look, room)]
    rest = look.on_selected(look.text) if selected else look.text
    return Strip(pieces).adjust_cell_length(width, rest)
