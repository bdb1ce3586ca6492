"""How a person wants the jobs to be shown: kept, and part of a saved view."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from etl_tui.app.dashboard.arrangement import Grouping
from etl_tui.app.dashboard.job_order import BY_NAME, SORTABLE, JobOrder
from etl_tui.app.preferences import Preference


@dataclass(frozen=True)
class ViewChoice:
    """`columns` are titles in the order of the screen; None: those that the width gives."""

    columns: tuple[str, ...] | None = None
    sorted_by: str = BY_NAME
    reverse: bool = False
    failed_first: bool = False
    grouping: Grouping | None = None
    cards: bool = False
    preview: bool = True
    """On wide terminals: the selected job at the right."""

    @property
    def order(self) -> JobOrder:
        title = self.sorted_by if self.sorted_by in SORTABLE else BY_NAME
        return JobOrder(title, self.reverse, self.failed_first)

    def in_order(self, order: JobOrder) -> ViewChoice:
        """The same, sorted otherwise."""
        return replace(self, sorted_by=order.title, reverse=order.reverse, failed_first=order.failed_first)


VIEW: Final[Preference[ViewChoice]] = Preference("view", ViewChoice, ViewChoice())
