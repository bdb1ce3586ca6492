"""A client of one HTTP API for connectors: patient where that is safe, and silent about credentials.

::

    async with HttpSource("https://api.example.com", auth=BearerAuth(token), budget=budget) as source:
        page = await source.get_json("/items", params={"page": 2})
        page.json, page.headers

Proxies and authorities come from the environment, as httpx takes them: HTTPS_PROXY, HTTP_PROXY, NO_PROXY,
SSL_CERT_FILE, SSL_CERT_DIR.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec
import stamina
import structlog

from etl_core import __version__
from etl_core.budgets import longest_wait
from etl_core.connector import Budget
from etl_core.errors import Permanent, RateLimited, SourceError, Transient
from etl_core.secret_values import mask
from workers.http.address import Place, shown
from workers.http.attempt import make_attempt
from workers.http.body import Limited
from workers.http.broken import one_line
from workers.http.errors import BodyTooLarge, Unreached, describe, failure
from workers.http.redirects import MOST_HOPS, next_request
from workers.http.response import Response
from workers.http.trust import authorities

# At these levels they write URLs with their query, and headers.
for _name in ("httpx", "httpcore", "hpack", "h11", "h2"):
    logging.getLogger(_name).setLevel(logging.WARNING)

log = structlog.get_logger()

USER_AGENT = f"etl-tui/{__version__}"
MAX_BODY = 64 * 1024 * 1024
"""Bytes of an answer, unpacked."""
UNSAID_WAIT = 5.0
"""Seconds after a 429 that does not say how long; doubles with each."""

Classify = Callable[[Response], SourceError | None]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds: to connect; between two pieces of an answer; for a whole answer, redirects included."""

    connect: float = 10.0
    read: float = 60.0
    whole: float = 300.0


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a safe call is tried; seconds before the second try, which double up to the longest."""

    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 15.0


@dataclass(frozen=True, slots=True)
class _Call:
    """What is asked for, and how often it may be."""

    request: httpx.Request = field(repr=False)
    safe: bool
    expects_json: bool
    cost: int
    attempts: int

    def may_pass(self, error: Exception) -> bool:
        """Whether to try again."""
        if isinstance(error, Unreached):
            return True  # it was not sent
        return self.safe and isinstance(error, Transient) and error.retry_in_place


class HttpSource:
    """See the module. Everything raised is a SourceError whose message names method, URL and status."""

    def __init__(
        self,
        base_url: str,
        *,
        auth: httpx.Auth | None = None,
        budget: Budget | None = None,
        headers: Mapping[str, str] | None = None,
        user_agent: str = USER_AGENT,
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        classify: Classify | None = None,
        trusted: Collection[str] = (),
        max_body: int = MAX_BODY,
        connections: int = 20,
    ) -> None:
        """
        Args:
            budget: each request spends of it; a refusal of the source parks it.
            classify: looks at each answer first, a success too; what it returns is raised (a RateLimited of
                at most 60 s is waited for, a Transient tried again).
            trusted: base URLs of other places that may be sent the credential.
            max_body: bytes of an answer that are read.

        Raises:
            Permanent: `base_url` is no web address, or holds a login.
        """
        self._place = Place(base_url, trusted)
        self._auth = auth
        self._budget = budget
        self._headers = {"Accept": "application/json", **(headers or {}), "User-Agent": user_agent}
        self._timeouts = timeouts or Timeouts()
        self._retries = retries or Retries()
        self._classify = classify
        self._max_body = max_body
        self._connections = connections
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        try:
            self._client = httpx.AsyncClient(
                headers=self._headers,
                timeout=httpx.Timeout(self._timeouts.read, connect=self._timeouts.connect),
                limits=httpx.Limits(max_connections=self._connections, keepalive_expiry=30),
                # What one answer sets is never sent with the next.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                follow_redirects=False,
                verify=authorities(),
                event_hooks={"response": [self._limit]},
            )
        except (OSError, ValueError, httpx.InvalidURL) as error:
            raise Permanent(
                f"proxy or authorities in the environment cannot be used: {mask(one_line(error))}"
            ) from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def get_json(self, url: str, *, params: Mapping[str, Any] | None = None, **rest: Any) -> Response:
        """GET; the answer's `json` has been read. Raises as `request` does."""
        return await self.request("GET", url, params=params, expects_json=True, **rest)

    async def post_json(self, url: str, *, json: Any, safe: bool = False, **rest: Any) -> Response:
        """POST of a JSON body; `safe`: it changes nothing (a query), so it may be tried again."""
        return await self.request("POST", url, json=json, safe=safe, expects_json=True, **rest)

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool | None = None,
        expects_json: bool = False,
        cost: int = 1,
        attempts: int | None = None,
    ) -> Response:
        """The answer, once it is a success.

        Args:
            url: below the base URL, or whole: a next page's address. `params` are added to its query.
            safe: whether it may be tried again; default: GET and HEAD may.
            expects_json: an answer that is no JSON counts as cut.
            cost: what it takes from the budget.
            attempts: tries in all, where not as for the others.

        Raises:
            RateLimited: the source or the budget wants us to wait longer than 60 s.
            Unauthorised: 401. Refused and below: 400 to 499. Transient and below: tried as often as is safe.
            Permanent: an address of another place, a certificate that nobody vouches for, a body too large.
        """
        method = method.upper()
        safe = method in ("GET", "HEAD") if safe is None else safe
        request = self._build(method, url, params, {"json": json, "data": data, "headers": headers})
        call = _Call(request, safe, expects_json, cost, attempts or self._retries.attempts)
        waited, refusals = 0.0, 0
        while True:
            answer = await self._patiently(call, refusals)
            if isinstance(answer, Response):
                return answer
            refusals += 1
            wait = answer.until
            if not isinstance(wait, timedelta):
                raise answer
            seconds = max(wait.total_seconds(), 1.0)
            if self._budget is not None:
                await self._budget.park(timedelta(seconds=seconds))
            if waited + seconds > longest_wait():
                raise answer
            log.info("waits for a rate limit", seconds=round(seconds), answer=str(answer))
            await asyncio.sleep(seconds)
            waited += seconds

    async def _patiently(self, call: _Call, refusals: int) -> Response | RateLimited:
        """Tries again what may pass; a rate limit is for the caller to wait for."""
        async for attempt in stamina.retry_context(
            on=call.may_pass,
            attempts=call.attempts,
            timeout=None,
            wait_initial=self._retries.first_wait,
            wait_max=self._retries.longest_wait,
            wait_jitter=self._retries.first_wait,
        ):
            with attempt:
                if self._budget is not None:
                    await self._budget.spend(call.cost)
                answer = await self._try(call.request)
                if isinstance(answer, Response):
                    answer = self._judge(answer, call, refusals) or answer
                if isinstance(answer, Response | RateLimited):
                    return answer
                raise answer  # outside of any `except`: httpx's error would hold the request
        raise AssertionError("unreachable")

    def _judge(self, response: Response, call: _Call, refusals: int) -> SourceError | None:
        """What is wrong with an answer."""
        if self._classify is not None and (error := self._classify(response)):
            return error
        status = response.status
        if status in (429, 503):
            wait = response.retry_after
            if status == 429 or (wait is not None and call.safe):
                unsaid = timedelta(seconds=UNSAID_WAIT * 2**refusals)
                return RateLimited(
                    f"{describe(response)}; the source wants us to wait",
                    until=unsaid if wait is None else wait,
                )
        if not 200 <= status < 300:
            return failure(response)
        if call.expects_json:
            try:
                _ = response.json
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                told = f"{response.method} {response.url}: {response.status}"
                return Transient(f"{told}: the answer is no JSON ({mask(one_line(error))})")
        return None

    async def _try(self, request: httpx.Request) -> Response | SourceError:
        """One exchange, redirects included, within its time."""

        async def exchange() -> Response:
            async with asyncio.timeout(self._timeouts.whole):
                return await self._exchange(request)

        return await make_attempt(
            request.method, request.url, exchange(), lambda answer: (answer.status, len(answer.content))
        )

    async def _exchange(self, request: httpx.Request) -> Response:
        auth: httpx.Auth | None = self._auth
        for _ in range(MOST_HOPS + 1):
            response = await self._opened.send(
                request, auth=auth if auth is not None else httpx.Auth(), stream=True
            )
            try:
                following = next_request(request, response)
                if following is None:
                    content = await self._read(request, response)
                    return Response(
                        request.method, request.url, response.status_code, response.headers, content
                    )
            finally:
                await response.aclose()
            request, stays = following
            auth = auth if stays else None
        raise Permanent(f"{request.method} {shown(request.url)}: redirected more than {MOST_HOPS} times")

    async def _limit(self, response: httpx.Response) -> None:
        """Before a credential looks at the answer: it may read what nobody unpacks."""
        response.stream = Limited(response.stream, self._max_body, partial(self._too_large, response.request))

    def _too_large(self, request: httpx.Request) -> BodyTooLarge:
        return BodyTooLarge(
            f"{request.method} {shown(request.url)}: the answer is larger than {self._max_body:,} bytes; "
            "ask for smaller pages"
        )

    async def _read(self, request: httpx.Request, response: httpx.Response) -> bytes:
        content = bytearray()
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > self._max_body:
                raise self._too_large(request)
        return bytes(content)

    def _build(
        self, method: str, url: str, params: Mapping[str, Any] | None, parts: Mapping[str, Any]
    ) -> httpx.Request:
        address = self._place.resolve(url)
        if params:
            query = [(name, value) for name, value in address.params.multi_items() if name not in params]
            for name, value in params.items():
                every = value if isinstance(value, list | tuple) else [value]
                query += [(name, each) for each in every if each is not None]
            address = address.copy_with(params=query)
        return self._opened.build_request(method, address, **parts)

    @property
    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            raise RuntimeError("use it as a context: async with HttpSource(...) as source")
        return self._client

    def __repr__(self) -> str:
        return f"HttpSource({str(self._place)!r})"
