"""`jobs list|show|settings|enable|disable|add` on a real database."""

from __future__ import annotations

import pytest

from etl_core.models.job import JobDetails, JobRow, JobSettingsResponse
from tests.etl_tui.cli.conftest import Cli


def test_a_new_tenant_has_the_four_seeded_jobs(cli: Cli) -> None:
    added = cli("tenants", "add", "acme", "--json")
    assert added.code == 0
    assert {job["job_name"] for job in added.document["seeded_jobs"]} == {"Jira", "GitHub", "Fabric", "AD"}
    listed = cli("jobs", "list", "--json")
    jobs = [JobRow.model_validate(job) for job in listed.document]
    assert [job.job_name for job in jobs] == ["AD", "Fabric", "GitHub", "Jira"]
    assert {job.job_name: (job.schedule_interval_minutes, job.retry_interval_minutes) for job in jobs} == {
        "Jira": (360, 15),
        "GitHub": (240, 15),
        "Fabric": (1440, 15),
        "AD": (720, 15),
    }


def test_the_list_is_an_array_even_when_empty(cli: Cli) -> None:
    assert cli("jobs", "list", "--json").document == []
    assert "tenants add" in cli("jobs", "list").out


def test_json_may_stand_anywhere(acme: Cli) -> None:
    documents = [
        acme("--json", "jobs", "list").document,
        acme("jobs", "--json", "list").document,
        acme("jobs", "list", "--json").document,
    ]
    assert documents[0] == documents[1] == documents[2]
    assert len(documents[0]) == 5


def test_the_table_names_jobs_so_that_they_can_be_typed(acme: Cli) -> None:
    listed = acme("jobs", "list")
    heading, *rows = listed.out.splitlines()
    assert heading.split()[:4] == ["ID", "STATUS", "JOB", "EVERY"]
    orders = next(row for row in rows if "acme/orders" in row)
    assert orders.split()[1:5] == ["READY", "acme/orders", "6h", "15m"]
    assert any("acme/GitHub" in row and "no integration" in row for row in rows)
    assert "no worker alive" in listed.err


def test_list_by_status_and_by_tenant(acme: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    acme("tenants", "add", "other")
    assert len(acme("jobs", "list", "--json").document) == 9
    assert len(acme("jobs", "list", "--tenant", "other", "--json").document) == 4
    assert acme("jobs", "list", "--status", "failed", "--json").document == []
    monkeypatch.setenv("ETL_TENANT", "acme")
    assert {job["tenant"] for job in acme("jobs", "list", "--json").document} == {"acme"}
    acme("jobs", "list", "--tenant", "nobody").refused(3, "nobody", "tenants list")


def test_show_extends_the_documented_details(acme: Cli) -> None:
    job = JobDetails.model_validate(acme("jobs", "show", "acme/orders", "--json").document)
    assert (job.tenant, job.integration, job.integration_type) == ("acme", "made-up", "synthetic")
    assert job.checkpoint_data is None
    by_id = acme("jobs", "show", str(job.id))
    assert "acme/orders" in by_id.out
    assert "6 hours" in by_id.out
    assert acme("jobs", "show", "orders").code == 0


def test_an_unknown_job_is_named(acme: Cli) -> None:
    for command in ("show", "run", "enable", "disable"):
        for reference in ("acme/nothing", "99999", "99999999999999999999", "nothing", "a/b/c", "/", ""):
            acme("jobs", command, reference).refused(3, reference, "jobs list")


def test_settings_change_what_is_given_and_keep_the_rest(acme: Cli) -> None:
    changed = acme("jobs", "settings", "acme/orders", "--schedule", "2 days", "--json")
    response = JobSettingsResponse.model_validate(changed.document)
    assert response.success
    assert (response.schedule_interval_minutes, response.retry_interval_minutes) == (2880, 15)
    changed = acme("jobs", "settings", "acme/orders", "--retry", "90m", "--json")
    response = JobSettingsResponse.model_validate(changed.document)
    assert (response.schedule_interval_minutes, response.retry_interval_minutes) == (2880, 90)


def test_a_seeded_job_gets_its_integration(acme: Cli) -> None:
    given = acme("jobs", "settings", "acme/GitHub", "--integration", "made-up")
    assert given.out == "acme/GitHub reads from made-up\n"
    assert acme("jobs", "show", "acme/GitHub", "--json").document["integration"] == "made-up"


def test_integration_and_intervals_change_together_or_not_at_all(acme: Cli) -> None:
    both = ("jobs", "settings", "acme/GitHub", "--integration", "made-up")
    acme(*both, "--retry", "5h").refused(2, "Retry (5 hours)", "schedule (4 hours)")
    assert acme("jobs", "show", "acme/GitHub", "--json").document["integration"] is None
    assert acme(*both, "--retry", "1h", "--json").document["retry_interval_minutes"] == 60
    assert acme("jobs", "show", "acme/GitHub", "--json").document["integration"] == "made-up"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--schedule", "15", "--retry", "15"], ["Retry (15 minutes)", "shorter", "schedule (15 minutes)"]),
        (["--retry", "6h"], ["Retry (6 hours)", "shorter"]),
        (["--schedule", "10"], ["Retry (15 minutes)", "schedule (10 minutes)"]),
        (["--schedule", "0"], ["--schedule", "at least 1 minute"]),
        (["--retry", "0"], ["--retry", "at least 1 minute"]),
        (["--schedule", "0.5"], ["--schedule", "whole number"]),
        (["--schedule", "5256001"], ["--schedule", "ten years"]),
        (["--schedule", "521w", "--retry", "3660d"], ["ten years"]),
        (["--schedule", "9" * 400], ["--schedule", "ten years"]),
        (["--schedule", "soon"], ["'soon'", "90m"]),
        (["--schedule="], ["--schedule"]),
        (["--integration", "nothing"], []),
        ([], ["--schedule", "--integration"]),
    ],
)
def test_settings_that_cannot_be(acme: Cli, options: list[str], words: list[str]) -> None:
    before = acme("jobs", "show", "acme/orders", "--json").document
    code = 3 if options[:1] == ["--integration"] else 2
    acme("jobs", "settings", "acme/orders", *options).refused(code, *words)
    assert acme("jobs", "show", "acme/orders", "--json").document == before


def test_a_negative_interval_is_refused(acme: Cli) -> None:
    acme("jobs", "settings", "acme/orders", "--schedule=-5").refused(2, "-5")


def test_off_and_on_again(acme: Cli) -> None:
    off = acme("jobs", "disable", "acme/orders", "--reason", "noisy")
    assert off.out == "acme/orders is off\n"
    job = JobRow.model_validate(acme("jobs", "disable", "acme/orders", "--json").document)
    assert (job.active, job.off_reason) == (False, "noisy")
    assert "off" in acme("jobs", "list").out
    job = JobRow.model_validate(acme("jobs", "enable", "acme/orders", "--json").document)
    assert (job.active, job.off_by) == (True, None)


def test_enabling_a_job_without_integration_says_what_is_missing(acme: Cli) -> None:
    enabled = acme("jobs", "enable", "acme/Fabric")
    assert enabled.code == 0
    assert "jobs settings acme/Fabric --integration" in enabled.err


def test_add_prints_the_new_job(acme: Cli) -> None:
    added = acme(*["jobs", "add", "acme/small", "--integration", "made-up", "--schedule", "10", "--json"])
    job = JobRow.model_validate(added.document)
    assert job.retry_interval_minutes < job.schedule_interval_minutes == 10
    acme(*["jobs", "add", "acme/small", "--integration", "made-up"]).refused(4, "small")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["acme/a", "--integration", "none"], 3, ["none"]),
        (["nobody/a", "--integration", "made-up"], 3, ["nobody", "tenants add"]),
        (["a", "--integration", "made-up"], 2, ["TENANT/JOB"]),
        (["acme/", "--integration", "made-up"], 2, ["TENANT/JOB"]),
        (["acme/a/b", "--integration", "made-up"], 2, ["a/b"]),
        (["acme/a", "--integration", "made-up", "--retry", "6h"], 2, ["shorter"]),
        (["acme/a", "--integration", "made-up", "--schedule", "1"], 2, ["shorter"]),
        (["acme/a"], 2, ["--integration"]),
    ],
)
def test_a_job_that_cannot_be_added(acme: Cli, arguments: list[str], code: int, words: list[str]) -> None:
    acme("jobs", "add", *arguments).refused(code, *words)
    assert len(acme("jobs", "list", "--json").document) == 5
