"""The shipped manifests, each against its API: quiet, changing while it is read, failing now and then."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from etl_core.errors import RateLimited, Transient
from etl_core.testing.destination import Destination
from tests.simulators.faults import COMMON, TOO_MANY, Fault, Faults
from tests.simulators.rest.entra import EntraSimulator
from tests.simulators.rest.fabric import FabricSimulator
from tests.simulators.rest.simulator import RestSimulator
from tests.workers.connectors.rest.running import run
from tests.workers.connectors.rest.shipped_apis import ALL, ENTRA, FABRIC, GITLAB, PAGERDUTY, ShippedApi
from workers.connectors.rest import api as rest_api
from workers.connectors.rest.shipped import shipped_manifest, shipped_names
from workers.http import Retries

every_api = pytest.mark.parametrize("api", ALL, ids=lambda api: api.name)
SHORT_FAULTS = tuple(fault for fault in (*COMMON, TOO_MANY) if fault.hang < 1 and not fault.drip)
"""A test of seconds waits for no timeouts; the long form meets all (tests.connectors_soak)."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again at once; what the source says of waiting is tested with the client."""
    sleep = asyncio.sleep

    async def briefly(seconds: float, result: Any = None) -> Any:
        return await sleep(min(seconds, 0.001), result)

    monkeypatch.setattr("workers.http.source.asyncio.sleep", briefly)
    monkeypatch.setattr("etl_core.budgets.asyncio.sleep", briefly)
    monkeypatch.setattr(rest_api, "RETRIES", Retries(attempts=6, first_wait=0.001, longest_wait=0.002))


async def run_again_and_again(
    api: ShippedApi, simulator: RestSimulator, folder: Path, into: Destination
) -> None:
    """A run, and again after what passes, as the worker does."""
    for _ in range(60):
        into.failures.clear()
        try:
            await run(api.connector(simulator, folder), into)
        except (Transient, RateLimited):
            continue
        if not into.failures:
            return
    raise AssertionError("it never ended well")


def test_each_manifest_has_its_test() -> None:
    assert set(shipped_names()) == {api.name for api in ALL}


@every_api
def test_it_says_what_its_user_must_know(api: ShippedApi) -> None:
    manifest = shipped_manifest(api.name)
    assert manifest.notes and manifest.documentation
    for name, stream in manifest.streams.items():
        assert stream.key and stream.columns, name


async def test_a_permission_that_is_missing_is_named(tmp_path: Path) -> None:
    simulator = ENTRA.make(seed=1)
    said = b'{"error": {"code": "Authorization_RequestDenied", "message": "Insufficient privileges."}}'
    refused = Fault("403", 403, {"Content-Type": "application/json"}, said)
    async with simulator.serving():
        simulator.faults.tell(refused, match=lambda request: request.path.endswith("/groups/delta"))
        users, groups = await ENTRA.connector(simulator, tmp_path).check() or ()
    assert (users.state, groups.state) == ("ok", "missing")
    assert groups.detail == "403: Insufficient privileges."
    assert "GroupMember.Read.All" in groups.remedy


@every_api
async def test_all_is_read_and_then_what_changes(api: ShippedApi, tmp_path: Path) -> None:
    simulator, loaded = api.make(seed=1), Destination()
    async with simulator.serving():
        assert {finding.state for finding in await api.connector(simulator, tmp_path).check() or ()} == {"ok"}
        for _ in range(3):
            await run(api.connector(simulator, tmp_path), loaded)
            assert not loaded.failures and not loaded.rejected
            api.check_exactly(simulator, loaded)
            simulator.change(10)


@every_api
@pytest.mark.parametrize("seed", [1, 2])
async def test_it_changes_while_it_is_read(api: ShippedApi, seed: int, tmp_path: Path) -> None:
    simulator, loaded = api.make(seed=seed, changes_per_request=1.0), Destination()
    async with simulator.serving():
        for _ in range(3):
            since = simulator.world.changes
            await run(api.connector(simulator, tmp_path), loaded)
            api.check(simulator, loaded, since)
        simulator.freeze()
        await run(api.connector(simulator, tmp_path), loaded)
        api.check_exactly(simulator, loaded)


@every_api
async def test_each_fifth_call_fails(api: ShippedApi, tmp_path: Path) -> None:
    faults = Faults(seed=5, share=0.2, kinds=SHORT_FAULTS)
    simulator, loaded = api.make(seed=4, page=3, faults=faults, changes_per_request=0.5), Destination()
    async with simulator.serving():
        for _ in range(2):
            since = simulator.world.changes
            await run_again_and_again(api, simulator, tmp_path, loaded)
            api.check(simulator, loaded, since)
        assert len(faults.met) >= 4
        simulator.freeze()
        await run(api.connector(simulator, tmp_path), loaded)
        api.check_exactly(simulator, loaded)


def members_of(loaded: Destination) -> set[tuple[str, str]]:
    return set(loaded.rows.get("group_members", {}))


def members_in(simulator: EntraSimulator) -> set[tuple[str, str]]:
    return {(id_, user) for id_, group in simulator.groups.rows.items() for user in group["members"]}


async def test_entra_members_follow_their_groups(tmp_path: Path) -> None:
    simulator, loaded = EntraSimulator(seed=2, page=3), Destination()
    async with simulator.serving():
        for _ in range(8):
            await run(ENTRA.connector(simulator, tmp_path), loaded)
            assert members_of(loaded) == members_in(simulator)
            simulator.groups.change()
            simulator.groups.change()


@pytest.mark.parametrize("status", [410, 400])
async def test_entra_reads_everything_when_its_delta_links_have_expired(status: int, tmp_path: Path) -> None:
    """What was deleted while the link was worth nothing is found by what the whole walk does not see."""
    simulator, loaded = EntraSimulator(seed=3, expired_status=status), Destination()
    async with simulator.serving():
        await run(ENTRA.connector(simulator, tmp_path), loaded)
        for key in list(simulator.users.rows)[:5]:
            simulator.users.delete(key)
        simulator.expire()
        simulator.calls.clear()
        await run(ENTRA.connector(simulator, tmp_path), loaded)
        ENTRA.check_exactly(simulator, loaded)
        assert len([call for call in simulator.calls if "deltatoken" in call]) == 2, simulator.calls


async def test_entra_goes_on_after_its_next_link_has_expired(tmp_path: Path) -> None:
    """The walk begins anew, and what it had seen before counts no more."""
    simulator = EntraSimulator(seed=3, page=4)
    async with simulator.serving():
        for pages in range(1, 6):
            loaded = Destination()
            connector = ENTRA.connector(simulator, tmp_path)
            await run(connector, loaded, stop_after=pages, page_records=4)
            gone = next(iter(simulator.users.rows))
            simulator.users.delete(gone)
            simulator.expire()
            await run(ENTRA.connector(simulator, tmp_path), loaded, page_records=4)
            ENTRA.check_exactly(simulator, loaded)


async def test_an_access_token_that_ends_is_renewed(tmp_path: Path) -> None:
    simulator, loaded = FABRIC.make(seed=1, requests_per_token=3), Destination()
    async with simulator.serving():
        await run(FABRIC.connector(simulator, tmp_path), loaded)
        FABRIC.check_exactly(simulator, loaded)


async def test_pagerduty_windows_are_split_where_the_api_lists_no_further(tmp_path: Path) -> None:
    simulator, loaded = PAGERDUTY.make(seed=1, most=12), Destination()
    api = ShippedApi(
        **{
            **{name: getattr(PAGERDUTY, name) for name in PAGERDUTY.__dataclass_fields__},
            "streams": {"incidents": PAGERDUTY.streams["incidents"]},
            "smaller": {**PAGERDUTY.smaller, "most: 10000": "most: 12"},
        }
    )
    async with simulator.serving():
        await run(api.connector(simulator, tmp_path), loaded)
        api.check_exactly(simulator, loaded)
    assert not [failure for failure in loaded.failures if failure.stream == "incidents"]


async def test_one_project_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    simulator, loaded = GITLAB.make(seed=1), Destination()
    broken = Fault("teapot", 418)
    async with simulator.serving():
        simulator.faults.tell(broken, match=lambda request: "/projects/3/merge_requests" in request.path)
        await run(GITLAB.connector(simulator, tmp_path), loaded)
        assert [(f.stream, f.partition) for f in loaded.failures] == [("merge_requests", "3")]
        simulator.calls.clear()
        only = frozenset({("merge_requests", "3")})
        await run(GITLAB.connector(simulator, tmp_path), loaded, only=only)
        assert {call.split("?")[0] for call in simulator.calls} == {
            "GET /api/v4/projects",
            "GET /api/v4/projects/3/merge_requests",
        }
        GITLAB.check_exactly(simulator, loaded)


async def test_a_full_refresh_deletes_nothing_while_a_partition_could_not_be_read(tmp_path: Path) -> None:
    simulator, loaded = FABRIC.make(seed=1), Destination()
    assert isinstance(simulator, FabricSimulator)
    async with simulator.serving():
        await run(FABRIC.connector(simulator, tmp_path), loaded)
        gone, stays = list(simulator.items.rows)[:2]
        workspace = simulator.items.rows[stays]["workspaceId"]
        simulator.items.delete(gone)
        simulator.faults.tell(Fault("teapot", 418), match=lambda request: workspace in request.path)
        await run(FABRIC.connector(simulator, tmp_path), loaded)
        assert [failure.partition for failure in loaded.failures] == [workspace]
        assert (gone,) in loaded.rows["items"] and (stays,) in loaded.rows["items"]
        await run(FABRIC.connector(simulator, tmp_path), loaded, only=frozenset({("items", workspace)}))
        FABRIC.check_exactly(simulator, loaded)
