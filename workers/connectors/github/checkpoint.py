"""Where one repository's part of a stream stands. Times are as GitHub writes them, of its own clock.

Each value names the repository by id: a partition is called by its name, which may change.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Of(_Value):
    """What belongs to a repository."""

    repository_id: str


class CensusBookmark(_Value):
    """Of `repositories`: how many there were."""

    count: int = Field(ge=0)


class CensusResume(_Value):
    """A census is begun again, whatever it had."""

    through: int = Field(ge=0)


class PullRequestsBookmark(Of):
    """All that was updated until `updated_at` is loaded, with the children named."""

    updated_at: str | None
    children: tuple[str, ...]
    rechecked_at: str = Field(description="when open ones were last walked again, by the worker's clock")


class PullRequestsResume(Of):
    """A walk from the newest on: `floor` is where it ends, `newest` what its pass began with."""

    phase: Literal["walk", "recheck"]
    cursor: str | None
    floor: str | None
    newest: str | None
    children: tuple[str, ...]
    began_at: str


class IssuesBookmark(Of):
    """All that was updated until `updated_at` is loaded, with the children named."""

    updated_at: str | None
    children: tuple[str, ...]


class IssuesResume(Of):
    """A walk from the oldest on: go on behind `cursor`, or if that is refused from `reached` on."""

    since: str | None
    cursor: str | None
    reached: str | None
    children: tuple[str, ...]


class CommitsBookmark(Of):
    """All that this commit can reach is loaded."""

    head: str | None


class CommitsResume(Of):
    """A walk from `head`: what it must still meet, and what it knows to be loaded."""

    head: str
    cursor: str | None
    unseen: tuple[str, ...] | None
    known: tuple[str, ...]


class ReleasesBookmark(Of):
    """Every walk reads all of them."""

    count: int = Field(ge=0)


class ReleasesResume(Of):
    """Of a repository with more than a page may hold."""

    cursor: str
    count: int = Field(ge=0)


class NewestBookmark(Of):
    """All that was created until then is loaded; what is younger than a month is read again."""

    created_at: str | None


class NewestResume(Of):
    """A walk from the newest to `floor`: deployments go on by `cursor`, workflow runs by `before`."""

    newest: str | None
    floor: str | None
    cursor: str | None = None
    before: str | None = None
    page: int = 1
