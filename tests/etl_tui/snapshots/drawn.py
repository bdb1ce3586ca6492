"""A screen as a text that people can compare: what is written, and below it the style of every cell."""

from __future__ import annotations

from string import ascii_letters, digits
from typing import Any, Final

from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.style import Style
from textual.pilot import Pilot

_MARKS: Final = ascii_letters + digits + "!#$%&*+,-./:;<=>?@^_~"


def drawn(pilot: Pilot[Any]) -> str:
    """As a terminal of 256 colours shows it; without colours where the program sends none."""
    marks: dict[str, str] = {}
    texts, styles = [], []
    for strip in pilot.app.screen._compositor.render_strips():
        texts.append(strip.text.rstrip())
        cells = ""
        for segment in strip:
            told = _told(segment.style)
            mark = marks.setdefault(told, _MARKS[len(marks)])
            cells += mark * cell_len(segment.text)
        styles.append(_short(cells))
    legend = [f"{mark}  {told}" for told, mark in marks.items()]
    return "\n".join([*texts, "-" * pilot.app.size.width, *styles, "-" * pilot.app.size.width, *legend, ""])


def _short(cells: str) -> str:
    """`aaab` is `a3 b`."""
    runs: list[tuple[str, int]] = []
    for mark in cells:
        if runs and runs[-1][0] == mark:
            runs[-1] = (mark, runs[-1][1] + 1)
        else:
            runs.append((mark, 1))
    return " ".join(f"{mark}{length}" if length > 1 else mark for mark, length in runs)


def _told(style: Style | None) -> str:
    if style is None:
        return "plain"
    attributes = [name for name in ("bold", "dim", "italic", "underline", "reverse") if getattr(style, name)]
    colours = f"{_number(style.color)} on {_number(style.bgcolor)}"
    return " ".join([*attributes, "" if colours == "default on default" else colours]).strip() or "plain"


def _number(colour: Color | None) -> str:
    if colour is None or colour.is_default:
        return "default"
    number = colour.downgrade(ColorSystem.EIGHT_BIT).number
    return "default" if number is None else str(number)
