"""Azure's Blob service for one container: properties, listings by pages, parts of a blob, signatures.

After https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api and
https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from email.utils import format_datetime
from urllib.parse import unquote
from xml.sax.saxutils import escape

from aiohttp import web

from tests.simulators.buckets.objects import Objects, Stored, part_of
from tests.simulators.faults import Fault, Faults, faulty

_SIGNED = (
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-MD5",
    "Content-Type",
    "Date",
    "If-Modified-Since",
    "If-Match",
    "If-None-Match",
    "If-Unmodified-Since",
    "Range",
)

SERVER_BUSY = Fault(
    "503 ServerBusy",
    503,
    {"Content-Type": "application/xml", "x-ms-error-code": "ServerBusy", "Retry-After": "1"},
    b"<Error><Code>ServerBusy</Code><Message>The server is busy.</Message></Error>",
)
"""How Azure throttles: it has no 429."""


class AzureSimulator:
    """Addresses are `/account/container/blob`, as Azurite has them. Without a key everyone gets in."""

    def __init__(
        self, account: str, container: str, *, key: str | None = None, sas: str | None = None, page: int = 2
    ) -> None:
        self.faults = Faults()
        self.objects = Objects()
        self.forbids: tuple[str, ...] = ()
        """What the credential may not do: `list`, `read`."""
        self.downloads = 0
        self._account = account
        self._container = container
        self._key = key
        self._sas = sas
        """The `sig` that gets in beside the key."""
        self._page = page

    def application(self) -> web.Application:
        app = web.Application(middlewares=[faulty(self.faults)])
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        account, container, name = (*unquote(request.rel_url.raw_path).lstrip("/").split("/", 2), "", "")[:3]
        if not self._is_let_in(request):
            return _error(403, "AuthenticationFailed", "Server failed to authenticate the request.")
        if (account, container) != (self._account, self._container):
            return _error(404, "ContainerNotFound", "The specified container does not exist.")
        if not name:
            if request.query.get("comp") == "list":
                return self._forbidden("list") or self._list(request)
            return web.Response(headers={"ETag": '"0x1"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"})
        if refused := self._forbidden("read"):
            return refused
        stored = self.objects.get(name)
        if stored is None:
            return _error(404, "BlobNotFound", "The specified blob does not exist.")
        return self._blob(request, stored)

    def _is_let_in(self, request: web.Request) -> bool:
        if self._key is None or (self._sas is not None and request.query.get("sig") == self._sas):
            return True
        headers = request.headers
        own = sorted((name.lower(), value) for name, value in headers.items() if name.lower()[:5] == "x-ms-")
        text = "\n".join(
            (
                request.method,
                *(headers.get(name, "") for name in _SIGNED),
                *(f"{name}:{value}" for name, value in own),
                f"/{self._account}{request.rel_url.raw_path}",
                *(f"{name}:{value}" for name, value in sorted(request.query.items())),
            )
        )
        digest = hmac.digest(base64.b64decode(self._key), text.encode(), hashlib.sha256)
        return (
            headers.get("Authorization") == f"SharedKey {self._account}:{base64.b64encode(digest).decode()}"
        )

    def _forbidden(self, what: str) -> web.Response | None:
        if what not in self.forbids:
            return None
        said = "This request is not authorized to perform this operation using this permission."
        return _error(403, "AuthorizationPermissionMismatch", said)

    def _list(self, request: web.Request) -> web.Response:
        query = request.query
        most = min(self._page, int(query.get("maxresults", "5000")))
        objects, prefixes, after = self.objects.page(
            query.get("prefix", ""), query.get("delimiter", ""), query.get("marker", ""), most
        )
        blobs = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties>"
            f"<Last-Modified>{_moment(stored)}</Last-Modified><Etag>{_tag(stored)}</Etag>"
            f"<Content-Length>{len(stored.content)}</Content-Length>"
            f"<Content-Encoding>{stored.encoding or ''}</Content-Encoding><BlobType>BlockBlob</BlobType>"
            "</Properties></Blob>"
            for name, stored in objects
        )
        folders = "".join(f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>" for name in prefixes)
        body = (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{self._container}">'
            f"<Blobs>{blobs}{folders}</Blobs><NextMarker>{escape(after or '')}</NextMarker>"
            "</EnumerationResults>"
        )
        return web.Response(text=body, content_type="application/xml")

    def _blob(self, request: web.Request, stored: Stored) -> web.Response:
        headers = {
            "ETag": f'"{_tag(stored)}"',
            "Last-Modified": _moment(stored),
            "Content-Type": "text/csv",
            "x-ms-blob-type": "BlockBlob",
        }
        if stored.encoding is not None:
            headers["Content-Encoding"] = stored.encoding
        if request.method == "HEAD":
            headers["Content-Length"] = str(len(stored.content))
            return web.Response(headers=headers)
        self.downloads += 1
        if request.headers.get("If-Match", headers["ETag"]) != headers["ETag"]:
            return _error(412, "ConditionNotMet", "The condition specified is not met.")
        asked = request.headers.get("x-ms-range", request.headers.get("Range"))
        status, body, part = part_of(stored.content, asked)
        if status == 416:
            return _error(416, "InvalidRange", "The range specified is invalid for the current size.")
        return web.Response(status=status, headers={**headers, **part}, body=body)


def _tag(stored: Stored) -> str:
    return f"0x8D{stored.generation:012X}"


def _moment(stored: Stored) -> str:
    return format_datetime(stored.moment, usegmt=True)


def _error(status: int, code: str, message: str) -> web.Response:
    told = f"{message}\nRequestId:7d9e2a51-001e-0052-4d7f-5c1f2a000000\nTime:2026-01-01T00:00:00.0000000Z"
    body = f"<Error><Code>{code}</Code><Message>{told}</Message></Error>"
    headers = {"x-ms-error-code": code, "Content-Type": "application/xml"}
    return web.Response(status=status, headers=headers, text=body)
