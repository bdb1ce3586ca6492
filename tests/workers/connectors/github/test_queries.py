"""Every document is one that GitHub's schema knows, within its limits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest
from graphql import parse, validate

from tests.simulators.github.cost import cost_of
from tests.simulators.github.graphql_api import schema
from workers.connectors.github import queries
from workers.connectors.github.streams import OF_PULL_REQUESTS

SIZES = {"first": 100, "nested": 20, "inner": 10, "after": None}
DEFAULT = {**SIZES, "first": 25}


def documents() -> Iterator[tuple[str, str]]:
    for count in range(len(OF_PULL_REQUESTS) + 1):
        for chosen in combinations(OF_PULL_REQUESTS, count):
            yield f"pull_requests with {chosen}", queries.pull_requests(chosen, only_open=bool(count % 2))
    for chosen in ((), ("issue_comments",)):
        yield f"issues with {chosen}", queries.issues(chosen)
    for stream in queries.LISTS:
        yield f"more of {stream}", queries.more_of(stream, tuple(queries.LISTS))
    for name in (
        "RELEASES",
        "DEPLOYMENTS",
        "ONE_PULL_REQUEST",
        "HEAD",
        "HISTORY",
        "OF_OWNER",
        "ONE_REPOSITORY",
        "VIEWER",
    ):
        yield name, getattr(queries, name)


@pytest.mark.parametrize("document", [pytest.param(text, id=name) for name, text in documents()])
def test_is_valid_and_within_the_node_limit(document: str) -> None:
    parsed = parse(document)
    assert not validate(schema(), parsed)
    assert "rateLimit { cost" in document
    assert cost_of(schema(), parsed, SIZES).nodes <= 500_000


def test_a_page_of_pull_requests_is_cheap() -> None:
    """5,000 points an hour are 25,000 pull requests with all that belongs to them."""
    cost = cost_of(schema(), parse(queries.pull_requests(OF_PULL_REQUESTS, only_open=False)), DEFAULT)
    assert cost.points <= 5
