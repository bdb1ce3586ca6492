"""Issues, the oldest update first, with their comments.

GitHub can be asked for those updated since. What is updated meanwhile moves to the end of the list, where the
walk still comes: nothing is missed, and the last page is of one moment. A walk that broke off goes on by its
cursor or, if that is refused, by the time it had reached.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import Any

from etl_core.connector import Page
from workers.connectors.github import clock, queries
from workers.connectors.github.answers import CursorRefused
from workers.connectors.github.api import next_cursor, nodes_of
from workers.connectors.github.checkpoint import IssuesBookmark, IssuesResume
from workers.connectors.github.children import Children
from workers.connectors.github.page_size import PageSize
from workers.connectors.github.place import Place
from workers.connectors.github.pull_requests import page_of
from workers.connectors.github.streams import OF_ISSUES

_TIMES_LARGER = 2
"""Issues have less in them than pull requests."""
_MOST = 100


class IssueWalk:
    """Of one repository, in one run."""

    def __init__(self, place: Place[IssuesBookmark, IssuesResume]) -> None:
        self._place = place
        self._children = tuple(name for name in OF_ISSUES if name in place.config.streams)
        self._complete = Children(place.api, place.repository.id, self._children)
        self._size = PageSize(min(_MOST, place.config.page_size * _TIMES_LARGER))

    async def pages(self) -> AsyncGenerator[Page]:
        """Raises: NotThere: the repository is not to be seen any more."""
        place, children = self._place, self._children
        resume = place.resume if place.resume and place.resume.children == children else None
        since = resume.since if resume else self._floor()
        cursor = resume.cursor if resume else None
        reached = resume.reached if resume else None
        while True:
            try:
                found = await self._ask(since, cursor)
            except CursorRefused:
                if cursor is None:
                    raise
                since, cursor = reached, None
                continue
            met = nodes_of(found)
            issues = [issue for issue in met if place.is_due(issue["updatedAt"])]
            if issues:
                reached = max(issues[-1]["updatedAt"], reached or "")
            cursor = next_cursor(found) if len(issues) == len(met) else None
            family = await self._complete.of_issues(issues)
            if cursor is None:
                break
            here = IssuesResume(
                repository_id=place.repository.id,
                since=since,
                cursor=cursor,
                reached=reached,
                children=children,
            )
            yield place.in_walk(here, family.records, family.whole_of)
        if reached is None and place.bookmark is not None:
            reached = place.bookmark.updated_at
        bookmark = IssuesBookmark(repository_id=place.repository.id, updated_at=reached, children=children)
        if (end := place.at_end(bookmark, family.records, family.whole_of)) is not None:
            yield end

    def _floor(self) -> str | None:
        if self._place.span is not None:
            return self._place.span[0]
        bookmark = self._place.bookmark
        if bookmark is None or not {*self._children} <= {*bookmark.children}:
            return None
        return clock.before(bookmark.updated_at, timedelta(minutes=self._place.config.overlap_minutes))

    async def _ask(self, since: str | None, cursor: str | None) -> Mapping[str, Any]:
        document = queries.issues(self._children)

        async def ask() -> Mapping[str, Any]:
            nested = {"nested": self._size.nested} if self._children else {}
            data = await self._place.api.query(
                document,
                id=self._place.repository.id,
                first=self._size.first,
                after=cursor,
                since=since,
                **nested,
            )
            return page_of(data, self._place.repository.name)

        return await self._size.fit(ask)
