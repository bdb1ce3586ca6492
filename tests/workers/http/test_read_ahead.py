"""Reading ahead: the same records and checkpoints, in the same order; bounded, closed where opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from etl_core.connector import TRIAL_OPTION, Covers, ExtractContext, Fragment, Page
from etl_core.errors import Transient
from tests.support.jobs import eventually
from workers.http import read_ahead as module
from workers.http.read_ahead import read_ahead, reading_ahead


def page(number: int, *, lane: str = "a", records: int = 1, size: int = 1, **also: Any) -> Page:
    """Ids number * 1,000 and on; the checkpoint says how far it got."""
    rows = [{"id": number * 1_000 + n, "text": "x" * size} for n in range(records)]
    fragment = Fragment("s", lane, None, {"at": number})
    return Page(lane, {"s": rows}, also.pop("checkpoint", (fragment,)), **also)


class _Source:
    """Pages as fast as they are asked for, and what became of the generator."""

    def __init__(
        self, pages: Sequence[Page], error: Exception | None = None, *, goes_on: bool = False
    ) -> None:
        """`goes_on`: it has no end, and nothing comes behind the pages."""
        self._pages, self._error, self._goes_on = pages, error, goes_on
        self.given = 0
        self.opened_in: object = None
        self.closed_in: object = None

    async def pages(self) -> AsyncGenerator[Page]:
        self.opened_in = asyncio.current_task()
        try:
            for one in self._pages:
                await asyncio.sleep(0)
                self.given += 1
                yield one
            if self._error:
                raise self._error
            if self._goes_on:
                await asyncio.Event().wait()
        finally:
            self.closed_in = asyncio.current_task()

    async def has_given(self, number: int) -> bool:
        return self.given >= number


def ids(pages: Sequence[Page]) -> list[int]:
    return [record["id"] for one in pages for record in one.records["s"]]


async def slowly(source: _Source, at_once: int) -> list[Page]:
    """Takes the first page, and the others once so many have come."""
    found = []
    async for one in read_ahead(source.pages()):
        found.append(one)
        await eventually(lambda: source.has_given(at_once), "pages read ahead")
        await asyncio.sleep(0)
    return found


async def test_what_came_meanwhile_is_one_page() -> None:
    source = _Source([page(n) for n in range(6)])
    found = await slowly(source, 6)
    assert [len(one.records["s"]) for one in found] == [1, 5]
    assert ids(found) == [n * 1_000 for n in range(6)]
    assert found[1].checkpoint == (Fragment("s", "a", None, {"at": 5}),)


async def test_a_small_page_waits_for_those_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it could be stored at once; the first one does not."""
    monkeypatch.setattr(module, "PATIENCE", 60.0)
    found = [one async for one in read_ahead(_Source([page(n) for n in range(6)]).pages())]
    assert [len(one.records["s"]) for one in found] == [1, 5]


async def test_it_waits_only_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow source, or one that makes us wait for its limit, must not keep what has come."""
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    pages = read_ahead(_Source([page(n) for n in range(3)], goes_on=True).pages())
    assert ids([await anext(pages), await anext(pages)]) == [0, 1_000, 2_000]
    await pages.aclose()


@pytest.mark.parametrize(
    "behind",
    [
        [page(1, records=module.MOST_RECORDS // 2 + 1)],
        [page(n, records=module.MOST_RECORDS // 2) for n in (1, 2)],
        [page(1, size=module.MOST_BYTES // 2 + 1)],
        [page(1, deleted={"s": [{"id": 1}]})],
        [page(1), page(2, lane="b")],
    ],
    ids=["many records", "as many together", "large", "not plain", "another lane follows"],
)
async def test_what_cannot_grow_does_not_wait(behind: list[Page], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 60.0)
    pages = read_ahead(_Source([page(0), *behind], goes_on=True).pages())
    async with asyncio.timeout(10):
        assert ids([await anext(pages), await anext(pages)])[:2] == [0, 1_000]
    await pages.aclose()


@pytest.mark.parametrize(
    "second",
    [
        page(2, lane="b"),
        page(2, records=module.MOST_RECORDS),
        page(2, size=module.MOST_BYTES),
        page(2, deleted={"s": [{"id": 1}]}),
        page(2, seen={"s": [{"id": 1}]}),
        page(2, checkpoint=(Fragment("s", "a", None, {"at": 2}, begins_anew=True),)),
        page(2, checkpoint=(Fragment("s", "a", {"at": 2}, covers=Covers("kind", ("x",))),)),
    ],
    ids=["another lane", "many records", "large", "deleted", "seen", "begins anew", "covers"],
)
async def test_what_stays_alone(second: Page) -> None:
    found = await slowly(_Source([page(0), page(1), second, page(3)]), 3)
    assert second in found
    assert ids(found) == ids([page(0), page(1), second, page(3)])


async def test_the_end_of_a_walk_is_not_covered_by_another_walk() -> None:
    """A whole walk is known by its last fragment; a page that begins the next one must not replace it."""
    end = page(1, checkpoint=(Fragment("s", "a", {"at": 1}),))
    found = await slowly(_Source([page(0), end, page(2), page(3)]), 4)
    assert end in found


async def test_an_error_comes_behind_the_pages_before_it() -> None:
    found = []
    with pytest.raises(Transient, match="gone"):
        async for one in read_ahead(_Source([page(0), page(1)], Transient("gone")).pages()):
            found.append(one)
            await asyncio.sleep(0.01)
    assert ids(found) == [0, 1_000]


@pytest.mark.parametrize("large", [{"records": 2 * module.MOST_RECORDS}, {"size": 2 * module.MOST_BYTES}])
async def test_behind_a_large_page_nothing_is_read(large: dict[str, Any]) -> None:
    """Or two of them would be in memory."""
    source = _Source([page(0, **large), page(1)])
    pages = read_ahead(source.pages())
    first = await anext(pages)
    await asyncio.sleep(0.02)
    assert source.given == 1
    assert len(ids([first, *[one async for one in pages]])) == len(ids([first])) + 1


async def test_no_more_than_twice_a_page_is_there() -> None:
    source = _Source([page(n, records=100) for n in range(60)])
    pages = read_ahead(source.pages())
    await anext(pages)
    await asyncio.sleep(0.02)
    assert 10 < source.given <= 2 * module.MOST_RECORDS / 100
    await pages.aclose()


async def test_it_is_closed_in_the_task_that_opened_it() -> None:
    """Timeouts and connections of a connector belong to one task."""
    source = _Source([page(n) for n in range(100)])
    pages = read_ahead(source.pages())
    await anext(pages)
    await pages.aclose()
    assert source.closed_in is source.opened_in is not None


async def test_a_trial_shows_each_answer() -> None:
    source = _Source([page(n) for n in range(3)])
    context = ExtractContext(options={TRIAL_OPTION: {"records": 20}})
    pages = reading_ahead(context, source.pages())
    await anext(pages)
    await asyncio.sleep(0.02)
    assert source.given == 1
    await pages.aclose()
