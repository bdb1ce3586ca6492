"""Views by name: a filter, and how the jobs it leaves are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from etl_core.errors import InvalidInput, NotFound
from etl_core.rules.job_filter import parse_filter
from etl_tui.app.dashboard.view_choice import ViewChoice
from etl_tui.app.preferences import Preference, Preferences

LONGEST_NAME = 40
TENANT: Final = "tenant"
"""The jobs of the tenant of the selected job."""


@dataclass(frozen=True)
class SavedView:
    """`choice` None: the jobs are shown as before, but for the filter."""

    filter: str
    choice: ViewChoice | None = None


SAVED: Final = Preference[dict[str, SavedView]]("saved_views", dict[str, SavedView], {})
BUILT_IN: Final[Mapping[str, SavedView]] = {
    "all": SavedView(""),
    "failed": SavedView("failed"),
    "overdue": SavedView("overdue"),
    "running": SavedView("running"),
    "waiting": SavedView("waiting"),
    "held": SavedView("held"),
    "off": SavedView("off"),
}


def views_of(preferences: Preferences) -> dict[str, SavedView]:
    """A person's own first, then those that come with the program."""
    own = preferences.get(SAVED)
    return {**dict(sorted(own.items())), **{name: view for name, view in BUILT_IN.items() if name not in own}}


def find_view(preferences: Preferences, name: str, *, tenant: str | None) -> SavedView:
    """The view of this name; `tenant` is that of the selected job.

    Raises:
        NotFound: there is none; names what there is.
    """
    views = views_of(preferences)
    if name in views:
        return views[name]
    if name == TENANT and tenant is not None:
        return SavedView(f'tenant:"{tenant}"' if " " in tenant else f"tenant:{tenant}")
    raise NotFound(f"no view {name}; there are {', '.join([*views, TENANT])}")


def save_view(preferences: Preferences, name: str, view: SavedView) -> None:
    """Keeps it, in the place of one that had the name.

    Raises:
        InvalidInput: such a name cannot be, or the filter is not understood.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidInput(f"a view needs a name of at most {LONGEST_NAME} characters")
    if name.split()[0] in ("save", "delete"):
        raise InvalidInput(f"{name}: a view cannot begin with that word")
    parse_filter(view.filter)
    preferences.change(SAVED, lambda views: {**views, name: view})


def delete_view(preferences: Preferences, name: str) -> None:
    """Forgets one of a person's own.

    Raises:
        NotFound: it is none of those.
    """
    if name not in preferences.get(SAVED):
        built_in = " comes with the program" if name in BUILT_IN else ": no view of that name is saved"
        raise NotFound(f"{name}{built_in}")
    preferences.change(SAVED, lambda views: {other: view for other, view in views.items() if other != name})
