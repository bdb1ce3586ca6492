"""The server: a page, textual-serve's terminal for it, and a dashboard for each websocket.

Every address begins with a random token: who does not know it sees a 404, whatever is asked for. The page
asks no other host for anything, and says so in its Content-Security-Policy.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import secrets
import shlex
import sys
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Final

import textual_serve
from aiohttp import WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from etl_tui.serve.driver import NAME as DRIVER

MOST_TABS: Final = 16
"""Dashboards at once; each is a process with a connection to the database."""
STOP_PATIENCE: Final = 5.0
"""Seconds in which a dashboard whose tab was closed must have ended."""
MOST_REASON: Final = 120
_STATIC: Final = Path(textual_serve.__file__).parent / "static"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Dashboard(AppService):
    """A dashboard of its own process, with our driver."""

    last_words = ""
    """What it said on stderr at its end: why it could not begin."""

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        environment = super()._build_environment(width, height)
        environment |= {"TEXTUAL_DRIVER": DRIVER, "TEXTUAL_FPS": "20", "TERM": "xterm-256color"}
        environment["LANG"] = "C.UTF-8"
        of_our_terminal = ("NO_COLOR", "COLORFGBG", "TMUX", "STY", "SSH_CONNECTION", "LC_ALL")
        return {name: value for name, value in environment.items() if name not in of_our_terminal}

    async def run(self) -> None:
        await super().run()
        if self._process is not None and self._process.stderr is not None:
            self.last_words = (await self._process.stderr.read()).decode(errors="replace").strip()
        await self.remote_close()  # also where it ended before it began

    async def end(self) -> None:
        """Ends the process, by force when it does not end by itself."""
        process = self._process
        if process is None:
            return
        try:
            async with asyncio.timeout(STOP_PATIENCE):
                await self.stop()
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class Server:
    """Serves the dashboard that `command` starts, to who knows the token."""

    def __init__(self, command: list[str], *, token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(24)
        # The shell that textual-serve starts it in must not stay between us and the dashboard.
        self._command = f"exec {shlex.join(command)}"
        self._tabs = 0

    def app(self) -> web.Application:
        """The whole site."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/{token}/", self._page)
        app.router.add_get("/{token}/ws", self._websocket)
        app.router.add_get("/{token}/page/{name}", self._own_file)
        app.router.add_get("/{token}/static/{path:.*}", self._file)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.match_info.get("token", "")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            raise web.HTTPNotFound(headers=_HEADERS)
        response = await handler(request)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    async def _page(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text=_own("page.html"), content_type="text/html")

    async def _own_file(self, request: web.Request) -> web.StreamResponse:
        kinds = {"page.js": "text/javascript", "page.css": "text/css"}
        if (kind := kinds.get(request.match_info["name"])) is None:
            raise web.HTTPNotFound
        return web.Response(text=_own(request.match_info["name"]), content_type=kind)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = (_STATIC / request.match_info["path"]).resolve()
        if not path.is_relative_to(_STATIC) or not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path, headers=_HEADERS)

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != request.host:
            raise web.HTTPForbidden(text="another site's page")
        if self._tabs >= MOST_TABS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_TABS} dashboards are open already")
        self._tabs += 1
        try:
            return await self._serve_tab(request)
        finally:
            self._tabs -= 1

    async def _serve_tab(self, request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse(heartbeat=15, max_msg_size=1 << 20)
        await websocket.prepare(request)

        async def close() -> None:
            # A reason has at most 123 bytes.
            await websocket.close(message=dashboard.last_words.encode()[:MOST_REASON])
            if dashboard.last_words:
                sys.stderr.write(f"{dashboard.last_words}\n")

        dashboard = _Dashboard(
            self._command,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=close,
            download_manager=DownloadManager(),
        )
        await dashboard.start(_cells(request, "width", 80), _cells(request, "height", 24))
        try:
            async for message in websocket:
                if message.type == WSMsgType.TEXT:
                    await _pass_on(message.data, dashboard, websocket)
        finally:
            await asyncio.shield(dashboard.end())
        return websocket


async def _pass_on(text: str, dashboard: AppService, websocket: web.WebSocketResponse) -> None:
    """What the page sends: keys, its size, whether somebody looks. What it never sends is dropped."""
    try:
        match json.loads(text):
            case ["stdin", str(keys)]:
                await dashboard.send_bytes(keys.encode())
            case ["resize", {"width": int(width), "height": int(height)}]:
                await dashboard.set_terminal_size(_bounded(width), _bounded(height))
            case ["seen", True]:  # not the focus, which a screen on the wall never has
                await dashboard.focus()
            case ["seen", False]:
                await dashboard.blur()
            case ["ping", what]:
                await websocket.send_json(["pong", what])
    except (ValueError, RecursionError):
        return


def _cells(request: web.Request, name: str, otherwise: int) -> int:
    given = request.query.get(name, "")
    return _bounded(int(given)) if given.isascii() and given.isdecimal() and len(given) < 6 else otherwise


def _bounded(cells: int) -> int:
    return max(10, min(cells, 1_000))


def _own(name: str) -> str:
    return files("etl_tui.serve").joinpath(name).read_text(encoding="utf-8")


async def serve(server: Server, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serves until it is cancelled; `ready` is told the address, with the port that was found for 0.

    Raises:
        OSError: the port is taken, or the host is none of this machine's.
    """
    os.environ.pop("TEXTUAL", None)  # a developer's switches are not for a page
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=STOP_PATIENCE + 1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{runner.addresses[0][1]}/{server.token}/")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
