"""Rows that the source says are gone, and walks that were begun again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from etl_core.connector import Column, ColumnType, Fragment, Page, Parent, Record, Stream
from tests.workers.loader.loading import Loading, start_loading
from tests.workers.running import Hand

T = ColumnType
GROUPS = Stream("groups", (Column("id", T.BIGINT), Column("name", T.TEXT)), key=("id",))
MEMBERS = Stream(
    "members",
    (Column("group_id", T.BIGINT), Column("id", T.BIGINT)),
    key=("group_id", "id"),
    parent=Parent("groups", "group_id"),
)
USERS = Stream("users", (Column("id", T.BIGINT),), key=("id",), full_refresh=True)


def behind(stream: str = "groups", *, resume: int | None = None, **more: Any) -> dict[str, Any]:
    position = None if resume is None else {"page": resume}
    return {"stream": stream, "partition": "default", "bookmark": {}, "resume": position, **more}


class Directory(Loading):
    async def page(self, fragment: dict[str, Any], **records: Sequence[Record]) -> Mapping[str, int]:
        batch = await self.store(records, fragments=[fragment])
        return {name: n for name, n in (await self.load_batch(batch)).items() if name != "extracted"}

    async def live(self, table: str) -> list[int]:
        found = await self.db.fetch(
            f"SELECT id FROM acme_made_up.{table} WHERE _deleted_at IS NULL ORDER BY id"
        )
        return [row["id"] for row in found]


@pytest.fixture
async def directory(worker: Hand) -> Directory:
    started = await start_loading(worker, GROUPS, MEMBERS, USERS)
    directory = Directory(worker, started.run, {})
    directory.tables({name: started.loader.table(name) for name in ("groups", "members", "users")})
    return directory


async def test_named_keys_are_marked_with_their_children_and_keep_their_columns(directory: Directory) -> None:
    members = [{"group_id": 1, "id": 7}, {"group_id": 1, "id": 8}, {"group_id": 2, "id": 7}]
    await directory.page(behind(), groups=[{"id": n, "name": "x"} for n in (1, 2)], members=members)
    gone = {"groups": [{"id": 1}, {"id": 99}], "members": [{"group_id": 2, "id": 7}]}
    assert await directory.page(behind(deleted=gone)) == {"deleted": 4}
    assert await directory.live("groups") == [2]
    assert await directory.live("members") == []
    assert await directory.db.fetchval("SELECT name FROM acme_made_up.groups WHERE id = 1") == "x"
    assert await directory.page(behind(deleted=gone)) == {}


async def test_a_record_of_the_page_is_deleted_and_a_later_one_comes_back(
    directory: Directory,
) -> None:
    told = await directory.page(behind(deleted={"groups": [{"id": 1}]}), groups=[{"id": 1, "name": "x"}])
    assert told == {"new": 1, "deleted": 1}
    assert await directory.page(behind(), groups=[{"id": 1, "name": "x"}]) == {"changed": 1}
    assert await directory.live("groups") == [1]


async def test_a_key_of_another_type_is_in_no_row(directory: Directory) -> None:
    await directory.page(behind(), groups=[{"id": 1, "name": "x"}])
    gone = {"groups": [{"id": "one"}, {"name": "x"}, {"id": "1"}]}
    assert await directory.page(behind(deleted=gone)) == {"deleted": 1}


async def test_what_a_walk_saw_before_it_began_anew_counts_no_more(directory: Directory) -> None:
    await directory.page(behind("users"), users=[{"id": n} for n in (1, 2, 3, 4)])
    await directory.page(behind("users", resume=1), users=[{"id": 1}, {"id": 2}])
    await directory.page(behind("users", resume=2, begins_anew=True), users=[{"id": 2}])
    assert (await directory.page(behind("users"), users=[{"id": 3}]))["deleted"] == 2
    assert await directory.live("users") == [2, 3]


def test_a_page_that_names_deletions_has_a_checkpoint() -> None:
    with pytest.raises(ValueError, match="checkpoint"):
        Page(lane="groups", records={}, deleted={"groups": [{"id": 1}]})
    Page(lane="groups", records={}, checkpoint=[Fragment("groups", "default", {})], deleted={"groups": []})
