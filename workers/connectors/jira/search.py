"""Issues in the order in which they were updated, none missed though they change while they are read.

An issue that is updated jumps to the end of the list, and everything behind its old place moves up. What a
page token means then is not said: if it is an offset, issues are skipped. So a token is followed only where
it must be. Behind each page the search begins anew, `updated >=` the last one seen: what was not updated
meanwhile is still there, what was is ahead. Only issues of one and the same second that fill more than a page
need tokens. There an issue may leave while we page, and another behind it be skipped; so they are read until
a pass meets all that the pass before met. Whatever made that one skip an issue had been met by it, and is not
there any more.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from etl_core.connector import JsonObject
from etl_core.errors import Transient
from workers.connectors.jira.client import Found
from workers.connectors.jira.moments import PRECISION_MS, epoch_ms, whole_second
from workers.http import BadRequest

MOST_EMPTY = 20
"""Pages in a row without an issue, and with a token."""
MOST_PASSES = 20
"""Through one second."""
MOST_REFUSALS = 3
"""Of tokens, without a step ahead in between."""

Ask = Callable[[int, str | None], Awaitable[Found]]
"""(`updated >=`, epoch ms; token) -> a page, in the order of `updated`."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Issues one after another. All that were updated before `after` (epoch ms) and not since are through."""

    issues: Sequence[JsonObject]
    after: int


@dataclass(slots=True)
class _Pass:
    """What one search found, up to where it got past the second of its bound."""

    met: set[tuple[str, str]] = field(default_factory=set)
    """(id, updated) of that second's issues."""
    top: int = 0
    """The second of the last issue."""
    followed: bool = False
    """A token was followed behind issues: of what is past that second some may be missing."""
    is_end: bool = False


async def in_order(ask: Ask, after: int) -> AsyncGenerator[Stretch]:
    """Stretches from `after` (epoch ms) to the end of the list, which may grow meanwhile.

    Raises:
        Transient: tokens lead nowhere, or issues move too fast; go on from the last stretch.
    """
    bound = whole_second(after)
    known: dict[str, str] = {}
    while True:
        issues: dict[str, JsonObject] = {}
        found = await _search(ask, bound, known, issues)
        followed = found.followed
        passes = 1
        while followed:
            before, found = found, await _search(ask, bound, known, issues)
            passes += 1
            if before.met <= found.met:
                break
            if passes == MOST_PASSES:
                raise Transient("issues change faster than Jira's search gives them; it is tried again")
        reached = bound + PRECISION_MS if followed else max(found.top, bound)
        if issues:
            yield Stretch(list(issues.values()), reached)
        if found.is_end and not followed:
            return
        if reached > bound:
            known = {}
        for issue_id, issue in issues.items():
            updated = updated_of(issue)
            if updated is not None and whole_second(epoch_ms(updated) or 0) == reached:
                known[issue_id] = updated
        bound = reached


async def _search(ask: Ask, bound: int, known: dict[str, str], issues: dict[str, JsonObject]) -> _Pass:
    """A page; or, where that does not get past the second of `bound`, all pages that do. Adds to `issues`."""
    this = _Pass()
    token: str | None = None
    seen: set[str] = set()
    empty = refusals = 0
    while True:
        try:
            found = await ask(bound, token)
        except BadRequest:
            if token is None or refusals == MOST_REFUSALS:
                raise
            # The token has expired. The value that it stood for has not.
            token, refusals, seen, this.met = None, refusals + 1, set(), set()
            continue
        _take(found.issues, bound, known, issues, this)
        this.is_end = found.following is None
        if found.following is None or this.top > bound:
            return this
        if found.following in seen:
            raise Transient("Jira's search gave the same page token twice; it is tried again")
        empty = 0 if found.issues else empty + 1
        if empty == MOST_EMPTY:
            raise Transient(f"Jira's search gave {MOST_EMPTY} empty pages in a row; it is tried again")
        this.followed = this.followed or bool(found.issues)
        token = found.following
        seen.add(token)


def _take(
    found: Sequence[JsonObject],
    bound: int,
    known: dict[str, str],
    issues: dict[str, JsonObject],
    this: _Pass,
) -> None:
    for place, issue in enumerate(found):
        updated = updated_of(issue)
        ms = epoch_ms(updated)
        if ms is not None:
            this.top = max(this.top, whole_second(ms))
        issue_id = str(issue.get("id") or f"{place} of {len(issues)}, without an id")
        if ms is not None and updated is not None and whole_second(ms) <= bound:
            this.met.add((issue_id, updated))
        had = issues.get(issue_id)
        if updated is not None and updated in (known.get(issue_id), had and updated_of(had)):
            continue
        issues[issue_id] = issue


def updated_of(issue: JsonObject) -> str | None:
    """As the issue says it; None where it says nothing of the kind."""
    fields = issue.get("fields")
    updated = fields.get("updated") if isinstance(fields, dict) else None
    return updated if isinstance(updated, str) else None
