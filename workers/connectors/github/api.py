"""Asking GitHub: GraphQL and REST with one credential, within what it may ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from etl_core.connector import Budget, ExtractContext
from etl_core.errors import SourceError
from workers.connectors.github.answers import fault_of, limit_of, resets_in
from workers.connectors.github.app_auth import InstallationAuth
from workers.connectors.github.config import GitHubConfig
from workers.http import BearerAuth, HttpSource, Response, Retries, Timeouts

_ENTERPRISE = "/api/v3"
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_TIMEOUTS = Timeouts(connect=10, read=30, whole=120)
"""GitHub gives up after 10 seconds."""
_RETRIES = Retries(attempts=6)
_HOUR = timedelta(hours=1)
_POINTS = 15_000
"""Of an hour, at most: an App's larger limit. What the credential really has, its first answer says."""
_PACE = 2_000
"""Requests of a minute; the secondary limit of GraphQL, and more than that of REST."""


class _Together(Budget):
    """Two budgets that each call takes of: points of the hour, and the pace."""

    def __init__(self, hour: Budget, pace: Budget) -> None:
        self._hour = hour
        self._pace = pace

    async def spend(self, cost: int = 1) -> None:
        await self._pace.spend(1)
        await self._hour.spend(cost)

    async def observe(self, *, remaining: int, resets_in: timedelta, limit: int | None = None) -> None:
        await self._hour.observe(remaining=remaining, resets_in=resets_in, limit=limit)

    async def park(self, wait: timedelta) -> None:
        await self._hour.park(wait)


class GitHub:
    """One API with one credential. Use as a context.

    All that is raised is a SourceError: RateLimited, Unauthorised, Transient, and those of
    `workers.connectors.github.answers` and `workers.http`.
    """

    def __init__(self, config: GitHubConfig, context: ExtractContext | None = None) -> None:
        is_enterprise = config.api_url.endswith(_ENTERPRISE)
        base = config.api_url.removesuffix("/v3") if is_enterprise else config.api_url
        self._rest = "/v3" if is_enterprise else ""
        context = context or ExtractContext()
        if config.app is not None:
            app = config.app
            url = f"{config.api_url}/app/installations/{app.installation_id}/access_tokens"
            auth: BearerAuth | InstallationAuth = InstallationAuth(app, url)
            credential = f"{config.api_url} app {app.app_id} installation {app.installation_id}"
        else:
            token = config.token.get_secret_value() if config.token else ""
            auth = BearerAuth(token)
            credential = token
        self._auth = auth
        pace = context.budget(credential, "github pace", capacity=_PACE, per=timedelta(minutes=1))
        hour = [
            context.budget(credential, f"github {resource}", capacity=_POINTS, per=_HOUR)
            for resource in ("graphql", "core")
        ]
        self._points, self._requests = (_Together(each, pace) for each in hour)
        self._graphql = HttpSource(
            base,
            auth=auth,
            budget=self._points,
            headers=_HEADERS,
            timeouts=_TIMEOUTS,
            retries=_RETRIES,
            classify=self._judge,
        )
        self._core = HttpSource(
            base,
            auth=auth,
            budget=self._requests,
            headers=_HEADERS,
            timeouts=_TIMEOUTS,
            retries=_RETRIES,
            classify=self._judge_limit,
        )
        self._open = AsyncExitStack()
        self._is_core_open = False
        self._costs: dict[str, int] = {}
        self._secondary = 0

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self._graphql)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.__aexit__(kind, error, trace)

    @property
    def permissions(self) -> Mapping[str, str]:
        """What an App's installation grants, once it was asked for anything; empty for tokens."""
        return self._auth.permissions if isinstance(self._auth, InstallationAuth) else {}

    async def query(self, document: str, **variables: Any) -> Mapping[str, Any]:
        """The data of a GraphQL query, whole.

        Raises:
            TooMuch: ask for less at once. CursorRefused, NotThere, NotAllowed: as they say.
        """
        asked = {"query": document, "variables": variables}
        # What it costs the answer says; until then what it cost the last time.
        cost = self._costs.get(document, 1)
        response = await self._graphql.post_json("/graphql", json=asked, safe=True, cost=cost)
        await self._observe(response, self._points)
        data: Mapping[str, Any] = response.json["data"]
        self._costs[document] = max(1, (data.get("rateLimit") or {}).get("cost") or 1)
        return data

    async def get(self, path: str, **params: Any) -> Response:
        """An answer of REST, its JSON read; `path` below the API's root."""
        if not self._is_core_open:  # many configurations never ask REST
            self._is_core_open = True
            await self._open.enter_async_context(self._core)
        response = await self._core.get_json(f"{self._rest}{path}", params=params)
        await self._observe(response, self._requests)
        return response

    async def _observe(self, response: Response, budget: Budget) -> None:
        self._secondary = 0
        remaining = response.headers.get("x-ratelimit-remaining", "")
        limit = response.headers.get("x-ratelimit-limit", "")
        left = resets_in(response)
        if remaining.isdecimal() and limit.isdecimal() and left is not None:
            await budget.observe(remaining=int(remaining), resets_in=left, limit=int(limit))

    def _judge(self, response: Response) -> SourceError | None:
        return self._judge_limit(response) or fault_of(response)

    def _judge_limit(self, response: Response) -> SourceError | None:
        refusal = limit_of(response, secondary_before=self._secondary)
        if refusal is not None:
            self._secondary += 1
        return refusal


def nodes_of(connection: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
    """The nodes of a list; one that we may not see is null and left out."""
    return [node for node in (connection or {}).get("nodes") or () if node]


def next_cursor(connection: Mapping[str, Any]) -> str | None:
    """Where the list goes on; None at its end."""
    page = connection["pageInfo"]
    cursor: str | None = page["endCursor"] if page["hasNextPage"] else None
    return cursor
