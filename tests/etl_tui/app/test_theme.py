"""Which look a terminal gets."""

from __future__ import annotations

import pytest
from rich.color import Color, ColorSystem
from textual.app import App, ComposeResult

from etl_core.rules.job_tone import Tone
from etl_tui.app.look.glyphs import GlyphSet
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import ANSI, DARK, LIGHT, Palette, choose_look

UTF8 = {"LANG": "en_US.UTF-8"}


@pytest.mark.parametrize(
    ("environ", "palette"),
    [
        ({"TERM": "screen-256color"}, DARK),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, DARK),
        ({"TERM": "screen-256color", "COLORFGBG": "0;15"}, LIGHT),
        ({"TERM": "screen-256color", "COLORFGBG": "15;0"}, DARK),
        ({"TERM": "screen-256color", "NO_COLOR": ""}, DARK),
        ({"TERM": "linux"}, ANSI),
        ({"TERM": "xterm"}, ANSI),
        ({"TERM": "screen-256color", "NO_COLOR": "1"}, ANSI),
    ],
)
def test_palettes(environ: dict[str, str], palette: Palette) -> None:
    assert choose_look(environ | UTF8).palette is palette


@pytest.mark.parametrize(
    ("environ", "theme", "asked", "palette"),
    [
        ({"TERM": "linux"}, "dark", None, DARK),
        ({"TERM": "screen-256color", "COLORFGBG": "15;0"}, "light", False, LIGHT),
        ({"TERM": "screen-256color", "NO_COLOR": "1"}, "light", True, ANSI),
        ({"TERM": "screen-256color"}, "auto", True, LIGHT),
        ({"TERM": "screen-256color"}, "auto", False, DARK),
        ({"TERM": "screen-256color", "COLORFGBG": "15;0"}, "auto", True, DARK),
    ],
)
def test_a_theme_that_is_asked_for(
    environ: dict[str, str], theme: str, asked: bool | None, palette: Palette
) -> None:
    assert choose_look(environ | UTF8, theme=theme, asked=lambda: asked).palette is palette


@pytest.mark.parametrize(
    ("environ", "is_ascii"),
    [
        ({}, False),
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LC_CTYPE": "UTF-8"}, False),
        ({"LANG": "C.utf8"}, False),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
    ],
)
def test_glyphs_by_locale(environ: dict[str, str], is_ascii: bool) -> None:
    assert GlyphSet.for_terminal(environ).ascii is is_ascii
    assert GlyphSet.for_terminal(environ, plain=True).ascii


@pytest.mark.parametrize(
    ("palette", "numbers"),
    [(DARK, (42, 69, 146, 203, 221, 242)), (LIGHT, (29, 26, 60, 124, 136, 245))],
)
def test_256_colours_are_those_of_the_table(palette: Palette, numbers: tuple[int, ...]) -> None:
    names = (palette.ready, palette.running, palette.finished, palette.failed, palette.waiting, palette.off)
    assert tuple(Color.parse(name).downgrade(ColorSystem.EIGHT_BIT).number for name in names) == numbers


def test_only_failed_is_bold() -> None:
    look = choose_look({"TERM": "screen-256color"} | UTF8)
    assert [tone for tone in Tone if look.tone(tone).bold] == [Tone.FAILED]


async def test_a_line_keeps_its_right_end_and_its_width() -> None:
    look = choose_look({"TERM": "screen-256color"} | UTF8)

    class Host(App[None]):
        def compose(self) -> ComposeResult:
            yield StyledLine(look, "line")

    app = Host()
    async with app.run_test(size=(20, 3)) as pilot:
        line = app.query_one(StyledLine)
        line.show([Piece("日本日本日本日本", look.text)], [Piece("14:32", look.dim)])
        await pilot.pause()
        assert line.render_line(0).cell_length == 20
        assert line.shown == "日本日本日本日… 14:32"[: len(line.shown)] or line.shown.endswith("14:32")
        line.show([Piece("left", look.text)], [Piece("x" * 30, look.dim)])
        assert line.shown == "left" + " " * 16
