"""Sends a terminal only the cells that differ from what it shows.

Textual sends whole lines of a widget when a cell of it changed, the scrollbar with every layout, the whole
screen when a dialog closes. Over a slow line that is most of what is sent. This knows what the terminal shows
and passes on the difference. What it does not understand it passes on as it is, and trusts nothing it knew.

Only what Textual's compositor writes is understood: absolute moves, colours, plain text, one write a frame.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from rich.cells import get_character_cell_size

_TOKEN: Final = re.compile(
    r"\x1b\[(?P<y>\d+);(?P<x>\d+)H|\x1b\[(?P<style>[\d;]*)m|(?P<text>[^\x00-\x1f\x7f\x9b]+)|(?P<line>\r?\n)"
)
_HARMLESS: Final = re.compile(
    r"(?:\x1b\[\?(?!1049|47|1047|2026)[\d;]+(?:[hl]|\$p)|\x1b\[[<>=]\d*u|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x07)+"
)
"""What shows nothing: modes, keyboard protocols, titles, the clipboard, the bell."""
SYNC_BEGIN, SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
_SHORT_GAP: Final = 4
"""So few equal cells between two that differ are sent again: a move is as long."""
_Cell = tuple[str, str]
_UNKNOWN: Final[_Cell] = ("", "?")


class ScreenImage:
    """What one terminal shows, line by line; lines grow as they are written."""

    def __init__(self) -> None:
        self._lines: list[list[_Cell]] = []
        self._cursor: tuple[int, int] | None = None
        self._sync_held = False

    def forget(self) -> None:
        """The terminal may show anything: it was resized, or somebody else wrote to it."""
        self._lines = []
        self._cursor = None

    def thin(self, data: str) -> str:
        """What to send instead of `data`, so that the terminal shows the same."""
        if data == SYNC_BEGIN:
            self._sync_held = True
            return ""
        if data == SYNC_END:
            begun, self._sync_held = not self._sync_held, False
            return data if begun else ""
        sent = data if _HARMLESS.fullmatch(data) else self._frame(data)
        if sent and self._sync_held:
            self._sync_held = False
            return SYNC_BEGIN + sent
        return sent

    def _frame(self, data: str) -> str:
        before: dict[int, list[_Cell]] = {}
        y, x, style, at = *(self._cursor or (0, 0)), "", 0
        for token in _TOKEN.finditer(data):
            if token.start() != at:
                break
            at = token.end()
            if (text := token["text"]) is not None:
                if y not in before:
                    before[y] = list(self._line(y))
                x = self._write(y, x, text, style)
            elif token["y"] is not None:
                y, x = int(token["y"]) - 1, int(token["x"]) - 1
            elif (codes := token["style"]) is not None:
                style = "" if codes in ("", "0") else f"{style};{codes}" if style else codes
            else:
                y, x = y + 1, 0
        if at != len(data) or style:
            self.forget()
            return data
        pen = _Pen()
        for number, old in sorted(before.items()):
            _send_difference(pen, number, old, self._lines[number])
        if pen.sent:
            pen.sent.append("\x1b[m")
        if pen.sent or (y, x) != self._cursor:
            pen.sent.append(f"\x1b[{y + 1};{x + 1}H")
        sent = "".join(pen.sent)
        self._cursor = (y, x)
        return sent

    def _line(self, y: int) -> list[_Cell]:
        while len(self._lines) <= y:
            self._lines.append([])
        return self._lines[y]

    def _write(self, y: int, x: int, text: str, style: str) -> int:
        line = self._line(y)
        if len(line) < x:
            line.extend([_UNKNOWN] * (x - len(line)))
        if text.isascii() or all(map(_is_simple, text)):
            blank = (" ", blank_style(style))
            cells = [blank if char == " " else (char, style) for char in text]
        else:
            cells = _cells_of(text, style)
        end = x + len(cells)
        # Half of a wide character overwritten: the terminal blanks the other.
        if _is_second_half(line, x):
            line[x - 1] = _UNKNOWN
        if _is_second_half(line, end):
            line[end] = _UNKNOWN
        line[x:end] = cells
        return end


def _is_second_half(line: list[_Cell], x: int) -> bool:
    return 0 < x < len(line) and not line[x][0] and line[x] != _UNKNOWN


def _cells_of(text: str, style: str) -> list[_Cell]:
    """Wide characters take two cells, the second of them empty; combining ones go with their base."""
    cells: list[_Cell] = []
    for char in text:
        width = get_character_cell_size(char)
        if width == 0 and cells:
            base = len(cells) - 1
            while base and not cells[base][0]:
                base -= 1
            cells[base] = (cells[base][0] + char, style)
        else:
            cells += [(char, style), *[("", style)] * (width - 1)]
    return cells


class _Pen:
    """What is sent in a frame, and the style that the terminal writes with by then; None: a reset one."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.style: str | None = None

    def fits(self, cell: _Cell) -> bool:
        """Whether the cell can be written as it is; of a blank only the background is seen."""
        text, style = cell
        if style == self.style:
            return True
        return text == " " and self.style is not None and blank_style(self.style) == style

    def write(self, cell: _Cell) -> None:
        text, style = cell
        if not self.fits(cell):
            self.sent.append(style_change(self.style, style))
            self.style = style
        self.sent.append(text)


def _send_difference(pen: _Pen, y: int, old: list[_Cell], new: list[_Cell]) -> None:
    """Writes what makes of the old line the new one."""
    if old == new:
        return
    length = len(new)
    old = old + [_UNKNOWN] * (length - len(old))
    if not (_is_plain(old) and _is_plain(new)):
        # Terminals differ about such characters: what they show behind one is not known.
        old = [_UNKNOWN] * length
    at, x = -1, 0
    while x < length:
        if new[x] == old[x] or new[x] == _UNKNOWN:
            x += 1
            continue
        if at != x:
            gap = new[at:x] if 0 <= x - _SHORT_GAP <= at else ()
            if gap and all(map(pen.fits, gap)):
                pen.sent += [text for text, _ in gap]
            else:
                pen.sent.append(f"\x1b[{y + 1};{x + 1}H" if at < 0 else f"\x1b[{x - at}C")
        pen.write(new[x])
        is_simple = _is_simple_text(new[x][0])
        x += 1
        at = x
        if not is_simple:
            while _is_second_half(new, x):
                x += 1
            at = -1  # where the cursor is now is the terminal's opinion


def _is_plain(line: list[_Cell]) -> bool:
    return all(cell is _UNKNOWN or _is_simple_text(cell[0]) for cell in line)


def _is_simple_text(text: str) -> bool:
    return len(text) == 1 and _is_simple(text)


@lru_cache(4096)
def _is_simple(char: str) -> bool:
    """One cell wide for every terminal, and written from the left to the right."""
    if char.isascii():
        return True
    return (
        get_character_cell_size(char) == 1
        and unicodedata.bidirectional(char) not in ("R", "AL", "AN", "RLE", "RLO", "RLI", "NSM", "BN")
        and ord(char) < 0x1F000
    )


@lru_cache(4096)
def blank_style(style: str) -> str:
    """All of a style that a blank shows."""
    parts = _parts(style)
    if parts is None or parts.keys() & {"4", "5", "7", "9"}:
        return style
    return parts.get("bg", "")


@lru_cache(4096)
def style_change(before: str | None, after: str) -> str:
    """The shortest SGR sequence from one style to another; styles are SGR codes set on a reset terminal."""
    whole = f"\x1b[{after}m" if not before else f"\x1b[0;{after}m" if after else "\x1b[m"
    if not before or not after:
        return whole if after or before else ""
    old, new = _parts(before), _parts(after)
    if old is None or new is None or not old.keys() <= new.keys():
        return whole
    codes = [code for kind, code in new.items() if old.get(kind) != code]
    short = f"\x1b[{';'.join(codes)}m"
    return min(short, whole, key=len)


def _parts(style: str) -> dict[str, str] | None:
    """Foreground, background and each attribute of a style; None when it holds something else."""
    parts: dict[str, str] = {}
    codes = style.split(";")
    while codes:
        code = codes.pop(0)
        if code in ("38", "48") and codes:
            count = {"5": 2, "2": 4}.get(codes[0], 0)
            if not count or len(codes) < count:
                return None
            parts["fg" if code == "38" else "bg"] = ";".join([code, *codes[:count]])
            del codes[:count]
        elif code.isdigit() and (30 <= int(code) <= 37 or 90 <= int(code) <= 97 or code == "39"):
            parts["fg"] = code
        elif code.isdigit() and (40 <= int(code) <= 47 or 100 <= int(code) <= 107 or code == "49"):
            parts["bg"] = code
        elif code in ("1", "2", "3", "4", "5", "7", "9"):
            parts[code] = code
        else:
            return None
    return parts
