"""A manifest: a description of an API in YAML (docs/rest-manifest.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workers.connectors.rest.manifest.auth import Auth
from workers.connectors.rest.manifest.kinds import AddressTemplate, Parameter, Part, Template
from workers.connectors.rest.manifest.paging import Pagination, Single
from workers.connectors.rest.manifest.stream import ErrorRule, StreamSpec

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


class Variable(Part):
    """What an integration may say under `variables`."""

    description: str = Field(min_length=1)
    default: Parameter | None = None
    optional: bool = Field(default=False, description="may be absent although it has no default")
    list: bool = Field(default=False, description="holds a list of texts")


class Secret(Part):
    """What an integration must say under `secrets`, as a reference."""

    description: str = Field(min_length=1)


class RateLimit(Part):
    """What the API tells of its limit, and how fast we may be."""

    remaining: str | None = Field(default=None, description="header: requests left")
    reset: str | None = Field(default=None, description="header: when there are more")
    reset_is: Literal["epoch", "seconds"] = Field(
        default="epoch", description="seconds since 1970, or seconds from now"
    )
    per_minute: int | None = Field(default=None, ge=1, description="requests a minute at most")


class Check(Part):
    """What `integrations test` asks for."""

    path: Template = Field(description="an endpoint that any credential may read")
    params: dict[str, Parameter] = Field(default={})


class Manifest(Part):
    """The description of an API."""

    version: Literal[1] = Field(description="of this format")
    title: str = Field(min_length=1, description="the API's name")
    documentation: str = Field(default="", description="where the API is documented")
    notes: str = Field(default="", description="what its user must know")
    variables: dict[Name, Variable] = Field(default={})
    secrets: dict[Name, Secret] = Field(default={})
    base_url: AddressTemplate = Field(description="before every path")
    hosts: tuple[str, ...] = Field(
        default=(), description="other origins that next URLs may lead to, as https://eu.example.com"
    )
    auth: Auth | None = None
    headers: dict[str, Template] = Field(default={})
    params: dict[str, Parameter] = Field(default={}, description="of every first request of a list")
    pagination: Pagination = Single(type="none")
    rate_limit: RateLimit = RateLimit()
    errors: tuple[ErrorRule, ...] = ()
    check: Check | None = Field(default=None, description="default: the first stream that needs no parent")
    streams: Annotated[dict[Name, StreamSpec], Field(min_length=1)]

    def pagination_of(self, stream: StreamSpec) -> Pagination:
        return stream.pagination or self.pagination
