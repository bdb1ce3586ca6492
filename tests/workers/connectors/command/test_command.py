"""What a command is told, what it may leave, and what becomes of the run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from etl_core.connectors_registry import check_config
from etl_core.control.run_logs import read_log
from etl_core.control.secret_fields import refuse_secrets_in_clear
from etl_core.errors import InvalidInput, Permanent, SourceError, Transient, Unauthorised
from etl_core.testing.destination import Destination
from etl_core.testing.walking import run
from tests.support.jobs import make_job, one
from tests.workers.running import Hand
from workers.connectors.command import CommandConnector
from workers.connectors.command.config import CommandConfig
from workers.connectors.command.exit_codes import ExitCodes

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """The configuration of a shell script, which the worker allows."""
    script = tmp_path / "job.sh"
    monkeypatch.setenv("ETL_ALLOW_COMMANDS", str(script))

    def make(text: str, **config: Any) -> dict[str, Any]:
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)
        return {"argv": [str(script)], **config}

    return make


async def carry_out(config: dict[str, Any], into: Destination | None = None) -> Destination:
    into = into or Destination()
    await run(CommandConnector(CommandConfig.model_validate(config)), into)
    return into


async def test_a_checkpoint_of_text_comes_back_as_it_was(command: Make) -> None:
    made = await carry_out(command('echo "1.10" > "$ETL_CHECKPOINT"'))
    assert made.checkpoint["command", "default"].bookmark == {"value": "1.10"}
    script = '[ "$(cat "$ETL_CHECKPOINT")" = 1.10 ] && echo \'{"a": [1]}\' > "$ETL_CHECKPOINT"'
    await carry_out(command(script), made)
    assert made.checkpoint["command", "default"].bookmark == {"value": {"a": [1]}}
    await carry_out(command(': > "$ETL_CHECKPOINT"'), made)
    assert made.checkpoint["command", "default"].bookmark == {"value": {"a": [1]}}, "it left nothing"


async def test_one_that_fails_leaves_no_checkpoint(command: Make) -> None:
    made = await carry_out(command('echo first > "$ETL_CHECKPOINT"'))
    failing = command('echo second > "$ETL_CHECKPOINT"; echo "no route to host" >&2; exit 7')
    with pytest.raises(Transient, match="exit code 7: no route to host") as failed:
        await carry_out(failing, made)
    assert not failed.value.retry_in_place, "it may have done half of its work"
    assert made.checkpoint["command", "default"].bookmark == {"value": "first"}


async def test_lines_go_to_the_stream_that_they_name(command: Make) -> None:
    lines = [
        {"stream": "orders", "record": {"id": 1}},
        {"stream": "people", "record": {"name": "Ann"}},
        {"stream": "others", "record": {}},
        {"id": 2},
        [3],
    ]
    printed = "\n".join(map(json.dumps, lines))
    config = command(f"cat <<'E'\n{printed}\nno json\n\nE", streams={"orders": {"key": ["id"]}, "people": {}})
    made = await carry_out(config)
    assert made.rows == {"orders": {(1,): {"id": 1}}, "people": {0: {"name": "Ann"}}}
    assert [reject.reason[:24] for reject in made.rejects] == [
        "line 3: stream 'others' ",
        "line 4: of several strea",
        "line 5: no JSON object",
        "line 6: not valid JSON (",
    ]


async def test_one_that_is_not_in_utf_8_is_rejected_alone(command: Make) -> None:
    script = r"""printf '{"id": "M\374ller"}\n{"id": 2}\n'"""
    made = await carry_out(command(script, streams={"orders": {"key": ["id"]}}))
    assert made.rows == {"orders": {(2,): {"id": 2}}}
    (reject,) = made.rejects
    assert reject.reason.startswith("line 1: not valid JSON ('utf-8' codec can't decode")
    assert reject.payload == r'{"id": "M\xfcller"}'


@pytest.mark.parametrize(
    ("codes", "code", "kind"),
    [
        ({}, 0, None),
        ({}, 1, Transient),
        ({}, 127, Permanent),
        ({}, 77, Unauthorised),
        ({"done": [0, 4]}, 4, None),
        ({"permanent": [75]}, 75, Permanent),
        ({"permanent": [75]}, 127, Transient),
        ({"transient": [127]}, 127, Transient),
    ],
)
def test_exit_codes(codes: dict[str, list[int]], code: int, kind: type[SourceError] | None) -> None:
    error = ExitCodes.model_validate(codes).error(code, "x")
    assert error is None if kind is None else isinstance(error, kind)


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"argv": ["psql", "env:PGPASSWORD"]}, "argument 1 is a secret"),
        ({"argv": []}, "argv"),
        ({"argv": ["x"], "environment": {"LD_PRELOAD": "/tmp/x.so"}}, "LD_PRELOAD"),
        ({"argv": ["x"], "secrets": {"BASH_ENV": "env:X"}}, "BASH_ENV"),
        ({"argv": ["x"], "environment": {"PGPASSWORD": "env:X"}}, "belongs into `secrets`"),
        ({"argv": ["x"], "directory": "here"}, "absolute path"),
        ({"argv": ["x"], "exit_codes": {"done": [0], "permanent": [0]}}, "two meanings"),
    ],
)
def test_what_a_configuration_may_not_say(config: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidInput, match=word):
        check_config("command", config)


def test_a_secret_in_clear_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"secrets\.LOGIN"):
        refuse_secrets_in_clear("command", {"argv": ["x"], "secrets": {"LOGIN": "hunter2hunter2"}})


async def test_its_secrets_are_in_its_environment_alone(
    worker: Hand, command: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in its arguments, nor in the log, which is there when the run has ended."""
    monkeypatch.setenv("CRM_TOKEN", "planted-s3cret")
    monkeypatch.setenv("NOT_GIVEN", "planted-elsewhere")
    script = """echo "token $CRM_TOKEN$NOT_GIVEN" >&2; tr '\\0' ' ' < /proc/$$/cmdline >&2
    tr '\\0' ' ' < /proc/$PPID/cmdline >&2; echo '{"id": 1, "length": "'${#CRM_TOKEN}'"}'; exit 78"""
    config = command(script, secrets={"CRM_TOKEN": "env:CRM_TOKEN"}, streams={"rows": {"key": ["id"]}})
    job_id = await make_job(worker.db, kind="command", config=config)
    failed = await worker.run(job_id)
    told = [line.message for line in await read_log(worker.db, failed["id"])]
    assert told[1] == "token ***"
    assert "planted" not in json.dumps(told) + str(dict(failed))
    assert failed["error_kind"] == "permanent"

    await worker.db.execute(
        "UPDATE integrations SET config = $1", {**config, "argv": ["/bin/sh", "env:CRM_TOKEN"]}
    )
    refused = await worker.run(job_id)
    assert "argument 1 is a secret" in refused["error_message"]

    await worker.db.execute("UPDATE integrations SET config = $1", {**config, "exit_codes": {"done": [78]}})
    assert (await worker.run(job_id))["state"] == "SUCCEEDED"
    row = await one(worker.db, "SELECT id, length FROM acme_made_up.rows")
    assert tuple(row) == (1, "14")

    without_rows = command('echo loaded; echo 7 > "$ETL_CHECKPOINT"')
    await worker.db.execute("UPDATE integrations SET config = $1", without_rows)
    run = await worker.run(job_id)
    assert run["state"] == "SUCCEEDED"
    assert "loaded" in [line.message for line in await read_log(worker.db, run["id"])]
    kept = await worker.db.fetchval("SELECT bookmark FROM job_checkpoints WHERE stream = 'command'")
    assert kept == {"value": "7"}


async def test_what_is_not_allowed_is_not_run(
    command: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = command(f"touch {tmp_path}/ran")
    monkeypatch.delenv("ETL_ALLOW_COMMANDS")
    with pytest.raises(Permanent, match=r"may not run .*job\.sh.*ETL_ALLOW_COMMANDS"):
        await carry_out(config)
    assert not (tmp_path / "ran").exists()


def test_the_model_forbids_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError, match="shell"):
        CommandConfig.model_validate({"argv": ["x"], "shell": True})


def test_the_example_of_the_documentation_is_a_configuration() -> None:
    text = (Path(__file__).parents[4] / "docs" / "command.md").read_text()
    [example] = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    check_config("command", json.loads(example))
    for name in CommandConfig.model_fields:
        assert f"| `{name}` |" in text
