"""Requests of a manifest's API: where they go, what they carry, and what answers mean."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from etl_core.connector import Budget, ExtractContext
from etl_core.errors import Permanent, RateLimited, SourceError, Transient, Unauthorised
from workers.connectors.rest.answers import Answer
from workers.connectors.rest.config import RestConfig
from workers.connectors.rest.manifest import Manifest, auth, template
from workers.connectors.rest.manifest.kinds import compile_expression
from workers.connectors.rest.manifest.stream import ErrorRule, StreamSpec
from workers.connectors.rest.pagers import Asked
from workers.http import BasicAuth, BearerAuth, HeaderAuth, HttpSource, OAuth2, QueryAuth, Response, Retries
from workers.http.errors import describe

RETRIES = Retries()
"""As the client's own; a test waits less."""
UNLIMITED: Final = 6_000
"""Requests a minute where the manifest names no limit."""
UNSAID_WAIT: Final = timedelta(seconds=60)
"""After a refusal that a manifest takes for a rate limit and that does not say how long."""


class Skipped(Permanent):
    """By a rule of the manifest there is nothing to read here."""


class Expired(Permanent):
    """By a rule of the manifest the position is worth nothing any more."""


class Api:
    """The API of one integration. Sends one request at a time."""

    def __init__(self, manifest: Manifest, config: RestConfig) -> None:
        self.manifest = manifest
        defaults = {name: variable.default for name, variable in manifest.variables.items()}
        self.scope: dict[str, Any] = {"variables": defaults | dict(config.variables)}
        secrets = {name: secret.get_secret_value() for name, secret in config.secrets.items()}
        self._secret_scope = self.scope | {"secrets": secrets}
        self._hidden = manifest.auth.name if isinstance(manifest.auth, auth.QueryKey) else None
        self._base_url = ""
        self._source: HttpSource | None = None
        self._budget: Budget | None = None
        self._rules: Sequence[ErrorRule] = ()

    @asynccontextmanager
    async def open(self, context: ExtractContext) -> AsyncIterator[None]:
        """Requests can be made while it is open.

        Raises:
            Permanent: the base URL is none. Unauthorised: a secret cannot be sent.
        """
        limit = self.manifest.rate_limit.per_minute or UNLIMITED
        base_url = self._text(self.manifest.base_url, self.scope)
        self._base_url = base_url.rstrip("/")
        self._budget = context.budget(
            self._credential(),
            f"{self.manifest.title} {httpx.URL(base_url).host}",
            capacity=limit,
            per=timedelta(minutes=1),
        )
        source = HttpSource(
            base_url,
            auth=self._auth(),
            budget=self._budget,
            headers={name: self._text(text, self.scope) for name, text in self.manifest.headers.items()},
            retries=RETRIES,
            classify=self._classify,
            trusted=self.manifest.hosts,
        )
        async with source:
            self._source = source
            try:
                yield
            finally:
                self._source = None

    async def get(self, spec: StreamSpec, asked: Asked, scope: template.Scope, **more: str) -> Answer:
        """The answer to a position of a stream's list; `more` are parameters beside all others.

        Raises:
            Skipped, Expired: a rule of the manifest says so. SourceError: as HttpSource.
        """
        self._rules = (*spec.errors, *self.manifest.errors)
        headers = {name: self._text(text, scope) for name, text in spec.headers.items()}
        if asked.url is not None:
            return await self._request(asked.url, {}, headers)
        path = self._text(spec.path or "/", scope, is_path=True)
        params = self.params({**self.manifest.params, **spec.params}, scope)
        return await self._request(path, {**params, **(asked.params or {}), **more}, headers)

    async def look(self, path: str, params: Mapping[str, Any]) -> Answer:
        """The answer of an endpoint that is no list: for `check`."""
        self._rules = self.manifest.errors
        return await self._request(
            self._text(path, self.scope, is_path=True), self.params(params, self.scope), {}
        )

    def params(self, given: Mapping[str, Any], scope: template.Scope) -> dict[str, Any]:
        """With names replaced; a parameter that is an optional variable without a value is left out."""
        found: dict[str, Any] = {}
        for name, value in given.items():
            try:
                texts = value if isinstance(value, tuple) else (value,)
                values = [template.value(text, scope) if isinstance(text, str) else text for text in texts]
            except template.Missing:
                continue
            flat = [each for one in values for each in (one if isinstance(one, list | tuple) else [one])]
            found[name] = [template.as_text(each) for each in flat]
        return found

    async def _request(self, url: str, params: dict[str, Any], headers: dict[str, str]) -> Answer:
        if self._source is None or self._budget is None:
            raise RuntimeError("the API is not open")
        asked_whole = httpx.URL(url).is_absolute_url
        response = await self._source.get_json(url, params=params, headers=headers)
        await self._observe(response, self._budget)
        return Answer(
            told=f"{response.method} {response.url}",
            url=url if asked_whole else f"{self._base_url}/{url.lstrip('/')}",
            headers=response.headers,
            body=response.json,
            served_at=response.server_time,
            hidden=self._hidden,
        )

    async def _observe(self, response: Response, budget: Budget) -> None:
        """What the answer says of the limit, where the manifest names the headers."""
        limit = self.manifest.rate_limit
        remaining = _number(response.headers.get(limit.remaining or ""))
        reset = _number(response.headers.get(limit.reset or ""))
        if remaining is None or reset is None:
            return
        wait = timedelta(seconds=reset) if limit.reset_is == "seconds" else response.time_until(reset)
        if wait is not None:
            await budget.observe(remaining=int(remaining), resets_in=wait)

    def _classify(self, response: Response) -> SourceError | None:
        if response.status < 400:
            return None
        for rule in self._rules:
            if response.status in rule.status and (rule.when is None or _holds(rule.when, response)):
                return _error(rule, response)
        return None

    def _auth(self) -> httpx.Auth | None:  # noqa: PLR0911 - a way each
        how = self.manifest.auth
        match how:
            case auth.Bearer():
                return BearerAuth(self._secret(how.token))
            case auth.Basic():
                return BasicAuth(self._secret(how.username), self._secret(how.password))
            case auth.Header():
                return HeaderAuth(how.name, self._secret(how.value))
            case auth.QueryKey():
                return QueryAuth(how.name, self._secret(how.value))
            case auth.ClientCredentials():
                return OAuth2(
                    self._secret(how.token_url),
                    client_id=self._secret(how.client_id),
                    client_secret=self._secret(how.client_secret),
                    scope=self._secret(how.scope) if how.scope else None,
                    extra={name: self._secret(text) for name, text in how.parameters.items()},
                    client_in=how.client_in,
                )
            case auth.RefreshToken():
                return OAuth2(
                    self._secret(how.token_url),
                    client_id=self._secret(how.client_id),
                    client_secret=self._secret(how.client_secret or ""),
                    scope=self._secret(how.scope) if how.scope else None,
                    refresh_token=self._secret(how.refresh_token),
                    client_in=how.client_in,
                )
        return None

    def _credential(self) -> str:
        """What tells this credential from others; budgets keep a hash of it."""
        how = self.manifest.auth
        if how is None:
            return "none"
        texts = [text for text in how.model_dump(exclude={"type"}).values() if isinstance(text, str)]
        return "\n".join(self._secret(text) for text in texts)

    def _secret(self, text: str) -> str:
        return self._text(text, self._secret_scope)

    def _text(self, text: str, scope: template.Scope, *, is_path: bool = False) -> str:
        try:
            return template.render(text, scope, quote=_quoted if is_path else str)
        except template.Missing as missing:
            raise Permanent(f"{missing} has no value, and the manifest needs it in {text!r}") from None


def _quoted(value: str) -> str:
    """A value as one segment of a path: a slash in it leads nowhere else."""
    return value.replace(".", "%2E") if value in (".", "..") else quote(value, safe="")


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _holds(expression: str, response: Response) -> bool:
    try:
        return bool(compile_expression(expression).search(response.json))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _error(rule: ErrorRule, response: Response) -> SourceError:
    told = describe(response) + (f"; {rule.message}" if rule.message else "")
    match rule.then:
        case "transient":
            return Transient(told)
        case "skip":
            return Skipped(told)
        case "permanent":
            return Permanent(told)
        case "unauthorised":
            return Unauthorised(told)
        case "restart":
            return Expired(told)
        case "rate_limited":
            return RateLimited(told, until=response.retry_after or UNSAID_WAIT)
