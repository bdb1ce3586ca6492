"""A server that fails in every way in which a credential may come back; another that should see none."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from html import escape

from aiohttp import web

WAYS = ("refused", "denied", "broken", "away", "elsewhere", "torn", "strange", "cut", "busy", "leaky_page")
"""What becomes of a call; a way's address is a folder of this server. `refused`: nobody listens there."""


class Hostile:
    """Answers of `app` repeat all that came with the request; `other` is where its redirects lead."""

    def __init__(self) -> None:
        self.app, self.other = web.Application(), web.Application()
        for app, answer in ((self.app, self._answer), (self.other, self._be_other)):
            app.router.add_route("*", "/{way}/{rest:.*}", answer)
            app.router.add_route("*", "/{way}", answer)
        self.other_url = ""
        self.credentials: set[str] = set()
        """Values of headers that carried one."""
        self.seen_elsewhere: list[str] = []
        """Whole requests that came to `other`."""

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        repeated = await self._repeat(request)
        way: Callable[[web.Request, str], Awaitable[web.StreamResponse]] = getattr(
            self, f"_be_{request.match_info['way']}"
        )
        return await way(request, repeated)

    async def _repeat(self, request: web.Request) -> str:
        for name, value in request.headers.items():
            if name in ("Authorization", "PRIVATE-TOKEN", "X-Api-Key"):
                self.credentials.add(value.removeprefix("Bearer ").removeprefix("Basic "))
        headers = "; ".join(f"{name}: {value}" for name, value in request.headers.items())
        asked = f"{request.method} {request.scheme}://{request.host}{request.raw_path}"
        return f"{asked} {headers} {await request.text()}"

    def _headers(self, request: web.Request) -> dict[str, str]:
        said = request.headers.get("Authorization", "none").replace("\n", " ")
        return {"WWW-Authenticate": f'Bearer realm="{request.raw_path}"', "X-Your-Credential": said}

    async def _be_denied(self, request: web.Request, repeated: str) -> web.StreamResponse:
        return web.json_response({"message": f"bad: {repeated}"}, status=401, headers=self._headers(request))

    async def _be_broken(self, request: web.Request, repeated: str) -> web.StreamResponse:
        """A page for people, with the address and its query."""
        text = f"<html><body>Traceback: {escape(repeated)} <!-- {repeated} --></body></html>"
        return web.Response(text=text, status=500, content_type="text/html", headers=self._headers(request))

    async def _be_away(self, request: web.Request, repeated: str) -> web.StreamResponse:
        """To another host, which is told everything in the address."""
        raise web.HTTPFound(f"{self.other_url}/other/?was={request.raw_path}&saw={repeated[:2000]}")

    async def _be_elsewhere(self, request: web.Request, repeated: str) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(f"{self.other_url}/other/plain")

    async def _be_torn(self, request: web.Request, repeated: str) -> web.StreamResponse:
        text = f'{{"message": {json.dumps(repeated)}, '
        return web.Response(text=text, content_type="application/json", headers=self._headers(request))

    async def _be_strange(self, request: web.Request, repeated: str) -> web.StreamResponse:
        """JSON of another shape than any that is expected."""
        body = {"message": repeated, "errors": [{"message": repeated}], "data": None, "token": 7, repeated: 1}
        return web.json_response(body, headers=self._headers(request))

    async def _be_cut(self, request: web.Request, repeated: str) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "100000", "Content-Type": "application/json"})
        await answer.prepare(request)
        await answer.write(json.dumps({"message": repeated}).encode())
        assert request.transport is not None
        request.transport.abort()
        return answer

    async def _be_busy(self, request: web.Request, repeated: str) -> web.StreamResponse:
        """Too busy to say anything but that, and when to come back."""
        return web.json_response(
            {"message": f"slow down: {repeated}"}, status=429, headers={"Retry-After": "3600"}
        )

    async def _be_leaky_page(self, request: web.Request, repeated: str) -> web.StreamResponse:
        """A page whose address of the next one holds the query as it came; the next is refused."""
        if "again" in request.query:
            return await self._be_denied(request, repeated)
        following = f"{request.url}{'&' if request.query_string else '?'}again=1"
        return web.json_response(
            {"items": [{"id": 1, "updated_at": "2026-01-01T00:00:00Z"}], "next": following},
            headers={"Link": f'<{following}>; rel="next"'},
        )

    async def _be_other(self, request: web.Request) -> web.StreamResponse:
        self.seen_elsewhere.append(await self._repeat(request))
        return web.json_response({})
