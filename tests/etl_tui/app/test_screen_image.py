"""What is sent instead of Textual's frames shows the same on a terminal, and is never more."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import get_character_cell_size

from etl_tui.app.terminal.screen_image import SYNC_BEGIN, SYNC_END, ScreenImage

WIDTH, HEIGHT = 24, 4
_PIECE = re.compile(r"\x1b\[([\d;]*)([HCm])|\n|\x1b\[\?[^a-z]*[a-z]|(.)", re.DOTALL)


@dataclass
class Terminal:
    """Moves, colours and text, as any terminal has them."""

    cells: dict[tuple[int, int], tuple[str, frozenset[str]]] = field(default_factory=dict)
    x: int = 0
    y: int = 0
    pen: dict[str, str] = field(default_factory=dict)

    def feed(self, data: str) -> None:
        for match in _PIECE.finditer(data):
            codes, kind, char = match.groups()
            if kind == "H":
                self.y, self.x = (int(number) - 1 for number in codes.split(";"))
            elif kind == "C":
                self.x += int(codes or 1)
            elif kind == "m":
                self.paint((codes or "0").split(";"))
            elif match.group() == "\n":
                self.y, self.x = self.y + 1, 0
            elif char:
                self.put(char)

    def paint(self, codes: list[str]) -> None:
        while codes:
            code = codes.pop(0)
            if code == "0":
                self.pen.clear()
            elif code in ("38", "48"):
                self.pen[code] = ";".join(codes[:2])
                del codes[:2]
            elif code in ("31", "32"):
                self.pen["38"] = code
            else:
                self.pen[code] = code

    def put(self, char: str) -> None:
        width = get_character_cell_size(char)
        seen = ("48", "7") if char == " " and "7" not in self.pen else self.pen  # of a blank its background
        look = frozenset(f"{key}={value}" for key, value in self.pen.items() if key in seen)
        if width == 0:
            at = (self.y, self.x - (1 if self.cells.get((self.y, self.x - 1), ("", look))[0] else 2))
            base = self.cells.get(at, ("", look))
            self.cells[at] = (base[0] + char, base[1])
            return
        for end, step in ((self.x, -1), (self.x + width, 0)):
            if self.cells.get((self.y, end), (" ", look))[0] == "":  # the other half of a wide one is blanked
                self.cells[self.y, end + step] = (" ", look)
        self.cells[self.y, self.x] = (char, look)
        if width == 2:
            self.cells[self.y, self.x + 1] = ("", look)
        self.x += width


STYLES = (
    "38;5;42;48;5;233",
    "38;5;251;48;5;233",
    "1;38;5;251;48;5;233",
    "38;5;251;48;5;236",
    "7",
    "31",
    "1;32",
)


@st.composite
def frames(draw: st.DrawFn) -> str:
    """A frame as the compositor writes it: lines of styled pieces, then the cursor's place."""
    pieces = []
    for _ in range(draw(st.integers(1, 4))):
        y, x = draw(st.integers(0, HEIGHT - 1)), draw(st.integers(0, 8))
        pieces.append(f"\x1b[{y + 1};{x + 1}H")
        for _ in range(draw(st.integers(1, 3))):
            text = draw(st.text(alphabet="ab ●━é", min_size=1, max_size=5))
            pieces.append(f"\x1b[{draw(st.sampled_from(STYLES))}m{text}\x1b[0m")
        pieces.append("\n")
    return "".join(pieces[:-1]) + "\x1b[1;2H"


@given(st.lists(frames(), min_size=1, max_size=6))
def test_the_terminal_shows_the_same_for_no_more_bytes(sent: list[str]) -> None:
    image, whole, thin = ScreenImage(), Terminal(), Terminal()
    for frame in sent:
        thinned = image.thin(frame)
        whole.feed(frame)
        thin.feed(thinned)
        assert thin.cells == whole.cells
        assert (thin.y, thin.x) == (whole.y, whole.x)
        assert len(thinned) <= len(frame) + len("\x1b[m")
        assert image.thin(frame) == ""


def _line(text: str, style: str = STYLES[0], y: int = 0) -> str:
    return f"\x1b[{y + 1};1H\x1b[{style}m{text}\x1b[0m\x1b[1;2H"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("日本語 job", "日本 job  "),
        ("日本語 job", "abc語 job "),
        ("e\u0301tude 1", "etude 2 "),
        ("אבג 12", "אבד 12"),
        ("a👍b", "a👍c"),
        ("plain", "plaiṉ"),
    ],
)
def test_lines_with_other_than_plain_characters_are_sent_whole(before: str, after: str) -> None:
    image, whole, thin = ScreenImage(), Terminal(), Terminal()
    for frame in (_line(before), _line(after)):
        whole.feed(frame)
        thin.feed(image.thin(frame))
    assert thin.cells == whole.cells


def test_a_digit_costs_a_digit() -> None:
    image = ScreenImage()
    image.thin(_line("READY  58m ago"))
    assert image.thin(_line("READY  59m ago")) == "\x1b[1;9H\x1b[38;5;42;48;5;233m9\x1b[m\x1b[1;2H"


def test_what_is_not_understood_is_passed_on_and_nothing_is_relied_on_after_it() -> None:
    image = ScreenImage()
    image.thin(_line("READY"))
    assert image.thin("\x1b[2J") == "\x1b[2J"
    assert "READY" in image.thin(_line("READY"))
    image.forget()
    assert "READY" in image.thin(_line("READY"))


@pytest.mark.parametrize("harmless", ["\x1b[?25l", "\x1b[?1004h", "\x1b]52;c;YQ==\x07", "\x07", "\x1b[>25u"])
def test_what_shows_nothing_is_passed_on_and_the_rest_is_known_on(harmless: str) -> None:
    image = ScreenImage()
    image.thin(_line("READY"))
    assert image.thin(harmless) == harmless
    assert image.thin(_line("READY")) == ""


def test_a_frame_within_a_sync_is_sent_within_it_and_none_without_a_difference() -> None:
    image = ScreenImage()
    sent = [image.thin(data) for data in (SYNC_BEGIN, _line("READY"), SYNC_END)]
    assert sent[0] == "" and sent[1].startswith(SYNC_BEGIN) and sent[2] == SYNC_END
    assert [image.thin(data) for data in (SYNC_BEGIN, _line("READY"), SYNC_END)] == ["", "", ""]
