"""`etl-tui checkpoint set|edit|rewind|drop-resume|clear|diff|history`, as a person runs them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from tests.etl_tui.cli.conftest import Cli, Sql

JOB = "acme/orders"
WHY = ("--reason", "to see")
THROUGH = "records/a.bookmark.through"
DOCUMENT = (
    '{"version": 7, "streams": {"records": {'
    '"a": {"bookmark": {"generation": 9007199254740993, "through": 7},'
    ' "resume": {"generation": 2, "next": 5}},'
    '"b": {"bookmark": {"generation": 1, "through": 8}}}}}'
)


@pytest.fixture
def filled(acme: Cli, tmp_path: Path) -> Cli:
    """With version 1 of a checkpoint."""
    file = tmp_path / "first.json"
    file.write_text(DOCUMENT)
    done = acme("checkpoint", "set", JOB, "--file", str(file), *WHY, "--json")
    assert (done.code, done.document["version"], done.document["changed"]) == (0, 1, True)
    return acme


def through(cli: Cli, partition: str = "a") -> Any:
    return cli("checkpoint", "show", JOB, "--json").document["streams"]["records"][partition]["bookmark"][
        "through"
    ]


def test_what_show_prints_set_takes_back_to_the_digit(
    filled: Cli, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurtful = (
        '{"streams": {"s\\u009b2J": {"p/\u202eq": {"bookmark": '
        '{"n": 1.10, "big": 12345678901234567890123, "t": "\\u001b[31m"}}}}}'
    )
    sql("UPDATE etl_jobs SET checkpoint_data = $1::text::jsonb WHERE job_name = 'orders'", hurtful)
    before = sql("SELECT checkpoint_data::text FROM etl_jobs WHERE job_name = 'orders'")
    shown = filled("checkpoint", "show", JOB, "--json").out
    assert not [char for char in "\x1b\x9b\u202e" if char in shown]
    assert filled("checkpoint", "clear", JOB, *WHY).code == 0
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(shown.encode())))
    # Of a synthetic job the connector refuses such values: it is a document of before.
    sql("UPDATE etl_jobs SET integration_id = NULL WHERE job_name = 'orders'")
    assert filled("checkpoint", "set", JOB, *WHY).code == 0
    after = sql("SELECT checkpoint_data::text FROM etl_jobs WHERE job_name = 'orders'")
    assert after == before.replace('"version": 2', '"version": 4')
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(shown.encode())))
    again = filled("checkpoint", "set", JOB, *WHY, "--json").document
    assert (again["changed"], again["version"]) == (False, 4)


def test_one_value_is_edited_and_rewound(filled: Cli, sql: Sql) -> None:
    edited = filled("checkpoint", "edit", JOB, THROUGH, "--value", "3", *WHY)
    assert edited.code == 0
    assert "records (1 of 2 partitions) reads again from an earlier bookmark" in edited.out
    assert "undo: etl-tui checkpoint rewind acme/orders 1" in edited.out
    assert through(filled) == 3
    raw = sql("SELECT checkpoint_data::text FROM etl_jobs WHERE job_name = 'orders'")
    assert "9007199254740993" in raw

    told = filled("checkpoint", "diff", JOB)
    assert told.out.splitlines()[:3] == ["v1 → v2: 1 changed", "records", "  ~ a: bookmark through -4"]
    assert "records/a.bookmark.through  7 → 3" in told.out
    assert '-     "through": 7' in filled("checkpoint", "diff", JOB, "1", "2", "--raw").out
    compared = filled("checkpoint", "diff", JOB, "v1", "v2", "--json").document
    assert (compared["changed"], compared["partitions"][0]["values"][0]["after"]) == (1, 3)

    planned = filled("checkpoint", "rewind", JOB, "1", "--dry-run", "--json")
    assert (planned.code, planned.document["to_version"], planned.document["changed"]) == (0, 1, 1)
    assert planned.document["what_will_happen"]
    assert through(filled) == 3
    assert filled("checkpoint", "rewind", JOB, "1", "--stream", "records", "--partition", "a", *WHY).code == 0
    assert through(filled) == 7
    history = filled("checkpoint", "history", JOB, "--json").document
    assert [(row["version"], row["source"], row["reason"]) for row in history] == [
        (3, "rewind", "to see"),
        (2, "edit", "to see"),
        (1, "edit", "to see"),
    ]
    assert all(row["at"] and row["actor"] for row in history)
    assert filled("checkpoint", "history", JOB, "--limit", "2").out.splitlines()[1].startswith("v3")
    assert filled("checkpoint", "rewind", JOB, "--to", "2030-01-01", *WHY).code == 2
    assert filled("checkpoint", "rewind", JOB, "--to", "1m ago", *WHY).code == 0  # before the first
    assert filled("checkpoint", "show", JOB).document is None


def test_resume_alone_is_dropped(filled: Cli) -> None:
    assert filled("checkpoint", "drop-resume", JOB, "--stream", "records", *WHY).code == 0
    document = filled("checkpoint", "show", JOB).document
    assert document["streams"]["records"]["a"] == {"bookmark": {"generation": 9007199254740993, "through": 7}}
    assert filled("checkpoint", "clear", JOB, "--partition", "b", *WHY).code == 0
    assert list(filled("checkpoint", "show", JOB).document["streams"]["records"]) == ["a"]
    assert list(filled("checkpoint", "show", JOB, "--version", "1").document["streams"]["records"]) == [
        "a",
        "b",
    ]


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (
            ("edit", JOB, THROUGH, "--value", '"x"'),
            2,
            (THROUGH, "valid integer", "'x'"),
        ),
        (
            ("edit", JOB, THROUGH + "x", "--value", "1"),
            2,
            (THROUGH + "x", "unknown field"),
        ),
        (("edit", JOB, THROUGH, "--value", "{1"), 2, ("line 1, column 2",)),
        (
            ("edit", JOB, THROUGH, "--remove"),
            2,
            (THROUGH, "is missing"),
        ),
        (("edit", JOB, "records/z.bookmark.through", "--value", "1"), 3, ("'z'", "a, b")),
        (("edit", JOB, "records", "--value", "1"), 2, ("no path",)),
        (("rewind", JOB, "99"), 3, ("99", "newest is v1")),
        (("rewind", JOB), 2, ("VERSION or --to",)),
        (("rewind", JOB, "latest"), 2, ("latest",)),
        (("rewind", JOB, "1", "--stream", "nope"), 3, ("nope", "records")),
        (("drop-resume", JOB, "--partition", "z"), 3, ("'z'",)),
        (("clear", JOB, "--expected-version", "0"), 4, ("is v1 now", "edit by", "to see", "2 new")),
        (("clear", "acme/nobody"), 3, ("nobody",)),
        (("set", JOB, "--file", "/nonexistent"), 2, ("No such file",)),
    ],
)
def test_what_cannot_be_is_refused(
    filled: Cli, command: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    filled("checkpoint", *command, *WHY).refused(code, *words)
    assert through(filled) == 7


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"streams": {\n  "s": }}', ("line 2, column 8",)),
        ('{"records": {}}', ("streams", "is missing")),
        ("[1]", ("a list",)),
        ('{"streams": {"s": 5}}', ("s: expected an object of partitions",)),
        ('{"streams": {"s": {"p": {"bookmrak": {}}}}}', ("s/p", "bookmrak")),
        ('{"streams": {"s": {"p": {"bookmark": "x\\u0000"}}}}', ("NUL",)),
        (
            '{"streams": {"s": {"p": {"bookmark": {"generation": 1, "through": -1}, "schema_version": 2}}}}',
            ("s/p", "version 2 of its form"),
        ),
    ],
)
def test_a_document_that_cannot_be_is_refused(
    filled: Cli, tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text)
    filled("checkpoint", "set", JOB, "--file", str(file), *WHY).refused(2, *words)
    assert through(filled) == 7


def test_nothing_without_a_reason_or_while_it_runs(filled: Cli) -> None:
    for command in (("clear", JOB), ("rewind", JOB, "0"), ("drop-resume", JOB), ("edit", JOB), ("set", JOB)):
        filled("checkpoint", *command, "--reason", " ").refused(2, "reason")
    assert filled("jobs", "run", JOB).code == 0
    filled("checkpoint", "clear", JOB, *WHY).refused(4, "running", f"jobs cancel {JOB}")
    filled("checkpoint", "edit", JOB, *WHY).refused(4, "running")
    planned = filled("checkpoint", "clear", JOB, "--dry-run", "--json")
    assert (planned.code, "running" in planned.document["refusal"]) == (4, True)
    assert through(filled) == 7


def test_in_an_editor(filled: Cli, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job is held while it is open; what was refused is not lost."""
    editor = tmp_path / "editor"
    monkeypatch.setenv("VISUAL", str(editor))

    def type_in(script: str) -> None:
        editor.write_text(f"#!/bin/sh\n{script}\n")
        editor.chmod(0o700)

    type_in('sed -i \'s/"through": 7/"through": 5/\' "$1"')
    edited = filled("checkpoint", "edit", JOB, *WHY, "--json")
    assert (edited.code, edited.document["version"]) == (0, 2)
    assert (through(filled), sql("SELECT held FROM etl_jobs WHERE job_name = 'orders'")) == (5, False)
    assert sql("SELECT count(*) FROM job_events WHERE action = 'edit_begin'") == 1
    type_in("exit 0")
    assert "nothing changed" in filled("checkpoint", "edit", JOB, *WHY).out
    type_in('echo 6 > "$1"')
    assert filled("checkpoint", "edit", JOB, THROUGH, *WHY).code == 0
    assert through(filled) == 6
    type_in("echo '{' > \"$1\"")
    refused = filled("checkpoint", "edit", JOB, *WHY)
    refused.refused(2, "line 2, column 1", "what you wrote is in")
    kept = Path(refused.err.rsplit(" ", 1)[1].strip())
    assert kept.read_text() == "{\n"
    kept.unlink()
    type_in("exit 3")
    filled("checkpoint", "edit", JOB, *WHY).refused(2, "code 3", "nothing was changed")
    assert through(filled) == 6
    assert sql("SELECT count(*) FROM etl_jobs WHERE held") == 0
