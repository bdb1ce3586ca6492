"""Connections: lists in an order, cut by opaque cursors that hold the value they are ordered by."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

from graphql import GraphQLError

Thing = dict[str, Any]


def encode(position: Any) -> str:
    return base64.b64encode(b"cursor:v2:" + json.dumps(position).encode()).decode()


def decode(cursor: str) -> Any:
    try:
        text = base64.b64decode(cursor, validate=True)
        assert text.startswith(b"cursor:v2:")
        return json.loads(text.removeprefix(b"cursor:v2:"))
    except (ValueError, AssertionError):
        raise GraphQLError(
            f"`{cursor}` does not appear to be a valid cursor.",
            extensions={"type": "INVALID_CURSOR_ARGUMENTS"},
        ) from None


def connection(
    things: Sequence[Thing],
    arguments: dict[str, Any],
    *,
    value: Callable[[Thing], Any] = lambda thing: thing["databaseId"],
    descending: bool = False,
) -> Thing:
    """The things after a cursor, by `value` and among equals by id; `first` of them."""

    def position(thing: Thing) -> list[Any]:
        return [value(thing), thing["databaseId"]]

    ordered = sorted(things, key=position, reverse=descending)
    after = arguments.get("after")
    if after:
        edge = decode(after)
        begin = sum(
            1 for thing in ordered if (position(thing) >= edge if descending else position(thing) <= edge)
        )
    else:
        begin = 0
    page = ordered[begin : begin + (arguments.get("first") or arguments.get("last") or 100)]
    return {
        "nodes": page,
        "totalCount": len(ordered),
        "pageInfo": {
            "startCursor": encode(position(page[0])) if page else None,
            "endCursor": encode(position(page[-1])) if page else None,
            "hasNextPage": begin + len(page) < len(ordered),
            "hasPreviousPage": begin > 0,
        },
    }


def by_offset(things: Sequence[Thing], arguments: dict[str, Any], head: str) -> Thing:
    """History of commits: the cursor is the commit it began at, and how many were passed."""
    begin = 0
    if after := arguments.get("after"):
        first, _, passed = after.partition(" ")
        if first != head or not passed.isdigit():
            raise GraphQLError(
                f"`{after}` does not appear to be a valid cursor.",
                extensions={"type": "INVALID_CURSOR_ARGUMENTS"},
            )
        begin = int(passed) + 1
    page = things[begin : begin + (arguments.get("first") or 100)]
    return {
        "nodes": page,
        "totalCount": len(things),
        "pageInfo": {
            "startCursor": f"{head} {begin}" if page else None,
            "endCursor": f"{head} {begin + len(page) - 1}" if page else None,
            "hasNextPage": begin + len(page) < len(things),
            "hasPreviousPage": begin > 0,
        },
    }
