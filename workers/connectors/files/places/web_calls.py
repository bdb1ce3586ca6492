"""Requests whose answers are read as they come. Patience, limits and errors are those of `workers.http`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from etl_core.errors import Permanent, RateLimited, SourceError, Transient, Unauthorised
from workers.connectors.files.places.options import HttpOptions
from workers.http import USER_AGENT, BasicAuth, BearerAuth, Response, Timeouts
from workers.http.address import shown
from workers.http.attempt import make_attempt
from workers.http.auth import sendable
from workers.http.broken import translate
from workers.http.errors import describe, failure
from workers.http.redirects import MOST_HOPS, next_request

ATTEMPTS = 5
FIRST_WAIT = 0.25
"""Seconds before the second attempt; doubles with each."""
LONGEST_WAIT = 60.0
"""Seconds that a server may ask for and are waited in place; beyond it the run is parked."""
_EXCERPT = 16_384
_UNSAID_WAIT = 5.0


class WebCalls:
    """A client of one server."""

    def __init__(self, options: HttpOptions) -> None:
        self._auth: httpx.Auth | None = None
        if options.token is not None:
            self._auth = BearerAuth(options.token.get_secret_value())
        elif options.username is not None:
            password = options.password.get_secret_value() if options.password else ""
            self._auth = BasicAuth(options.username, password)
        self._headers = {
            name: sendable(value.get_secret_value(), name) for name, value in options.headers.items()
        }
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
        self._client = None

    @asynccontextmanager
    async def open(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """The answer once it is a success, its body unread; what reading it raises becomes a SourceError.

        Raises:
            RateLimited: the server wants us to wait longer than a minute. Transient: tried often enough, or
            the body broke off. Refused, Unauthorised, Permanent: as they are.
        """
        response = await self._patiently(method, url, headers or {})
        failed: SourceError | None = None
        try:
            yield response
        except (httpx.HTTPError, TimeoutError) as error:
            failed = translate(f"{method} {shown(httpx.URL(url))}", error)
        finally:
            await response.aclose()
        if failed is not None:
            raise failed  # outside of the `except`: httpx's error would hold the request

    async def _patiently(self, method: str, url: str, headers: Mapping[str, str]) -> httpx.Response:
        waited, failures = 0.0, 0
        while True:
            answer = await self._try(method, url, headers)
            if isinstance(answer, httpx.Response):
                return answer
            failures += 1
            if isinstance(answer, RateLimited):
                wait = answer.until.total_seconds() if isinstance(answer.until, timedelta) else LONGEST_WAIT
                waited += max(wait, 1.0)
                if waited > LONGEST_WAIT:
                    raise answer
                await asyncio.sleep(max(wait, 1.0))
            elif isinstance(answer, Transient) and failures < ATTEMPTS:
                await asyncio.sleep(FIRST_WAIT * 2 ** (failures - 1))
            else:
                raise answer

    async def _try(self, method: str, url: str, headers: Mapping[str, str]) -> httpx.Response | SourceError:
        """One exchange, redirects included."""

        def outcome(answer: httpx.Response) -> tuple[int, int]:
            size = int(answer.headers.get("content-length") or 0) if method != "HEAD" else 0
            return answer.status_code, size

        return await make_attempt(method, httpx.URL(url), self._exchange(method, url, headers), outcome)

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str]
    ) -> httpx.Response | SourceError:
        client = self._opened()
        # Bytes as they are stored: a packed body would be a file of another size.
        request = client.build_request(
            method, url, headers={**self._headers, **headers, "Accept-Encoding": "identity"}
        )
        auth = self._auth
        for _ in range(MOST_HOPS + 1):
            response = await client.send(request, auth=auth or httpx.Auth(), stream=True)
            try:
                following = next_request(request, response)
                if following is None:
                    wrong = await self._judge(request, response)
                    if wrong is None:
                        return response
            except BaseException:
                await response.aclose()
                raise
            await response.aclose()
            if following is None:
                assert wrong is not None  # noqa: S101 - a good answer was returned
                return wrong
            ranged = {name: value for name, value in headers.items() if name in ("Range", "If-Range")}
            request, stays = following
            request.headers.update(ranged)
            auth = auth if stays else None
        raise Permanent(f"{method} {shown(httpx.URL(url))}: redirected more than {MOST_HOPS} times")

    async def _judge(self, request: httpx.Request, response: httpx.Response) -> SourceError | None:
        if response.status_code in (200, 206):
            return None
        content = bytearray()
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > _EXCERPT:
                break
        told = Response(request.method, request.url, response.status_code, response.headers, bytes(content))
        wait = told.retry_after
        if told.status == 429 or (told.status == 503 and wait is not None):
            until = timedelta(seconds=_UNSAID_WAIT) if wait is None else wait
            return RateLimited(f"{describe(told)}; the server wants us to wait", until=until)
        if told.status == 416:
            return Transient(f"{describe(told)}; the file is another one now")
        error = failure(told)
        if told.status == 401 and self._auth is None:
            return Unauthorised(f"{describe(told)}; give a credential in `http`")
        return error

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            timeouts = Timeouts()
            self._client = httpx.AsyncClient(
                headers={"User-Agent": USER_AGENT, "Accept": "*/*"},
                timeout=httpx.Timeout(timeouts.read, connect=timeouts.connect),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                follow_redirects=False,
            )
        return self._client
