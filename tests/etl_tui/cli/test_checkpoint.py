"""`etl-tui checkpoint show|clear` and `integrations set`, as a person runs them."""

from __future__ import annotations

import json

from tests.etl_tui.cli.conftest import Cli, Sql

HAND_MADE = '{"streams": {"records": {"default": {"bookmark": {"through": 7, "generation": 0}}}}}'


def test_a_job_without_a_checkpoint(acme: Cli) -> None:
    shown = acme("checkpoint", "show", "acme/orders")
    assert (shown.code, shown.document) == (0, None)
    acme("checkpoint", "clear", "acme/orders", "--reason", "x").refused(4, "acme/orders", "no checkpoint")


def test_a_checkpoint_is_cleared_with_a_reason_and_a_version(acme: Cli, sql: Sql) -> None:
    sql("UPDATE etl_jobs SET checkpoint_data = $1 WHERE job_name = 'orders'", json.loads(HAND_MADE))
    shown = acme("checkpoint", "show", "acme/orders", "--json").document
    assert shown["streams"]["records"]["default"]["bookmark"]["through"] == 7
    acme("checkpoint", "clear", "acme/orders", "--reason", " ").refused(2, "reason")

    cleared = acme("checkpoint", "clear", "acme/orders", "--reason", "key changed", "--json")
    assert (cleared.code, cleared.document["version"]) == (0, 2)
    assert acme("checkpoint", "show", "acme/orders").document is None
    assert sql("SELECT count(*) FROM job_checkpoints") == 0
    assert (
        sql("SELECT source || ': ' || reason FROM job_checkpoint_history WHERE version = 2")
        == "clear: key changed"
    )
    assert (
        sql("SELECT detail ->> 'reason' FROM job_events WHERE action = 'checkpoint_clear'") == "key changed"
    )


def test_not_while_the_job_runs(acme: Cli, sql: Sql) -> None:
    sql("UPDATE etl_jobs SET checkpoint_data = $1 WHERE job_name = 'orders'", json.loads(HAND_MADE))
    assert acme("jobs", "run", "acme/orders").code == 0
    acme("checkpoint", "clear", "acme/orders", "--reason", "x").refused(4, "running", "jobs cancel")
    assert acme("checkpoint", "show", "acme/orders").document is not None


def test_an_integration_gets_another_configuration(acme: Cli, sql: Sql) -> None:
    changed = acme("integrations", "set", "acme", "made-up", "--config", '{"records": 5}', "--json")
    assert (changed.code, changed.document["config"]) == (0, {"records": 5})
    acme("integrations", "set", "acme", "made-up", "--config", '{"recrods": 5}').refused(2, "recrods")
    acme("integrations", "set", "acme", "nobody", "--config", "{}").refused(3, "nobody")
    assert sql("SELECT config ->> 'records' FROM integrations") == "5"
    assert sql("SELECT detail -> 'before' FROM job_events WHERE action = 'change_config'") == {}
