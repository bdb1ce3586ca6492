"""Rate limits and servers in trouble."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from etl_core.errors import RateLimited, Unauthorised
from etl_core.testing.walking import run_fresh
from tests.simulators import faults
from tests.simulators.jira import JiraSimulator
from tests.simulators.jira.faults import too_many
from tests.workers.connectors.jira.sites import assert_loaded, connector_of


async def test_a_long_limit_parks_the_run_and_is_named(site: JiraSimulator) -> None:
    site.faults.tell(too_many(900, "jira-quota-tenant-based"), match=lambda r: r.path.endswith("/search/jql"))
    with pytest.raises(RateLimited, match=r"429.*jira-quota-tenant-based") as raised:
        await run_fresh(connector_of(site))
    assert raised.value.until == timedelta(seconds=900)


async def test_a_503_that_names_a_limit_is_one(site: JiraSimulator) -> None:
    busy = faults.Fault("503", 503, {"Retry-After": "120", "RateLimit-Reason": "jira-cost-based"}, b"{}")
    site.faults.tell(busy, match=lambda r: r.path.endswith("/search/jql"))
    with pytest.raises(RateLimited, match=r"503.*jira-cost-based"):
        await run_fresh(connector_of(site))


async def test_a_short_limit_is_waited_for(site: JiraSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("workers.http.source.asyncio", _Asyncio(sleep))
    site.faults.tell(too_many(7), faults.UNAVAILABLE_UNTIL)
    loaded, _ = await run_fresh(connector_of(site))
    assert slept[:2] == [7.0, 1.0]
    assert_loaded(loaded, site)


async def test_a_credential_that_is_refused_holds_the_job(site: JiraSimulator) -> None:
    """Asked of /myself first: elsewhere Jira might take us for nobody and show empty lists."""
    site.access.api_token = "another"
    with pytest.raises(Unauthorised, match="/myself: 401"):
        await run_fresh(connector_of(site))
    assert [path for _, path in site.calls] == ["/rest/api/3/myself"]


class _Asyncio:
    """The module with another `sleep`."""

    def __init__(self, sleep: object) -> None:
        self.sleep = sleep

    def __getattr__(self, name: str) -> object:
        return getattr(asyncio, name)
