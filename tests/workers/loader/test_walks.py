"""Full refreshes: what a whole walk did not see is marked deleted, and nothing else ever is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from etl_core.connector import Column, ColumnType, Record, Stream
from etl_core.errors import Permanent
from tests.workers.loader.loading import Loading, start_loading
from tests.workers.running import Hand

T = ColumnType
COLUMNS = (Column("id", T.NUMERIC), Column("a", T.TEXT))
THINGS = Stream("things", COLUMNS, key=("id",), full_refresh=True)


def behind(page: int | None, partition: str = "default", *, stream: str = "things") -> dict[str, Any]:
    """The checkpoint behind a page; behind the last one no `resume` is left."""
    resume = None if page is None else {"page": page}
    return {"stream": stream, "partition": partition, "bookmark": {"walks": 1}, "resume": resume}


def things(*ids: float, **fields: Any) -> list[Record]:
    return [{"id": n, "a": "x", **fields} for n in ids]


class Walks(Loading):
    async def page(
        self, records: Sequence[Record], *fragments: dict[str, Any], rejected: int = 0
    ) -> dict[str, int]:
        """Loads one page; its counts without those of extract."""
        batch = await self.store(
            {"things": records}, fragments=fragments or [behind(None)], rejected=rejected
        )
        counts = await self.load_batch(batch)
        return {name: count for name, count in counts.items() if name != "extracted"}

    async def live(self) -> list[int]:
        rows = await self.db.fetch("SELECT id FROM acme_made_up.things WHERE _deleted_at IS NULL ORDER BY id")
        return [int(row["id"]) for row in rows]


async def start(worker: Hand, stream: Stream = THINGS, **options: Any) -> Walks:
    """A run, and with it the tables of the runs before."""
    started = await start_loading(worker, stream, **options)
    walks = Walks(worker, started.run, options)
    walks.tables({"things": started.loader.table("things")})
    return walks


@pytest.fixture
async def walks(worker: Hand) -> Walks:
    return await start(worker)


async def test_what_a_walk_did_not_see_is_deleted_at_its_end(walks: Walks) -> None:
    assert await walks.page(things(1, 2), behind(1)) == {"new": 2}
    assert await walks.page(things(3, 4, 5), behind(None)) == {"new": 3}
    assert await walks.page(things(1), behind(1)) == {"unchanged": 1}
    assert await walks.page(things(3), behind(2)) == {"unchanged": 1}
    assert await walks.live() == [1, 2, 3, 4, 5]
    assert await walks.page([{"id": "5.0"}], behind(None)) == {"unchanged": 1, "deleted": 2}
    assert await walks.live() == [1, 3, 5]
    gone = await walks.db.fetchrow("SELECT * FROM acme_made_up.things WHERE id = 2")
    assert gone is not None
    assert (gone["a"], gone["_run_id"]) == ("x", walks.run.id)
    assert await walks.page(things(1, 2, 3, 5)) == {"unchanged": 3, "changed": 1}
    assert await walks.page(things(1, 2, 3, 5)) == {"unchanged": 4}
    assert await walks.db.fetchval("SELECT count(*) FROM walk_keys") == 0
    assert await walks.db.fetchval("SELECT count(*) FROM stream_walks") == 0


async def test_a_key_that_was_only_met_keeps_its_row_and_makes_none(walks: Walks) -> None:
    await walks.page(things(1, 2, 3), behind(None))
    assert await walks.page(things(1), behind(1)) == {"unchanged": 1}
    met = {"things": [{"id": "3.0"}, {"id": 9}, {"id": "no number"}]}
    assert await walks.page([], {**behind(2), "seen": met}) == {}
    assert await walks.page([], behind(None)) == {"deleted": 1}
    assert await walks.live() == [1, 3]


async def test_a_walk_that_was_broken_off_goes_on_in_the_next_run(worker: Hand, walks: Walks) -> None:
    await walks.page(things(1, 2, 3, 4, 5))
    await walks.page(things(1, 2), behind(1))
    await walks.end()
    again = await start(worker)
    assert await again.page(things(3), behind(None)) == {"unchanged": 1, "deleted": 2}
    assert await again.live() == [1, 2, 3]


async def test_a_walk_that_begins_anew_forgets_what_it_saw(walks: Walks) -> None:
    await walks.page(things(1, 2, 3))
    await walks.page(things(1, 2, 3), behind(1))
    await walks.db.execute("UPDATE job_checkpoints SET resume = NULL")  # a person dropped the cursor
    await walks.page(things(1), behind(1))
    assert await walks.page(things(2), behind(None)) == {"unchanged": 1, "deleted": 1}


@pytest.mark.parametrize("resume", ['{"page": 3}', '{"page": 0}'])
async def test_an_edited_checkpoint_ends_the_walk_without_deletions(walks: Walks, resume: str) -> None:
    await walks.page(things(1, 2, 3, 4))
    await walks.page(things(1), behind(1))
    await walks.db.execute("UPDATE job_checkpoints SET resume = $1::text::jsonb", resume)
    assert await walks.page(things(4), behind(4)) == {"unchanged": 1}
    assert await walks.page(things(2), behind(None)) == {"unchanged": 1}
    assert await walks.live() == [1, 2, 3, 4]
    assert await walks.page(things(1, 2, 4)) == {"unchanged": 3, "deleted": 1}


async def test_a_walk_without_any_row_deletes_nothing_ever(worker: Hand, walks: Walks) -> None:
    assert await walks.page([]) == {}
    await walks.page(things(1, 2))
    await walks.end()
    allowed = await start(worker, allow_deletions=True)
    with pytest.raises(Permanent, match=r"no record at all, and acme_made_up.things has 2: none was deleted"):
        await allowed.page([])
    assert await allowed.live() == [1, 2]


async def test_more_than_half_is_deleted_only_when_a_person_allows_it(worker: Hand, walks: Walks) -> None:
    await walks.page(things(*range(10)))
    assert await walks.page(things(*range(5))) == {"unchanged": 5, "deleted": 5}
    await walks.page(things(0), behind(1))
    with pytest.raises(Permanent, match=r"3 of 5 rows .* jobs run --allow-deletions"):
        await walks.page(things(1), behind(None))
    assert await walks.live() == [0, 1, 2, 3, 4]
    assert await walks.db.fetchval("SELECT resume FROM job_checkpoints") == {"page": 1}
    await walks.end()
    allowed = await start(worker, allow_deletions=True)
    assert await allowed.page(things(1), behind(None)) == {"unchanged": 1, "deleted": 3}
    assert await allowed.live() == [0, 1]


async def test_a_rejected_record_is_not_gone_from_its_source(walks: Walks) -> None:
    await walks.page(things(1, 2, 3, 4))
    await walks.db.execute("ALTER TABLE acme_made_up.things ADD CHECK (a <> 'bad')")
    spoilt: list[Record] = [*things(1), {"id": 2, "a": "\x00"}, *things(3, a="bad")]
    assert await walks.page(spoilt) == {"unchanged": 1, "rejected": 2, "deleted": 1}
    assert await walks.live() == [1, 2, 3]


@pytest.mark.parametrize("how", ["connector", "no key", "extract"])
async def test_rejects_whose_key_is_not_known_end_a_walk_without_deletions(walks: Walks, how: str) -> None:
    await walks.page(things(1, 2, 3))
    bad: dict[str, list[Record]] = {"connector": things(2, a="refuse"), "no key": [{"a": "x"}], "extract": []}
    counts = await walks.page([*things(1), *bad[how]], behind(1), rejected=int(how == "extract"))
    assert counts == {"unchanged": 1, "rejected": 1}
    assert await walks.page(things(3), behind(None)) == {"unchanged": 1}
    assert await walks.live() == [1, 2, 3]
    assert await walks.page(things(1, 3)) == {"unchanged": 2, "deleted": 1}


async def test_all_partitions_must_have_been_walked(walks: Walks) -> None:
    await walks.page(things(1, 2), behind(None, "a"))
    await walks.page(things(3, 4), behind(None, "b"))
    await walks.page(things(1, 2), behind(None, "a"))  # the first run did not know of b yet
    assert await walks.page(things(3), behind(None, "b")) == {"unchanged": 1}
    assert await walks.page(things(1), behind(1, "a")) == {"unchanged": 1}
    assert await walks.page([], behind(2, "a")) == {}
    assert await walks.live() == [1, 2, 3, 4]
    assert await walks.page([], behind(None, "a")) == {"deleted": 2}
    assert await walks.live() == [1, 3]


async def test_a_walk_of_an_earlier_run_does_not_judge_with_one_of_this(worker: Hand, walks: Walks) -> None:
    """Else a partition that got its first record again would never get the chance to show it."""
    await walks.page(things(1), behind(None, "east"))
    await walks.page(things(2), behind(None, "west"))
    await walks.end()
    emptied = await start(worker)
    assert await emptied.page([], behind(None, "west")) == {}  # and the east fails
    await emptied.end()
    again = await start(worker, allow_deletions=True)
    assert await again.page([], behind(None, "east")) == {}
    assert await again.page(things(3), behind(None, "west")) == {"new": 1, "deleted": 2}
    await again.end()

    emptied = await start(worker)
    assert await emptied.page([], behind(None, "west")) == {}
    await emptied.end()
    await worker.db.execute("ALTER TABLE job_runs ALTER is_partial SET DEFAULT true")
    rest = await start(worker)  # of what the last one left undone
    with pytest.raises(Permanent, match="no record at all"):
        await rest.page([], behind(None, "east"))


async def test_pages_without_a_checkpoint_belong_to_the_walk(walks: Walks) -> None:
    async def bare(records: list[Record]) -> dict[str, int]:
        return await walks.load_batch(await walks.store({"things": records}, fragments=[]))

    await walks.page(things(1, 2, 3, 4, 5))
    await bare(things(1, 2))
    assert await walks.page(things(3, 4), behind(None)) == {"unchanged": 2, "deleted": 1}
    await bare([*things(1, 2), {"a": "without a key"}])
    assert await walks.page(things(3), behind(None)) == {"unchanged": 1}
    assert await walks.page(things(1, 2, 3)) == {"unchanged": 3, "deleted": 1}


async def test_a_failed_load_takes_no_step(walks: Walks) -> None:
    await walks.page(things(1, 2, 3))
    await walks.page(things(1), behind(1))
    before = (
        await walks.db.fetch("SELECT * FROM stream_walks"),
        await walks.db.fetch("SELECT * FROM walk_keys"),
    )
    await walks.db.execute("ALTER TABLE job_checkpoints ADD CONSTRAINT no CHECK (resume <> '{\"page\": 2}')")
    with pytest.raises(Exception, match="violates check constraint"):
        await walks.page(things(2), behind(2))
    after = (
        await walks.db.fetch("SELECT * FROM stream_walks"),
        await walks.db.fetch("SELECT * FROM walk_keys"),
    )
    assert before == after


async def test_without_a_key_nothing_is_deleted(worker: Hand) -> None:
    walks = await start(worker, Stream("things", COLUMNS, full_refresh=True))
    assert await walks.page(things(1, 2)) == {"new": 2}
    assert await walks.page(things(1)) == {"new": 1}
    assert await walks.live() == [1, 1, 2]


async def test_an_incremental_stream_keeps_no_ledger(worker: Hand) -> None:
    walks = await start(worker, Stream("things", COLUMNS, ("id",)))
    await walks.page(things(1, 2))
    assert await walks.page(things(1)) == {"unchanged": 1}
    assert await walks.db.fetchval("SELECT count(*) FROM walk_keys") == 0
