"""What a GitHub integration can be told."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)

Login = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
RepositoryName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}$")]

StreamName = Literal[
    "repositories",
    "pull_requests",
    "pull_request_commits",
    "pull_request_comments",
    "reviews",
    "review_threads",
    "review_comments",
    "commits",
    "issues",
    "issue_comments",
    "releases",
    "deployments",
    "workflow_runs",
]
ALL_STREAMS: tuple[StreamName, ...] = StreamName.__args__  # type: ignore[attr-defined]  # typing says nothing of it


class GitHubApp(BaseModel):
    """An installation of a GitHub App."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    app_id: int = Field(gt=0, description="of the App's settings page")
    installation_id: int = Field(gt=0, description="the number at the end of the installation's address")
    private_key: SecretStr = Field(description="reference to the PEM that GitHub gave: file:/path, env:NAME")


class GitHubConfig(BaseModel):
    """Whom we are, which repositories, which streams."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_url: str = Field(
        default="https://api.github.com", description="Enterprise Server: https://host/api/v3"
    )
    token: SecretStr | None = Field(default=None, description="personal access token, as a reference")
    app: GitHubApp | None = Field(default=None, description="in place of a token")
    owners: tuple[Login, ...] = Field(
        default=(), description="organisations and users, all their repositories"
    )
    repositories: tuple[RepositoryName, ...] = Field(default=(), description="single ones, owner/name")
    include: tuple[str, ...] = Field(default=(), description="patterns of owner/name; default: all")
    exclude: tuple[str, ...] = Field(default=(), description="patterns of owner/name, after include")
    archived: bool = Field(default=False, description="also archived ones of the owners")
    forks: bool = Field(default=True, description="also forks")
    streams: tuple[StreamName, ...] = Field(default=ALL_STREAMS, description="default: all", min_length=1)
    page_size: int = Field(default=25, ge=1, le=100, description="pull requests asked for at once, at most")
    overlap_minutes: int = Field(default=10, ge=0, le=1_440, description="read again before a bookmark")
    recheck_days: int = Field(
        default=30, ge=1, le=400, description="how old what may still change unseen is at most"
    )
    recheck_hours: float = Field(
        default=24, ge=0, le=10_000, description="open pull requests are walked again so often"
    )

    @field_validator("api_url")
    @classmethod
    def _address(cls, api_url: str) -> str:
        parts = urlsplit(api_url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query:
            raise ValueError("give the API's root, such as https://api.github.com or https://host/api/v3")
        if parts.hostname in ("github.com", "www.github.com"):
            raise ValueError("github.com's API is at https://api.github.com")
        return api_url.rstrip("/")

    @model_validator(mode="after")
    def _complete(self) -> GitHubConfig:
        if (self.token is None) == (self.app is None):
            raise ValueError("give either token or app")
        if not self.owners and not self.repositories:
            raise ValueError("give owners or repositories: whose repositories, or which")
        return self

    @field_validator("include", "exclude")
    @classmethod
    def _patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if not re.fullmatch(r"[A-Za-z0-9_.*?\[\]!/-]+", pattern):
                raise ValueError(f"{pattern[:60]!r} is no pattern of owner/name, such as octo/api-*")
        return patterns

    def wants(self, *streams: StreamName) -> bool:
        """Whether one of these is to be read."""
        return bool({*streams} & {*self.streams})
