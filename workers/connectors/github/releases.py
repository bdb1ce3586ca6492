"""Releases: all of them in every run, for a list that is ordered by creation tells no updates."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from etl_core.connector import Page, Record
from workers.connectors.github import queries
from workers.connectors.github.answers import CursorRefused
from workers.connectors.github.api import next_cursor, nodes_of
from workers.connectors.github.checkpoint import ReleasesBookmark, ReleasesResume
from workers.connectors.github.page_size import PageSize
from workers.connectors.github.place import Place
from workers.connectors.github.pull_requests import page_of

MOST_TOGETHER = 500
"""Releases of a repository that make one page, which tells those that are gone as well."""
_MOST = 100


class ReleaseWalk:
    """Of one repository, in one run."""

    def __init__(self, place: Place[ReleasesBookmark, ReleasesResume]) -> None:
        self._place = place
        self._size = PageSize(_MOST)

    async def pages(self) -> AsyncGenerator[Page]:
        """Raises: NotThere: the repository is not to be seen any more."""
        place = self._place
        cursor = place.resume.cursor if place.resume else None
        passed = place.resume.count if place.resume else 0
        records: list[Record] = []
        while True:
            try:
                found = await self._ask(cursor)
            except CursorRefused:
                if cursor is None:
                    raise
                records, cursor, passed = [], None, 0
                continue
            records += [{**node, "repository_id": place.repository.id} for node in nodes_of(found)]
            cursor = next_cursor(found)
            if cursor is None:
                break
            if passed or len(records) >= MOST_TOGETHER:
                passed += len(records)
                here = ReleasesResume(repository_id=place.repository.id, cursor=cursor, count=passed)
                yield place.in_walk(here, {place.stream: records})
                records = []
        bookmark = ReleasesBookmark(repository_id=place.repository.id, count=passed + len(records))
        is_whole = not passed and (records or place.bookmark is not None)
        whole_of = {place.stream: [place.repository.id]} if is_whole else {}
        if (end := place.at_end(bookmark, {place.stream: records}, whole_of)) is not None:
            yield end

    async def _ask(self, cursor: str | None) -> Mapping[str, Any]:
        async def ask() -> Mapping[str, Any]:
            data = await self._place.api.query(
                queries.RELEASES, id=self._place.repository.id, first=self._size.first, after=cursor
            )
            return page_of(data, self._place.repository.name)

        return await self._size.fit(ask)
