"""One stream of a manifest: where its records are, what identifies them, what is new since the last run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from etl_core.connector import ColumnType
from workers.connectors.rest.manifest.kinds import (
    Duration,
    Expression,
    Overlap,
    Parameter,
    Part,
    PathTemplate,
    Template,
    Texts,
)
from workers.connectors.rest.manifest.paging import Pagination

Statuses = Annotated[tuple[Annotated[int, Field(ge=400, le=599)], ...], Field(min_length=1)]

TimeFormat = Literal["iso", "iso_milliseconds", "date", "epoch", "epoch_milliseconds"]
"""How a time is written: 2024-05-01T12:00:00Z, with .000, 2024-05-01, seconds or milliseconds since 1970."""


class ErrorRule(Part):
    """What an answer that is no success means. The first rule that fits counts, a stream's before all."""

    status: Statuses = Field(description="HTTP statuses")
    when: Expression | None = Field(default=None, description="must be true of the body")
    then: Literal["transient", "skip", "permanent", "unauthorised", "rate_limited", "restart"] = Field(
        description="transient: try again; skip: there is nothing to read; permanent: fail; unauthorised: "
        "hold the job for a person; rate_limited: wait; restart: the position has expired, begin again"
    )
    message: str | None = Field(default=None, description="what to tell people to do")


class ColumnSpec(Part):
    """A column with a type, and where its value is in the record if not in the field of that name."""

    type: ColumnType = Field(description="of PostgreSQL")
    value: Expression | None = Field(default=None, description="JMESPath into the record")

    @model_validator(mode="before")
    @classmethod
    def _or_type_alone(cls, given: Any) -> Any:
        return {"type": given} if isinstance(given, str) else given

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        whole = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [whole["properties"]["type"], whole]}


class Incremental(Part):
    """Later runs ask only for records whose cursor is at or past the largest seen, less `overlap`."""

    cursor: Expression = Field(description="where the value is in a record, as updated_at")
    kind: Literal["time", "number"] = Field(default="time", description="what cursor values are")
    param: str | None = Field(
        default=None, description="the parameter that is given the value; not with windows"
    )
    format: TimeFormat = Field(default="iso", description="how a time is written in the parameter")
    overlap: Overlap = Field(
        default=0,
        description="how far before the bookmark a run begins: a duration, or a number for numbers",
    )
    start: Template | None = Field(default=None, description="where the first run begins; absent: everything")


class Windows(Part):
    """The API wants a span of time: the walk goes through it window by window, oldest first."""

    size: Duration = Field(description="of a window")
    from_param: str = Field(min_length=1)
    to_param: str = Field(min_length=1)
    format: TimeFormat = "iso"


class Parent(Part):
    """A child is read once for each record of the parent stream, each a partition with its own checkpoint."""

    stream: str
    partition: Template | None = Field(
        default=None, description="the partition's name, as {{ parent.id }}; default: the parent's key"
    )


class Values(Part):
    """The stream is read once for each value, as {{ partition.value }}."""

    values: Texts = Field(description="a list, or a variable that holds one, as {{ variables.projects }}")


class Within(Part):
    """The records are lists inside the records of another stream, and come with its pages."""

    stream: str


class StreamSpec(Part):
    """A kind of record."""

    description: str = ""
    path: PathTemplate | None = Field(default=None, description="of the list, behind base_url")
    within: Within | None = Field(
        default=None, description="instead of a path: lists in another stream's records"
    )
    params: dict[str, Parameter] = Field(
        default={}, description="of the query; one that is an optional variable without a value is left out"
    )
    headers: dict[str, Template] = Field(default={})
    records: Expression = Field(default="@", description="where the list of records is in the body")
    key: tuple[str, ...] = Field(default=(), description="columns that identify a record; none: only append")
    columns: dict[str, ColumnSpec] = Field(default={}, description="columns and their types")
    infer: bool | None = Field(
        default=None, description="other fields become columns as records have them; default: if no columns"
    )
    leave_out: tuple[str, ...] = Field(default=(), description="fields that never become columns")
    add: dict[str, Template] = Field(
        default={}, description="fields to add, as project_id: '{{ parent.id }}'"
    )
    deleted: Expression | None = Field(
        default=None, description="what is true of a record that says that its key was deleted"
    )
    pagination: Pagination | None = Field(default=None, description="default: the manifest's")
    incremental: Incremental | None = None
    windows: Windows | None = None
    parent: Parent | None = None
    partitions: Values | None = None
    full_refresh: bool = Field(
        default=False, description="each run reads all there is, and what it did not find is marked deleted"
    )
    errors: tuple[ErrorRule, ...] = ()

    @property
    def infers(self) -> bool:
        return not self.columns if self.infer is None else self.infer
