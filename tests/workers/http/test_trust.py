"""Credentials stay with the place they are for, and no message, chain, repr or log shows one."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from aiohttp import web

from etl_core.errors import Permanent, SourceError, Unauthorised
from tests.simulators.faults import CUT, SERVER_ERROR, Fault
from tests.workers.http.conftest import TOKEN, Api
from workers.http import BasicAuth, BearerAuth, HeaderAuth, HttpSource, QueryAuth, Timeouts

Start = Callable[[], Awaitable[Api]]
AUTHS = [
    lambda: BearerAuth(TOKEN),
    lambda: HeaderAuth("X-Api-Key", TOKEN),
    lambda: QueryAuth("api_key", TOKEN),
    lambda: QueryAuth("k", TOKEN),
    lambda: BasicAuth("ana", TOKEN),
]
auths = pytest.mark.parametrize("make_auth", AUTHS, ids=["bearer", "header", "query", "k", "basic"])


def carried(request: web.Request) -> str:
    """All of a request that could hold a credential."""
    return request.path_qs + repr(list(request.headers.items()))


def leading_to(url: str, status: int = 302) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/from":
            return web.Response(status=status, headers={"Location": url})
        return web.json_response({"path": request.path})

    return answer


@auths
async def test_another_place_gets_no_credential(serve_api: Start, make_auth: Callable[[], Any]) -> None:
    """Neither by a redirect, nor by a redirect back from there, nor by a header of the connector's."""
    api, other = await serve_api(), await serve_api()
    api.answer = leading_to(f"{other.url}/from")
    other.answer = leading_to(f"{api.url}/back")
    async with api.source(auth=make_auth(), headers={"X-Session": "s3ssion"}) as source:
        await source.get_json("/from")
    first, there, back = api.requests[0], other.requests[0], api.requests[1]
    assert "s3ssion" in carried(first)
    assert [request.path for request in (first, there, back)] == ["/from", "/from", "/back"]
    for request in (there, back):
        assert "s3ssion" not in carried(request)
        assert TOKEN not in carried(request)
        assert "Authorization" not in request.headers
        assert request.headers["User-Agent"].startswith("etl-tui/")


@auths
async def test_the_same_place_gets_it_again(api: Api, make_auth: Callable[[], Any]) -> None:
    api.answer = leading_to("/to")
    async with api.source(auth=make_auth()) as source:
        assert (await source.get_json("/from")).json["path"] == "/to"
    first, second = api.requests
    assert second.headers.get("Authorization") == first.headers.get("Authorization")
    assert second.headers.get("X-Api-Key") == first.headers.get("X-Api-Key")
    assert second.query_string == first.query_string


async def test_where_redirects_are_not_followed(serve_api: Start) -> None:
    api, other = await serve_api(), await serve_api()
    async with api.source(auth=QueryAuth("k", TOKEN)) as source:
        for location, told in (
            (f"{other.url}/x?k={TOKEN}", r"would carry a secret to .*k=\*\*\*"),
            ("ftp://host/x", "no web address"),
            ("/from", "redirected more than 5 times"),
        ):
            api.answer = leading_to(location)
            with pytest.raises(Permanent, match=told) as refused:
                await source.get_json("/from")
            assert TOKEN not in str(refused.value)
        api.answer = leading_to(f"{other.url}/x", 307)
        with pytest.raises(Permanent, match=f"leads to {other.url}/x; give that address"):
            await source.post_json("/from", json={"secret": 1}, safe=True)
        api.answer = leading_to("/to", 308)
        await source.post_json("/from", json={"a": 1}, safe=True)
        assert await api.requests[-1].json() == {"a": 1}
    assert other.requests == []


async def test_from_https_to_http_is_not_followed() -> None:
    from workers.http.redirects import next_request

    request = httpx.Request("GET", "https://api.example.com/x")
    response = httpx.Response(301, headers={"Location": "http://api.example.com/x"})
    with pytest.raises(Permanent, match="leads from https to http"):
        next_request(request, response)


async def test_a_next_page_of_another_place_is_not_asked_for(serve_api: Start) -> None:
    api, other = await serve_api(), await serve_api()
    async with api.source(auth=BearerAuth(TOKEN)) as source:
        await source.get_json(f"{api.url}/next?page=2")
        for url in (f"{other.url}/next", "//evil.example/x", "http://host:port"):
            with pytest.raises(Permanent):
                await source.get_json(url)
    assert [request.path_qs for request in api.requests] == ["/next?page=2"]
    async with api.source(auth=BearerAuth(TOKEN), trusted=[other.url]) as source:
        await source.get_json(f"{other.url}/next")
    assert TOKEN in carried(other.requests[0])


def test_a_link_that_forgot_that_it_is_https() -> None:
    from workers.http.address import Place

    place = Place("https://api.example.com:8443/v1")
    assert str(place.resolve("http://api.example.com/v1/x?p=2")) == "https://api.example.com:8443/v1/x?p=2"
    assert str(place.resolve("x?p=2")) == "https://api.example.com:8443/v1/x?p=2"
    assert str(place.resolve("/x")) == "https://api.example.com:8443/v1/x"


def test_a_base_url_that_cannot_be_right() -> None:
    for url, told in (
        (f"https://ana:{TOKEN}@host", "holds a login"),
        ("host/path", "no web address"),
        ("ftp://host", "no web address"),
        ("https://", "no web address"),
        ("https://host:port", "cannot be read"),
    ):
        with pytest.raises(Permanent, match=told) as refused:
            HttpSource(url)
        assert TOKEN not in str(refused.value)


async def test_cookies_are_not_kept(api: Api) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({}, headers={"Set-Cookie": "session=abc; Path=/"})

    api.answer = answer
    async with api.source() as source:
        await source.get_json("/1")
        await source.get_json("/2")
    assert "Cookie" not in api.requests[1].headers


def everything_of(error: BaseException) -> str:
    """What a crash report could show: the whole chain, suppressed parts and all, with reprs of arguments."""
    seen = []
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or one in seen:
            continue
        seen.append(one)
        left += [one.__cause__, one.__context__]
    text = "".join("".join(traceback.format_exception(one, chain=True)) for one in seen)
    return text + repr([(one, one.args, vars(one)) for one in seen])


@auths
async def test_no_error_tells_a_secret(
    api: Api, make_auth: Callable[[], Any], caplog: pytest.LogCaptureFixture, capsys: Any
) -> None:
    """Though the source repeats it in its body, and logs are at their loudest."""
    caplog.set_level(logging.DEBUG)
    auth = make_auth()
    echo = b'{"message": "bad token %s"}' % TOKEN.encode()
    async with api.source(auth=auth, timeouts=Timeouts(read=0.2)) as source:
        for fault in (
            Fault("401", 401, body=echo),
            Fault("404", 404, body=echo),
            Fault("429", 429, {"Retry-After": "900"}, echo),
            Fault("302", 302, {"Location": f"https://elsewhere.example/?t={TOKEN}"}),
            Fault("200", body=b"{" + TOKEN.encode()),
            Fault("hang", hang=3),
            SERVER_ERROR,
            CUT,
        ):
            api.faults.tell(fault)
            with pytest.raises(SourceError) as failed:
                await source.get_json(f"/x?token={TOKEN}&access={TOKEN}", attempts=1)
            assert TOKEN not in everything_of(failed.value), fault.name
            assert "/x?token=***&access=***" in str(failed.value)
        assert TOKEN not in repr(source) + repr(auth) + repr(vars(source)["_place"])
    told = capsys.readouterr()
    assert TOKEN not in caplog.text + told.out + told.err


async def test_a_secret_that_no_header_can_hold() -> None:
    for value in ("t0ken\nX-Evil: 1", "t0kén", ""):
        with pytest.raises(Unauthorised, match="Authorization is empty or holds characters") as refused:
            BearerAuth(value)
        assert not value or value not in str(refused.value)
