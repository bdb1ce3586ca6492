"""Searches page by page, in the cloud by token and in Data Center by offset.

Both read the index as it is at each call, so issues that change while somebody pages jump to the end, and
those behind them move up: an offset then skips some.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Any, Literal

from .jql import JqlError, Query, parse, sort_value
from .records import Issue
from .world import World

Paging = Literal["offset", "keyset"]


class Search:
    """One index, searched by an account that may browse some of the projects."""

    def __init__(self, world: World, *, zone: str, precision_ms: int) -> None:
        self._world = world
        self._zone = zone
        self._precision_ms = precision_ms
        self._tokens = 0

    def find(self, jql: str, *, must_be_bounded: bool) -> tuple[Query, list[Issue]]:
        """The query and its issues in order.

        Raises:
            JqlError: it cannot be read, or has no condition and must.
        """
        world = self._world
        query = parse(
            jql,
            projects=[p for p in world.projects.values() if world.may_browse(p.id)],
            zone=self._zone,
            now_ms=world.now_ms,
            precision_ms=self._precision_ms,
        )
        if must_be_bounded and not query.is_bounded:
            raise JqlError(
                "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."
            )
        found = [i for i in world.index.values() if world.may_browse(i.project_id) and query.matches(i)]
        return query, query.sorted(found, precision_ms=self._precision_ms)

    def read_token(self, token: str, jql: str, *, lifetime_ms: int) -> dict[str, Any]:
        """Where a page begins.

        Raises:
            JqlError: the token is of another query, too old, or none of ours.
        """
        try:
            place: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token))
        except (binascii.Error, ValueError):
            raise JqlError("The provided next page token is invalid or expired.") from None
        if place["jql"] != _digest(jql) or place["at"] + lifetime_ms < self._world.now_ms:
            raise JqlError("The provided next page token is invalid or expired.")
        return place

    def token(self, jql: str, offset: int, after: list[Any] | None) -> str:
        """Where the next page begins: behind so many issues, or behind the one that sorts as `after`."""
        self._tokens += 1
        place: dict[str, Any] = {
            "jql": _digest(jql),
            "at": self._world.now_ms,
            "offset": offset,
            "number": self._tokens,
        }
        if after is not None:
            place["after"] = after
        return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()

    def begin(self, found: Sequence[Issue], query: Query, place: dict[str, Any], paging: Paging) -> int:
        """Which of `found` a page begins with."""
        if paging == "offset" or "after" not in place:
            return int(place["offset"])
        after = place["after"]
        for at, issue in enumerate(found):
            if self.sort_key(issue, query) > after:
                return at
        return len(found)

    def sort_key(self, issue: Issue, query: Query) -> list[Any]:
        """As JSON has it; only ascending orders are continued by what came last."""
        values = [sort_value(issue, name, self._precision_ms) for name, _ in query.order]
        return [list(value) if isinstance(value, tuple) else value for value in (*values, issue.id)]


def _digest(jql: str) -> str:
    return hashlib.sha256(jql.encode()).hexdigest()[:16]
