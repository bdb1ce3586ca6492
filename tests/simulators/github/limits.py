"""What GitHub allows a credential: points and requests an hour, and a pace."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from .world import at_epoch


@dataclass(slots=True)
class Limit:
    """A primary limit of one credential: so many units in a window of so many seconds."""

    capacity: int = 5_000
    window: float = 3_600.0
    used: int = 0
    used_by_others: int = 0
    """Of the first window, before we came. It does not end before it is used up, however slow we are."""
    resets_at: float = 0.0
    _is_first: bool = False

    def turn(self) -> None:
        """A window that is over begins anew; the first one with the first request."""
        now = time.time()
        if self.used_by_others and not self.resets_at:
            self.used, self._is_first = self.used_by_others, True
        if self._is_first and self.used < self.capacity:
            self.resets_at = now + self.window
        elif now >= self.resets_at:
            self.used, self.resets_at, self._is_first = 0, now + self.window, False

    def take(self, units: int) -> None:
        self.turn()
        self.used += units

    @property
    def remaining(self) -> int:
        self.turn()
        return max(0, self.capacity - self.used)

    def headers(self, resource: str) -> dict[str, str]:
        return {
            "x-ratelimit-limit": str(self.capacity),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-used": str(self.used),
            "x-ratelimit-reset": str(int(self.resets_at) + 1),
            "x-ratelimit-resource": resource,
        }

    def as_rate(self) -> dict[str, Any]:
        """As the `rateLimit` field needs it."""
        self.turn()
        reset_at = at_epoch(int(self.resets_at) + 1)
        return {"limit": self.capacity, "remaining": self.remaining, "used": self.used, "reset_at": reset_at}


@dataclass(slots=True)
class Limits:
    """Of one credential."""

    graphql: Limit = field(default_factory=Limit)
    core: Limit = field(default_factory=Limit)
