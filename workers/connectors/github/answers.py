"""What an answer of GitHub means: limits that come as 200, errors beside data, queries that were given up.

https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from etl_core.errors import Permanent, RateLimited, SourceError, Transient
from etl_core.secret_values import mask
from workers.http import BodyTooLarge, Response, TimedOut

LONGEST_WINDOW = timedelta(hours=1)
"""Of the primary limit: whatever a wrong clock says, it is over by then."""
UNSAID_WAIT = timedelta(seconds=60)
"""After a secondary limit that does not say how long; doubles with each."""

_RATE_LIMITED = {"RATE_LIMITED", "RATE_LIMIT"}
_TOO_MUCH = {"RESOURCE_LIMITS_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED", "TIMEOUT"}
_GIVEN_UP = ("something went wrong while executing your query", "timeout", "couldn't respond to your request")
_REFUSED = {"FORBIDDEN", "INSUFFICIENT_SCOPES", "SAML_PROTECTED_RESOURCE"}


class TooMuch(Transient):
    """It took GitHub too long, would be too large, or came in part: ask for less at once."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_in_place=False)


class NotThere(Permanent):
    """Deleted, or not to be seen with this credential: GitHub does not tell which."""


class NotAllowed(Permanent):
    """It is there, and the credential lacks a scope or permission for it; the message names it."""


class CursorRefused(Permanent):
    """The place to go on from is no longer known: begin the walk again."""


def limit_of(response: Response, *, secondary_before: int) -> RateLimited | None:
    """The wait that an answer asks for; None when it is no refusal by a limit.

    Args:
        secondary_before: how many secondary limits without a time came right before.
    """
    if response.status not in (200, 403, 429):
        return None
    document = _document(response)
    message = str(document.get("message", ""))
    errors = _errors(document)
    is_secondary = "secondary rate limit" in message.lower() or any(
        "secondary rate limit" in str(error.get("message", "")).lower() for error in errors
    )
    wait = response.retry_after
    if is_secondary or (response.status != 200 and wait is not None):
        if wait is None:
            wait = UNSAID_WAIT * 2 ** min(secondary_before, 6)
        told = f"{response.method} {response.url}: GitHub's secondary limit"
        return RateLimited(told, until=min(wait, LONGEST_WINDOW))
    is_primary = any(error.get("type") in _RATE_LIMITED for error in errors) or (
        response.status != 200 and response.headers.get("x-ratelimit-remaining") == "0"
    )
    if is_primary or response.status == 429:
        left = resets_in(response) or UNSAID_WAIT
        return RateLimited(
            f"{response.method} {response.url}: the hour's rate limit of this credential is used up",
            until=left,
        )
    return None


def resets_in(response: Response) -> timedelta | None:
    """How long the window of the primary limit lasts, by GitHub's own clock."""
    value = response.headers.get("x-ratelimit-reset", "")
    if not value.isdecimal():
        return None
    left = response.time_until(float(value))
    return None if left is None else min(left, LONGEST_WINDOW)


def fault_of(response: Response) -> SourceError | None:
    """What is wrong with an answer of GraphQL that no limit refused; None for whole data.

    `data` with `errors` is partial: it is never taken for an answer.
    """
    if response.status in (502, 504):
        return TooMuch(f"{response.method} {response.url}: {response.status}, GitHub took too long")
    if response.status != 200:
        return None  # as of any HTTP service
    document = _document(response)
    errors = _errors(document)
    if not errors:
        if isinstance(document.get("data"), dict):
            return None
        return Transient(f"{response.method} {response.url}: the answer is not GraphQL's")
    return _meaning(response, errors, has_data="data" in document)


def _meaning(  # noqa: PLR0911 - a line per meaning
    response: Response, errors: Sequence[Mapping[str, Any]], *, has_data: bool
) -> SourceError:
    types = {str(error.get("type", "")) for error in errors}
    said = mask(" ".join("; ".join(str(error.get("message", "")) for error in errors).split()))[:300]
    told = f"{response.method} {response.url}: {said}"
    if types & _TOO_MUCH or any(words in said.lower() for words in _GIVEN_UP):
        return TooMuch(told)
    if "INVALID_CURSOR_ARGUMENTS" in types or "valid cursor" in said:
        return CursorRefused(told)
    if types & _REFUSED:
        return NotAllowed(f"{said} Give the credential what it lacks, or leave this out")
    if "NOT_FOUND" in types:
        return NotThere(f"{said} It was deleted or moved, or the credential may not see it")
    if has_data:
        return TooMuch(f"{told} (only a part of the data came)")
    if "doesn't exist on type" in said or "Cannot query field" in said:
        return Permanent(f"{told}: this server is too old for the connector, or a stream of it")
    return Permanent(f"{told}: GitHub refuses the query")


def is_overload(error: Exception) -> bool:
    """Whether asking for less at once may help."""
    return isinstance(error, TooMuch | TimedOut | BodyTooLarge)


def _document(response: Response) -> Mapping[str, Any]:
    try:
        document = response.json
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {"data": {}}  # told as no JSON by the client
    return document if isinstance(document, dict) else {}


def _errors(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    errors = document.get("errors")
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
