"""Deployments and workflow runs: a list by creation, of which the youngest may still change.

Each run reads what was created since the bookmark, and all that is younger than `recheck_days`: GitHub lets a
workflow be run again for 30 days. What changes when it is older stays as it was; what is deleted stays, too.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from etl_core.connector import Page
from workers.connectors.github import clock, queries
from workers.connectors.github.answers import CursorRefused
from workers.connectors.github.api import next_cursor, nodes_of
from workers.connectors.github.checkpoint import NewestBookmark, NewestResume
from workers.connectors.github.page_size import PageSize
from workers.connectors.github.place import Place
from workers.connectors.github.pull_requests import page_of

_MOST = 100

NewestPlace = Place[NewestBookmark, NewestResume]


def _floor(place: NewestPlace) -> str | None:
    """What was created before it is not read again; None: everything is read."""
    if place.span is not None:
        return place.span[0]
    if place.bookmark is None or place.bookmark.created_at is None:
        return None
    overlapped = clock.before(place.bookmark.created_at, timedelta(minutes=place.config.overlap_minutes))
    lately = clock.written(datetime.now(UTC) - timedelta(days=place.config.recheck_days))
    return min(overlapped or "", lately)


def _bookmark(place: NewestPlace, newest: str | None) -> NewestBookmark:
    if newest is None and place.bookmark is not None:
        newest = place.bookmark.created_at
    return NewestBookmark(repository_id=place.repository.id, created_at=newest)


class DeploymentWalk:
    """Of one repository, in one run, by GraphQL."""

    def __init__(self, place: NewestPlace) -> None:
        self._place = place
        self._size = PageSize(_MOST)

    async def pages(self) -> AsyncGenerator[Page]:
        """Raises: NotThere: the repository is not to be seen any more."""
        place, resume = self._place, self._place.resume
        floor = resume.floor if resume else _floor(place)
        cursor = resume.cursor if resume else None
        newest = resume.newest if resume else None
        while True:
            try:
                found = await self._ask(cursor)
            except CursorRefused:
                if cursor is None:
                    raise
                cursor = None
                continue
            nodes = nodes_of(found)
            if cursor is None and nodes:
                newest = nodes[0]["createdAt"]
            due = [node for node in nodes if floor is None or node["createdAt"] >= floor]
            cursor = next_cursor(found) if len(due) == len(nodes) else None
            due = [node for node in due if place.is_due(node["createdAt"])]
            records = {place.stream: [{**node, "repository_id": place.repository.id} for node in due]}
            if cursor is None:
                break
            here = NewestResume(repository_id=place.repository.id, newest=newest, floor=floor, cursor=cursor)
            yield place.in_walk(here, records)
        if (end := place.at_end(_bookmark(place, newest), records)) is not None:
            yield end

    async def _ask(self, cursor: str | None) -> Mapping[str, Any]:
        async def ask() -> Mapping[str, Any]:
            data = await self._place.api.query(
                queries.DEPLOYMENTS, id=self._place.repository.id, first=self._size.first, after=cursor
            )
            return page_of(data, self._place.repository.name)

        return await self._size.fit(ask)


class WorkflowRunWalk:
    """Of one repository, in one run, by REST: GraphQL has no list of them.

    Pages have numbers there, which shift when runs are added or deleted. So each request asks for the first
    page of those created until what the one before ended with; only where a page is all of one second, for
    the next.
    """

    def __init__(self, place: NewestPlace) -> None:
        self._place = place

    async def pages(self) -> AsyncGenerator[Page]:
        """Raises: Missing: the repository is not to be seen any more."""
        place, resume = self._place, self._place.resume
        floor = resume.floor if resume else _floor(place)
        before = resume.before if resume else place.span and place.span[1]
        number = resume.page if resume else 1
        newest = resume.newest if resume else None
        while True:
            runs = await self._ask(before, number)
            if before is None and runs:
                newest = runs[0]["created_at"]
            due = [run for run in runs if floor is None or run["created_at"] >= floor]
            is_last = len(runs) < _MOST or len(due) < len(runs)
            due = [run for run in due if place.is_due(run["created_at"])]
            records = {place.stream: [_lean(run, place.repository.id) for run in due]}
            if is_last:
                break
            last = runs[-1]["created_at"]
            before, number = (before, number + 1) if last == before else (last, 1)
            here = NewestResume(
                repository_id=place.repository.id, newest=newest, floor=floor, before=before, page=number
            )
            yield place.in_walk(here, records)
        if (end := place.at_end(_bookmark(place, newest), records)) is not None:
            yield end

    async def _ask(self, before: str | None, number: int) -> list[Mapping[str, Any]]:
        path = f"/repos/{self._place.repository.name}/actions/runs"
        created = None if before is None else f"<={before}"
        answer = await self._place.api.get(path, per_page=_MOST, page=number, created=created)
        runs: list[Mapping[str, Any]] = answer.json["workflow_runs"]
        return runs


_KEPT = (
    "id", "name", "display_title", "path", "run_number", "run_attempt", "event", "status", "conclusion",
    "workflow_id", "head_branch", "head_sha", "created_at", "updated_at", "run_started_at", "html_url",
)  # fmt: skip


def _lean(run: Mapping[str, Any], repository_id: str) -> dict[str, Any]:
    """REST sends whole repositories and commits along."""
    kept = {name: run[name] for name in _KEPT if name in run}
    for actor in ("actor", "triggering_actor"):
        kept[actor] = {"login": run[actor]["login"]} if run.get(actor) else None
    return {**kept, "repository_id": repository_id}
