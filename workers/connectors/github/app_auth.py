"""Signs in as an installation of a GitHub App: a token for an hour, asked for with a signed JWT.

https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping

import httpx
import jwt
import msgspec

from etl_core.errors import SourceError, Transient, Unauthorised
from workers.connectors.github.config import GitHubApp
from workers.http import Response
from workers.http.address import shown
from workers.http.auth import sendable
from workers.http.errors import failure

_JWT_LIFE = 540
"""Seconds; GitHub takes at most 600."""
_JWT_EARLY = 60
"""Seconds that a JWT is dated back, for clocks that differ."""
_TOKEN_LIFE = 3_600.0
_RENEW_BEFORE = 300.0
"""Seconds before its end at which a token is renewed."""


class InstallationAuth(httpx.Auth):
    """Gets a token when there is none, before it ends, and once when it is refused. One at a time.

    The life of a token is counted by this process's monotonic clock.
    """

    def __init__(self, app: GitHubApp, token_url: str) -> None:
        self._app = app
        self._token_url = httpx.URL(token_url)
        self._renewing = asyncio.Lock()
        self._token: str | None = None
        self._renew_at = 0.0
        self.permissions: Mapping[str, str] = {}
        """What the installation grants, once a token was given: `{"issues": "read"}`."""

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if self._is_due():
            async with self._renewing:
                if self._is_due():
                    await self._take(time.monotonic(), (yield self._token_request()))
        used = self._token
        request.headers["Authorization"] = f"Bearer {used}"
        response = yield request
        if response.status_code != 401:
            return
        async with self._renewing:
            if self._token == used:
                await self._take(time.monotonic(), (yield self._token_request()))
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request

    def _is_due(self) -> bool:
        return self._token is None or time.monotonic() >= self._renew_at

    def _token_request(self) -> httpx.Request:
        now = int(time.time())
        claims = {"iat": now - _JWT_EARLY, "exp": now + _JWT_LIFE, "iss": str(self._app.app_id)}
        try:
            signed = jwt.encode(claims, self._app.private_key.get_secret_value(), algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError):
            signed = None
        if signed is None:  # outside of the `except`: such errors quote keys
            raise Unauthorised("the GitHub App's private_key is no RSA key in PEM; give the file GitHub gave")
        sendable(signed, "the App's JWT")
        headers = {
            "Authorization": f"Bearer {signed}",
            "Accept": "application/vnd.github+json",
            "Accept-Encoding": "identity",
        }
        return httpx.Request("POST", self._token_url, headers=headers)

    async def _take(self, asked_at: float, response: httpx.Response) -> None:
        content = await response.aread()  # as httpx does before it sends the next request
        answer = Response("POST", self._token_url, response.status_code, response.headers, content)
        if answer.status != 201:
            raise _refusal(answer)
        try:
            token, permissions = answer.json["token"], answer.json.get("permissions")
        except (msgspec.DecodeError, TypeError, KeyError):
            token = permissions = None
        if not isinstance(token, str):
            raise Transient(f"POST {answer.url}: the answer holds no token")
        self._token = sendable(token, "the installation's token")
        self.permissions = permissions if isinstance(permissions, dict) else {}
        self._renew_at = asked_at + _TOKEN_LIFE - _RENEW_BEFORE

    def __repr__(self) -> str:
        return f"InstallationAuth({shown(self._token_url)!r})"


def _refusal(answer: Response) -> SourceError:
    if answer.status in (401, 403, 404):
        return Unauthorised(
            f"POST {answer.url}: {answer.status} ({answer.excerpt}); see app_id, installation_id, "
            "private_key and this machine's clock, and whether the App is still installed"
        )
    return failure(answer)
