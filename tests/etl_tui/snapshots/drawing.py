"""A screen as it is drawn: the text of its lines, and how each cell of them is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.style import Style
from textual._context import visible_screen_stack
from textual.pilot import Pilot
from textual.strip import Strip

PLAIN = "plain"


@dataclass(frozen=True)
class Drawing:
    """`styles` has a list of `bold 203 on 233` or the like for every line, one for each cell."""

    texts: Sequence[str]
    styles: Sequence[Sequence[str]]


def draw(pilot: Pilot[Any]) -> Drawing:
    """As a terminal of 256 colours shows it; without colours where the program sends none."""
    strips = _strips(pilot)
    return Drawing(
        [strip.text.rstrip() for strip in strips],
        [[told for part in strip for told in [_told(part.style)] * cell_len(part.text)] for strip in strips],
    )


def shown(pilot: Pilot[Any]) -> str:
    """The text alone."""
    return "\n".join(strip.text.rstrip() for strip in _strips(pilot))


def _strips(pilot: Pilot[Any]) -> list[Strip]:
    app = pilot.app
    visible_screen_stack.set(app._background_screens)  # what is seen around a dialog
    return app.screen._compositor.render_strips()


@lru_cache
def _told(style: Style | None) -> str:
    if style is None:
        return PLAIN
    attributes = [name for name in ("bold", "dim", "italic", "underline", "reverse") if getattr(style, name)]
    colours = f"{_number(style.color)} on {_number(style.bgcolor)}"
    return " ".join([*attributes, "" if colours == "default on default" else colours]).strip() or PLAIN


def _number(colour: Color | None) -> str:
    if colour is None or colour.is_default:
        return "default"
    number = colour.downgrade(ColorSystem.EIGHT_BIT).number
    return "default" if number is None else str(number)
