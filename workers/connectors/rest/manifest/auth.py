"""How requests prove who we are. Texts may hold `{{ secrets.NAME }}`, and only these may."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workers.connectors.rest.manifest.kinds import Part, Template


class Bearer(Part):
    """`Authorization: Bearer TOKEN`."""

    type: Literal["bearer"]
    token: Template = Field(description="the token, as {{ secrets.token }}")


class Basic(Part):
    """`Authorization: Basic ...`, of a user and a password."""

    type: Literal["basic"]
    username: Template = Field(description="the user")
    password: Template = Field(default="", description="the password, as {{ secrets.password }}")


class Header(Part):
    """A header of the API's own."""

    type: Literal["header"]
    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9-]+$", description="the header, as PRIVATE-TOKEN")
    value: Template = Field(
        description="its value, as {{ secrets.token }} or Token token={{ secrets.token }}"
    )


class QueryKey(Part):
    """A key in the query. It never appears in a log, an error, or a stored position."""

    type: Literal["query"]
    name: str = Field(min_length=1, description="the parameter")
    value: Template = Field(description="the key, as {{ secrets.key }}")


class ClientCredentials(Part):
    """OAuth 2: a token for an application, fetched with its id and secret and again before it expires."""

    type: Literal["oauth2_client_credentials"]
    token_url: Template = Field(description="where tokens are given out")
    client_id: Template = Field(description="the application's id")
    client_secret: Template = Field(description="its secret, as {{ secrets.client_secret }}")
    scope: Template | None = Field(default=None, description="scopes, separated by blanks")
    parameters: dict[str, Template] = Field(default={}, description="more fields of the token request")
    client_in: Literal["body", "header"] = Field(default="body", description="where id and secret are sent")


class RefreshToken(Part):
    """OAuth 2: access tokens fetched with a refresh token of a person."""

    type: Literal["oauth2_refresh"]
    token_url: Template = Field(description="where tokens are given out")
    client_id: Template = Field(description="the application's id")
    client_secret: Template | None = Field(default=None, description="its secret, if it has one")
    refresh_token: Template = Field(description="the refresh token, as {{ secrets.refresh_token }}")
    scope: Template | None = Field(default=None, description="scopes, separated by blanks")
    client_in: Literal["body", "header"] = Field(default="body", description="where id and secret are sent")


Auth = Annotated[
    Bearer | Basic | Header | QueryKey | ClientCredentials | RefreshToken, Field(discriminator="type")
]
