"""The palette: what each state and part of the screen looks like on this terminal.

Four looks: dark, light, the 16 ANSI colours by hand (their nearest match would show READY in cyan), and the
same without colour. Every style of the first two carries its background, for a segment without one shows the
terminal's own beside themed widgets.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from rich.console import Console
from rich.style import Style
from textual.theme import Theme

from etl_core.rules.job_tone import Tone
from etl_tui.app.look.glyphs import GlyphSet
from etl_tui.app.look.mark import ContextMark


@dataclass(frozen=True)
class Palette:
    """Colour names as Rich and Textual both read them; `selected` is None where a row is shown reversed."""

    name: str
    dark: bool
    background: str
    surface: str
    text: str
    dim: str
    ready: str
    running: str
    finished: str
    failed: str
    waiting: str
    off: str
    selected: str | None


DARK = Palette(
    name="etl-dark",
    dark=True,
    background="#121212",
    surface="#262626",
    text="#d0d0d0",
    dim="#8a8a8a",
    ready="#00d787",
    running="#5f87ff",
    finished="#afafd7",
    failed="#ff5f5f",
    waiting="#ffd75f",
    off="#6c6c6c",
    selected="#303030",
)
LIGHT = Palette(
    name="etl-light",
    dark=False,
    background="#ffffff",
    surface="#e4e4e4",
    text="#303030",
    dim="#6c6c6c",
    ready="#00875f",
    running="#005fd7",
    finished="#5f5f87",
    failed="#af0000",
    waiting="#af8700",
    off="#8a8a8a",
    selected="#d0d0d0",
)
ANSI = Palette(
    name="etl-ansi",
    dark=True,
    background="default",
    surface="default",
    text="default",
    dim="default",
    ready="green",
    running="bright_blue",
    finished="magenta",
    failed="bright_red",
    waiting="yellow",
    off="bright_black",
    selected=None,
)


@dataclass(frozen=True)
class Look:
    """All that a widget needs to know to draw itself."""

    palette: Palette
    glyphs: GlyphSet
    mark: ContextMark = field(default_factory=ContextMark)
    """Of the database that is worked in."""

    @property
    def is_ansi(self) -> bool:
        """Whether colours are the terminal's own 16 (or none): Textual must not turn them into RGB."""
        return self.palette is ANSI

    @cached_property
    def text(self) -> Style:
        return Style(color=self.palette.text, bgcolor=self.palette.background)

    @cached_property
    def dim(self) -> Style:
        # Without a grey of its own the ANSI look dims by attribute, which survives NO_COLOR too.
        return Style(color=self.palette.dim, bgcolor=self.palette.background, dim=self.is_ansi or None)

    @cached_property
    def title(self) -> Style:
        return self.text + Style(bold=True)

    @cached_property
    def mark_pieces(self) -> list[tuple[str, Style]]:
        """The mark of the database, for the first line of every screen; none for one without a name."""
        colour = self.mark.colour_on(self.palette.name)
        style = self.title
        if colour is not None:
            filled = (
                Style(reverse=True) if self.is_ansi else Style(bgcolor=colour, color=self.palette.background)
            )
            style += (Style(color=colour) if self.is_ansi else Style()) + filled
        pieces = [(f" {self.mark.text} ", style)] if self.mark.text else []
        return [*pieces, *([(" read-only ", self.dim)] if self.mark.read_only else [])]

    @cached_property
    def _tones(self) -> dict[Tone, Style]:
        background = self.palette.background
        styles = {tone: Style(color=getattr(self.palette, tone.colour), bgcolor=background) for tone in Tone}
        styles[Tone.FAILED] += Style(bold=True)
        return styles

    def tone(self, tone: Tone) -> Style:
        """The colour of a state; failed is bold."""
        return self._tones[tone]

    def on_selected(self, style: Style) -> Style:
        """The same style on the selected row."""
        if self.palette.selected is None:
            return style + Style(reverse=True)
        return style + Style(bgcolor=self.palette.selected)

    def textual_theme(self) -> Theme:
        """The same colours for Textual's own widgets, as variables of the stylesheet."""
        palette, css = self.palette, _css_name
        return Theme(
            name=palette.name,
            primary=css(palette.running),
            secondary=css(palette.finished),
            warning=css(palette.waiting),
            error=css(palette.failed),
            success=css(palette.ready),
            accent=css(palette.running),
            foreground=css(palette.text),
            background=css(palette.background),
            surface=css(palette.surface),
            panel=css(palette.surface),
            dark=palette.dark,
            ansi=self.is_ansi,
            variables={
                # Textual's own stylesheet asks for these two of every theme that says it is ansi.
                "ansi-background": css(palette.background),
                "ansi-foreground": css(palette.text),
                "dim-text": css(palette.dim),
                "field": css(palette.surface),
                "line": css(palette.off),
                "error-text": css(palette.failed),
                "scrollbar": css(palette.off),
                "scrollbar-hover": css(palette.dim),
                "scrollbar-active": css(palette.dim),
                "scrollbar-background": css(palette.background),
                "scrollbar-background-hover": css(palette.background),
                "scrollbar-background-active": css(palette.background),
                "scrollbar-corner-color": css(palette.background),
            },
        )


def choose_look(
    environ: Mapping[str, str] = os.environ,
    *,
    plain: bool = False,
    theme: str = "auto",
    asked: Callable[[], bool | None] = lambda: None,
) -> Look:
    """The look for this terminal.

    NO_COLOR takes `ansi`, whatever else; then `theme` (`dark`, `light` or `ansi`) decides. `auto`: a terminal
    of 16 colours takes `ansi`, a light background that it tells of (COLORFGBG, else what `asked` finds: True
    for a light one, None when nobody knows) takes `light`, and all others `dark`.
    """
    named = {"dark": DARK, "light": LIGHT, "ansi": ANSI}.get(theme)
    if environ.get("NO_COLOR") or (named is None and _has_16_colours(environ)):
        palette = ANSI
    elif named is not None:
        palette = named
    else:
        told = environ.get("COLORFGBG", "").rpartition(";")[2]
        palette = LIGHT if (told in ("7", "15") if told.isdecimal() else asked()) else DARK
    return Look(palette, GlyphSet.for_terminal(environ, plain=plain))


def _has_16_colours(environ: Mapping[str, str]) -> bool:
    console = Console(force_terminal=True, _environ=dict(environ))
    return console.color_system not in ("256", "truecolor")


def _css_name(colour: str) -> str:
    return colour if colour.startswith("#") else f"ansi_{colour}"
