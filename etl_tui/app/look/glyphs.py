"""Glyphs beyond ASCII, and what stands for them where the terminal has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.cells import cell_len

# One cell for one cell, so that columns keep their places.
_ASCII = str.maketrans(
    {
        "●": "*",
        "▶": ">",
        "✔": "+",
        "✖": "x",
        "◷": "~",
        "○": "-",
        "━": "=",
        "─": "-",
        "·": "|",
        "…": "~",
        "→": ">",
        "–": "-",
        "›": ">",
        "‖": "=",
        "▲": "^",
        "▼": "v",
        "■": "#",
        "•": "'",
        "│": "|",
        "╭": "+",
        "╮": "+",
        "╰": "+",
        "╯": "+",
        "↑": "^",
        "↓": "v",
        "←": "<",
        "‹": "<",
        "◆": "#",
        "▁": "_",
        "▂": ".",
        "▃": ":",
        "▄": "-",
        "▅": "=",
        "▆": "+",
        "▇": "*",
        "█": "#",
    }
)


@dataclass(frozen=True)
class GlyphSet:
    """Texts are written with glyphs everywhere and shown through this."""

    ascii: bool

    def show(self, text: str) -> str:
        """The text as this terminal can show it, as many cells wide; what ASCII has not becomes `?`."""
        if not self.ascii or text.isascii():
            return text
        text = text.translate(_ASCII)
        return "".join(char if char.isascii() else "?" * cell_len(char) for char in text)

    def key(self, text: str) -> str:
        """How a key is written in a hint."""
        if text == "enter":
            return "Enter" if self.ascii else "↵"
        return self.show(text)

    @classmethod
    def for_terminal(cls, environ: Mapping[str, str], *, plain: bool = False) -> GlyphSet:
        """ASCII when asked for (`plain`), or when the locale names an encoding other than UTF-8."""
        return cls(plain or not _is_utf8(environ))


def _is_utf8(environ: Mapping[str, str]) -> bool:
    # LANG=C is read before LC_CTYPE: Python itself sets LC_CTYPE=C.UTF-8 in a C locale (PEP 538). Nothing
    # set at all says nothing of the terminal: containers and bare servers, where all but few speak UTF-8.
    if environ.get("LC_ALL"):
        named = environ["LC_ALL"]
    elif environ.get("LANG") in ("C", "POSIX"):
        named = environ["LANG"]
    else:
        named = environ.get("LC_CTYPE") or environ.get("LANG") or "UTF-8"
    return "utf8" in named.lower().replace("-", "")
