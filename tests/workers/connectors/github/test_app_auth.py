"""Signing in as an installation of a GitHub App."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from etl_core.errors import Unauthorised
from tests.simulators.github import GitHubSimulator, World
from tests.simulators.github import faults as kinds
from tests.simulators.github.access import APP_ID, INSTALLATION, Access
from tests.simulators.github.world import Thing
from tests.workers.connectors.github.reading import connector_of, expect_all, read
from workers.connectors.github import app_auth


def make_key() -> tuple[str, str]:
    """Private and public, in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    return make_key()


@pytest.fixture
def app_config(github: GitHubSimulator, keys: tuple[str, str]) -> dict[str, Any]:
    github.access = Access(app_key=keys[1])
    return {"app_id": APP_ID, "installation_id": INSTALLATION, "private_key": keys[0]}


def tokens_asked_for(github: GitHubSimulator) -> int:
    return sum(path.endswith("/access_tokens") for _, path in github.calls)


async def test_an_installation_reads(
    github: GitHubSimulator, world: World, app: Thing, app_config: dict[str, Any]
) -> None:
    world.add_issue(app)
    loaded = await read(github, app=app_config)
    expect_all(github, loaded)
    assert tokens_asked_for(github) == 1


async def test_permissions_that_the_app_lacks_are_named(
    github: GitHubSimulator, app: Thing, app_config: dict[str, Any]
) -> None:
    found = {each.what: each for each in await connector_of(github, token=None, app=app_config).check() or ()}
    assert "issues read" in found["permissions"].detail
    assert found["permission deployments"].state == "missing"
    assert "deployments: read" in found["permission deployments"].remedy
    assert "workflow_runs" in found["permission actions"].detail
    assert "permission issues" not in found


async def test_a_token_that_ended_is_asked_for_anew(
    github: GitHubSimulator, world: World, app: Thing, app_config: dict[str, Any]
) -> None:
    world.add_issue(app)
    github.faults.tell(kinds.EXPIRED_TOKEN, match=lambda request: request.path == "/graphql")
    loaded = await read(github, app=app_config, streams=["issues"])
    expect_all(github, loaded)
    assert tokens_asked_for(github) == 2


async def test_a_token_is_renewed_before_it_ends(
    github: GitHubSimulator, app: Thing, app_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_auth, "_RENEW_BEFORE", 3_600.0)
    await read(github, app=app_config, streams=["issues"])
    assert tokens_asked_for(github) == sum(path == "/graphql" for _, path in github.calls)


@pytest.mark.parametrize("wrong", ["key", "pem", "installation"])
async def test_what_is_wrong_is_told_without_the_key(
    github: GitHubSimulator, app: Thing, app_config: dict[str, Any], wrong: str
) -> None:
    if wrong == "key":
        app_config["private_key"] = make_key()[0]
    elif wrong == "pem":
        app_config["private_key"] = "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n-----END RSA PRIVATE KEY-----"
    else:
        app_config["installation_id"] = 1
    with pytest.raises(Unauthorised, match="private_key") as told:
        await read(github, app=app_config)
    line = app_config["private_key"].splitlines()[1]
    error: BaseException | None = told.value
    while error is not None:
        assert line not in f"{error!s}{error!r}"
        error = error.__cause__ or error.__context__


async def test_check_names_the_installation(
    github: GitHubSimulator, app: Thing, app_config: dict[str, Any]
) -> None:
    found = await connector_of(github, app=app_config).check()
    assert {finding.what for finding in found if finding.state != "ok"} == {
        "permission deployments",
        "permission actions",
    }
    assert str(INSTALLATION) in found[0].detail
