"""The synthetic connector: exact counts, exact shares, the same contents for the same seed."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.connector import ColumnType, ExtractContext
from etl_core.errors import Permanent, RateLimited, SourceError, Transient, Unauthorised
from etl_core.testing.walking import Destination, run, run_fresh
from workers.connectors.synthetic import SyntheticConnector
from workers.connectors.synthetic.config import SyntheticConfig
from workers.connectors.synthetic.records import COLUMNS, in_share, is_mutated, make_record


def connector(**config: Any) -> SyntheticConnector:
    return SyntheticConnector(SyntheticConfig(**config))


async def test_streams_partitions_and_pages_add_up() -> None:
    loaded, streams = await run_fresh(connector(records=10, page_size=2, streams=3, partitions=3))
    assert [stream.name for stream in streams] == ["records", "records_2", "records_3"]
    assert {name: len(rows) for name, rows in loaded.rows.items()} == dict.fromkeys(loaded.rows, 10)
    assert loaded.rows["records"] != loaded.rows["records_2"]
    assert len(loaded.checkpoint) == 9
    assert loaded.pages == 3 * (2 + 2 + 2)


async def test_all_column_types_and_about_690_bytes() -> None:
    assert {column.type for column in COLUMNS} == set(ColumnType)
    sizes = [len(json.dumps(make_record(7, number, 0), ensure_ascii=False)) for number in range(1, 500)]
    assert 600 < sum(sizes) / len(sizes) < 780


async def test_the_seed_decides_the_contents() -> None:
    one, _ = await run_fresh(connector(records=50, seed=1))
    same, _ = await run_fresh(connector(records=50, seed=1, page_size=7))
    other, _ = await run_fresh(connector(records=50, seed=2))
    assert one.rows == same.rows
    assert one.rows != other.rows


async def test_records_added_later_are_all_that_the_next_run_yields() -> None:
    loaded, _ = await run_fresh(connector(records=10, partitions=3))
    await run(connector(records=16, partitions=3), loaded)
    assert loaded.records == 6
    assert sorted(row["id"] for row in loaded.rows["records"].values()) == list(range(1, 17))


async def test_mutate_changes_its_share_in_each_run() -> None:
    config = {"records": 200, "mutate": 0.1, "page_size": 30, "partitions": 2}
    loaded, _ = await run_fresh(connector(**config))
    changed_keys = []
    for generation in (1, 2):
        before = dict(loaded.rows["records"])
        await run(connector(**config), loaded)
        assert loaded.records == 20
        changed = {key for key, row in loaded.rows["records"].items() if row != before[key]}
        assert len(changed) == 20
        changed_keys.append(changed)
        assert {state.bookmark["generation"] for state in loaded.checkpoint.values() if state.bookmark} == {
            generation
        }
    assert changed_keys[0] != changed_keys[1]


async def test_bad_rate_refuses_exactly_its_share() -> None:
    loaded, _ = await run_fresh(connector(records=200, bad_rate=0.05))
    assert len(loaded.refused) == 10
    assert "n/a" in loaded.refused[0]
    assert len(loaded.rows["records"]) == 190


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("transient", Transient),
        ("rate_limited", RateLimited),
        ("unauthorised", Unauthorised),
        ("permanent", Permanent),
        ("crash", RuntimeError),
    ],
)
async def test_fails_at_its_record_every_time(kind: str, error: type[Exception]) -> None:
    loaded = Destination()
    for _ in range(2):
        with pytest.raises(error, match="record 25"):
            await run(connector(records=100, page_size=10, fail_at=25, fail_kind=kind), loaded)
        assert len(loaded.rows["records"]) == 24
    assert issubclass(error, SourceError) == (kind != "crash")
    await run(connector(records=100, page_size=10), loaded)
    assert len(loaded.rows["records"]) == 100


async def test_check_tells_of_a_failure_that_was_asked_for() -> None:
    assert [finding.state for finding in await connector().check()] == ["ok"]
    _, failure = await connector(fail_at=25, fail_kind="permanent").check()
    assert failure.state == "failed"
    assert "record 25 (permanent)" in failure.detail


async def test_a_rate_limit_says_for_how_long() -> None:
    """Not until when: this machine's clock may be wrong."""
    made = connector(records=5, fail_at=1, fail_kind="rate_limited", rate_limit_s=60)
    with pytest.raises(RateLimited) as raised:
        await anext(aiter(made.extract(ExtractContext())))
    assert raised.value.until == timedelta(seconds=60)


async def test_nothing_to_yield_is_no_page() -> None:
    loaded, _ = await run_fresh(connector(records=0))
    assert loaded.pages == 0


@given(st.integers(1, 500), st.floats(0, 1), st.integers(1, 50))
def test_a_share_is_exact_and_rotates(records: int, share: float, generation: int) -> None:
    wanted = records * round(share * 1_000_000) // 1_000_000
    assert sum(in_share(position, share) for position in range(records)) == wanted
    assert sum(is_mutated(n, generation, records, share) for n in range(1, records + 1)) == wanted
