"""Pull requests, the newest update first, with all that belongs to them.

GitHub cannot be asked for those updated since. So a walk goes from the newest to the bookmark, less an
overlap. What is updated meanwhile jumps to the front and may be missed: the walk is followed by another
that ends where it began, and so on, until one was a single page, which is of one moment. What was not
updated since a pass began was seen by it, for cursors hold the time that the list is ordered by. The
bookmark moves when all that is done, to what the last pass began with.

Some changes do not move a pull request's `updatedAt`, or it is not documented that they do (a review that is
PENDING, a thread resolved): open ones are walked again now and then.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from etl_core.connector import Page, Reject
from workers.connectors.github import clock, queries
from workers.connectors.github.answers import CursorRefused, NotThere
from workers.connectors.github.api import next_cursor, nodes_of
from workers.connectors.github.checkpoint import PullRequestsBookmark, PullRequestsResume
from workers.connectors.github.children import Children
from workers.connectors.github.page_size import GivenUp, PageSize
from workers.connectors.github.place import Place
from workers.connectors.github.streams import OF_PULL_REQUESTS

MOST_UNREAD = 3
"""Pull requests of a walk that GitHub may fail to give; more, and it is GitHub that cannot be read."""
MOST_PASSES = 20
"""A repository that is busier than we are fast is left to the next run then."""


class PullRequestWalk:
    """Of one repository, in one run."""

    def __init__(self, place: Place[PullRequestsBookmark, PullRequestsResume]) -> None:
        self._place = place
        self._children = tuple(name for name in OF_PULL_REQUESTS if name in place.config.streams)
        self._complete = Children(place.api, place.repository.id, self._children)
        self._size = PageSize(place.config.page_size)
        self._newest: str | None = None
        """What the pass that goes on began with."""
        self._unread = 0

    async def pages(self) -> AsyncGenerator[Page]:
        """Raises: NotThere: the repository is not to be seen any more."""
        place = self._place
        resume = place.resume
        if resume is not None and resume.children != self._children:
            resume = None
        if resume is not None and resume.phase == "recheck" and place.bookmark is not None:
            async for page in self._recheck(place.bookmark, resume):
                yield page
            resume = None
        is_first = self._floor() is None or place.span is not None
        began_at = resume.began_at if resume else clock.now()
        async for page in self._passes(resume, began_at):
            yield page
        rechecked_at = began_at if is_first or place.bookmark is None else place.bookmark.rechecked_at
        bookmark = self._bookmark(self._newest, rechecked_at)
        if (end := place.at_end(bookmark)) is not None:
            yield end
        if clock.is_older(rechecked_at, timedelta(hours=place.config.recheck_hours)) and not is_first:
            async for page in self._recheck(bookmark, None):
                yield page

    def _bookmark(self, newest: str | None, rechecked_at: str) -> PullRequestsBookmark:
        return PullRequestsBookmark(
            repository_id=self._place.repository.id,
            updated_at=newest,
            children=self._children,
            rechecked_at=rechecked_at,
        )

    def _floor(self) -> str | None:
        """Where a walk from the newest on ends; None when it must read all."""
        if self._place.span is not None:
            return self._place.span[0]
        bookmark = self._place.bookmark
        if bookmark is None or not {*self._children} <= {*bookmark.children}:
            return None
        return clock.before(bookmark.updated_at, timedelta(minutes=self._place.config.overlap_minutes))

    async def _passes(self, resume: PullRequestsResume | None, began_at: str) -> AsyncGenerator[Page]:
        floor = resume.floor if resume else self._floor()
        cursor = resume.cursor if resume else None
        self._newest = resume.newest if resume else None
        for _ in range(MOST_PASSES):
            is_one_moment = cursor is None
            while True:
                try:
                    found = await self._ask(cursor, only_open=False)
                except CursorRefused:
                    if cursor is None:
                        raise
                    cursor = None  # all of this pass again
                    continue
                pulls = nodes_of(found)
                if cursor is None and pulls:
                    self._newest = pulls[0]["updatedAt"]
                due = [pull for pull in pulls if floor is None or pull["updatedAt"] >= floor]
                cursor = next_cursor(found) if len(due) == len(pulls) else None
                due = [pull for pull in due if self._place.is_due(pull["updatedAt"])]
                is_one_moment = is_one_moment and cursor is None
                family = await self._complete.of_pull_requests(pull for pull in due if not _is_unread(pull))
                rejects = [_reject(pull) for pull in due if _is_unread(pull)]
                # Behind the end of a pass stands the beginning of the next.
                until = floor if cursor else self._newest
                here = self._resume("walk", cursor, until, self._newest, began_at)
                if due:
                    yield self._place.in_walk(here, family.records, family.whole_of, rejects)
                if cursor is None:
                    break
            # What is updated meanwhile leaves a backfill's range: nothing jumps ahead in it.
            if is_one_moment or self._place.span is not None:
                return
            floor = self._newest

    async def _recheck(
        self, bookmark: PullRequestsBookmark, resume: PullRequestsResume | None
    ) -> AsyncGenerator[Page]:
        """Open pull requests of the last weeks, whatever `updatedAt` says."""
        place = self._place
        began_at = resume.began_at if resume else clock.now()
        floor = clock.written(datetime.now(UTC) - timedelta(days=place.config.recheck_days))
        cursor = resume.cursor if resume else None
        while True:
            try:
                found = await self._ask(cursor, only_open=True)
            except CursorRefused:
                if cursor is None:
                    raise
                cursor = None
                continue
            pulls = nodes_of(found)
            due = [pull for pull in pulls if pull["updatedAt"] >= floor]
            cursor = next_cursor(found) if len(due) == len(pulls) else None
            family = await self._complete.of_pull_requests(due)
            if cursor is None:
                break
            here = self._resume("recheck", cursor, None, None, began_at)
            yield place.in_walk(here, family.records, family.whole_of)
        ended = bookmark.model_copy(update={"rechecked_at": began_at})
        if (end := place.at_end(ended, family.records, family.whole_of)) is not None:
            yield end

    def _resume(
        self, phase: Any, cursor: str | None, floor: str | None, newest: str | None, began_at: str
    ) -> PullRequestsResume:
        return PullRequestsResume(
            repository_id=self._place.repository.id,
            phase=phase,
            cursor=cursor,
            floor=floor,
            newest=newest,
            children=self._children,
            began_at=began_at,
        )

    async def _ask(self, cursor: str | None, *, only_open: bool) -> Mapping[str, Any]:
        place = self._place
        document = queries.pull_requests(self._children, only_open=only_open)

        async def ask() -> Mapping[str, Any]:
            lists = {"nested": self._size.nested, "inner": self._size.inner}
            asked = {name: size for name, size in lists.items() if f"${name}:" in document}
            data = await place.api.query(
                document, id=place.repository.id, first=self._size.first, after=cursor, **asked
            )
            return page_of(data, place.repository.name)

        try:
            return await self._size.fit(ask)
        except GivenUp as error:
            if only_open or self._unread >= MOST_UNREAD:
                raise
            return await self._without_the_next(cursor, error)

    async def _without_the_next(self, cursor: str | None, why: GivenUp) -> Mapping[str, Any]:
        """A page of the one pull request that GitHub cannot give, as far as it can be told.

        It stands in nobody's way: it is rejected alone, and read when it changes.
        """

        async def ask() -> Mapping[str, Any]:
            place = self._place
            data = await place.api.query(
                queries.ONE_PULL_REQUEST, id=place.repository.id, first=1, after=cursor
            )
            return page_of(data, place.repository.name)

        found = await PageSize(1).fit(ask)
        self._unread += 1
        return {**found, "nodes": [{**node, _WHY: str(why)} for node in nodes_of(found)]}


_WHY = "_why_unread"


def _is_unread(pull: Mapping[str, Any]) -> bool:
    return _WHY in pull


def _reject(pull: Mapping[str, Any]) -> Reject:
    told = {name: value for name, value in pull.items() if name != _WHY}
    reason = f"GitHub cannot give pull request {pull['number']}, asked for alone: {pull[_WHY]}"
    return Reject("pull_requests", reason, msgspec.json.encode(told).decode())


def page_of(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Raises: NotThere: the repository is not."""
    if not data.get("node"):
        raise NotThere(f"{name} is not to be seen any more")
    page: Mapping[str, Any] = data["node"]["page"]
    return page
