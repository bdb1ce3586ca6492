"""One screen of one size in a file: its text once, and below it how each cell is shown in every look.

Cells that are shown alike in all looks have the same letters: `a3 b` are three and one. The legend tells what
they are in each. So it is seen at a glance what a look without colours does not tell apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain, count, groupby, product
from pathlib import Path
from string import ascii_letters

from tests.etl_tui.snapshots.drawing import Drawing

_RUN = re.compile(r"([A-Za-z]+)(\d*)")


def write_sheet(path: Path, drawings: Mapping[str, Drawing]) -> None:
    """Writes what a screen is in each look.

    Raises:
        AssertionError: its text is not the same in all of them.
    """
    first, *others = drawings.values()
    for look, other in zip(list(drawings)[1:], others, strict=True):
        told = [line for line in differences(first, other) if "from cell" not in line]
        assert other.texts == first.texts, "\n".join([f"{path.stem} says other things in {look}:", *told])
    letters = _letters()
    names: dict[tuple[str, ...], str] = {}
    runs = []
    for line in zip(*(drawing.styles for drawing in drawings.values()), strict=True):
        cells = groupby(zip(*line, strict=True))
        found = [
            (names.get(style) or names.setdefault(style, next(letters)), list(same)) for style, same in cells
        ]
        runs.append(" ".join(f"{name}{len(same)}" if len(same) > 1 else name for name, same in found))
    rule = "-" * len(first.styles[0])
    legend = [f"{name:<3}{' | '.join(style)}".rstrip() for style, name in names.items()]
    lines = [*first.texts, rule, *runs, rule, f"   {' | '.join(drawings)}", *legend, ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def read_sheet(path: Path) -> dict[str, Drawing]:
    """What the screen is in each look; nothing where there is no file yet."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").split("\n")
    rules = [place for place, line in enumerate(lines) if line and not line.strip("-")]
    height = (rules[-1] - 1) // 2
    looks, *legend = lines[rules[-1] + 1 : -1]
    styles = {line[:3].strip(): line[3:].split(" | ") for line in legend}
    runs = [
        [(name, int(length or 1)) for name, length in _RUN.findall(line)]
        for line in lines[height + 1 : rules[-1]]
    ]
    return {
        look: Drawing(
            lines[:height],
            [
                list(chain.from_iterable([styles[name][place]] * length for name, length in line))
                for line in runs
            ],
        )
        for place, look in enumerate(looks.strip().split(" | "))
    }


def differences(wanted: Drawing | None, found: Drawing) -> Iterator[str]:
    """Where a screen is drawn other than it was, line by line; nothing when it is the same."""
    if wanted is None:
        yield "there is no sheet of it"
        return
    if len(wanted.texts) != len(found.texts):
        yield f"{len(found.texts)} lines, not {len(wanted.texts)}"
    for number, (before, now) in enumerate(zip(wanted.texts, found.texts, strict=False), 1):
        if before != now:
            yield f"{number:2} - {before}\n   + {now}"
    for number, (was, styles) in enumerate(zip(wanted.styles, found.styles, strict=False), 1):
        for place, (before, now) in enumerate(zip(was, styles, strict=False)):
            if before != now:
                yield f"{number:2} from cell {place} on: {now}, not {before}"
                break


def _letters() -> Iterator[str]:
    """a, b, ... Z, aa, ab, ..."""
    return ("".join(letters) for length in count(1) for letters in product(ascii_letters, repeat=length))
