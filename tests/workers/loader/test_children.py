"""Walks about a part of a stream, and rows that go with their parent, or when a page holds all there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from etl_core.connector import Column, ColumnType, Covers, Fragment, Page, Parent, Record, Stream
from etl_core.errors import Permanent
from tests.workers.loader.loading import Loading, start_loading
from tests.workers.running import Hand

T = ColumnType
ISSUES = Stream(
    "issues", (Column("id", T.BIGINT), Column("project", T.BIGINT)), key=("id",), full_refresh=True
)
COMMENTS = Stream(
    "comments",
    (Column("id", T.BIGINT), Column("issue_id", T.BIGINT), Column("a", T.TEXT)),
    key=("id",),
    parent=Parent("issues", "issue_id"),
)


def behind(covers: Sequence[str] | None = None, *, resume: int | None = None, **more: Any) -> dict[str, Any]:
    told = {} if covers is None else {"covers": {"column": "project", "values": list(covers)}}
    position = None if resume is None else {"page": resume}
    return {"stream": "issues", "partition": "all", "bookmark": {"n": 1}, "resume": position, **told, **more}


def issues(*ids: int, project: int = 1) -> list[Record]:
    return [{"id": n, "project": project} for n in ids]


def comments(*ids: int, of: int) -> list[Record]:
    return [{"id": n, "issue_id": of, "a": "x"} for n in ids]


class Site(Loading):
    async def page(self, fragment: dict[str, Any], **records: Sequence[Record]) -> Mapping[str, int]:
        batch = await self.store(records, fragments=[fragment])
        return {name: n for name, n in (await self.load_batch(batch)).items() if name != "extracted"}

    async def live(self, table: str) -> list[int]:
        found = await self.db.fetch(
            f"SELECT id FROM acme_made_up.{table} WHERE _deleted_at IS NULL ORDER BY id"
        )
        return [row["id"] for row in found]


@pytest.fixture
async def site(worker: Hand) -> Site:
    started = await start_loading(worker, ISSUES, COMMENTS)
    site = Site(worker, started.run, {})
    site.tables({name: started.loader.table(name) for name in ("issues", "comments")})
    return site


async def test_a_walk_judges_only_what_it_covers(site: Site) -> None:
    await site.page(behind(["1", "2", "3"]), issues=[*issues(1, 2, 3), *issues(4, 5, project=2)])
    assert await site.page(behind(["1"]), issues=issues(1, 2)) == {"unchanged": 2, "deleted": 1}
    assert await site.live("issues") == [1, 2, 4, 5]
    seen = [*issues(1, 2), *issues(4, project=2)]
    assert await site.page(behind(["2", "1"]), issues=seen) == {"unchanged": 3, "deleted": 1}
    for ledger in ("walk_keys", "stream_walks"):
        assert await site.db.fetchval(f"SELECT count(*) FROM {ledger}") == 0


async def test_a_walk_that_covers_nothing_deletes_nothing(site: Site) -> None:
    await site.page(behind(["1"]), issues=issues(1, 2))
    assert await site.page(behind([]), issues=issues(1)) == {"unchanged": 1}
    assert await site.page(behind([]), issues=[]) == {}
    assert await site.live("issues") == [1, 2]


async def test_what_a_walk_covers_counts_over_all_its_pages(site: Site) -> None:
    await site.page(behind(["1"]), issues=issues(1, 2, 3, 4))
    await site.page(behind(resume=1), issues=issues(1))
    await site.page(behind(resume=2), issues=issues(2, 3))
    assert await site.page(behind(["1"]), issues=[]) == {"deleted": 1}
    assert await site.live("issues") == [1, 2, 3]


async def test_more_than_half_of_what_is_covered_needs_a_person(site: Site) -> None:
    await site.page(behind(["1"]), issues=[*issues(1, 2, 3), *issues(*range(10, 30), project=2)])
    with pytest.raises(Permanent, match=r"2 of 3 rows .* --allow-deletions"):
        await site.page(behind(["1"]), issues=issues(1))


async def test_children_that_a_page_lacks_are_gone(site: Site) -> None:
    first = [*comments(1, 2, 3, of=1), *comments(4, of=2)]
    await site.page(behind([]), issues=issues(1, 2), comments=first)
    told = behind([], whole_of={"comments": [1]})
    assert await site.page(told, comments=comments(1, 3, of=1)) == {"unchanged": 2, "deleted": 1}
    assert await site.live("comments") == [1, 3, 4]
    assert await site.page(told, comments=[]) == {"deleted": 2}
    assert await site.live("comments") == [4]
    assert await site.page(told, comments=comments(3, of=1)) == {"changed": 1}
    assert await site.live("comments") == [3, 4]


async def test_a_child_that_was_refused_is_not_gone(site: Site) -> None:
    await site.page(behind([]), issues=issues(1), comments=comments(1, 2, of=1))
    told = behind([], whole_of={"comments": [1]})
    spoilt: list[Record] = [{"id": 1, "issue_id": 1, "a": "\x00"}]
    assert await site.page(told, comments=spoilt) == {"rejected": 1, "deleted": 1}
    assert await site.live("comments") == [1]
    assert await site.page(told, comments=[{"issue_id": 1, "a": "no key"}]) == {"rejected": 1}
    assert await site.live("comments") == [1]


async def test_children_go_with_their_parent(site: Site) -> None:
    everything = [*comments(1, 2, of=1), *comments(3, of=2)]
    await site.page(behind(["1"]), issues=issues(1, 2), comments=everything)
    assert await site.page(behind(["1"]), issues=issues(2)) == {"unchanged": 1, "deleted": 3}
    assert await site.live("comments") == [3]


def test_what_a_page_may_say() -> None:
    covering = Fragment("issues", "a", None, covers=Covers("project", ("1",)))
    with pytest.raises(ValueError, match="only one of its stream"):
        Page("lane", {}, [covering, Fragment("issues", "b", None)])
    with pytest.raises(ValueError, match="has a checkpoint"):
        Page("lane", {}, whole_of={"comments": [1]})
    with pytest.raises(ValueError, match="the column of its parent"):
        Stream("comments", (Column("id", T.BIGINT),), ("id",), parent=Parent("issues", "issue_id"))
