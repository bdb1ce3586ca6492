"""The checkpoint's two values; they check what people edit.

Values of a row stand here as PostgreSQL writes them in text, times in UTC, and are read back by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Leg = Literal["all", "keyless", "rows", "nulls", "keys"]


class Bookmark(BaseModel):
    """All that was committed when a walk began is loaded, but for what that walk's overlap is for."""

    model_config = ConfigDict(extra="forbid")

    by: list[str] = Field(description="cursor columns, or xmin; none: the source is read as a whole")
    at: list[str] | None = Field(
        description="their largest values when the walk began; of xmin the oldest transaction then running"
    )
    server: str | None = Field(description="of xmin: whose transactions are counted, system/timeline")
    columns: list[str] = Field(description="columns that are read; one more, and all is read again")
    runs: int = Field(ge=0, description="runs since the last census")
    table: int | None = Field(default=None, description="its oid; with another one all is read again")
    kinds: list[str] | None = Field(
        default=None, description="what cursor columns hold; if it changes all is read again"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        _expect(self.by, "at", self.at)
        return self


class Resume(BaseModel):
    """A walk that was broken off: its leg goes on behind the row `after`.

    Legs: `all`, every row, then `keyless`, rows that cannot be loaded; or `rows`, what is new, then `nulls`,
    rows without a cursor, then in a census `keys`, the keys of all rows.
    """

    model_config = ConfigDict(extra="forbid")

    leg: Leg
    after: list[str | None] | None = Field(description="cursor (of leg rows) and key of the last row read")
    since: list[str] | None = Field(description="where leg rows begins")
    mark: list[str] | None = Field(description="what the bookmark will say")
    census: bool = Field(description="the walk meets every key, so it knows which are gone")
    by: list[str]
    key: list[str]
    server: str | None
    columns: list[str]
    table: int | None = None
    kinds: list[str] | None = Field(default=None, description="what cursor and key columns hold")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        _expect(self.by, "mark", self.mark)
        _expect(self.by[: len(self.since or ()) or None], "since", self.since)
        ordered = [*self.by, *self.key] if self.leg == "rows" and self.by != ["xmin"] else self.key
        if self.after is not None and len(self.after) != len(ordered):
            raise ValueError(f"after: it has a value for each of {', '.join(ordered)}")
        if (self.since is None) is not (self.leg in ("all", "keyless")):
            raise ValueError("since: leg rows begins somewhere, leg all nowhere")
        return self


def _expect(by: Sequence[str], field: str, values: Sequence[str] | None) -> None:
    """Raises ValueError for what would not fit into a statement."""
    if values is None:
        return
    if len(values) != len(by):
        raise ValueError(f"{field}: it has a value for each of {', '.join(by) or 'no column'}")
    if [*by] == ["xmin"] and not all(value.isascii() and value.isdigit() for value in values):
        raise ValueError(f"{field}: of xmin it is the number of a transaction")
