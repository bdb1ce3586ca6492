"""Each way to the next page: complete, resumed anywhere, held while the list changes, and never for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etl_core.connector import PartitionState
from etl_core.errors import Permanent
from etl_core.testing.destination import Destination
from tests.simulators.faults import Fault
from tests.simulators.rest.shop import WAYS, ShopSimulator
from tests.simulators.rest.simulator import TOKEN
from tests.workers.connectors.rest import shops
from tests.workers.connectors.rest.running import run

every_way = pytest.mark.parametrize("way", WAYS)


def shop(**options: Any) -> ShopSimulator:
    return ShopSimulator(**{"seed": 1, "customers_at_first": 3, "orders_at_first": 40, **options})


def ids(loaded: Destination) -> list[int]:
    return sorted(key[0] for key in loaded.rows.get("orders", {}))


@every_way
async def test_every_record_is_read_once_and_a_broken_walk_goes_on(way: str, tmp_path: Path) -> None:
    simulator = shop()
    manifest = shops.orders(way, incremental=way == "seek")
    async with simulator.serving():
        whole = Destination()
        await run(shops.connector(simulator, tmp_path, manifest), whole, page_records=1)
        assert ids(whole) == list(simulator.orders.rows)
        for pages in range(1, whole.pages):
            broken = Destination()
            await run(
                shops.connector(simulator, tmp_path, manifest), broken, stop_after=pages, page_records=1
            )
            simulator.calls.clear()
            await run(shops.connector(simulator, tmp_path, manifest), broken)
            assert broken.rows == whole.rows
            assert broken.checkpoint == whole.checkpoint
            assert len(simulator.calls) == whole.pages - pages, "it went on where it was"


@pytest.mark.parametrize("way", ["link", "next", "cursor", "offset"])
async def test_deletions_while_it_is_read_lose_nothing(way: str, tmp_path: Path) -> None:
    """Of an order by id: records go from pages that were read, so all others slide forward."""
    for at in range(1, 6):
        simulator = shop()
        async with simulator.serving():
            loaded = Destination()
            connector = shops.connector(simulator, tmp_path, shops.orders(way, full_refresh=True))
            await run(connector, loaded, stop_after=at, page_records=1)
            for key in list(simulator.orders.rows)[: at * 5]:
                simulator.orders.delete(key)
            await run(connector, loaded, page_records=1)
            assert set(simulator.orders.rows) <= set(ids(loaded)), f"deleted behind page {at}"
            await run(connector, loaded, page_records=1)
            assert ids(loaded) == list(simulator.orders.rows)


async def test_updates_while_it_seeks_lose_nothing(tmp_path: Path) -> None:
    """By page number, a record that moves to the end of the list takes one behind it out of sight."""
    simulator = shop(changes_per_request=2)
    loaded = Destination()
    async with simulator.serving():
        connector = shops.connector(simulator, tmp_path, shops.orders("seek", incremental=True))
        for _ in range(4):
            before = dict(simulator.orders.rows)
            await run(connector, loaded)
            assert {key for key in before if key in simulator.orders.rows} <= set(ids(loaded))
        simulator.freeze()
        await run(connector, loaded)
        found = {key[0]: row["name"] for key, row in loaded.rows["orders"].items()}
        assert {key: found[key] for key in simulator.orders.rows} == {
            key: row["name"] for key, row in simulator.orders.rows.items()
        }


async def test_more_records_of_one_time_than_a_page_holds(tmp_path: Path) -> None:
    simulator = shop(orders_at_first=5)
    for _ in range(25):
        simulator.orders.add()
        simulator.orders.rows[simulator.orders.made]["updated_at"] = "2026-03-02T00:00:00.000Z"
    for _ in range(5):
        row = simulator.orders.add()
        row["updated_at"] = "2026-03-03T00:00:00.000Z"
    loaded = Destination()
    async with simulator.serving():
        await run(shops.connector(simulator, tmp_path, shops.orders("seek", incremental=True)), loaded)
    assert ids(loaded) == list(simulator.orders.rows)


@pytest.mark.parametrize(
    ("way", "quirk", "told"),
    [
        ("cursor", "repeats", "read before"),
        ("next", "repeats", "read before"),
        ("page", "ignores_page", "same page twice"),
        ("link", "empty_for_ever", "in a row were empty"),
        ("cursor", "empty_for_ever", "in a row were empty"),
        ("link", "no_place_behind", "not sent the credential"),
    ],
)
async def test_what_would_never_end_or_leads_elsewhere_is_refused(
    way: str, quirk: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.connectors.rest.walk.MOST_EMPTY_PAGES", 20)
    simulator, loaded = shop(**{quirk: True}), Destination()
    async with simulator.serving():
        await run(shops.connector(simulator, tmp_path, shops.orders(way)), loaded)
    (failure,) = loaded.failures
    assert isinstance(failure.error, Permanent)
    assert told in str(failure.error)
    assert "stream orders" in str(failure.error) or quirk == "no_place_behind"


async def test_a_key_in_the_query_is_in_no_checkpoint_and_no_message(tmp_path: Path) -> None:
    """The API writes the request's query into its links, the key with it."""
    simulator, loaded = shop(auth="query"), Destination()
    manifest = shops.orders("next").replace(
        'auth: {type: bearer, token: "{{ secrets.token }}"}',
        'auth: {type: query, name: key, value: "{{ secrets.token }}"}',
    )
    async with simulator.serving():
        connector = shops.connector(simulator, tmp_path, manifest)
        await run(connector, loaded, stop_after=2, page_records=1)
        state = loaded.checkpoint["orders", "default"]
        assert state.resume is not None and "after=" in state.resume["at"]["url"]
        assert TOKEN not in str(loaded.checkpoint)
        simulator.faults.tell(Fault("teapot", 418, body=TOKEN.encode()))
        await run(connector, loaded)
        assert "418" in str(loaded.failures) and TOKEN not in str(loaded.failures)
        await run(connector, loaded)
        assert ids(loaded) == list(simulator.orders.rows)


@pytest.mark.parametrize(
    ("kind", "auth"),
    [
        ("basic", '{type: basic, username: me, password: "{{ secrets.token }}"}'),
        ("header", '{type: header, name: X-Key, value: "{{ secrets.token }}"}'),
    ],
)
async def test_other_credentials(kind: str, auth: str, tmp_path: Path) -> None:
    simulator, loaded = shop(auth=kind), Destination()
    manifest = shops.orders("next").replace('{type: bearer, token: "{{ secrets.token }}"}', auth)
    async with simulator.serving():
        await run(shops.connector(simulator, tmp_path, manifest), loaded)
    assert len(ids(loaded)) == 40


async def test_a_cursor_value_of_the_far_future_moves_no_bookmark(tmp_path: Path) -> None:
    simulator, loaded = shop(), Destination()
    simulator.orders.rows[5]["updated_at"] = "2999-01-01T00:00:00.000Z"
    async with simulator.serving():
        connector = shops.connector(simulator, tmp_path, shops.orders("cursor", incremental=True))
        await run(connector, loaded)
        assert ids(loaded) == list(simulator.orders.rows)
        simulator.orders.update(1)
        await run(connector, loaded)
        assert loaded.rows["orders"][(1,)]["name"] == simulator.orders.rows[1]["name"]


async def test_nothing_new_yields_no_page(tmp_path: Path) -> None:
    simulator, loaded = shop(), Destination()
    manifest = shops.orders("cursor", incremental=True).replace("overlap: 1m", "overlap: 0s")
    async with simulator.serving():
        connector = shops.connector(simulator, tmp_path, manifest)
        await run(connector, loaded)
        simulator.orders.rows.clear()
        await run(connector, loaded)
        assert loaded.pages == 0


async def test_an_answer_without_its_list_is_told(tmp_path: Path) -> None:
    """A body without the list must not pass for an empty one: it would be '0 rows, success'."""
    simulator, loaded = shop(), Destination()
    async with simulator.serving():
        simulator.faults.tell(Fault("odd", body=b'{"error": "try later", "code": 7}'))
        await run(shops.connector(simulator, tmp_path, shops.orders("next")), loaded)
    (failure,) = loaded.failures
    assert "no records at 'data'" in str(failure.error)
    assert "it holds error, code" in str(failure.error)


async def test_what_is_no_object_is_rejected_alone(tmp_path: Path) -> None:
    simulator, loaded = shop(), Destination()
    async with simulator.serving():
        simulator.faults.tell(Fault("odd", body=b'{"data": [{"id": 1, "name": "x"}, 7, null], "next": null}'))
        await run(shops.connector(simulator, tmp_path, shops.orders("next")), loaded)
    assert ids(loaded) == [1]
    assert [reject.payload for reject in loaded.rejects] == ["7", "null"]


async def test_a_partition_of_values_each_with_its_bookmark(tmp_path: Path) -> None:
    simulator, loaded = shop(), Destination()
    manifest = shops.HEAD.replace(
        "variables: {", 'variables: {customers: {description: "ids", list: true}, '
    ) + (
        "streams:\n"
        "  orders:\n"
        '    path: "/next/customers/{{ partition.value }}/orders"\n'
        '    partitions: {values: "{{ variables.customers }}"}\n'
        "    records: data\n"
        "    key: [id]\n"
        "    params: {sort: updated}\n"
        "    pagination: {type: next_url, url: next}\n"
        f"    incremental: {shops.INCREMENTAL}\n"
    )
    async with simulator.serving():
        variables = {"url": simulator.url, "customers": ["1", "2", "99"]}
        connector = shops.connector(simulator, tmp_path, manifest, variables=variables)
        await run(connector, loaded)
        wanted = [key for key, row in simulator.orders.rows.items() if row["customer_id"] in (1, 2)]
        assert ids(loaded) == sorted(wanted)
        assert [(f.partition, "404" in str(f.error)) for f in loaded.failures] == [("99", True)]
        assert {place[1] for place in loaded.checkpoint} == {"1", "2", "(round)"}
        assert all(state.resume is None for state in loaded.checkpoint.values())


async def test_an_edited_position_is_used_as_it_is(tmp_path: Path) -> None:
    """People repair checkpoints: a page number set back reads from there."""
    simulator, loaded = shop(), Destination()
    loaded.checkpoint["orders", "default"] = PartitionState(None, {"at": {"page": 5}})
    async with simulator.serving():
        await run(shops.connector(simulator, tmp_path, shops.orders("page")), loaded)
    assert ids(loaded) == list(range(29, 41))
