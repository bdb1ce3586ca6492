"""The GitHub connector: a census of repositories, then the streams of each, a partition a repository."""

from __future__ import annotations

import builtins
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel

from etl_core.backfill import RangeKind
from etl_core.connector import (
    SINGLE_PARTITION,
    ExtractContext,
    Finding,
    Fragment,
    Page,
    PartitionFailure,
    Record,
    Stream,
)
from etl_core.errors import Permanent, SourceError, Transient
from etl_core.stored_state import read_state
from workers.connectors.github import checkpoint as models
from workers.connectors.github import clock
from workers.connectors.github.api import GitHub
from workers.connectors.github.census import Census, take_census
from workers.connectors.github.checking import look
from workers.connectors.github.commits import CommitWalk
from workers.connectors.github.config import ALL_STREAMS, GitHubConfig
from workers.connectors.github.issues import IssueWalk
from workers.connectors.github.newest_first import DeploymentWalk, WorkflowRunWalk
from workers.connectors.github.partitions import Start, starts_of
from workers.connectors.github.place import Place
from workers.connectors.github.pull_requests import PullRequestWalk
from workers.connectors.github.releases import ReleaseWalk
from workers.connectors.github.rows import make_row
from workers.connectors.github.streams import OF_ISSUES, OF_PULL_REQUESTS, STREAMS
from workers.http.read_ahead import reading_ahead

CENSUS_PAGE = 500
"""Repositories of a page."""
_PASSING_BEFORE_GIVING_UP = 2
"""Repositories in a row that cannot be read for the moment: then it is GitHub that cannot be read."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A stream with partitions of its own, and what is read along with it."""

    walk: Callable[[Any], Any]
    bookmark: type[BaseModel]
    resume: type[BaseModel]
    along: tuple[str, ...] = ()


_BACKFILLED = ("pull_requests", "issues", "deployments", "workflow_runs")

_PARTS: Mapping[str, _Part] = {
    "pull_requests": _Part(
        PullRequestWalk, models.PullRequestsBookmark, models.PullRequestsResume, OF_PULL_REQUESTS
    ),
    "issues": _Part(IssueWalk, models.IssuesBookmark, models.IssuesResume, OF_ISSUES),
    "commits": _Part(CommitWalk, models.CommitsBookmark, models.CommitsResume),
    "releases": _Part(ReleaseWalk, models.ReleasesBookmark, models.ReleasesResume),
    "deployments": _Part(DeploymentWalk, models.NewestBookmark, models.NewestResume),
    "workflow_runs": _Part(WorkflowRunWalk, models.NewestBookmark, models.NewestResume),
}


class GitHubConnector:
    """github.com and Enterprise Server (see `docs/connectors.md`)."""

    type: ClassVar[str] = "github"
    Config: ClassVar[builtins.type[BaseModel]] = GitHubConfig
    default_max_runs: ClassVar[int | None] = 1
    stream_names: ClassVar[Sequence[str]] = ALL_STREAMS

    def __init__(self, config: GitHubConfig) -> None:
        self.config = config

    @classmethod
    def checkpoint_models(
        cls, stream: str, partition: str
    ) -> tuple[builtins.type[BaseModel], builtins.type[BaseModel]] | None:
        if stream == "repositories":
            return models.CensusBookmark, models.CensusResume
        part = _PARTS.get(stream)
        return None if part is None else (part.bookmark, part.resume)

    async def check(self) -> Sequence[Finding]:
        async with GitHub(self.config) as api:
            return await look(api, self.config)

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        """Also the streams that others belong to: a child is loaded with its parent."""
        return [STREAMS[name] for name in STREAMS if name in self._streams()]

    def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        return reading_ahead(context, self._pages(context))

    async def _pages(self, context: ExtractContext) -> AsyncGenerator[Page]:
        """The repositories; then repository by repository, stream by stream.

        A repository that cannot be read is a failure of its partitions, and the others are read.
        """
        async with GitHub(self.config, context) as api:
            read_state(context, "repositories", SINGLE_PARTITION, models.CensusBookmark, models.CensusResume)
            census = await take_census(api, self.config)
            parts = [name for name in _PARTS if name in self._streams()]
            starts = {name: starts_of(name, census.repositories, context.checkpoint) for name in parts}
            places = [
                (self._place(api, context, name, start), start)
                for at in range(len(census.repositories))
                for name in parts
                for start in [starts[name][at]]
                if context.wants(name, start.repository.name)
            ]
            if context.backfill is not None:
                places = [each for each in places if each[0].bookmark is None]  # others came to their end
            for page in self._census_pages(census, context):
                yield page
            async with aclosing(_walk_all(places)) as pages:
                async for page in pages:
                    yield page

    def transform(self, stream: Stream, record: Record) -> Record:
        return make_row(stream.name, record)

    def _streams(self) -> set[str]:
        wanted: set[str] = set(self.config.streams)
        for name, part in _PARTS.items():
            if wanted & set(part.along):
                wanted.add(name)
        return wanted

    def _place(self, api: GitHub, context: ExtractContext, stream: str, start: Start) -> Place[Any, Any]:
        """Raises: Permanent: a stored value cannot be read."""
        part = _PARTS[stream]
        name = start.repository.name
        at = ExtractContext(checkpoint={(stream, name): start.state})
        bookmark, resume = read_state(at, stream, name, part.bookmark, part.resume)
        span = None
        if context.backfill is not None:
            span = (clock.written(context.backfill.start_time), clock.written(context.backfill.end_time))
        return Place(api, self.config, stream, start.repository, bookmark, resume, span)

    def backfill_ranges(self) -> Mapping[str, RangeKind]:
        """By update or creation; what belongs to pull requests and issues comes along. Commits go by their
        graph, and releases are read as a whole in each run."""
        return {name: "time" for name in _BACKFILLED if name in self._streams()}

    def _census_pages(self, census: Census, context: ExtractContext) -> list[Page]:
        """What a census did not see is gone, if it saw every owner: else it does not end."""
        if "repositories" not in self._streams():
            return [_failed(name, error) for name, error in census.failures.items()]
        if not context.wants("repositories"):
            return []
        nodes = list(census.nodes.values())
        is_whole = not census.failures
        pages = []
        for begin in range(0, len(nodes) or 1, CENSUS_PAGE):
            end = begin + CENSUS_PAGE
            through = (
                None if is_whole and end >= len(nodes) else models.CensusResume(through=min(end, len(nodes)))
            )
            was = context.state("repositories").bookmark
            bookmark = models.CensusBookmark(count=len(nodes)).model_dump() if through is None else was
            resume = through.model_dump() if through else None
            pages.append(
                Page(
                    lane="repositories",
                    records={"repositories": nodes[begin:end]} if nodes else {},
                    checkpoint=[Fragment("repositories", SINGLE_PARTITION, bookmark, resume)],
                )
            )
        return pages + [_failed(name, error) for name, error in census.failures.items()]


def _failed(owner: str, error: SourceError) -> Page:
    told = type(error)(f"{owner}: {error}")
    return Page(
        lane="repositories",
        records={},
        failures=[PartitionFailure("repositories", SINGLE_PARTITION, told)],
    )


async def _walk_all(places: Sequence[tuple[Place[Any, Any], Start]]) -> AsyncGenerator[Page]:
    passing = 0
    for place, start in places:
        if start.moves:
            yield Page(lane=place.lane, records={}, checkpoint=start.moves)
        try:
            async with aclosing(_PARTS[place.stream].walk(place).pages()) as pages:
                async for page in pages:
                    yield page
            passing = 0
        except Permanent as error:  # gone, not ours to see, refused: of this repository alone
            passing = 0
            yield _left_out(place, error)
        except Transient as error:
            passing += 1
            if passing >= _PASSING_BEFORE_GIVING_UP:
                raise
            yield _left_out(place, error)


def _left_out(place: Place[Any, Any], error: SourceError) -> Page:
    failure = PartitionFailure(place.stream, place.repository.name, error)
    return Page(lane=place.lane, records={}, failures=[failure])
