"""A web server with files: entity tags, parts of a file, index pages, and files that change."""

from __future__ import annotations

import hashlib
import html
import posixpath
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote

from aiohttp import web

from tests.simulators.faults import Faults, faulty


class WebFiles:
    """`files` is path -> content, and may be changed at any time; every change is a new version."""

    def __init__(
        self,
        *,
        faults: Faults | None = None,
        token: str | None = None,
        tags: bool = True,
        times: bool = True,
        ranges: bool = True,
        refuses_head: bool = False,
    ) -> None:
        self.faults = faults or Faults()
        self.files: dict[str, bytes] = {}
        self._times: dict[str, tuple[bytes, datetime]] = {}
        self._token = token
        self._tags = tags
        self._says_times = times
        self._ranges = ranges
        self._refuses_head = refuses_head
        self.asked: list[tuple[str, str, int]] = []
        """Method, path and status of what was answered."""

    def application(self) -> web.Application:
        app = web.Application(middlewares=[faulty(self.faults)])
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    def put(self, files: Mapping[str, bytes]) -> None:
        self.files.update(files)

    async def _answer(self, request: web.Request) -> web.Response:
        answer = self._answered(request)
        self.asked.append((request.method, request.path, answer.status))
        return answer

    def _answered(self, request: web.Request) -> web.Response:
        if self._token and request.headers.get("Authorization") != f"Bearer {self._token}":
            return web.Response(status=401, text="who are you?")
        if request.method == "HEAD" and self._refuses_head:
            return web.Response(status=403)
        if request.path.endswith("/"):
            return self._index(request.path)
        content = self.files.get(request.path)
        if content is None:
            return web.Response(status=404, text="no such file")
        return self._file(request, content)

    def _file(self, request: web.Request, content: bytes) -> web.Response:
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        changed = self._changed_at(request.path, content)
        headers = {"Content-Type": "application/octet-stream"}
        if self._tags:
            headers["ETag"] = tag
        if self._says_times:
            headers["Last-Modified"] = changed
        asked = request.headers.get("Range", "")
        condition = request.headers.get("If-Range")
        if self._ranges and asked.startswith("bytes=") and condition in (None, tag, changed):
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            if start >= len(content):
                return web.Response(status=416, headers={"Content-Range": f"bytes */{len(content)}"})
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return web.Response(status=206, headers=headers, body=content[start:])
        return web.Response(headers=headers, body=content)

    def _changed_at(self, path: str, content: bytes) -> str:
        """An hour ago for the first version, a second later for each further one."""
        was = self._times.get(path)
        if was is None or was[0] != content:
            before = was[1].timestamp() if was else datetime.now(UTC).timestamp() - 3_600
            self._times[path] = was = content, datetime.fromtimestamp(int(before) + 1, UTC)
        return format_datetime(was[1], usegmt=True)

    def _index(self, folder: str) -> web.Response:
        below = {
            folder + rest.split("/")[0] + ("/" if "/" in rest else "")
            for path in self.files
            if (rest := path.removeprefix(folder)) != path
        }
        if not below:
            return web.Response(status=404)
        names = sorted(
            posixpath.relpath(path, folder) + ("/" if path.endswith("/") else "") for path in below
        )
        links = "".join(f'<li><a href="{quote(name)}">{html.escape(name)}</a></li>' for name in names)
        page = f'<html><body><a href="?C=N;O=D">Name</a> <a href="../">Up</a><ul>{links}</ul></body></html>'
        return web.Response(text=page, content_type="text/html")
