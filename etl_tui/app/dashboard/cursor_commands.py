"""The keys that move the cursor among jobs and fold their groups."""

from __future__ import annotations

from etl_tui.app.dashboard.view_commands import ViewCommands


class CursorCommands(ViewCommands):
    """What the grid does by itself."""

    def action_move(self, rows: int) -> None:
        self._marks.end_held()
        self._grid.move(rows)

    def action_page(self, pages: int) -> None:
        self._grid.page(pages)

    def action_first(self) -> None:
        self._grid.move_to_first()

    def action_last(self) -> None:
        self._grid.move_to_last()

    def action_fold(self) -> None:
        self._grid.fold()

    def action_fold_all(self) -> None:
        self._grid.fold_all()

    def action_aside(self, step: int) -> None:
        self._grid.aside(step)
