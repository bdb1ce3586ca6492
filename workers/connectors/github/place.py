"""One repository's part of a stream, as its walk sees it: where it stands, and the pages that move it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from pydantic import BaseModel

from etl_core.connector import Fragment, Page, Record, Reject
from workers.connectors.github.api import GitHub
from workers.connectors.github.config import GitHubConfig

BookmarkT = TypeVar("BookmarkT", bound=BaseModel)
ResumeT = TypeVar("ResumeT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Repository:
    """What a walk must know of a repository."""

    id: str
    name: str
    """With owner: what its partitions are called."""


@dataclass(slots=True)
class Place(Generic[BookmarkT, ResumeT]):
    """Where one repository's part of a stream stands."""

    api: GitHub
    config: GitHubConfig
    stream: str
    repository: Repository
    bookmark: BookmarkT | None
    resume: ResumeT | None
    span: tuple[str, str] | None = None
    """Of a backfill, as GitHub writes times: only what lies in it, the end not among it."""

    def is_due(self, moment: str) -> bool:
        """Whether a walk is about what has this time, as far as its end goes."""
        return self.span is None or moment < self.span[1]

    @property
    def lane(self) -> str:
        """By id: two names of one repository are never loaded beside each other."""
        return f"{self.stream}/{self.repository.id}"

    def in_walk(
        self,
        resume: ResumeT,
        records: Mapping[str, Sequence[Record]],
        whole_of: Mapping[str, Sequence[str]] | None = None,
        rejects: Sequence[Reject] = (),
    ) -> Page:
        """A page from which the walk can go on."""
        page = self._page(records, whole_of, self.bookmark, resume)
        return replace(page, rejects=rejects) if rejects else page

    def at_end(
        self,
        bookmark: BookmarkT,
        records: Mapping[str, Sequence[Record]] | None = None,
        whole_of: Mapping[str, Sequence[str]] | None = None,
    ) -> Page | None:
        """The page that completes a walk; None when it tells nothing new."""
        if bookmark == self.bookmark and self.resume is None and not any((records or {}).values()):
            return None
        self.bookmark = bookmark
        return self._page(records or {}, whole_of, bookmark, None)

    def _page(
        self,
        records: Mapping[str, Sequence[Record]],
        whole_of: Mapping[str, Sequence[str]] | None,
        bookmark: BookmarkT | None,
        resume: ResumeT | None,
    ) -> Page:
        self.resume = resume
        fragment = Fragment(
            self.stream,
            self.repository.name,
            bookmark=bookmark.model_dump(mode="json") if bookmark else None,
            resume=resume.model_dump(mode="json") if resume else None,
        )
        return Page(
            lane=self.lane,
            records={stream: rows for stream, rows in records.items() if rows},
            checkpoint=[fragment],
            whole_of={stream: of for stream, of in (whole_of or {}).items() if of},
        )
