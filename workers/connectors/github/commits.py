"""Commits of the default branch. Those of pull requests come with them (`pull_request_commits`).

A walk is behind one commit, the head when it began, whatever is pushed meanwhile. It yields what the last
head cannot reach. After a forced push the old head is not met, and the whole history is walked once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from etl_core.connector import Page
from workers.connectors.github import queries
from workers.connectors.github.answers import CursorRefused, NotThere
from workers.connectors.github.api import next_cursor, nodes_of
from workers.connectors.github.checkpoint import CommitsBookmark, CommitsResume
from workers.connectors.github.frontier import Frontier
from workers.connectors.github.page_size import PageSize
from workers.connectors.github.place import Place

_TIMES_LARGER = 4
_MOST = 100


class CommitWalk:
    """Of one repository, in one run."""

    def __init__(self, place: Place[CommitsBookmark, CommitsResume]) -> None:
        self._place = place
        self._size = PageSize(min(_MOST, place.config.page_size * _TIMES_LARGER))

    async def pages(self) -> AsyncGenerator[Page]:
        """Raises: NotThere: the repository is not to be seen any more."""
        resume = self._place.resume
        if resume is not None:
            async for page in self._walk(resume.head, resume):
                yield page
        head = await self._head()
        loaded = self._place.bookmark.head if self._place.bookmark else None
        if head is None or head == loaded:
            bookmark = CommitsBookmark(repository_id=self._place.repository.id, head=head or loaded)
            if (end := self._place.at_end(bookmark)) is not None:
                yield end
            return
        async for page in self._walk(head, None):
            yield page

    async def _walk(self, head: str, resume: CommitsResume | None) -> AsyncGenerator[Page]:
        """From a head to what is loaded; nothing when the head is gone."""
        place = self._place
        loaded = place.bookmark.head if place.bookmark else None
        frontier, cursor = Frontier.between(head, loaded), None
        if resume is not None:
            frontier, cursor = Frontier(resume.unseen, resume.known), resume.cursor
        while True:
            try:
                found = await self._ask(head, cursor)
            except CursorRefused:
                if cursor is None:
                    raise
                frontier, cursor = Frontier.between(head, loaded), None
                continue
            if found is None:
                return
            records = []
            is_done = False
            for commit in nodes_of(found):
                parents = [parent["oid"] for parent in nodes_of(commit["parents"])]
                if frontier.meet(commit["oid"], parents):
                    records.append({**commit, "repository_id": place.repository.id})
                is_done = frontier.is_done
                if is_done:
                    break
            cursor = None if is_done else next_cursor(found)
            if cursor is None:
                break
            here = CommitsResume(
                repository_id=place.repository.id,
                head=head,
                cursor=cursor,
                unseen=frontier.unseen,
                known=frontier.known,
            )
            yield place.in_walk(here, {place.stream: records})
        bookmark = CommitsBookmark(repository_id=place.repository.id, head=head)
        if (end := place.at_end(bookmark, {place.stream: records})) is not None:
            yield end

    async def _head(self) -> str | None:
        async def ask() -> Mapping[str, Any]:
            return await self._place.api.query(queries.HEAD, id=self._place.repository.id)

        node = (await self._size.fit(ask))["node"]
        if not node:
            raise NotThere(f"{self._place.repository.name} is not to be seen any more")
        branch = node["defaultBranchRef"]
        return branch["target"]["oid"] if branch and branch["target"] else None

    async def _ask(self, head: str, cursor: str | None) -> Mapping[str, Any] | None:
        async def ask() -> Mapping[str, Any] | None:
            data = await self._place.api.query(
                queries.HISTORY,
                id=self._place.repository.id,
                head=head,
                first=self._size.first,
                after=cursor,
            )
            if not data["node"]:
                raise NotThere(f"{self._place.repository.name} is not to be seen any more")
            there = data["node"]["object"]
            page: Mapping[str, Any] | None = there["page"] if there else None
            return page

        return await self._size.fit(ask)
