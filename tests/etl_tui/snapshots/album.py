"""The sheets of all screens, and the comparison of the program with them."""

from __future__ import annotations

import time
from collections import defaultdict
from itertools import islice
from pathlib import Path
from typing import Any, Final

from textual.pilot import Pilot

from tests.etl_tui.snapshots.drawing import Drawing, draw
from tests.etl_tui.snapshots.sheet import differences, read_sheet, write_sheet
from tests.etl_tui.snapshots.staged import quiet

SHEETS: Final = Path(__file__).parent / "sheets"
PATIENCE: Final = 60.0
"""Seconds in all that are waited for screens that are others than on their sheets: they may come yet."""
_LEAST_PATIENCE: Final = 1.0
_MOST_TOLD: Final = 12

Size = tuple[int, int]


class Album:
    """Of one test. What differs is gathered; `renew`: it is written instead."""

    def __init__(self, *, renew: bool) -> None:
        self._renew = renew
        self._patience = PATIENCE
        self._taken: dict[Path, dict[str, Drawing]] = defaultdict(dict)
        self.differing: list[str] = []
        """Names of what is not as it was."""

    async def look(self, pilot: Pilot[Any], screen: str, size: Size, look: str) -> None:
        """Compares what is shown, as soon as it is the same; it is told how it differs."""
        path = SHEETS / f"{screen}-{size[0]}x{size[1]}.txt"
        if self._renew:
            await quiet(pilot)
            self._taken[path][look] = draw(pilot)
            return
        wanted = read_sheet(path).get(look)
        began = time.monotonic()
        while (found := draw(pilot)) != wanted:
            if time.monotonic() - began > max(self._patience, _LEAST_PATIENCE):
                self._patience = 0
                self.differing.append(f"{path.stem} {look}")
                print(f"{path.stem} {look}:", *islice(differences(wanted, found), _MOST_TOLD), sep="\n")
                break
            await pilot.pause(0.05)
        else:
            self._patience -= time.monotonic() - began

    def close(self) -> None:
        """Writes what is to be renewed."""
        SHEETS.mkdir(exist_ok=True)
        for path, drawings in self._taken.items():
            try:
                write_sheet(path, drawings)
            except AssertionError as refusal:
                self.differing.append(str(refusal))
