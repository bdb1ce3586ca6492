"""How jobs are shown: their order, groups and columns, as rows or cards; kept for the next time."""

from __future__ import annotations

from dataclasses import replace

from textual import on

from etl_tui.app.dashboard.arrangement import next_grouping
from etl_tui.app.dashboard.cursor_commands import CursorCommands
from etl_tui.app.dashboard.heading import Heading
from etl_tui.app.dashboard.job_order import JobOrder, sortable
from etl_tui.app.dashboard.preview import Preview
from etl_tui.app.dashboard.view_choice import VIEW, ViewChoice
from etl_tui.app.look.theme import Look


class ArrangementCommands(CursorCommands):
    """What changes how they are shown, and never which."""

    _heading: Heading
    _look: Look
    _preview: Preview

    def show_jobs(self) -> None:
        """Shows those that meet the filter, as they are to be shown now."""
        raise NotImplementedError

    def choose_view(self, view: ViewChoice) -> None:
        """Shows the jobs so, and keeps it for the next time."""
        self._preferences.set(VIEW, view)
        self.follow_view(view)

    def follow_view(self, view: ViewChoice) -> None:
        """Shows the jobs so."""
        self._view = view
        self._heading.show_view(view)
        self._grid.show_columns(view.columns)
        self._grid.show_grouping(view.grouping)
        self._grid.show_cards(view.cards)
        self._preview.set_class(not view.preview, "-unwanted")
        self.show_jobs()

    def action_sort(self, title: str) -> None:
        self._sort(self._view.order.by(sortable(title)))

    def action_sort_beside(self, step: int) -> None:
        self._sort(self._view.order.beside(self._heading.titles, step))

    def action_reverse(self) -> None:
        self._sort(self._view.order.by(self._view.order.title))

    def action_group(self) -> None:
        self.choose_view(replace(self._view, grouping=next_grouping(self._view.grouping)))

    def action_cards(self) -> None:
        self.choose_view(replace(self._view, cards=not self._view.cards))

    def action_preview(self) -> None:
        self.choose_view(replace(self._view, preview=not self._view.preview))

    def action_columns(self) -> None:
        from etl_tui.app.dialogs.columns_dialog import ColumnsDialog

        def chosen(titles: tuple[str, ...] | None) -> None:
            if titles is not None:
                self.choose_view(replace(self._view, columns=titles or None))

        shown = [column.title for column in self._grid.layout_of_columns.columns]
        self.app.push_screen(ColumnsDialog(self._look, self._view.columns or shown), chosen)

    def action_failed_first(self) -> None:
        self._sort(replace(self._view.order, failed_first=not self._view.order.failed_first))

    @on(Heading.Clicked)
    def _sort_by(self, event: Heading.Clicked) -> None:
        self._sort(self._view.order.by(event.title))

    def _sort(self, order: JobOrder) -> None:
        self.choose_view(self._view.in_order(order))
