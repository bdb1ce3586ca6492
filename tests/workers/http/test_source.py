"""The client tries again where that is safe, obeys limits, and says what is wrong in words to act on."""

from __future__ import annotations

import asyncio
import gzip
import time
from datetime import timedelta
from types import SimpleNamespace

import httpx
import msgspec
import pytest
from aiohttp import web

from etl_core import __version__
from etl_core.budgets import ProcessBudget
from etl_core.errors import Permanent, RateLimited, SourceError, Transient, Unauthorised
from tests.simulators.faults import (
    BAD_GATEWAY,
    CLOSED,
    CUT,
    DRIP,
    GATEWAY_TIMEOUT,
    NO_JSON,
    SERVER_ERROR,
    SKEWED_AHEAD,
    SKEWED_BEHIND,
    TOO_MANY,
    UNAVAILABLE,
    UNAVAILABLE_UNTIL,
    WRONG_JSON,
    Fault,
)
from tests.workers.http.conftest import Api
from workers.http import (
    BadRequest,
    BearerAuth,
    BodyTooLarge,
    Forbidden,
    Gone,
    HttpSource,
    Missing,
    Refused,
    Response,
    ServerFailed,
    TimedOut,
    Timeouts,
    Unprocessable,
    Unreached,
)

HANG = Fault("hang", hang=5.0)


async def test_a_good_answer(api: Api) -> None:
    async with api.source(auth=BearerAuth("s3cret")) as source:
        answer = await source.get_json("/items?a=1", params={"page": 2, "tag": ["x", "y"], "none": None})
    assert answer.json["path"] == "/items?a=1&page=2&tag=x&tag=y"
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.server_time is not None
    (request,) = api.requests
    assert request.headers["User-Agent"] == f"etl-tui/{__version__}"
    assert request.headers["Authorization"] == "Bearer s3cret"


@pytest.mark.parametrize(
    "fault",
    [SERVER_ERROR, BAD_GATEWAY, UNAVAILABLE, GATEWAY_TIMEOUT, CLOSED, CUT, WRONG_JSON, NO_JSON, HANG],
    ids=lambda fault: fault.name,
)
async def test_what_may_pass_is_tried_again_where_that_is_safe(api: Api, fault: Fault) -> None:
    timeouts = Timeouts(read=0.2)
    async with api.source(timeouts=timeouts) as source:
        api.faults.tell(fault, fault, fault)
        assert (await source.get_json("/x")).json["path"] == "/x"
        assert len(api.requests) == 4
        api.faults.tell(fault)
        await source.post_json("/query", json={"q": 1}, safe=True)
        assert len(api.requests) == 6
        api.faults.tell(fault)
        with pytest.raises(Transient, match=rf"POST {api.url}/change"):
            await source.post_json("/change", json={"q": 1})
        assert len(api.requests) == 7
        api.faults.tell(*[fault] * 4)
        with pytest.raises(Transient, match=rf"GET {api.url}/x"):
            await source.get_json("/x")
        assert len(api.requests) == 11
        api.faults.tell(fault)
        with pytest.raises(Transient):
            await source.get_json("/x", attempts=1)
        assert len(api.requests) == 12


async def test_nothing_there_to_connect_to() -> None:
    async with HttpSource("http://127.0.0.1:9") as source:
        with pytest.raises(Unreached, match=r"no connection .*is it up, and the address right"):
            await source.post_json("/x", json={}, attempts=1)
    async with HttpSource("http://no-such-host.invalid") as source:
        with pytest.raises(Unreached, match=r"GET http://no-such-host\.invalid/x: no connection"):
            await source.get_json("/x", attempts=1)


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (400, BadRequest, "400 Bad Request"),
        (403, Forbidden, "give it the permission"),
        (404, Missing, "is the address right"),
        (410, Gone, "leave it out"),
        (422, Unprocessable, "422 Unprocessable"),
        (409, Refused, "409 Conflict"),
        (401, Unauthorised, "renew the credential"),
        (501, Permanent, "cannot do this"),
        (304, Permanent, "304"),
    ],
)
async def test_a_refusal_is_told_apart_and_not_tried_again(
    api: Api, status: int, kind: type[SourceError], told: str
) -> None:
    body = b'{"message": "no such\\n project"}'
    async with api.source() as source:
        api.faults.tell(Fault("refusal", status, body=None if status == 304 else body))
        with pytest.raises(kind, match=told) as refused:
            await source.get_json("/x?id=7")
    assert str(refused.value).startswith(f"GET {api.url}/x?id=7: {status} ")
    assert len(api.requests) == 1
    if isinstance(refused.value, Refused):
        assert refused.value.status == status
        assert refused.value.excerpt == "no such project"


async def test_the_status_of_a_failed_server_tells_it_apart(api: Api) -> None:
    async with api.source() as source:
        api.faults.tell(*[BAD_GATEWAY] * 4)
        with pytest.raises(ServerFailed, match=r"502 Bad Gateway \(.*Something went wrong\)") as failed:
            await source.get_json("/x")
    assert failed.value.status == 502


async def test_retry_after_is_waited_for_in_place(api: Api) -> None:
    """Also where a POST is not safe: it was refused, so it did nothing."""
    async with api.source() as source:
        began = time.monotonic()
        api.faults.tell(TOO_MANY)
        await source.post_json("/change", json={})
        assert time.monotonic() - began >= 0.99
        began = time.monotonic()
        api.faults.tell(UNAVAILABLE_UNTIL)
        await source.get_json("/x")
        assert time.monotonic() - began >= 0.99


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "3600"}, 3600),
        ({"Retry-After": "9" * 30}, 86_400),
        # By the server's clock, wherever that is.
        ({"Retry-After": "Wed, 01 Jan 1997 10:02:00 GMT", "Date": "Wed, 01 Jan 1997 10:00:00 GMT"}, 120),
        ({"Retry-After": "Fri, 01 Jan 2049 10:02:00 GMT", "Date": "Fri, 01 Jan 2049 10:00:00 GMT"}, 120),
    ],
)
async def test_a_long_wait_parks_the_run(api: Api, headers: dict[str, str], wait: float) -> None:
    budget = ProcessBudget("api", 10, timedelta(hours=1))
    async with api.source(budget=budget) as source:
        api.faults.tell(Fault("429", 429, headers, b'{"message": "slow down"}'))
        with pytest.raises(RateLimited, match=r"429 Too Many Requests \(slow down\)") as limited:
            await source.get_json("/x")
        assert limited.value.until == timedelta(seconds=wait)
        with pytest.raises(RateLimited, match="rate limit of api: nothing is left"):  # others are parked too
            await budget.spend()
    assert len(api.requests) == 1


def test_a_date_that_cannot_be_compared_says_nothing() -> None:
    import httpx

    def answer(**headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Response("GET", "https://x", 429, httpx.Headers(named), b"")

    assert answer(Retry_After="Wed, 01 Jan 1997 10:02:00 GMT").retry_after is None
    assert answer(Retry_After="soon", Date="Wed, 01 Jan 1997 10:02:00 GMT").retry_after is None
    assert answer(Retry_After="-5").retry_after is None
    assert answer(Retry_After="1.5").retry_after == timedelta(seconds=1.5)
    past = answer(Retry_After="Wed, 01 Jan 1997 10:02:00 GMT", Date="Wed, 01 Jan 1997 11:00:00 GMT")
    assert past.retry_after == timedelta(0)
    assert answer(Date="Wed, 01 Jan 1997 10:00:00 GMT").time_until(852_112_860) == timedelta(minutes=1)


@pytest.mark.parametrize("skew", [SKEWED_AHEAD, SKEWED_BEHIND], ids=["ahead", "behind"])
async def test_a_server_whose_clock_is_wrong(api: Api, skew: Fault) -> None:
    from dataclasses import replace

    async with api.source() as source:
        api.faults.tell(replace(skew, status=429, headers={"Retry-After": "300"}))
        with pytest.raises(RateLimited) as limited:
            await source.get_json("/x")
    assert limited.value.until == timedelta(seconds=300)


async def test_waits_add_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that says 'in 25 s' again and again has parked us by the third time."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("workers.http.source.asyncio", SimpleNamespace(sleep=sleep, timeout=asyncio.timeout))
    api.answer = lambda _: _too_many("25")
    async with api.source() as source:
        with pytest.raises(RateLimited):
            await source.get_json("/x")
    assert slept == [25, 25]


async def _too_many(seconds: str) -> web.Response:
    return web.json_response({}, status=429, headers={"Retry-After": seconds})


async def test_the_connector_looks_first(api: Api) -> None:
    """GitHub answers 200 to what it refuses, and 403 to what it only limits."""

    def classify(response: Response) -> SourceError | None:
        if response.status == 200 and "error" in response.json:
            return Transient("try that again")
        if response.status == 403 and "secondary" in response.text:
            return RateLimited("secondary limit", until=timedelta(minutes=5))
        return None

    async with api.source(classify=classify) as source:
        api.faults.tell(Fault("200", body=b'{"error": 1}'), Fault("200", body=b'{"error": 1}'))
        await source.get_json("/x")
        assert len(api.requests) == 3
        api.faults.tell(Fault("403", 403, body=b'{"message": "secondary limit"}'))
        with pytest.raises(RateLimited, match="secondary limit"):
            await source.get_json("/x")
        api.faults.tell(Fault("403", 403, body=b'{"message": "no"}'))
        with pytest.raises(Forbidden):
            await source.get_json("/x")


async def test_each_try_spends(api: Api) -> None:
    budget = ProcessBudget("api", 10, timedelta(hours=1))
    async with api.source(budget=budget) as source:
        api.faults.tell(BAD_GATEWAY)
        await source.get_json("/x", cost=4)
        with pytest.raises(RateLimited):
            await source.get_json("/x", cost=3)
    assert len(api.requests) == 2


@pytest.mark.parametrize("packed", [False, True])
async def test_a_body_too_large_is_not_read_to_its_end(api: Api, packed: bool) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        body = b" " * 3_000_000
        if packed:
            return web.Response(body=gzip.compress(body), headers={"Content-Encoding": "gzip"})
        return web.Response(body=body)

    api.answer = answer
    async with api.source(max_body=1_000_000) as source:
        with pytest.raises(BodyTooLarge, match="larger than 1,000,000 bytes; ask for smaller pages"):
            await source.get_json("/x")
    assert len(api.requests) == 1


async def test_an_answer_that_drips_for_ever_has_an_end(api: Api) -> None:
    from dataclasses import replace

    api.faults.tell(replace(DRIP, drip=0.2))
    async with api.source(timeouts=Timeouts(read=1, whole=0.3)) as source:
        with pytest.raises(TimedOut):
            await source.get_json("/x", attempts=1)


async def test_a_wait_can_be_cancelled_at_once(api: Api) -> None:
    async with api.source() as source:
        for fault in (HANG, Fault("429", 429, {"Retry-After": "50"})):
            api.faults.tell(fault)
            call = asyncio.create_task(source.get_json("/x"))
            await asyncio.sleep(0.1)
            began = time.monotonic()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert time.monotonic() - began < 1
        await source.get_json("/x")


async def test_it_is_used_as_a_context(api: Api) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await api.source().get_json("/x")


async def test_an_answer_in_another_encoding_is_an_answer_all_the_same() -> None:
    latin = '{"message": "zu groß"}'.encode("latin-1")
    answer = Response("GET", "http://x/", 400, httpx.Headers(), latin)
    assert "zu gro" in answer.excerpt
    with pytest.raises(msgspec.DecodeError, match="utf-8"):
        _ = answer.json
