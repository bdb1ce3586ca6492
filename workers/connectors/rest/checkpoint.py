"""Where a stream stands.

A stream without parent or partitions is one partition, `default`. Otherwise there is the partition `(round)`,
which says how far a walk through all partitions is; with `full_refresh` it is the only one, else each
partition has its own bookmark beside it.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

ROUND: Final = "(round)"
"""The partition that stands for a walk through all of them."""


class _Stored(BaseModel):
    """Written without what is not set."""

    model_config = ConfigDict(extra="forbid")

    @model_serializer(mode="wrap")
    def _what_is_set(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        return {name: value for name, value in written.items() if value is not None}


class Bookmark(_Stored):
    """A complete walk: the next one asks for what is new since then."""

    cursor: str | float | int | None = Field(default=None, description="largest cursor value seen")
    delta: str | None = Field(default=None, description="the delta link that it ended with")


class Resume(_Stored):
    """A walk that was broken off."""

    at: dict[str, Any] | None = Field(default=None, description="the next page: URL, cursor, number, offset")
    seen: str | float | int | None = Field(default=None, description="largest cursor value seen so far")
    window: str | None = Field(default=None, description="beginning of the window of time, inclusive")
    window_end: str | None = Field(default=None, description="its end, if it was split")
    full: bool | None = Field(default=None, description="it reads everything, whatever the bookmark says")
    through: str | None = Field(default=None, description="of a round: the last partition that is done")
    partition: str | None = Field(default=None, description="of a round: the partition of `at`")
    failed: list[str] | None = Field(default=None, description="of a round: what could not be read")


def stored(model: BaseModel) -> dict[str, Any]:
    """As a fragment has it."""
    return model.model_dump(mode="json")
