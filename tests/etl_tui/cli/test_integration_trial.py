"""`integrations test`: what it says, how it ends, and what it never tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etl_core.control.integration_trial import try_integration
from etl_core.errors import InvalidInput
from etl_core.models.tenant import IntegrationRow
from etl_core.models.trial import IntegrationTrial
from etl_tui.cli.integration_trial import _wrapped
from tests.etl_tui.cli.conftest import Cli, Install

CONNECTOR = '''
import asyncio
import structlog
from pydantic import BaseModel, ConfigDict, SecretStr
from etl_core import errors
from etl_core.connector import Finding


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")
    how: str = "well"
    token: SecretStr | None = None


class Moody:
    """A connector of somebody else."""

    type = "moody"
    Config = Config

    def __init__(self, config):
        self.config = config

    async def check(self):
        token = self.config.token.get_secret_value() if self.config.token else ""
        match self.config.how:
            case "well":
                return [Finding("issues", "ok", f"read with {token}"), Finding("wikis", "unknown", "?")]
            case "silent":
                return None
            case "short of a scope":
                return [Finding("teams", "missing", "scope read:org", "grant read:org to the token")]
            case "transient":
                structlog.get_logger().warning("tried again")
                raise errors.Transient("no answer from api.example.com")
            case "refused":
                raise errors.Unauthorised(f"the token was refused\\n(it was {token})")
            case "defect":
                raise KeyError("data")
            case "out of time":
                raise TimeoutError
            case "slow":
                await asyncio.sleep(60)
'''


@pytest.fixture
def installed(install: Install, tmp_path: Path) -> None:
    (tmp_path / "moody_connector.py").write_text(CONNECTOR)
    install("moody", "moody_connector:Moody")


@pytest.fixture
def moody(acme: Cli, installed: None) -> Cli:
    return acme


def add(cli: Cli, **config: str) -> None:
    given = json.dumps(config)
    assert cli("integrations", "add", "acme", "m", "--type", "moody", "--config", given).code == 0


def row(**config: str) -> IntegrationRow:
    return IntegrationRow(
        id=1,
        tenant="acme",
        name="m",
        type="moody",
        active=True,
        config=config,
        max_runs=1,
        jobs=0,
        ready_at=None,
        wait_reason=None,
    )


@pytest.mark.parametrize(
    ("how", "outcome", "state", "words"),
    [
        ("well", "ok", "ok", "issues: read with"),
        ("silent", "ok", "ok", "tells no more"),
        ("short of a scope", "failed", "missing", "teams: scope read:org"),
        ("transient", "unreachable", "failed", "no answer from api.example.com"),
        ("refused", "failed", "failed", "the token was refused"),
        ("defect", "failed", "failed", "its connector broke: KeyError: 'data'"),
        ("slow", "unreachable", "failed", "no answer within 0.1 s"),
        ("out of time", "failed", "failed", "its connector broke: TimeoutError"),
    ],
)
async def test_what_becomes_of_what_a_connector_says(
    installed: None, how: str, outcome: str, state: str, words: str
) -> None:
    trial = await try_integration(row(how=how), timeout_s=0.1 if how == "slow" else 60)
    first = trial.findings[0]
    assert (trial.outcome, first.state) == (outcome, state)
    assert words in f"{first.what}: {first.detail}"


async def test_a_configuration_that_its_connector_has_outgrown(installed: None) -> None:
    with pytest.raises(InvalidInput, match=r"config of acme/m: mood: unknown field"):
        await try_integration(row(mood="good"), timeout_s=60)


def test_how_it_ends(moody: Cli) -> None:
    add(moody, how="short of a scope")
    told = moody("integrations", "test", "acme/m")
    heading, *lines = told.out.splitlines()
    assert told.code == 1
    assert heading.startswith("acme/m, type moody, asked from ")
    assert heading.endswith(": failed")
    assert lines == ["missing  teams: scope read:org", "         -> grant read:org to the token"]
    moody("integrations", "set", "acme", "m", "--config", '{"how": "transient"}')
    document = moody("integrations", "test", "m", "--json")
    assert document.code == 5
    assert IntegrationTrial.model_validate(document.document).outcome == "unreachable"


def test_a_narrow_terminal_wraps_words_below_each_other() -> None:
    told = _wrapped("users: 403: You are not authorized to perform this operation.", "missing  ", 40)
    assert told == [
        "missing  users: 403: You are not",
        "         authorized to perform this",
        "         operation.",
    ]
    assert _wrapped("users: read", "ok       ", 80) == ["ok       users: read"]


@pytest.mark.parametrize("how", ["well", "refused"])
def test_a_secret_is_read_here_and_never_told(moody: Cli, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    add(moody, how=how, token="env:MOODY_TOKEN")
    monkeypatch.setenv("MOODY_TOKEN", "t0p-s3cret-value")
    told = moody("integrations", "test", "m")
    assert "secret env:MOODY_TOKEN: ok here; workers read their own" in told.out
    assert "***" in told.out
    document = moody("integrations", "test", "m", "--json")
    assert document.document["secrets"] == ["env:MOODY_TOKEN"]
    assert "t0p-s3cret-value" not in told.out + told.err + document.out + document.err


def test_a_secret_that_only_workers_have(moody: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    add(moody, token="env:MOODY_TOKEN")
    monkeypatch.delenv("MOODY_TOKEN", raising=False)
    told = moody("integrations", "test", "m")
    assert told.code == 1
    assert "unknown  secret env:MOODY_TOKEN: leads nowhere on " in told.out
    assert "workers may have it" in told.out
    assert "not tried without its secrets" in told.out


def test_which_integration(acme: Cli) -> None:
    assert acme("integrations", "test", "made-up").code == 0
    acme("integrations", "test", "nope").refused(3, "'nope'")
    acme("integrations", "test", "other/made-up").refused(3, "no tenant 'other'")
    acme("tenants", "add", "other")
    acme("integrations", "add", "other", "made-up", "--type", "synthetic", "--config", "{}")
    acme("integrations", "test", "made-up").refused(2, "acme/made-up, other/made-up")
    assert acme("integrations", "test", "other/made-up").code == 0
    for wrong in ("0", "soon", "nan", "1e9"):
        acme("integrations", "test", "other/made-up", "--timeout", wrong).refused(2, "--timeout")


def test_what_fails_in_part_fails(acme: Cli) -> None:
    config = json.dumps({"records": 10, "fail_at": 3})
    acme("integrations", "set", "acme", "made-up", "--config", config)
    told = acme("integrations", "test", "acme/made-up")
    assert told.code == 1
    assert "ok       records: 10 in each of 1 streams" in told.out
    assert "failed   fail_at: runs fail at record 3" in told.out
