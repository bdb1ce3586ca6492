"""OAuth 2: tokens that rotate, the gateway, what was granted; and personal tokens."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from etl_core.connector import Connector
from etl_core.errors import Permanent, SourceError, Unauthorised
from etl_core.testing.walking import run_fresh
from tests.simulators.jira import JiraSimulator
from tests.simulators.jira.access import (
    CLIENT_ID,
    CLIENT_SECRET,
    CLOUD_ID,
    FIRST_REFRESH_TOKEN,
    PERSONAL_TOKEN,
    SCOPES,
)
from tests.simulators.jira.faults import EXPIRED_LOGIN
from tests.workers.connectors.jira.sites import assert_loaded, config_of, connector_of
from workers.connectors.jira import JiraConnector


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "refresh-token"
    path.write_text(FIRST_REFRESH_TOKEN + "\n")
    return path


def oauth(site: JiraSimulator, token_file: Path | None, /, **settings: Any) -> Connector:
    auth = {
        "type": "oauth2",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "refresh_token_file": None if token_file is None else str(token_file),
        "token_url": f"{site.url}/oauth/token",
        "gateway_url": site.url,
    }
    return JiraConnector(config_of(site, auth=auth, **settings))


async def test_the_rotated_refresh_token_is_kept(site: JiraSimulator, token_file: Path) -> None:
    """Each can be used once: a run whose token was not written back would be the last."""
    for used in range(1, 4):
        loaded, _ = await run_fresh(oauth(site, token_file))
        assert_loaded(loaded, site)
        assert site.access.refreshes == used
        assert token_file.read_text().strip() == site.access.refresh_tokens[-1]
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    assert [path.name for path in token_file.parent.iterdir()] == [token_file.name]


async def test_the_cloud_id_is_found_by_the_address(site: JiraSimulator, token_file: Path) -> None:
    await run_fresh(oauth(site, token_file))
    assert all(path.startswith((f"/ex/jira/{CLOUD_ID}/rest", "/oauth/")) for _, path in site.calls)


async def test_a_cloud_id_that_is_given_is_not_looked_for(site: JiraSimulator, token_file: Path) -> None:
    await run_fresh(oauth(site, token_file, cloud_id=CLOUD_ID, site=None))
    assert ("GET", "/oauth/token/accessible-resources") not in site.calls


async def test_another_site_is_told_from_those_granted(site: JiraSimulator, token_file: Path) -> None:
    with pytest.raises(Permanent, match=r"may read http://127.*and not https://other\.example"):
        await run_fresh(oauth(site, token_file, site="https://other.example"))


async def test_an_access_token_that_ends_early_is_renewed(site: JiraSimulator, token_file: Path) -> None:
    site.faults.tell(EXPIRED_LOGIN, match=lambda request: request.path.endswith("/search/jql"))
    loaded, _ = await run_fresh(oauth(site, token_file))
    assert site.access.refreshes == 2
    assert_loaded(loaded, site)


async def test_a_refresh_token_that_was_used_up_holds_the_job(site: JiraSimulator, token_file: Path) -> None:
    token_file.write_text("simulated-refresh-of-old")
    with pytest.raises(Unauthorised, match=r"invalid refresh token.*renew"):
        await run_fresh(oauth(site, token_file))


@pytest.mark.parametrize("content", [None, ""], ids=["missing", "empty"])
async def test_a_file_without_a_token_is_named(
    site: JiraSimulator, token_file: Path, content: str | None
) -> None:
    if content is None:
        token_file.unlink()
    else:
        token_file.write_text(content)
    with pytest.raises(Unauthorised, match=f"refresh_token_file {token_file}"):
        await run_fresh(oauth(site, token_file))


async def test_client_credentials_need_no_file(site: JiraSimulator) -> None:
    loaded, _ = await run_fresh(oauth(site, None))
    assert_loaded(loaded, site)


async def test_a_scope_that_is_missing_fails_its_stream_alone(site: JiraSimulator, token_file: Path) -> None:
    """Jira answers 401 there, though the credential is good."""
    site.lacks = {"agile"}
    loaded, _ = await run_fresh(oauth(site, token_file))
    assert {failure.stream for failure in loaded.failures} == {"boards", "sprints"}
    assert all("scope" in str(failure.error) for failure in loaded.failures)
    assert len(loaded.rows["issues"]) == len(site.world.issues)


async def test_check_names_scopes_that_are_missing(site: JiraSimulator, token_file: Path) -> None:
    site.lacks = {"agile"}
    site.access.scopes = tuple(scope for scope in SCOPES if "jira-software" not in scope)
    found = {finding.what: finding for finding in await oauth(site, token_file).check() or ()}
    assert found["scopes"].state == found["boards"].state == "missing"
    for scope in ("read:board-scope:jira-software", "read:sprint:jira-software"):
        assert scope in found["scopes"].detail
    assert found["issues"].state == "ok"


async def test_check_of_a_site_where_all_is_well(site: JiraSimulator, data_center: JiraSimulator) -> None:
    for each in (site, data_center):
        found = {finding.what: finding for finding in await connector_of(each).check() or ()}
        assert {finding.state for finding in found.values()} <= {"ok", "unknown"}
        assert found["projects"].detail == "3: DATA, OPS, WEB"
        assert "America/New_York" in found["account"].detail
        assert found["deleted projects"].state == "unknown"


async def test_check_names_permissions_that_are_missing(site: JiraSimulator) -> None:
    site.lacks = {"users"}
    world = site.world
    world.forbid(next(project.id for project in world.projects.values() if project.key == "OPS"))
    found = {f.what: f for f in await connector_of(site, projects=["OPS", "WEB"]).check() or ()}
    assert (found["projects"].state, found["users"].state) == ("missing", "missing")
    assert "OPS" in found["projects"].detail and "BROWSE_PROJECTS" in found["projects"].remedy
    assert "USER_PICKER" in found["users"].remedy


async def test_check_of_a_credential_of_the_other_kind(site: JiraSimulator) -> None:
    auth = {"type": "personal_token", "token": PERSONAL_TOKEN}
    with pytest.raises(SourceError, match="/rest/api/2/myself"):
        await connector_of(site, auth=auth).check()
