"""Which cells of a drawn line differ from before: only they are sent to a slow terminal."""

from __future__ import annotations

from textual.strip import Strip


def changed_span(before: Strip, after: Strip) -> tuple[int, int] | None:
    """Cells [start, end) that differ; the whole line when styles do, or when cells are not characters."""
    if before == after:
        return None
    old, new = before.text, after.text
    if [segment.style for segment in before] != [segment.style for segment in after] or len(old) != len(new):
        return 0, after.cell_length
    if not (len(old) == before.cell_length and len(new) == after.cell_length):
        return 0, after.cell_length
    differing = [index for index, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
    return (differing[0], differing[-1] + 1) if differing else None
