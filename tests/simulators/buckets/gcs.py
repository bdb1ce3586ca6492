"""Google Cloud Storage's JSON API for one bucket: metadata, listings by pages, parts of an object.

After https://cloud.google.com/storage/docs/json_api/v1 and https://cloud.google.com/storage/docs/transcoding:
who does not accept gzip gets packed objects unpacked and without ranges.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import jwt
from aiohttp import web

from tests.simulators.buckets.objects import Objects, Stored, part_of
from tests.simulators.faults import Faults, faulty

_MEDIA = "/download"
_API = "/storage/v1/b/"


class GcsSimulator:
    """With a `public_key` only a service account that signs by its other half gets in."""

    def __init__(self, bucket: str, *, public_key: bytes | None = None, page: int = 2) -> None:
        self.faults = Faults()
        self.objects = Objects()
        self.forbids: tuple[str, ...] = ()
        """Permissions that the account lacks, such as storage.objects.get."""
        self.downloads = 0
        self.sign_ins = 0
        self.signs_in = True
        """Else it says that it is out of order."""
        self._bucket = bucket
        self._public_key = public_key
        self._page = page
        self._token = f"ya29.{id(self):x}"

    def application(self) -> web.Application:
        app = web.Application(middlewares=[faulty(self.faults, spares="/token")])
        app.router.add_post("/token", self._sign_in)
        app.router.add_get("/{path:.*}", self._answer)
        return app

    async def _sign_in(self, request: web.Request) -> web.Response:
        """https://developers.google.com/identity/protocols/oauth2/service-account"""
        self.sign_ins += 1
        if not self.signs_in:
            return web.json_response({"error": "internal_failure"}, status=503)
        form = await request.post()
        try:
            jwt.decode(
                str(form["assertion"]), self._public_key or b"", ["RS256"], options={"verify_aud": False}
            )
        except jwt.InvalidTokenError:
            said = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            return web.json_response(said, status=400)
        return web.json_response({"access_token": self._token, "expires_in": 3599, "token_type": "Bearer"})

    async def _answer(self, request: web.Request) -> web.Response:
        if self._public_key and request.headers.get("Authorization") != f"Bearer {self._token}":
            if "Authorization" in request.headers:
                return _error(401, "Invalid Credentials", "authError")
            return _error(401, "Anonymous caller does not have storage.objects.get access.", "required")
        path = request.rel_url.raw_path
        is_media = path.startswith(_MEDIA)
        bucket, _, rest = path.removeprefix(_MEDIA).removeprefix(_API).partition("/")
        if bucket != self._bucket:
            return _error(404, "The specified bucket does not exist.", "notFound")
        if not rest:
            return web.json_response({"kind": "storage#bucket", "name": bucket})
        if rest == "o":
            return self._forbidden("storage.objects.list") or self._list(request)
        name = unquote(rest.removeprefix("o/"))
        stored = self.objects.get(name)
        if refused := self._forbidden("storage.objects.get"):
            return refused
        if stored is None:
            return _error(404, f"No such object: {bucket}/{name}", "notFound")
        return self._media(request, stored) if is_media else web.json_response(self._resource(name, stored))

    def _forbidden(self, permission: str) -> web.Response | None:
        if permission not in self.forbids:
            return None
        said = f"it@p.iam.gserviceaccount.com does not have {permission} access to the Google Cloud Storage"
        return _error(403, f"{said} object. Permission '{permission}' denied on resource.", "forbidden")

    def _list(self, request: web.Request) -> web.Response:
        query = request.query
        most = min(self._page, int(query.get("maxResults", "1000")))
        objects, prefixes, after = self.objects.page(
            query.get("prefix", ""), query.get("delimiter", ""), query.get("pageToken", ""), most
        )
        answer: dict[str, Any] = {"kind": "storage#objects"}
        if objects:
            answer["items"] = [self._resource(name, stored) for name, stored in objects]
        if prefixes:
            answer["prefixes"] = list(prefixes)
        if after is not None:
            answer["nextPageToken"] = after
        return web.json_response(answer)

    def _resource(self, name: str, stored: Stored) -> dict[str, Any]:
        moment = stored.moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        packed = {} if stored.encoding is None else {"contentEncoding": stored.encoding}
        return {
            "kind": "storage#object",
            "bucket": self._bucket,
            "name": name,
            "generation": str(stored.generation),
            "metageneration": "1",
            "size": str(len(stored.content)),
            "timeCreated": moment,
            "updated": moment,
            **packed,
        }

    def _media(self, request: web.Request, stored: Stored) -> web.Response:
        self.downloads += 1
        headers = {"Content-Type": "text/csv", "x-goog-generation": str(stored.generation)}
        if stored.encoding is not None and "gzip" not in request.headers.get("Accept-Encoding", ""):
            return web.Response(headers=headers, body=stored.unpacked)
        if stored.encoding is not None:
            headers["Content-Encoding"] = stored.encoding
        status, body, part = part_of(stored.content, request.headers.get("Range"))
        return web.Response(status=status, headers={**headers, **part}, body=body)


def _error(status: int, message: str, reason: str) -> web.Response:
    errors = [{"message": message, "domain": "global", "reason": reason}]
    return web.json_response({"error": {"code": status, "message": message, "errors": errors}}, status=status)
