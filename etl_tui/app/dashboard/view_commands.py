"""`:view NAME`, `:view save NAME`, `:view delete NAME`, and the list of them all."""

from __future__ import annotations

from collections.abc import Sequence

from textual.widgets import Input

from etl_core.errors import EtlError
from etl_tui.app.commands.command import Command
from etl_tui.app.dashboard.filter_line import FilterLine
from etl_tui.app.dashboard.job_commands import JobCommands
from etl_tui.app.dashboard.saved_views import (
    TENANT,
    SavedView,
    delete_view,
    find_view,
    save_view,
    views_of,
)
from etl_tui.app.dashboard.view_choice import ViewChoice
from etl_tui.app.preferences import Preferences


class ViewCommands(JobCommands):
    """A view is a filter together with the way in which jobs are shown."""

    _filter_line: FilterLine
    _preferences: Preferences
    _view: ViewChoice

    def choose_view(self, view: ViewChoice) -> None:
        """Shows the jobs so, and keeps it for the next time."""
        raise NotImplementedError

    def confirm(self, text: str) -> None:
        """Tells what was done."""
        raise NotImplementedError

    @property
    def typed_into(self) -> Input | None:
        return self._filter_line.typed_into

    def action_view(self, text: str = "") -> None:
        word, _, rest = text.partition(" ")
        if word == "save" and rest:
            save_view(self._preferences, rest, SavedView(self._filter_line.text, self._view))
            self.confirm(f"view {rest.strip()} is saved; :view {rest.strip()} shows it")
        elif word == "save":
            self.commands.action_ask_command("view save ")
        elif word == "delete" and rest:
            delete_view(self._preferences, rest.strip())
            self.confirm(f"view {rest.strip()} is forgotten")
        elif text:
            self._show_saved(text)
        else:
            from etl_tui.app.dialogs.views_dialog import ViewsDialog

            self.app.push_screen(
                ViewsDialog(self.commands.look, lambda: views_of(self._preferences), forget=self._forget),
                self._follow_choice,
            )

    def complete(self, command: Command, text: str) -> Sequence[str]:
        if command.name != "view":
            return super().complete(command, text)
        names = list(views_of(self._preferences))
        ways = [*names, TENANT, "save ", *(f"delete {name}" for name in names)]
        return [way for way in ways if way.startswith(text)]

    def _follow_choice(self, text: str | None) -> None:
        if text is not None:
            self.call_later(self.commands.action_do, "view", text)

    def _show_saved(self, name: str) -> None:
        selected = self._grid.selected
        view = find_view(self._preferences, name, tenant=selected.tenant if selected else None)
        if view.choice is not None:
            self.choose_view(view.choice)
        self._filter_line.follow(view.filter)

    def _forget(self, name: str) -> str:
        try:
            delete_view(self._preferences, name)
        except EtlError as refusal:
            return str(refusal)
        return f"{name} is forgotten"
