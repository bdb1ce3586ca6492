"""How the jobs of a context were being looked at when it was left, for when one comes back to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from etl_tui.app.dashboard.view_choice import ViewChoice


@dataclass(frozen=True)
class LeftAt:
    """`line` is the id of the job, or the name of the group, under the cursor; `folded` are groups' names."""

    view: ViewChoice
    filter: str
    folded: frozenset[str]
    line: int | str | None

    def view_now(self, chosen: ViewChoice) -> ViewChoice:
        """Order and groups as they were; columns and cards as they were last chosen, anywhere."""
        return replace(chosen.in_order(self.view.order), grouping=self.view.grouping)
