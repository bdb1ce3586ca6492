"""What a Jira integration can be told; nothing here touches the site."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

StreamName = Literal[
    "projects",
    "issue_types",
    "statuses",
    "issues",
    "changelogs",
    "comments",
    "worklogs",
    "users",
    "boards",
    "sprints",
]
ALL_STREAMS: tuple[StreamName, ...] = get_args(StreamName)
CHILDREN: tuple[StreamName, ...] = ("changelogs", "comments", "worklogs")
"""Streams that are read with the issues they belong to."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiToken(_Part):
    """Jira Cloud: the token of a person or of a service account."""

    type: Literal["api_token"]
    email: str = Field(min_length=3, description="of the account that the token is of")
    api_token: SecretStr


class OAuth(_Part):
    """Jira Cloud, OAuth 2: an app's refresh token (3LO), or a service account's client credentials."""

    type: Literal["oauth2"]
    client_id: str = Field(min_length=1)
    client_secret: SecretStr
    refresh_token_file: str | None = Field(
        default=None,
        description="absolute path of a file with the refresh token, which workers write anew whenever "
        "Atlassian rotates it; without it, client credentials are used",
    )
    token_url: str = "https://auth.atlassian.com/oauth/token"  # noqa: S105 - an address
    gateway_url: str = "https://api.atlassian.com"

    @field_validator("refresh_token_file")
    @classmethod
    def _absolute(cls, path: str | None) -> str | None:
        if path is not None and not path.startswith("/"):
            raise ValueError("give an absolute path: workers do not share your working directory")
        return path


class PersonalToken(_Part):
    """Jira Data Center: a personal access token."""

    type: Literal["personal_token"]
    token: SecretStr


class JiraConfig(_Part):
    """One Jira site, read by one account."""

    site: str | None = Field(default=None, description="address, as https://acme.atlassian.net")
    cloud_id: str | None = Field(
        default=None,
        pattern=r"^[0-9a-fA-F-]{8,64}$",
        description="in place of the address: with OAuth 2, and for API tokens with scopes",
    )
    auth: Annotated[ApiToken | OAuth | PersonalToken, Field(discriminator="type")]
    projects: tuple[str, ...] = Field(
        default=(), description="keys or patterns (`TEAM*`); default: all that the account may browse"
    )
    exclude_projects: tuple[str, ...] = Field(default=(), description="keys or patterns left out")
    streams: tuple[StreamName, ...] = Field(default=ALL_STREAMS, min_length=1)
    overlap_minutes: int = Field(
        default=10, ge=1, le=1_440, description="what a run reads again, for Jira's index is late"
    )
    census_every: int = Field(
        default=24,
        ge=0,
        le=10_000,
        description="runs from one census of issues (deletions) to the next; 0: never",
    )
    census_reads: Literal["ids", "rows"] = Field(
        default="ids",
        description="rows: every issue as a whole, where one may be seen or hidden without being changed",
    )
    page_size: int = Field(default=100, ge=1, le=1_000, description="issues a page")
    requests_per_minute: int = Field(
        default=600, ge=1, le=100_000, description="of all runs that use this credential"
    )

    @field_validator("site")
    @classmethod
    def _address(cls, site: str | None) -> str | None:
        if site is None:
            return None
        if not site.startswith(("https://", "http://")) or " " in site:
            raise ValueError("give the whole address, as https://acme.atlassian.net")
        return site.rstrip("/")

    @field_validator("projects", "exclude_projects")
    @classmethod
    def _keys(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if not pattern or not all(c.isalnum() or c in "_*?[]!-" for c in pattern):
                raise ValueError(f"{pattern[:60]!r} is neither a project's key nor a pattern of keys")
        return patterns

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.site is None and (self.cloud_id is None or not self.is_cloud):
            raise ValueError("give site, the address of your Jira, or cloud_id")
        if not self.is_cloud and self.cloud_id is not None:
            raise ValueError("cloud_id is of the cloud, a personal_token of Data Center")
        children = sorted(set(self.streams) & set(CHILDREN))
        if children and "issues" not in self.streams:
            raise ValueError(f"{children[0]} are read with their issues: name issues among the streams, too")
        return self

    @property
    def is_cloud(self) -> bool:
        return not isinstance(self.auth, PersonalToken)

    @property
    def children(self) -> list[str]:
        """The wanted streams that are read with their issues."""
        return [name for name in CHILDREN if name in self.streams]

    def wants_project(self, key: str) -> bool:
        """Whether a project's issues are to be read."""
        included = not self.projects or any(fnmatchcase(key, pattern) for pattern in self.projects)
        return included and not any(fnmatchcase(key, pattern) for pattern in self.exclude_projects)
