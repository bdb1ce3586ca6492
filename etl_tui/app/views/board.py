"""What a view takes from the dashboard beneath it, which goes on following the jobs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from textual.app import App

from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_tui.app.dashboard.banner import Banner
from etl_tui.app.dashboard.header import Header
from etl_tui.app.feed.clock import DatabaseClock


class Board(Protocol):
    """The dashboard as views see it."""

    @property
    def app(self) -> App[object]: ...

    @property
    def jobs(self) -> Mapping[int, JobRow]:
        """All jobs by id, alive."""

    @property
    def health(self) -> Health | None:
        """Who is alive; None while that is unknown."""

    @property
    def clock(self) -> DatabaseClock: ...

    @property
    def now(self) -> datetime:
        """The database's time in the reader's zone."""

    def brief(self, header: Header, banner: Banner) -> None:
        """Tells a view's header and banner what the dashboard's own say."""

    def open_job(self, job_id: int) -> str | None:
        """Opens a job as Enter on the grid does; why not, when it cannot."""

    def look_again(self) -> None:
        """An action changed something: look at once."""
