"""The database's clock, kept going between two looks at it. Ages and waits are told by it, never by ours."""

from __future__ import annotations

import time
from datetime import datetime, timedelta


class DatabaseClock:
    """Set at every look; runs on by the monotonic clock, so that a stepped system clock changes nothing."""

    def __init__(self) -> None:
        self.set(datetime.now().astimezone())

    def set(self, now: datetime) -> None:
        """Takes over the database's time (aware)."""
        self._now, self._at = now, time.monotonic()

    def now(self) -> datetime:
        """The database's time in the zone of whoever reads the screen."""
        return (self._now + timedelta(seconds=time.monotonic() - self._at)).astimezone()
