"""The checkpoint's two values; they check what people edit."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

Leg = Literal["new", "ids", "rows"]


class Bookmark(BaseModel):
    """Of stream `issues`: everything in these projects that was updated up to `updated` is loaded."""

    model_config = ConfigDict(extra="forbid")

    updated: int | None = Field(ge=0, description="largest `updated` seen, epoch milliseconds")
    projects: list[int] = Field(
        description="ids of the projects it is true of; others are read from the start"
    )
    streams: list[str] = Field(description="streams read with the issues; one more, and all is read again")
    runs: int = Field(ge=0, description="runs since the last census")


class IssueResume(BaseModel):
    """A walk that was broken off: its leg goes on with issues updated from `after` on.

    Legs are, in this order: `new`, projects that the bookmark does not know, up to `cut`; `ids`, the census
    of what is older than `cut`; `rows`, everything from `cut` on.
    """

    model_config = ConfigDict(extra="forbid")

    leg: Leg
    after: int = Field(ge=0, description="epoch milliseconds")
    cut: int = Field(ge=0, description="epoch milliseconds")
    seen: int = Field(ge=0, description="largest `updated` seen so far, epoch milliseconds")
    began: int = Field(ge=0, description="the site's time when the walk began, epoch milliseconds")
    census: bool = Field(description="the walk sees every issue, so it knows which are gone")
    new: list[int] = Field(description="ids of the projects of leg `new`")
    projects: list[int] = Field(description="ids of the projects that could be read all the time")
    streams: list[str]


class ListResume(BaseModel):
    """Of users and sprints: where their list goes on, an offset or behind the id of a board."""

    model_config = ConfigDict(extra="forbid")

    begin: int = Field(ge=0)


class Resume(RootModel[IssueResume | ListResume]):
    """Either of them, by stream."""
