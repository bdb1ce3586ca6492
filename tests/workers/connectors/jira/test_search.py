"""Reading in the order of `updated`, over a list that changes between any two questions."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_core.connector import JsonObject
from etl_core.errors import Transient
from workers.connectors.jira.client import Found
from workers.connectors.jira.moments import epoch_ms, whole_second
from workers.connectors.jira.search import MOST_EMPTY, Stretch, in_order, updated_of

BEGIN = 1_741_000_000_000


def text(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="milliseconds")


class Listing:
    """Issues by id with the moment of their last update, read by offset: the worst that a token can mean."""

    def __init__(self, issues: dict[int, int], page: int) -> None:
        self.issues = issues
        self.page = page
        self.now = max(issues.values(), default=BEGIN)
        self.asked = 0
        self.between: Callable[[Listing], None] = lambda _: None

    async def ask(self, after: int, token: str | None) -> Found:
        self.asked += 1
        self.between(self)
        found = sorted((ms, key) for key, ms in self.issues.items() if whole_second(ms) >= after)
        begin = int(token or 0)
        shown = found[begin : begin + self.page]
        following = str(begin + len(shown)) if begin + len(shown) < len(found) else None
        return Found([{"id": str(key), "fields": {"updated": text(ms)}} for ms, key in shown], following)


async def read(listing: Listing, after: int = 0) -> dict[int, int]:
    """Id -> the update that was seen last."""
    seen: dict[int, int] = {}
    async for stretch in in_order(listing.ask, after):
        for issue in stretch.issues:
            seen[int(issue["id"])] = epoch_ms(updated_of(issue)) or 0
    return seen


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 40), st.floats(0, 0.9))
async def test_nothing_is_missed_however_the_list_changes(
    seed: int, page: int, count: int, changes: float
) -> None:
    rng = random.Random(seed)
    issues = {number: BEGIN + rng.randrange(6) * 1_000 + rng.randrange(3) for number in range(count)}
    listing = Listing(issues, page)

    def change(listing: Listing) -> None:
        listing.now += 1_000
        if rng.random() < changes and listing.asked < 150:
            kind = rng.random()
            if kind < 0.2:
                listing.issues[len(listing.issues) + 1_000 + listing.asked] = listing.now
            elif listing.issues:
                chosen = rng.choice(sorted(listing.issues))
                if kind < 0.3:
                    del listing.issues[chosen]
                else:  # some of them at once
                    for key in range(chosen, chosen + rng.randrange(1, 5)):
                        if key in listing.issues:
                            listing.issues[key] = listing.now + rng.randrange(3)

    listing.between = change
    seen = await read(listing)
    assert {key: seen.get(key) for key in listing.issues} == listing.issues


async def test_a_page_full_of_one_second_is_read_to_its_end() -> None:
    listing = Listing({number: BEGIN + number % 7 for number in range(40)} | {99: BEGIN + 5_000}, page=4)
    stretches = [stretch async for stretch in in_order(listing.ask, BEGIN)]
    assert len(stretches[0].issues) >= 40
    assert [stretch.after for stretch in stretches] == [BEGIN + 1_000, BEGIN + 5_000]


async def test_going_on_from_any_stretch_loses_nothing() -> None:
    listing = Listing({number: BEGIN + number * 300 for number in range(30)}, page=4)
    stretches: list[Stretch] = [stretch async for stretch in in_order(listing.ask, 0)]
    for place in range(len(stretches)):
        before = {int(i["id"]) for stretch in stretches[: place + 1] for i in stretch.issues}
        after = set(await read(listing, stretches[place].after))
        assert before | after == set(listing.issues)


class Odd:
    """Answers given one after another."""

    def __init__(self, *answers: Found) -> None:
        self.answers = list(answers)

    async def ask(self, after: int, token: str | None) -> Found:
        return self.answers.pop(0)


def issues(*ids: int, ms: int = BEGIN) -> list[JsonObject]:
    return [{"id": str(n), "fields": {"updated": text(ms)}} for n in ids]


async def test_the_end_is_a_missing_token() -> None:
    again = Found(issues(1, 2), None)
    odd = Odd(Found(issues(1), "a"), Found(issues(2), "b"), Found((), None), again, Found((), None))
    found = [stretch async for stretch in in_order(odd.ask, BEGIN)]
    assert {issue["id"] for stretch in found for issue in stretch.issues} == {"1", "2"}


async def test_a_token_that_comes_twice_is_refused() -> None:
    odd = Odd(Found(issues(1), "same"), Found(issues(2), "same"), Found(issues(3), "same"))
    with pytest.raises(Transient, match="same page token twice"):
        await anext(in_order(odd.ask, BEGIN))


async def test_an_empty_page_with_a_token_is_followed() -> None:
    odd = Odd(Found((), "a"), Found((), "b"), Found(issues(1, ms=BEGIN + 9_000), None))
    found = [stretch async for stretch in in_order(odd.ask, BEGIN)]
    assert [issue["id"] for stretch in found for issue in stretch.issues] == ["1"]


async def test_empty_pages_without_end_do_not_loop() -> None:
    odd = Odd(*(Found((), str(number)) for number in range(MOST_EMPTY + 5)))
    with pytest.raises(Transient, match="empty pages in a row"):
        await anext(in_order(odd.ask, BEGIN))
    assert len(odd.answers) == 5
