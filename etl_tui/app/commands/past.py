"""What was written before, across restarts: filters and commands each have their own."""

from __future__ import annotations

from typing import Final

from etl_tui.app.preferences import Preference, Preferences

MOST_REMEMBERED: Final = 50

FILTERS: Final = Preference[list[str]]("filter_history", list[str], [])
COMMANDS: Final = Preference[list[str]]("command_history", list[str], [])


class Past:
    """Goes back and forth through it; behind the last one stands an empty line."""

    def __init__(self, preferences: Preferences, preference: Preference[list[str]]) -> None:
        self._preferences = preferences
        self._preference = preference
        self._back = 0

    def add(self, text: str) -> None:
        """Remembers it as the last one."""
        self._back = 0
        if text:
            self._preferences.change(
                self._preference,
                lambda before: [*(other for other in before if other != text), text][-MOST_REMEMBERED:],
            )

    def go(self, step: int) -> str:
        """An earlier one (-1), or back to later ones (1)."""
        texts = self._preferences.get(self._preference)
        self._back = max(0, min(len(texts), self._back - step))
        return texts[-self._back] if self._back else ""
