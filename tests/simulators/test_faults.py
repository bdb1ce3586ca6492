"""Faults of simulators are what they say, for a client that knows nothing of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from aiohttp import web

from tests.simulators import faults as kinds
from tests.simulators.faults import COMMON, Faults, faulty
from tests.simulators.serve import serving, serving_in_thread


def application(faults: Faults) -> web.Application:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"text": "x" * 100})

    app = web.Application(middlewares=[faulty(faults)])
    app.router.add_get("/", answer)
    return app


@pytest.fixture
def faults() -> Faults:
    return Faults(seed=1)


@pytest.fixture
async def client(faults: Faults) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(application(faults)) as url, httpx.AsyncClient(base_url=url, timeout=0.5) as client:
        yield client


async def test_a_told_fault_is_met_once(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.tell(kinds.BAD_GATEWAY, kinds.TOO_MANY)
    statuses = [(await client.get("/")).status_code for _ in range(3)]
    assert statuses == [502, 429, 200]


async def test_a_fault_for_certain_requests_waits_for_them(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.tell(kinds.SERVER_ERROR, match=lambda request: request.query.get("page") == "2")
    statuses = [(await client.get("/", params={"page": page})).status_code for page in (1, 2, 2)]
    assert statuses == [200, 500, 200]


@pytest.mark.parametrize("fault", [kinds.TIMEOUT, kinds.CLOSED, kinds.CUT], ids=lambda fault: fault.name)
async def test_connections_that_end(client: httpx.AsyncClient, faults: Faults, fault: kinds.Fault) -> None:
    faults.tell(fault)
    with pytest.raises(httpx.TransportError):
        await client.get("/")
    assert (await client.get("/")).status_code == 200


async def test_what_is_no_json(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.tell(kinds.WRONG_JSON, kinds.NO_JSON)
    for _ in range(2):
        answer = await client.get("/")
        assert answer.status_code == 200
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            answer.json()


async def test_a_drip_is_whole_in_the_end(client: httpx.AsyncClient, faults: Faults) -> None:
    faults.tell(kinds.DRIP)
    assert (await client.get("/")).json() == {"text": "x" * 100}


async def test_a_share_of_the_requests_by_seed() -> None:
    async def meet(seed: int) -> dict[str, int]:
        faults = Faults(seed=seed, share=0.2, kinds=[fault for fault in COMMON if not fault.hang])
        async with serving(application(faults)) as url, httpx.AsyncClient(base_url=url) as client:
            for _ in range(100):
                await asyncio.gather(client.get("/"), return_exceptions=True)
        return dict(faults.met)

    met = await meet(3)
    assert 10 <= sum(met.values()) <= 30
    assert len(met) >= 5
    assert met == await meet(3)


def test_serving_in_a_thread() -> None:
    with serving_in_thread(lambda: application(Faults())) as url:
        assert httpx.get(url).status_code == 200
