"""Goes from view to view: each is made when it is first asked for, and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl_tui.app.feed.source import JobSource
from etl_tui.app.look.theme import Look

if TYPE_CHECKING:
    from etl_tui.app.views.board import Board
    from etl_tui.app.views.view import View


def kind_named(name: str) -> type[View]:
    """The view of that name, imported when it is first asked for.

    Raises:
        KeyError: there is none.
    """
    from etl_tui.app.views.activity import ActivityView
    from etl_tui.app.views.queues import QueuesView
    from etl_tui.app.views.schedule import ScheduleView
    from etl_tui.app.views.workers import WorkersView

    return {kind.NAME: kind for kind in (QueuesView, WorkersView, ScheduleView, ActivityView)}[name]


class ViewSwitch:
    """Of one dashboard, `jobs`, which lies beneath whatever view is shown."""

    def __init__(self, board: Board, source: JobSource, look: Look, *, tenant: str | None = None) -> None:
        self._board, self._source, self._look, self._tenant = board, source, look, tenant
        self._names: dict[str, str] = {}

    def show(self, name: str) -> None:
        """Shows the view of that name; `jobs` is the dashboard itself."""
        from etl_tui.app.views.view import View

        is_view = isinstance(self._board.app.screen, View)
        if name == "jobs":
            if is_view:
                self._board.app.pop_screen()
            return
        if is_view and self._board.app.screen is self._board.app.get_screen(self._installed(name)):
            return
        go = self._board.app.switch_screen if is_view else self._board.app.push_screen
        go(self._installed(name))

    async def free(self) -> None:
        """Ends those that were made: the dashboard is left, and Textual keeps what is installed."""
        app = self._board.app
        for name in self._names.values():
            view = app.get_screen(name)
            app.uninstall_screen(name)
            if view.is_attached:
                await view.remove()
        self._names.clear()

    def _installed(self, name: str) -> str:
        if name not in self._names:
            view = kind_named(name)(self._board, self._source, self._look, self, tenant=self._tenant)
            # Another dashboard of this app, of another database, has views of its own.
            self._names[name] = f"{name}-{id(self)}"
            self._board.app.install_screen(view, self._names[name])
        return self._names[name]
