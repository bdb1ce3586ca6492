"""`rejects`: what a person sees of records that could not be loaded, and can do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl_core.models.reject import RejectDetails, RejectRow
from etl_core.models.run import RunRow
from tests.etl_tui.cli.conftest import Cli, Sql

KEEP = (
    "INSERT INTO rejected_records (job_id, stream, hash, payload, reason, count)"
    " SELECT id, $1, convert_to($2, 'UTF8'), convert_to($2, 'UTF8'), $3, 3"
    " FROM etl_jobs WHERE job_name = 'orders' RETURNING id"
)

Keep = Callable[..., int]


@pytest.fixture
def keep(acme: Cli, sql: Sql) -> Keep:
    """Leaves a reject of acme/orders; its id."""

    def add(
        payload: str, *, stream: str = "orders", reason: str = "amount is 'x', which is no number"
    ) -> int:
        reject_id: int = sql(KEEP, stream, payload, reason)
        return reject_id

    return add


def test_list(acme: Cli, keep: Keep) -> None:
    assert acme("rejects", "list", "acme/orders").out == "no rejects\n"
    one = keep('{"id": 1}')
    two = keep("torn", stream="lines", reason="\x1b[2J")
    found = acme("rejects", "list", "acme/orders")
    header, second, first = found.out.splitlines()
    assert header.split("  ")[0] == "ID"
    assert second.split()[:3] == [str(two), "lines", "3"]
    assert second.endswith("?[2J (no record: cannot be replayed)")
    assert first.split()[:3] == [str(one), "orders", "3"]
    assert first.endswith("amount is 'x', which is no number")
    assert acme("rejects", "list", "acme/orders", "--reason", "zzz").out == "none that match\n"
    limited = acme("rejects", "list", "acme/orders", "--limit", "1")
    assert (len(limited.out.splitlines()), "--limit N" in limited.err) == (2, True)

    documents = acme("rejects", "list", "acme/orders", "--stream", "orders", "--json").document
    assert [RejectRow.model_validate(document).id for document in documents] == [one]


def test_show(acme: Cli, keep: Keep) -> None:
    one = keep('{"id": 1, "b": {"c": "ä\\u001b"}}')
    shown = acme("rejects", "show", str(one)).out
    assert shown.startswith(f"reject      {one} of acme/orders\n")
    assert shown.endswith('\n{\n  "id": 1,\n  "b": {\n    "c": "ä\\u001b"\n  }\n}\n')
    document = acme("rejects", "show", str(one), "--json").document
    assert RejectDetails.model_validate(document).payload == {"id": 1, "b": {"c": "ä\x1b"}}

    torn = keep("a;b\n\x1b[2J", stream="lines")
    shown = acme("rejects", "show", str(torn)).out
    assert "replay      impossible: it is no JSON record\n" in shown
    assert shown.endswith("\n\na;b\n?[2J\n")
    half = keep('{"half": "\\ud800"}')
    assert acme("rejects", "show", str(half), "--json").document["payload"] == '{"half": "\\ud800"}'


def test_replay(acme: Cli, keep: Keep, sql: Sql) -> None:
    one, torn = keep('{"id": 1}'), keep("torn")
    done = acme("rejects", "replay", "acme/orders", "--json")
    run = RunRow.model_validate(done.document)
    assert (done.code, run.state, run.trigger) == (0, "QUEUED", "manual")
    assert "1 reject is no JSON record: that cannot be replayed, and stays\n" in done.err
    assert "no worker alive; start one with `etl-worker`" in done.err
    acme("rejects", "replay", "acme/orders").refused(4, f"run {run.id}", "already running")
    acme("rejects", "drop", "acme/orders", "--all", "--reason", "x").refused(4, f"run {run.id} replays")
    acme("jobs", "cancel", "acme/orders")

    options: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        (("--id", str(one), str(torn), str(one)), {"ids": [one, torn]}),
        (("--stream", "orders"), {"stream": "orders"}),
    ]
    for arguments, selection in options:
        told = acme("rejects", "replay", "acme/orders", *arguments).out
        assert told.startswith("acme/orders: run ")
        assert " is queued, it replays 1 record; " in told
        asked_for = sql("SELECT options FROM job_runs ORDER BY id DESC LIMIT 1")
        assert asked_for == {"replay_rejects": selection}
        acme("jobs", "cancel", "acme/orders")


def test_replay_waits_for_its_end(acme: Cli, keep: Keep, sql: Sql) -> None:
    keep('{"id": 1}')
    sql(
        "CREATE FUNCTION end_at_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " NEW.state := 'SUCCEEDED'; NEW.finished_at := now();"
        " NEW.counters := '{\"rows_new\": 1}'; RETURN NEW; END $$"
    )
    sql("CREATE TRIGGER end_at_once BEFORE INSERT ON job_runs FOR EACH ROW EXECUTE FUNCTION end_at_once()")
    done = acme("rejects", "replay", "acme/orders", "--wait")
    assert (done.code, done.out.splitlines()[-1]) == (0, "acme/orders: run 1 succeeded: 1 new")


def test_drop(acme: Cli, keep: Keep, sql: Sql) -> None:
    one = keep('{"id": 1}')
    keep('{"id": 2}')
    assert acme("rejects", "drop", "acme/orders", "--id", str(one), "--reason", "test data").out == (
        "1 reject dropped\n"
    )
    dropped = acme("rejects", "drop", "acme/orders", "--all", "--reason", "test data", "--json").document
    assert len(dropped["dropped"]) == 1
    assert sql("SELECT count(*) FROM rejected_records") == 0
    assert sql("SELECT count(*) FROM job_events WHERE action = 'drop_rejects'") == 2


def test_what_cannot_be(acme: Cli, keep: Keep) -> None:
    one = str(keep('{"id": 1}'))
    job = "acme/orders"
    acme("rejects", "list", "acme/nothing").refused(3, "no job 'acme/nothing'")
    acme("rejects", "list", job, "--limit", "0").refused(2, "--limit 0: 1 to 10,000")
    for wrong in ("999", "x", "9" * 30):
        acme("rejects", "show", wrong).refused(3, f"no reject {wrong};")
    acme("rejects", "replay", job, "--id", "999").refused(3, "acme/orders has no reject 999;")
    acme("rejects", "replay", job, "--id", "x").refused(2, "--id: 'x' is no reject")
    acme("rejects", "replay", job, "--id", one, "--stream", "s").refused(2, "not allowed with")
    acme("rejects", "replay", job, "--stream", "s").refused(4, "no rejects of stream 's'")
    acme("rejects", "drop", job, "--reason", "r").refused(2, "--id", "--all")
    acme("rejects", "drop", job, "--all").refused(2, "--reason")
    assert acme("rejects", "drop", job, "--all", "--dry-run").out == "would drop 1 reject\n"
    acme("rejects", "drop", job, "--all", "--reason", " ").refused(2, "needs a reason")
    acme("rejects", "drop", job, "--id", "999", "--reason", "r").refused(3, "no reject 999;")


def test_correct(acme: Cli, keep: Keep, sql: Sql, tmp_path: Path) -> None:
    """What it was is in the audit, and the record is ready for a replay."""
    one, torn = keep('{"id": 1, "amount": "x"}'), keep("torn")
    file = tmp_path / "record.json"
    file.write_text('{"id": 1,\n "amount": }')
    acme("rejects", "correct", str(one), "--file", str(file)).refused(2, "line 2, column 12")
    file.write_text("[1]")
    acme("rejects", "correct", str(one), "--file", str(file)).refused(2, "a record is a JSON object")
    file.write_text('{"id": 1, "amount": 3}')
    acme("rejects", "correct", "4711", "--file", str(file)).refused(3, "no reject 4711")
    assert "would correct" in acme("rejects", "correct", str(one), "--file", str(file), "--dry-run").out
    assert acme("rejects", "show", str(one), "--json").document["payload"]["amount"] == "x"

    corrected = acme("rejects", "correct", str(one), "--file", str(file), "--reason", "typo", "--json")
    reject = RejectDetails.model_validate(corrected.document)
    assert (reject.payload, reject.is_record) == ({"id": 1, "amount": 3}, True)
    assert reject.reason.endswith("; it was: amount is 'x', which is no number")
    event = sql("SELECT detail FROM job_events WHERE action = 'correct_reject'")
    assert (event["before"], event["after"]) == ('{"id": 1, "amount": "x"}', '{"id":1,"amount":3}')
    acme("rejects", "correct", str(one), "--file", str(file)).refused(4, "is this record already")
    acme("rejects", "correct", str(torn), "--file", str(file)).refused(4, "among its rejects already")

    dry = acme("rejects", "replay", "acme/orders", "--dry-run")
    assert dry.out == "would replay 1 record, 1 stay: no JSON records\n"
    dropped = acme("rejects", "drop", "acme/orders", "--all", "--reason", "x", "--dry-run", "--json")
    assert dropped.document == {"would_drop": [one, torn]}
    assert sql("SELECT count(*) FROM rejected_records") == 2
    acme("rejects", "replay", "acme/orders", "--id", str(one))
    acme("rejects", "correct", str(torn), "--file", str(file)).refused(4, "replays rejects")
