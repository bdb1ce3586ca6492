"""What taps do that has broken other people's pipelines, each against a tap that sends just that."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl_core.connector import PartitionState
from etl_core.control.run_logs import read_log
from etl_core.errors import Permanent, Transient
from etl_core.secret_box import new_key
from etl_core.testing.contract.comparing import all_pages
from etl_core.testing.destination import Destination
from tests.support.jobs import make_job
from tests.workers.connectors.singer.taps import carry_out, put_tap
from tests.workers.running import Hand
from workers.connectors.singer import SingerConnector, gathering
from workers.connectors.singer.config import SingerConfig
from workers.connectors.singer.messages import NoMessage, read_message

Make = Callable[..., dict[str, Any]]
STATE_PLACE = ("singer", "default")


def catalog(*streams: str, key: tuple[str, ...] = ("id",)) -> dict[str, Any]:
    schema = {"properties": {"id": {"type": "string"}, "at": {"type": "string", "format": "date-time"}}}
    return {"streams": [{"stream": name, "schema": schema, "key_properties": key} for name in streams]}


@pytest.fixture
def tap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """The configuration of a tap that prints these lines."""
    program = put_tap(tmp_path, monkeypatch)

    def make(*lines: Any, of: dict[str, Any] | None = None, **config: Any) -> dict[str, Any]:
        settings = {"replay": list(lines), "seen": str(tmp_path / "seen"), **config.pop("config", {})}
        return {"tap": str(program), "config": settings, "catalog": of or catalog("items"), **config}

    return make


def record(name: str, *, stream: str = "items", **more: Any) -> dict[str, Any]:
    version = {"version": more.pop("version")} if "version" in more else {}
    return {"type": "RECORD", "stream": stream, "record": {"id": name, **more}, **version}


def state(value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": value}


def activate(version: int) -> dict[str, Any]:
    return {"type": "ACTIVATE_VERSION", "stream": "items", "version": version}


def kept(made: Destination) -> Any:
    return (made.checkpoint[STATE_PLACE].bookmark or {})["state"]


async def test_a_state_comes_back_as_it_came(tap: Make, tmp_path: Path) -> None:
    odd = {"currently_syncing": None, "bookmarks": {"x": [1.5, 2**70, {"é": "\u2028"}]}, "": {}}
    made = await carry_out(tap(state({"bookmarks": {}}), record("a"), state(odd)))
    assert kept(made) == odd
    await carry_out(tap(record("b")), made)
    assert json.loads((tmp_path / "seen").read_text())["state"] == odd
    assert kept(made) == odd, "no STATE came: it stays"
    await carry_out(tap(state(["a list"])), made)
    assert kept(made) == ["a list"]


async def test_of_a_tap_that_fails_what_a_state_covers_is_loaded(tap: Make) -> None:
    lines = [record("a"), state({"at": 1}), record("b")]
    made = Destination()
    with pytest.raises(Transient, match=r"exit code 3: token$") as failed:
        await carry_out(tap(*lines, config={"code": 3}), made)
    assert not failed.value.retry_in_place
    assert made.rows == {"items": {("a",): {"id": "a"}}}
    assert kept(made) == {"at": 1}


@pytest.mark.parametrize(
    "bookmark",
    [
        {"progress_markers": {"replication_key_value": 1}},
        {"partitions": [{"context": {"p": 1}, "replication_key_signpost": "2026-01-01"}]},
    ],
)
async def test_an_exit_code_of_0_is_not_complete_while_there_are_markers(
    tap: Make, bookmark: dict[str, Any]
) -> None:
    """An SDK tap that got a SIGTERM from somebody ends so."""
    made = Destination()
    schema = {"type": "SCHEMA", "stream": "items", "schema": {}, "key_properties": ["id"]}
    value = {"bookmarks": {"items": bookmark, "others": {"progress_markers": {}}}}
    with pytest.raises(Transient, match="before it had read all of items,"):
        await carry_out(tap(schema, record("a"), state(value)), made)
    assert kept(made) == value
    assert made.records == 1


async def test_a_run_gives_way_only_where_its_tap_goes_on(tap: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that begins anew each time would never come to its end while others wait."""
    monkeypatch.setattr(gathering, "PAGE_RECORDS", 1)
    schema = {"type": "SCHEMA", "stream": "items", "schema": {}, "key_properties": ["id"]}
    sorted_ = state({"bookmarks": {"items": {"replication_key_value": 1, "replication_key_signpost": 9}}})
    unsorted = state({"bookmarks": {"items": {"progress_markers": {"replication_key_value": 1}}}})
    lines = [schema, record("a"), sorted_, record("b"), unsorted, record("c"), record("d"), state({})]
    connector = SingerConnector(SingerConfig.model_validate(tap(*lines)))
    pages = await all_pages(connector)
    assert [page.goes_on for page in pages] == [True, False, False, True]


async def test_pages_end_at_a_state(tap: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, only when they are too large."""
    monkeypatch.setattr(gathering, "PAGE_RECORDS", 2)
    sent = [record(str(number)) for number in range(9)]
    lines = [*sent[:3], state(3), *sent[3:4], state(4), *sent[4:]]
    made = Destination()
    with pytest.raises(Transient):
        await carry_out(tap(*lines, config={"code": 1}), made)
    assert kept(made) == 4, "in page 2, which was too small to end at it"
    assert made.records == 7, "page 2 ended when it was twice as large; what no STATE covers is left out"


async def test_noise_is_logged_and_a_bad_record_rejected_alone(worker: Hand, tap: Make) -> None:
    lines = [
        "Downloading...",
        '{"a": "dictionary"}',
        "",
        record("a", big="x" * 100_000),
        '{"type": "RECORD", "stream": "items", "record": ["no object"]}',
        '{"type": "RECORD", "stream": "items", "record": {"id": "torn"',
        {"type": "SOMETHING_NEW", "value": 1},
        state({"n": 1}),
    ]
    job = await make_job(worker.db, kind="singer", config=tap(*lines))
    run = await worker.run(job)
    assert (run["state"], run["counters"]["rows_rejected"], run["counters"]["rows_new"]) == (
        "SUCCEEDED",
        2,
        1,
    )
    told = [line.message for line in await read_log(worker.db, run["id"]) if line.level == "warning"]
    assert told == ["printed: Downloading...", 'printed: {"a": "dictionary"}']


def test_a_record_that_is_not_in_utf_8_is_told_from_noise() -> None:
    with pytest.raises(NoMessage, match="utf-8") as of_record:
        read_message(b'{"type": "RECORD", "stream": "items", "record": {"id": "M\xfcller"}}')
    with pytest.raises(NoMessage) as of_noise:
        read_message(b"M\xfcller")
    assert (bool(of_record.value.stream), bool(of_noise.value.stream)) == (True, False)


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ({"type": "BATCH", "stream": "items", "manifest": []}, "batch_config"),
        (record("a", stream="unheard"), "stream unheard, which its catalog does not have"),
        (
            {"type": "SCHEMA", "stream": "items", "schema": {}, "key_properties": ["a", "b"]},
            r"streams\.items\.key",
        ),
        (state({"text": "\0"}), "NUL"),
    ],
)
async def test_what_cannot_be_used_is_told(tap: Make, line: dict[str, Any], refusal: str) -> None:
    with pytest.raises(Permanent, match=refusal):
        await carry_out(tap(line))


async def test_a_schema_may_come_again_with_more(worker: Hand, tap: Make) -> None:
    """Fields that discovery did not know become columns; integers that outgrow bigint widen theirs."""
    schema = {"type": "SCHEMA", "stream": "items", "schema": {}, "key_properties": ["id"]}
    more = {**schema, "schema": {"properties": {"new": {"type": "string"}}}}
    lines = [
        schema,
        record("a", n=1, at="2026-01-31T10:00:00Z"),
        more,
        record("b", new="x", n=2**63),
        state({}),
    ]
    job = await make_job(worker.db, kind="singer", config=tap(*lines))
    assert (await worker.run(job))["error_message"] is None
    rows = await worker.db.fetch("SELECT id, n, new, at FROM acme_made_up.items ORDER BY id")
    assert [(row["id"], int(row["n"]), row["new"]) for row in rows] == [("a", 1, None), ("b", 2**63, "x")]
    assert rows[0]["at"].isoformat() == "2026-01-31T10:00:00+00:00"


async def test_rows_of_older_versions_go_when_a_version_is_complete(worker: Hand, tap: Make) -> None:
    async def run(*lines: Any, code: int = 0) -> str:
        await worker.configure(**tap(*lines, config={"code": code}))
        await worker.run(job)
        live = "SELECT string_agg(id, '' ORDER BY id) FROM acme_made_up.items WHERE _deleted_at IS NULL"
        return str(await worker.db.fetchval(live))

    def of(version: int, names: str) -> list[dict[str, Any]]:
        return [record(name, version=version) for name in names]

    job = await make_job(worker.db, kind="singer", config=tap())
    assert await run(activate(1), *of(1, "abc"), state(1), activate(1)) == "abc"
    assert await run(activate(1), *of(1, "d"), state(2)) == "abcd", "more of the same version"
    assert await run(*of(2, "abe"), activate(2), state(3)) == "abe"
    assert await run(activate(3), *of(3, "ab"), state(4), code=1) == "abe", "it did not end well"
    assert await run(activate(3), *of(3, "f"), state(5)) == "abf", "the same version, in two runs"
    assert await run(*of(4, "a"), *of(5, "fg"), state(6), activate(5)) == "fg"
    assert await run(state(7)) == "fg"


async def test_streams_that_are_not_selected_keep_their_bookmarks(tap: Make, tmp_path: Path) -> None:
    of = catalog("items", "people")
    both = {"bookmarks": {"items": 1, "people": 1}}
    made = await carry_out(tap(state(both), of=of))
    lines = [record("a"), record("p", stream="people"), state({"bookmarks": {"items": 2}})]
    await carry_out(tap(*lines, of=of, select=["items"]), made)
    assert kept(made) == {"bookmarks": {"items": 2, "people": 1}}
    assert set(made.rows) == {"items"}
    given = json.loads((tmp_path / "seen").read_text())["catalog"]["streams"]
    assert [(entry["stream"], entry["metadata"][0]["metadata"]["selected"]) for entry in given] == [
        ("items", True), ("people", False)
    ]  # fmt: skip


async def test_a_token_that_the_tap_renews_is_kept_encrypted(
    tap: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a run that fails; until somebody gives another one."""
    old, new = new_key(), new_key()
    monkeypatch.setenv("ETL_SECRET_KEY", old)

    def renewing(token: str, **config: Any) -> dict[str, Any]:
        settings = {"renew": "+", **config}
        return tap("", config=settings, secrets={"token": token})

    made = Destination()
    with pytest.raises(Transient):
        await carry_out(renewing("first-token", code=1), made)
    bookmark = made.checkpoint[STATE_PLACE].bookmark
    assert bookmark is not None
    assert bookmark["settings"].startswith("encrypted:")
    given = []
    for token in ("first-token", "first-token", "other-token", "other-token"):
        await carry_out(renewing(token), made)
        given.append(json.loads((tmp_path / "seen").read_text()))
    assert [each["token"] for each in given] == [
        "first-token+", "first-token++", "other-token", "other-token+"
    ]  # fmt: skip
    assert "-token" not in str([each["argv"] for each in given])
    for keys in (f"{new},{old}", new):  # a run under both, and the old one is needed no more
        monkeypatch.setenv("ETL_SECRET_KEY", keys)
        await carry_out(renewing("other-token"), made)
    monkeypatch.setenv("ETL_SECRET_KEY", old)
    with pytest.raises(Permanent, match="no key in ETL_SECRET_KEY opens"):
        await carry_out(renewing("other-token"), made)


async def test_without_a_key_nothing_is_kept_in_clear(worker: Hand, tap: Make) -> None:
    config = tap(record("a"), state({"n": 1}), config={"renew": "+"}, secrets={"token": "env:TAP_TOKEN"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAP_TOKEN", "planted-t0ken")
        job = await make_job(worker.db, kind="singer", config=config)
        run = await worker.run(job)
    assert run["state"] == "SUCCEEDED"
    stored = str([dict(row) for row in await worker.db.fetch("SELECT * FROM job_checkpoints")])
    told = str([line.message for line in await read_log(worker.db, run["id"])])
    assert "ETL_SECRET_KEY" in told
    assert "token ***" in told
    assert "planted-t0ken" not in stored + told


async def test_a_stored_state_is_not_looked_into(tap: Make) -> None:
    made = Destination()
    made.checkpoint[STATE_PLACE] = PartitionState({"state": {"nonsense": [1]}, "settings": None})
    await carry_out(tap(record("a"), state({"bookmarks": None})), made)
    assert kept(made) == {"bookmarks": None}
