"""Saved views: one is chosen, the present one is saved, one is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from etl_tui.app.commands.choices import Choice, Choices
from etl_tui.app.dashboard.saved_views import SavedView
from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.look.cells import clean
from etl_tui.app.look.theme import Look

NAME_CELLS = 20


class ViewsDialog(Dialog[str]):
    """Answers with what stands behind `:view`: a name, or `save` for one to be asked for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", show=False),
        Binding("k,up", "move(-1)", show=False),
        Binding("enter", "choose", show=False),
        Binding("s", "save", show=False),
        Binding("d,delete", "forget", show=False),
        Binding("q", "close", show=False),
    ]

    def __init__(
        self, look: Look, views: Callable[[], Mapping[str, SavedView]], *, forget: Callable[[str], str]
    ) -> None:
        super().__init__(look)
        self._views = views
        self._forget = forget
        self._choices = Choices(look, name_cells=NAME_CELLS)
        self._sentence = Static("", id="sentence", markup=False)

    def compose(self) -> ComposeResult:
        frame = Vertical(classes="frame tall")
        frame.border_title = "Views"
        frame.border_subtitle = self.look.glyphs.show("enter shows · s saves this one · d forgets · esc")
        with frame:
            yield self._choices
            yield self._sentence

    def on_mount(self) -> None:
        self._show()

    def action_move(self, rows: int) -> None:
        self._choices.move(rows)

    @on(Choices.Clicked)
    def action_choose(self) -> None:
        if chosen := self._choices.chosen:
            self.dismiss(chosen.name)

    def action_save(self) -> None:
        self.dismiss("save")

    def action_forget(self) -> None:
        if chosen := self._choices.chosen:
            self._sentence.update(self.look.glyphs.show(clean(self._forget(chosen.name))))
            self._show()

    def _show(self) -> None:
        self._choices.show_choices([Choice(name, _told(view)) for name, view in self._views().items()])


def _told(view: SavedView) -> str:
    parts = [clean(view.filter) or "every job"]
    if view.choice is not None:
        parts.append(f"by {view.choice.sorted_by.lower()}{' falling' if view.choice.reverse else ''}")
        if view.choice.grouping:
            parts.append(f"grouped by {view.choice.grouping}")
        if view.choice.columns is not None:
            parts.append(f"{len(view.choice.columns)} columns")
        if view.choice.cards:
            parts.append("as cards")
    return " · ".join(parts)
