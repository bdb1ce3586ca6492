"""The mark of the database that is worked in: its context's name, in its colour, with `!` for production."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_ON_DARK: Final = {
    "red": "#ff5f5f",
    "yellow": "#ffd75f",
    "green": "#00d787",
    "blue": "#5f87ff",
    "magenta": "#d787d7",
    "cyan": "#5fd7d7",
}
_ON_LIGHT: Final = {
    "red": "#af0000",
    "yellow": "#875f00",
    "green": "#00875f",
    "blue": "#005fd7",
    "magenta": "#87005f",
    "cyan": "#005f87",
}
_BY_PALETTE: Final[Mapping[str, Mapping[str, str]]] = {"etl-dark": _ON_DARK, "etl-light": _ON_LIGHT}
"""Elsewhere the names themselves: the terminal's own 16."""


@dataclass(frozen=True)
class ContextMark:
    """What every screen shows of it. Production has a sign, too: a colour alone may not be seen."""

    name: str = ""
    colour: str | None = None
    production: bool = False
    read_only: bool = False

    @property
    def text(self) -> str:
        return f"! {self.name}" if self.production else self.name

    def colour_on(self, palette: str) -> str | None:
        """As the palette of this name has it; production is red unless it has a colour of its own."""
        colour = self.colour or ("red" if self.production else None)
        return _BY_PALETTE.get(palette, {}).get(colour, colour) if colour else None
