"""What an answer that is no success means: a SourceError that a connector can tell apart from others."""

from __future__ import annotations

from http import HTTPStatus

from etl_core.errors import Permanent, SourceError, Transient, Unauthorised
from workers.http.response import Response


class Refused(Permanent):
    """A status of 400 to 499 that will be the same again; `status`, `excerpt` and `response` say more."""

    def __init__(self, message: str, response: Response) -> None:
        super().__init__(message)
        self.response = response
        self.status = response.status
        self.excerpt = response.excerpt


class BadRequest(Refused):
    """400."""


class Forbidden(Refused):
    """403: the credential is known and may not do this."""


class Missing(Refused):
    """404: not there, or not for this credential."""


class Gone(Refused):
    """410: it was there, or this part of the API was."""


class Unprocessable(Refused):
    """422: understood, and refused for what it says."""


class ServerFailed(Transient):
    """A status of 500 and above; `status` tells 502 and 504 (asked for too much?) from others."""

    def __init__(self, message: str, response: Response) -> None:
        super().__init__(message)
        self.response = response
        self.status = response.status


class TimedOut(Transient):
    """No answer, or not all of it, in time."""


class Unreached(Transient):
    """The request was not sent: no connection."""


class BodyTooLarge(Permanent):
    """The answer is larger than we read; ask for less at once."""


_KINDS: dict[int, tuple[type[Refused], str]] = {
    400: (BadRequest, "what was asked for is refused"),
    403: (Forbidden, "the credential may not do this: give it the permission, or leave this out"),
    404: (Missing, "is the address right, and may the credential see it?"),
    410: (Gone, "it is gone for good: leave it out"),
    422: (Unprocessable, "what was asked for is refused"),
}
_NEVER_BETTER = {501, 505}


def failure(response: Response) -> SourceError:
    """What an answer without success means; rate limits are told before."""
    told = describe(response)
    status = response.status
    if status == 401:
        return Unauthorised(f"{told}; renew the credential")
    if 300 <= status < 400:
        return Permanent(f"{told}; it leads elsewhere: give the new address")
    if status in (408, 425) or status >= 500:
        if status in _NEVER_BETTER:
            return Permanent(f"{told}; the server cannot do this")
        return ServerFailed(f"{told}; tried again later", response)
    kind, what_to_do = _KINDS.get(status, (Refused, "what was asked for is refused"))
    return kind(f"{told}; {what_to_do}", response)


def describe(response: Response) -> str:
    """`GET https://host/path: 404 Not Found (no such project)`."""
    try:
        phrase = f" {HTTPStatus(response.status).phrase}"
    except ValueError:
        phrase = ""
    said = response.excerpt
    return f"{response.method} {response.url}: {response.status}{phrase}{f' ({said})' if said else ''}"
