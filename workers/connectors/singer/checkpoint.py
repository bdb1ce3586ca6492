"""The tap's STATE, whole and as it came, in one place for all streams; and the version that each shows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

STREAM = "singer"
"""Where the STATE is kept: one lane, one bookmark."""
_UNFINISHED = ("progress_markers", "replication_key_signpost")


class Bookmark(BaseModel):
    """What the next run gives to the tap."""

    model_config = ConfigDict(extra="forbid")

    state: Any = Field(description="of the last STATE message whose records are loaded, untouched")
    settings: str | None = Field(
        default=None, description="settings that the tap itself has changed (a refresh token), encrypted"
    )


class Resume(BaseModel):
    """There is none: a STATE is where a tap goes on, in mid-walk as well."""

    model_config = ConfigDict(extra="forbid")


class VersionBookmark(BaseModel):
    """Of a stream whose records carry a version: the one that was activated last."""

    model_config = ConfigDict(extra="forbid")

    version: int


class VersionResume(BaseModel):
    """The version whose records come now; all others go when it is activated."""

    model_config = ConfigDict(extra="forbid")

    version: int


def unfinished(state: Any, streams: Collection[str], *, markers: Collection[str] = _UNFINISHED) -> list[str]:
    """Streams of which the tap's last STATE says that it has not read them to their end.

    The SDK keeps `progress_markers` in the bookmark of a stream that is not sorted, or `..._signpost`, until
    it has all of it; a tap that is ended by SIGTERM leaves them there, and its exit code is 0.
    """
    bookmarks = state.get("bookmarks") if isinstance(state, dict) else None
    if not isinstance(bookmarks, dict):
        return []
    return sorted(name for name in streams if _holds_marker(bookmarks.get(name), markers))


def goes_on(state: Any, streams: Collection[str]) -> bool:
    """Whether a tap that is given this STATE goes on there, as far as one can see.

    Of a stream that is not sorted the SDK keeps its progress apart, and begins anew.
    """
    return not unfinished(state, streams, markers=("progress_markers",))


def with_bookmarks_of_others(state: Any, before: Any, unselected: Collection[str]) -> Any:
    """The new STATE with the bookmarks that the old one has of streams that were not to be read.

    A tap that is given a part of its streams may forget the others'; selected again, they would begin anew.
    """
    old = before.get("bookmarks") if isinstance(before, dict) else None
    new = state.get("bookmarks") if isinstance(state, dict) else None
    if not isinstance(old, dict) or not isinstance(new, dict):
        return state
    kept = {name: old[name] for name in old if name in unselected and name not in new}
    return {**state, "bookmarks": {**new, **kept}} if kept else state


def _holds_marker(bookmark: Any, markers: Collection[str]) -> bool:
    if isinstance(bookmark, dict):
        if any(marker in bookmark for marker in markers):
            return True
        bookmark = list(bookmark.values())
    return isinstance(bookmark, list) and any(_holds_marker(each, markers) for each in bookmark)
