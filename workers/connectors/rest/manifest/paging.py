"""How the next page of a list is asked for.

What each way promises while records change during the walk is told in docs/rest-manifest.md.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workers.connectors.rest.manifest.kinds import Expression, Part


class Single(Part):
    """One request, one page."""

    type: Literal["none"]


class LinkHeader(Part):
    """A URL in the header `Link: <...>; rel="next"`."""

    type: Literal["link_header"]
    rel: str = Field(default="next", min_length=1)
    only_if: dict[str, str] = Field(
        default={}, description='attributes that the link must have to be followed, as {results: "true"}'
    )


class NextUrl(Part):
    """A URL in the body, absolute or relative."""

    type: Literal["next_url"]
    url: Expression = Field(description="where the URL is in the body; null or absent ends the walk")


class ODataDelta(Part):
    """Microsoft's delta queries: `@odata.nextLink` leads on, `@odata.deltaLink` is where the next run begins.

    The first walk is complete, later ones yield what changed. A delta link that has expired (410) is replaced
    by a complete walk, and what that does not find is gone.
    """

    type: Literal["odata_delta"]
    next: Expression = '"@odata.nextLink"'
    delta: Expression = '"@odata.deltaLink"'


class Cursor(Part):
    """An opaque text in the body or a header, sent back as a parameter."""

    type: Literal["cursor"]
    cursor: Expression | None = Field(default=None, description="where the cursor is in the body")
    header: str | None = Field(default=None, description="or the header that holds it")
    param: str = Field(min_length=1, description="the parameter that it is sent in")
    more: Expression | None = Field(default=None, description="what is false in the body of the last page")
    size_param: str | None = Field(default=None, description="the parameter for the records a page")
    size: int = Field(default=100, ge=1, le=10_000, description="records a page, if there is a size_param")


class PageNumber(Part):
    """Numbered pages, read until one is short, or `pages` or `more` says that it is the last."""

    type: Literal["page"]
    param: str = Field(default="page", min_length=1)
    first: int = Field(default=1, ge=0, description="the number of the first page")
    size_param: str | None = Field(default=None, description="the parameter for the records a page")
    size: int | None = Field(
        default=None, ge=1, le=10_000, description="records of a full page; a page with fewer is the last"
    )
    pages: Expression | None = Field(default=None, description="where the number of pages is in the body")
    more: Expression | None = Field(default=None, description="what is false in the body of the last page")


class Offset(Part):
    """A number of records to leave out. Pages overlap, which shows whether records went meanwhile."""

    type: Literal["offset"]
    param: str = Field(default="offset", min_length=1)
    limit_param: str = Field(default="limit", min_length=1)
    limit: int = Field(default=100, ge=2, le=10_000, description="records a page")
    overlap: int = Field(
        default=1,
        ge=0,
        description="records of the page before that are asked for again; if none of that page comes, some "
        "went, and it steps back further. 0 trusts that nothing moves",
    )
    more: Expression | None = Field(default=None, description="what is false in the body of the last page")
    total: Expression | None = Field(
        default=None, description="where the number of all records is in the body"
    )
    most: int | None = Field(
        default=None,
        ge=1,
        description="the API refuses offset + limit above this; a window of time is then split in two",
    )


class Seek(Part):
    """Always the first page, from the largest cursor value seen on: needs `incremental` and that order.

    Nothing is lost when records move to the end of the list while it is read. Where a whole page has one
    cursor value, the pages behind it are read by number.
    """

    type: Literal["seek"]
    size_param: str = Field(min_length=1, description="the parameter for the records a page")
    size: int = Field(default=100, ge=2, le=10_000, description="records a page")
    page_param: str = Field(default="page", min_length=1, description="the parameter for a page's number")


Pagination = Annotated[
    Single | LinkHeader | NextUrl | ODataDelta | Cursor | PageNumber | Offset | Seek,
    Field(discriminator="type"),
]
