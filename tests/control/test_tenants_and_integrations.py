"""Tenants and integrations: one transaction each, an audit event each, no way around the checks."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, Field, SecretStr

from etl_core import connectors_registry
from etl_core.control.audit import Actor
from etl_core.control.integrations import add_integration, list_integrations
from etl_core.control.secret_fields import refuse_secrets_in_clear, secret_fields
from etl_core.control.tenants import add_tenant, find_tenant, list_tenants
from etl_core.errors import Conflict, InvalidInput, NotFound
from etl_core.store import database

ANA = Actor("ana", "ana", "203.0.113.7")


async def test_adding_a_tenant_is_audited(db: database.Connection) -> None:
    tenant, jobs = await add_tenant(db, " acme ", ANA)
    assert (tenant.name, tenant.jobs) == ("acme", 4)
    assert {job.tenant for job in jobs} == {"acme"}
    assert await find_tenant(db, "acme") == tenant
    event = await db.fetchrow("SELECT * FROM job_events WHERE action = 'add_tenant'")
    assert event is not None
    assert (event["actor"], event["ssh_origin"], event["tenant_id"]) == ("ana", "203.0.113.7", tenant.id)
    assert event["db_role"]


async def test_one_of_two_who_add_the_same_tenant_at_once_is_told(
    db: database.Connection, database_url: str
) -> None:
    other = await database.connect(database_url, application_name="tests")
    try:
        results = await asyncio.gather(
            add_tenant(db, "acme", ANA), add_tenant(other, "acme", ANA), return_exceptions=True
        )
    finally:
        await other.close()
    assert sorted(type(result).__name__ for result in results) == ["Conflict", "tuple"]
    assert [tenant.jobs for tenant in await list_tenants(db)] == [4]


async def test_a_refused_integration_leaves_nothing(db: database.Connection) -> None:
    await add_tenant(db, "acme", ANA)

    async def add(**changes: Any) -> None:
        given: dict[str, Any] = {"tenant": "acme", "name": "a", "integration_type": "synthetic", "config": {}}
        await add_integration(db, **(given | changes), actor=ANA)

    for changes, error in (
        ({"config": {"token": "hunter2"}}, InvalidInput),
        ({"config": {"recrods": 1}}, InvalidInput),
        ({"integration_type": "oracle"}, InvalidInput),
        ({"name": "a/b"}, InvalidInput),
        ({"tenant": "nobody"}, NotFound),
    ):
        with pytest.raises(error) as refusal:
            await add(**changes)
        assert "hunter2" not in str(refusal.value)
    assert await list_integrations(db) == []
    await add()
    with pytest.raises(Conflict):
        await add()
    assert await db.fetchval("SELECT count(*) FROM job_events WHERE action = 'add_integration'") == 1


async def test_tenants_may_use_the_same_name(db: database.Connection) -> None:
    for tenant in ("acme", "other"):
        await add_tenant(db, tenant, ANA)
        await add_integration(
            db, tenant=tenant, name="a", integration_type="synthetic", config={"records": 1}, actor=ANA
        )
    assert [(row.tenant, row.name) for row in await list_integrations(db)] == [("acme", "a"), ("other", "a")]
    assert [row.tenant for row in await list_integrations(db, tenant="other")] == ["other"]
    with pytest.raises(NotFound):
        await list_integrations(db, tenant="nobody")


class Account(BaseModel):
    login: str
    pin: SecretStr


class Credentials(BaseModel, extra="forbid"):
    pass_: SecretStr | None = Field(default=None, alias="pass")
    accounts: list[Account] = []
    answer: dict[str, SecretStr] = {}
    parent: Credentials | None = None


class SecretiveConnector:
    Config: ClassVar = Credentials


@pytest.fixture
def secretive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connector of somebody else, whose model types fields as secret that are not called so."""
    for module in ("etl_core.control.secret_fields", "etl_core.connectors_registry"):
        monkeypatch.setattr(f"{module}.find_connector", lambda _: SecretiveConnector)


def test_secret_fields_of_a_model() -> None:
    assert {"pass", "accounts.pin", "answer", "parent.pass"} <= secret_fields(Credentials)
    assert "accounts.login" not in secret_fields(Credentials)


@pytest.mark.usefixtures("secretive")
def test_fields_typed_as_secret_take_references_only() -> None:
    for config in (
        {"pass": "hunter2"},
        {"accounts": [{"login": "me", "pin": "hunter2"}]},
        {"answer": {"pet": "hunter2"}},
        {"parent": {"pass": "hunter2"}},
    ):
        with pytest.raises(InvalidInput, match="env:NAME") as refusal:
            refuse_secrets_in_clear("secretive", config)
        assert "hunter2" not in str(refusal.value)
    refuse_secrets_in_clear("secretive", {"pass": "env:A", "accounts": [{"login": "me", "pin": "file:/pin"}]})


@pytest.mark.usefixtures("secretive")
async def test_a_reference_is_stored_as_it_was_given(db: database.Connection) -> None:
    await add_tenant(db, "acme", ANA)
    config = {"pass": "env:PASSWORD", "accounts": [{"login": "me", "pin": "file:/run/secrets/pin"}]}
    row = await add_integration(
        db, tenant="acme", name="a", integration_type="secretive", config=config, actor=ANA
    )
    assert row.config == config
    assert row.max_runs == 1  # a connector that does not say is taken for an API
    assert connectors_registry.check_config("secretive", config) == config


def test_only_apis_are_limited_unasked() -> None:
    assert {connectors_registry.default_max_runs(kind) for kind in ("files", "git", "synthetic")} == {None}
    with pytest.raises(InvalidInput, match="oracle"):
        connectors_registry.default_max_runs("oracle")
