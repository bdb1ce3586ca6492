"""The Jira connector: lists as a whole, issues with what belongs to them by change (`walk` says how and
why)."""

from __future__ import annotations

import builtins
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import ClassVar

from pydantic import BaseModel

from etl_core.backfill import RangeKind
from etl_core.connector import (
    SINGLE_PARTITION,
    ExtractContext,
    Finding,
    Page,
    PartitionFailure,
    Record,
    Stream,
)
from etl_core.errors import Permanent, RateLimited, SourceError, Unauthorised
from etl_core.stored_state import read_state
from workers.connectors.jira.checkpoint import Bookmark, IssueResume, ListResume, Resume
from workers.connectors.jira.client import JiraClient, Project, open_client
from workers.connectors.jira.config import ALL_STREAMS, JiraConfig
from workers.connectors.jira.findings import look
from workers.connectors.jira.lists import LISTS, list_pages
from workers.connectors.jira.rows import ROWS
from workers.connectors.jira.streams import BY_NAME
from workers.connectors.jira.walk import IssueWalk
from workers.http.read_ahead import reading_ahead


class JiraConnector:
    """One Jira site, of the cloud or Data Center (see `docs/connectors.md`)."""

    type: ClassVar[str] = "jira"
    default_max_runs: ClassVar[int | None] = 1
    stream_names: ClassVar[Sequence[str]] = ALL_STREAMS
    Config: ClassVar[builtins.type[BaseModel]] = JiraConfig
    Bookmark: ClassVar[builtins.type[BaseModel]] = Bookmark
    Resume: ClassVar[builtins.type[BaseModel]] = Resume

    def __init__(self, config: JiraConfig) -> None:
        self.config = config

    @classmethod
    def checkpoint_models(
        cls, stream: str, partition: str
    ) -> tuple[builtins.type[BaseModel], builtins.type[BaseModel]]:
        return Bookmark, IssueResume if stream == "issues" else ListResume

    async def check(self) -> Sequence[Finding]:
        async with open_client(self.config) as client:
            return await look(client, self.config)

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        """The same in every run: nothing is asked of the site."""
        return [stream for name, stream in BY_NAME.items() if name in self.config.streams]

    def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        return reading_ahead(context, self._pages(context))

    async def _pages(self, context: ExtractContext) -> AsyncGenerator[Page]:
        async with open_client(self.config, context) as client:
            await client.myself()
            listed = await client.projects()
            self._expect_projects(listed)
            for stream in LISTS:
                if stream in self.config.streams and context.wants(stream):
                    async with aclosing(_list(client, stream, context, listed)) as pages:
                        async for page in pages:
                            yield page
            if "issues" in self.config.streams and context.wants("issues"):
                bookmark, resume = read_state(context, "issues", SINGLE_PARTITION, Bookmark, IssueResume)
                span = _span(context)
                if span is not None and bookmark is not None:
                    return  # this backfill has come to its end before
                now = await client.now()
                walk = IssueWalk(client, self.config, bookmark, resume, listed=listed, now=now, span=span)
                async with aclosing(walk.pages()) as pages:
                    async for page in pages:
                        yield page

    def backfill_ranges(self) -> Mapping[str, RangeKind]:
        """Issues by when they were updated; what belongs to them comes along."""
        return {"issues": "time"} if "issues" in self.config.streams else {}

    def _expect_projects(self, listed: Sequence[Project]) -> None:
        """Raises Permanent: there is none of the projects named; a success would hide it for ever."""
        if self.config.projects and not any(self.config.wants_project(project.key) for project in listed):
            named = ", ".join(self.config.projects[:5])
            raise Permanent(
                f"none of the {len(listed)} projects that the account may browse is {named}: "
                "correct `projects`, or give it the permission Browse Projects there; "
                "integrations test lists what there is"
            )

    def transform(self, stream: Stream, record: Record) -> Record:
        return ROWS[stream.name](record)


def _span(context: ExtractContext) -> tuple[int, int] | None:
    """Of a backfill, in epoch ms."""
    if context.backfill is None:
        return None
    begin, end = context.backfill.start_time, context.backfill.end_time
    return math.ceil(begin.timestamp() * 1_000), math.ceil(end.timestamp() * 1_000)


async def _list(
    client: JiraClient, stream: str, context: ExtractContext, listed: Sequence[Project]
) -> AsyncGenerator[Page]:
    """Its pages; if it cannot be read, a page that says so: issues are read all the same."""
    _, resume = read_state(context, stream, SINGLE_PARTITION, Bookmark, ListResume)
    try:
        async with aclosing(list_pages(client, stream, resume, listed)) as pages:
            async for page in pages:
                yield page
    except (RateLimited, Unauthorised):
        raise
    except SourceError as error:
        yield Page(stream, {}, failures=[PartitionFailure(stream, SINGLE_PARTITION, error)])
