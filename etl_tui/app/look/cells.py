"""Text cut and padded to cells of a terminal: `日` takes two, a combining accent none."""

from __future__ import annotations

from rich.cells import cell_len, chop_cells

from etl_tui.cli.output import one_line

ELLIPSIS = "…"


def width_of(text: str) -> int:
    """Cells that a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def clean(text: str) -> str:
    """Text from outside fit for one line: no escape sequence that came with a name or an error is obeyed."""
    return text if text.isprintable() else one_line(text)


def cut(text: str, width: int) -> str:
    """At most `width` cells; what is cut off is told by an ellipsis."""
    if width_of(text) <= width:
        return text
    if width <= 1:
        return ELLIPSIS[:width]
    return chop_cells(text, width - 1)[0].rstrip(f" {ELLIPSIS}") + ELLIPSIS


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Exactly `width` cells, padded on the left when `right`."""
    text = cut(text, width)
    padding = " " * (width - width_of(text))
    return padding + text if right else text + padding


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken between words where they fit; at least one line."""
    lines, line = [], ""
    for word in text.split():
        if line and width_of(line) + 1 + width_of(word) <= width:
            line = f"{line} {word}"
            continue
        if line:
            lines.append(line)
        *whole, line = chop_cells(word, width) if width_of(word) > width else [word]
        lines += whole
    return [*lines, line] if line or not lines else lines
