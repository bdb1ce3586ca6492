"""What GitHub's answers mean: limits that come as 200, errors beside data, queries that were given up."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from etl_core.errors import Permanent, RateLimited, SourceError, Transient
from workers.connectors.github.answers import (
    CursorRefused,
    NotAllowed,
    NotThere,
    TooMuch,
    fault_of,
    limit_of,
)
from workers.http import Response

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def answer(body: Any, status: int = 200, *, date: datetime = NOW, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named["date"] = format_datetime(date, usegmt=True)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response("POST", "https://api.github.com/graphql", status, httpx.Headers(named), content)


def wait_of(response: Response, before: int = 0) -> timedelta | None:
    refusal = limit_of(response, secondary_before=before)
    if refusal is None:
        return None
    assert isinstance(refusal, RateLimited)
    assert isinstance(refusal.until, timedelta)
    return refusal.until


def errors(type_: str | None, message: str, **more: Any) -> dict[str, Any]:
    return {"errors": [{"message": message, **({"type": type_} if type_ else {})}], **more}


RESET = str(int((NOW + timedelta(minutes=20)).timestamp()))
SECONDARY = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}


@pytest.mark.parametrize("type_", ["RATE_LIMITED", "RATE_LIMIT"])
def test_the_primary_limit_answers_200(type_: str) -> None:
    body = errors(type_, "API rate limit exceeded for user ID 1.")
    response = answer(body, x_ratelimit_remaining="0", x_ratelimit_reset=RESET)
    assert wait_of(response) == timedelta(minutes=20)


def test_the_primary_limit_of_rest_answers_403() -> None:
    body = {"message": "API rate limit exceeded"}
    response = answer(body, 403, x_ratelimit_remaining="0", x_ratelimit_reset=RESET)
    assert wait_of(response) == timedelta(minutes=20)


def test_an_empty_remainder_alone_is_no_refusal() -> None:
    """The last call that was allowed says so, too."""
    response = answer({"data": {}}, x_ratelimit_remaining="0", x_ratelimit_reset=RESET)
    assert wait_of(response) is None


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_wrong_clock_of_theirs_never_parks_for_more_than_the_window(hours: int) -> None:
    body = errors("RATE_LIMITED", "API rate limit exceeded")
    date = NOW + timedelta(hours=hours)
    wait = wait_of(answer(body, date=date, x_ratelimit_remaining="0", x_ratelimit_reset=RESET))
    assert wait is not None
    assert wait <= timedelta(hours=1)


@pytest.mark.parametrize("status", [200, 403, 429])
def test_the_secondary_limit_is_obeyed(status: int) -> None:
    assert wait_of(answer(SECONDARY, status, retry_after="37")) == timedelta(seconds=37)


@pytest.mark.parametrize("status", [200, 403])
def test_a_secondary_limit_without_a_time_waits_a_minute_and_then_doubles(status: int) -> None:
    waits = [wait_of(answer(SECONDARY, status), before) for before in range(4)]
    assert waits == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8)]
    assert wait_of(answer(SECONDARY, status), 50) == timedelta(hours=1)


def test_a_403_that_is_no_limit_is_left_to_the_client() -> None:
    assert wait_of(answer({"message": "Resource not accessible by integration"}, 403)) is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (errors("INTERNAL", "Something went wrong", data={"node": None}), TooMuch),
        (errors("NOT_FOUND", "Could not resolve to a node", data={"node": None}), NotThere),
        (errors("FORBIDDEN", "Resource protected by SAML", data={"node": None}), NotAllowed),
        (errors("INSUFFICIENT_SCOPES", "requires one of: ['read:org']", data=None), NotAllowed),
        (errors("RESOURCE_LIMITS_EXCEEDED", "Resource limits exceeded", data={"node": {}}), TooMuch),
        (errors("MAX_NODE_LIMIT_EXCEEDED", "requests up to 1,000,000 nodes"), TooMuch),
        (
            errors(None, "Something went wrong while executing your query. This may be a timeout"),
            TooMuch,
        ),
        (errors("INVALID_CURSOR_ARGUMENTS", "`x` does not appear to be a valid cursor."), CursorRefused),
        (errors(None, "Field 'fullDatabaseId' doesn't exist on type 'PullRequest'"), Permanent),
        ({"message": "half of"}, Transient),
        ([1, 2], Transient),
    ],
)
def test_errors_are_told_apart(body: Any, kind: type[SourceError]) -> None:
    assert type(fault_of(answer(body))) is kind


def test_data_with_errors_is_no_success() -> None:
    body = errors("INTERNAL", "Something went wrong", data={"node": {"page": {"nodes": [None]}}})
    fault = fault_of(answer(body))
    assert isinstance(fault, TooMuch)
    assert "part of the data" in str(fault)


@pytest.mark.parametrize("status", [502, 504])
def test_giving_up_asks_for_less_and_is_not_tried_the_same_way(status: int) -> None:
    fault = fault_of(answer(b"<html>", status))
    assert isinstance(fault, TooMuch)
    assert not fault.retry_in_place


def test_an_old_server_is_told() -> None:
    body = errors(None, "Field 'fullDatabaseId' doesn't exist on type 'PullRequest'")
    assert "too old" in str(fault_of(answer(body)))


def test_missing_scopes_are_named() -> None:
    body = errors("INSUFFICIENT_SCOPES", "requires one of the following scopes: ['read:org']")
    assert "read:org" in str(fault_of(answer(body)))
