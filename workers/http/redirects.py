"""Where a redirect leads, and what is carried there: credentials stay with the place they are for."""

from __future__ import annotations

import httpx

from etl_core.errors import Permanent
from workers.http.address import carries_secret, origin, shown

MOST_HOPS = 5
_SAME_METHOD = {307, 308}
_REDIRECTS = {301, 302, 303, 307, 308}
_CARRIED_ANYWHERE = ("accept", "user-agent", "accept-encoding")


def next_request(request: httpx.Request, response: httpx.Response) -> tuple[httpx.Request, bool] | None:
    """The request that follows the answer, and whether it stays where credentials are for; None: no redirect.

    To another place it goes bare: neither the credential nor any header of the connector's.

    Raises:
        Permanent: from https to http, with a body to another place, to no address, with a secret in it.
    """
    if response.status_code not in _REDIRECTS or "location" not in response.headers:
        return None
    told = f"{request.method} {shown(request.url)}: {response.status_code}"
    try:
        url = request.url.join(response.headers["location"]).copy_with(userinfo=b"")
    except httpx.InvalidURL:
        raise Permanent(f"{told}: leads to what is no address") from None
    if url.scheme not in ("http", "https"):
        raise Permanent(f"{told}: leads to what is no web address")
    if request.url.scheme == "https" and url.scheme != "https":
        raise Permanent(f"{told}: leads from https to http, {shown(url)}: not followed")
    has_body = request.method not in ("GET", "HEAD")
    stays = origin(url) == origin(request.url)
    if has_body and not (stays and response.status_code in _SAME_METHOD):
        raise Permanent(f"{told}: leads to {shown(url)}; give that address")
    if stays:
        headers = httpx.Headers(request.headers)
        headers.pop("authorization", None)  # comes again with the credential
    else:
        if carries_secret(url):
            raise Permanent(f"{told}: would carry a secret to {shown(url)}: not followed")
        headers = httpx.Headers(
            {name: request.headers[name] for name in _CARRIED_ANYWHERE if name in request.headers}
        )
    headers.pop("host", None)
    content = request.content if has_body else None
    return httpx.Request(
        request.method, url, headers=headers, content=content, extensions=request.extensions
    ), stays
