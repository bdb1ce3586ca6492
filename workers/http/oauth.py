"""OAuth 2 for machines: client credentials, or a refresh token (RFC 6749, 4.4 and 6)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Literal

import httpx
import msgspec

from etl_core.errors import Permanent, SourceError, Transient, Unauthorised
from etl_core.secret_values import remember_secret
from workers.http.address import shown
from workers.http.auth import BasicAuth, sendable
from workers.http.errors import failure
from workers.http.response import Response

EARLY = 60.0
"""Seconds before its end at which a token is renewed; a tenth of its life where that is shorter."""
UNSAID_LIFE = 3600.0
"""Seconds that a token is taken to live whose server does not say."""

OnRefreshToken = Callable[[str], Awaitable[None]]


class OAuth2(httpx.Auth):
    """Gets a token when there is none, renews it before it ends, and once when the source refuses it.

    One renewal at a time, however many calls wait for it. The life of a token is counted from before it was
    asked for, by this process's monotonic clock.
    """

    def __init__(
        self,
        token_url: str,
        *,
        client_id: str,
        client_secret: str,
        scope: str | None = None,
        refresh_token: str | None = None,
        client_in: Literal["body", "header"] = "body",
        extra: Mapping[str, str] | None = None,
        on_refresh_token: OnRefreshToken | None = None,
    ) -> None:
        """
        Args:
            refresh_token: given, it is what tokens are asked with; else client credentials are.
            client_in: where the server wants client_id and client_secret.
            extra: more fields of the token request (`audience`, `resource`).
            on_refresh_token: told of the new refresh token where the server rotates it.
        """
        self._token_url = httpx.URL(token_url)
        self._client_id = client_id
        self._client_secret = client_secret
        self._scope = scope
        self._refresh_token = refresh_token
        self._client_in = client_in
        self._extra = dict(extra or {})
        self._on_refresh_token = on_refresh_token
        for secret in (client_secret, refresh_token):
            if secret:
                remember_secret(secret)
        self._renewing = asyncio.Lock()
        self._token: str | None = None
        self._renew_at = 0.0

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if self._is_due(self._token):
            async with self._renewing:
                if self._is_due(self._token):  # another call may have renewed it meanwhile
                    asked_at = time.monotonic()
                    await self._take(asked_at, (yield self._token_request()))
        used = self._token
        request.headers["Authorization"] = f"Bearer {used}"
        response = yield request
        if response.status_code != 401:
            return
        async with self._renewing:
            if self._token == used:
                asked_at = time.monotonic()
                await self._take(asked_at, (yield self._token_request()))
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request

    def _is_due(self, token: str | None) -> bool:
        return token is None or time.monotonic() >= self._renew_at

    def _token_request(self) -> httpx.Request:
        fields = dict(self._extra)
        if self._refresh_token is not None:
            fields |= {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        else:
            fields["grant_type"] = "client_credentials"
        if self._scope:
            fields["scope"] = self._scope
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if self._client_in == "body":
            fields |= {"client_id": self._client_id, "client_secret": self._client_secret}
        request = httpx.Request("POST", self._token_url, data=fields, headers=headers)
        if self._client_in == "header":
            request = next(BasicAuth(self._client_id, self._client_secret).auth_flow(request))
        return request

    async def _take(self, asked_at: float, response: httpx.Response) -> None:
        """Raises Unauthorised when the server refuses, Transient when it cannot now."""
        content = await response.aread()  # as httpx does before it sends the next request
        answer = Response("POST", self._token_url, response.status_code, response.headers, content)
        told = f"POST {answer.url}: the token was not given"
        if answer.status != 200:
            raise self._refusal(answer, told)
        try:
            document = answer.json
            token = document["access_token"]
            life = float(document.get("expires_in") or UNSAID_LIFE)
            rotated = document.get("refresh_token")
        except (msgspec.DecodeError, TypeError, KeyError, ValueError, AttributeError):
            document = None
        if document is None or not isinstance(token, str):
            raise Transient(f"{told}: the answer holds no access_token")
        self._token = sendable(token, "the access token")
        self._renew_at = asked_at + life - min(EARLY, life / 10)
        if isinstance(rotated, str) and rotated and self._refresh_token not in (None, rotated):
            remember_secret(rotated)
            self._refresh_token = rotated
            if self._on_refresh_token is not None:
                await self._on_refresh_token(rotated)

    def _refusal(self, answer: Response, told: str) -> SourceError:
        error = failure(answer)
        if answer.status in (400, 401, 403):
            reason = _oauth_error(answer)
            if reason in ("invalid_scope", "unsupported_grant_type"):
                return Permanent(f"{told}: {reason} ({answer.excerpt}); mend the configuration")
            return Unauthorised(f"{told}: {answer.status} {answer.excerpt or reason}; renew the credential")
        if answer.status == 429:
            return Transient(f"{told}: too many requests there")
        return error

    def __repr__(self) -> str:
        return f"OAuth2({shown(self._token_url)!r})"


def _oauth_error(answer: Response) -> str:
    try:
        document: Any = answer.json
        return str(document.get("error", ""))
    except (msgspec.DecodeError, AttributeError):
        return ""
