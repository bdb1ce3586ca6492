"""A small API whose handlers tests give, with faults as they are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from tests.simulators.faults import Faults, faulty
from tests.simulators.serve import serving
from workers.http import HttpSource, Retries

TOKEN = "t0ken-that-nobody-may-see"
FAST = Retries(attempts=4, first_wait=0.001, longest_wait=0.002)


@dataclass
class Api:
    """What was asked, and what goes wrong."""

    url: str
    faults: Faults
    requests: list[web.Request] = field(default_factory=list)
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None

    def source(self, **options: Any) -> HttpSource:
        """A client of it, that waits hardly at all before it tries again."""
        return HttpSource(self.url, **{"retries": FAST, **options})


@pytest.fixture
async def serve_api() -> AsyncIterator[Callable[[], Awaitable[Api]]]:
    """Starts as many as a test needs."""
    async with AsyncExitStack() as stack:

        async def start() -> Api:
            faults = Faults()
            api = Api("", faults)

            async def handle(request: web.Request) -> web.StreamResponse:
                await request.read()
                if api.answer is not None:
                    return await api.answer(request)
                return web.json_response({"path": request.path_qs, "items": list(range(50))})

            @web.middleware
            async def note(request: web.Request, handler: Any) -> web.StreamResponse:
                api.requests.append(request)
                answer: web.StreamResponse = await handler(request)
                return answer

            app = web.Application(middlewares=[note, faulty(faults)])
            app.router.add_route("*", "/{path:.*}", handle)
            api.url = await stack.enter_async_context(serving(app))
            return api

        yield start


@pytest.fixture
async def api(serve_api: Callable[[], Awaitable[Api]]) -> Api:
    return await serve_api()
