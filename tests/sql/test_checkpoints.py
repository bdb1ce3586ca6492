"""Checkpoints in the database: versions that runs and edits cut, an UPDATE by hand taken over or refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.sql.schema import migrated
from tests.support.jobs import make_job, one

_settle = load("settle")
_loader = load("loader")

LEGACY = {"last_pr_cursor": "Y3Vyc29y", "analysis_started_at": None}
STREAMS = {
    "pull_requests": {"octo/app": {"bookmark": {"since": "2026-05-01"}, "resume": {"cursor": "abc"}}},
    "reviews": {"octo/app": {"bookmark": {"since": "2026-04-01"}}},
}


@pytest.fixture
async def conn(admin_url: str) -> AsyncIterator[Connection]:
    """The newest schema on each server."""
    async with migrated(admin_url) as connection:
        yield connection


@pytest.fixture
async def job_id(conn: Connection) -> int:
    return await make_job(conn)


async def edit(conn: Connection, document: Any) -> None:
    """What a person types into psql."""
    await conn.execute("UPDATE etl_jobs SET checkpoint_data = $1", document)


async def move(conn: Connection, job_id: int, *fragments: dict[str, Any]) -> None:
    """What a load does with the fragments of its batch; here of one that is in no table."""
    await _loader.finish_load(conn, job_id=job_id, run_id=0, seq=0, fragments=list(fragments), counts={})


async def cut(conn: Connection, job_id: int, *, source: str = "run") -> int:
    """A version, as a settling run cuts it."""
    version: int = await _settle.cut_checkpoint(
        conn,
        job_id=job_id,
        source=source,
        actor="worker 7",
        reason=None,
        run_id=None,
    )
    return version


async def document(conn: Connection) -> Any:
    return await conn.fetchval("SELECT checkpoint_data FROM etl_jobs")


async def checkpoints(conn: Connection) -> dict[tuple[str, str], tuple[Any, Any]]:
    rows = await conn.fetch("SELECT * FROM job_checkpoints")
    return {(row["stream"], row["partition"]): (row["bookmark"], row["resume"]) for row in rows}


async def history(conn: Connection) -> list[tuple[int, str, Any]]:
    rows = await conn.fetch("SELECT * FROM job_checkpoint_history ORDER BY version")
    return [(row["version"], row["source"], row["changes"]) for row in rows]


def at(position: Any, partition: str = "p", *, resume: Any = None) -> dict[str, Any]:
    return {"stream": "s", "partition": partition, "bookmark": position, "resume": resume}


async def test_a_version_holds_the_rows_that_changed(conn: Connection, job_id: int) -> None:
    await move(conn, job_id, at({"n": 1}, "a"), at({"n": 1}, "b"))
    assert await cut(conn, job_id) == 1
    await move(conn, job_id, at({"n": 2}, "b", resume={"page": 3}))
    assert await cut(conn, job_id) == 2
    assert await history(conn) == [
        (
            1,
            "run",
            [
                {"stream": "s", "partition": "a", "bookmark": {"n": 1}},
                {"stream": "s", "partition": "b", "bookmark": {"n": 1}},
            ],
        ),
        (2, "run", [{"stream": "s", "partition": "b", "bookmark": {"n": 2}, "resume": {"page": 3}}]),
    ]
    assert await document(conn) == {
        "version": 2,
        "streams": {"s": {"a": {"bookmark": {"n": 1}}, "b": {"bookmark": {"n": 2}, "resume": {"page": 3}}}},
    }


async def test_what_did_not_move_cuts_no_version(conn: Connection, job_id: int) -> None:
    assert await cut(conn, job_id) == 0
    assert await document(conn) is None
    await move(conn, job_id, at({"n": 1}))
    assert await cut(conn, job_id) == 1
    await move(conn, job_id, at({"n": 1}))
    assert await cut(conn, job_id) == 1
    assert len(await history(conn)) == 1


async def test_every_byte_of_a_bookmark_is_kept(conn: Connection, job_id: int) -> None:
    """A source's state may hold nulls that mean something; document and history show it as it is."""
    state = {"cursor": None, "bookmarks": {"a": {"since": None, "ids": [None, 1]}}, "big": 2**70, "e": {}}
    await move(conn, job_id, at(state))
    await cut(conn, job_id)
    assert (await document(conn))["streams"]["s"]["p"] == {"bookmark": state}
    assert await history(conn) == [(1, "run", [{"stream": "s", "partition": "p", "bookmark": state}])]
    # A change from null to absent is a change.
    await move(conn, job_id, at({key: value for key, value in state.items() if key != "cursor"}))
    assert await cut(conn, job_id) == 2
    # And fed back as it was shown, it is what it was.
    shown = await document(conn)
    before = await checkpoints(conn)
    await edit(conn, None)
    await edit(conn, shown)
    assert await checkpoints(conn) == before


async def test_an_edit_by_hand_is_taken_over(conn: Connection, job_id: int) -> None:
    await move(conn, job_id, at({"n": 1}, "a"), at({"n": 1}, "b"))
    await cut(conn, job_id)
    await edit(conn, {"streams": {"s": {"a": {"bookmark": {"n": 0}}}, "new": {"p": {"resume": {"page": 1}}}}})
    assert await checkpoints(conn) == {
        ("s", "a"): ({"n": 0}, None),
        ("new", "p"): (None, {"page": 1}),
    }
    assert (await history(conn))[1:] == [
        (
            2,
            "sql",
            [
                {"stream": "new", "partition": "p", "resume": {"page": 1}},
                {"stream": "s", "partition": "a", "bookmark": {"n": 0}},
                {"stream": "s", "partition": "b", "gone": True},
            ],
        )
    ]
    assert (await document(conn))["version"] == 2
    who = await one(
        conn, "SELECT actor, current_user::text AS me FROM job_checkpoint_history WHERE version = 2"
    )
    assert who["actor"] == who["me"]


async def test_a_version_typed_by_hand_is_overruled(conn: Connection, job_id: int) -> None:
    await edit(conn, {"version": 99, "streams": STREAMS})
    assert await document(conn) == {"version": 1, "streams": STREAMS}
    await edit(conn, {"version": 7, "streams": STREAMS})  # nothing else changed
    assert await document(conn) == {"version": 1, "streams": STREAMS}
    assert len(await history(conn)) == 1


async def test_a_json_null_is_no_value(conn: Connection, job_id: int) -> None:
    await edit(conn, {"streams": {"s": {"p": {"bookmark": {"n": 1}, "resume": None}}}})
    assert await checkpoints(conn) == {("s", "p"): ({"n": 1}, None)}
    assert (await document(conn))["streams"] == {"s": {"p": {"bookmark": {"n": 1}}}}


async def test_null_clears(conn: Connection, job_id: int) -> None:
    await edit(conn, {"streams": STREAMS})
    await edit(conn, None)
    assert await checkpoints(conn) == {}
    assert await document(conn) is None
    version, source, changes = (await history(conn))[-1]
    assert (version, source) == (2, "sql")
    assert [(change["stream"], change["gone"]) for change in changes] == [
        ("pull_requests", True),
        ("reviews", True),
    ]


@pytest.mark.parametrize(
    ("unreadable", "words"),
    [
        ([1, 2], "not a JSON object"),
        ("text", "not a JSON object"),
        ({"streams": []}, "streams"),
        ({"streams": None}, "streams"),
        ({"streams": {"s": 5}}, "streams.s"),
        ({"streams": {"s": {"p": 5}}}, "streams.s"),
        ({"streams": {"s": {"p": {"bookmrak": {}}}}}, "streams.s"),
    ],
)
async def test_what_cannot_be_read_is_refused(
    conn: Connection, job_id: int, unreadable: Any, words: str
) -> None:
    await edit(conn, {"streams": STREAMS})
    with pytest.raises(asyncpg.InvalidParameterValueError, match=words):
        await edit(conn, unreadable)
    assert (await document(conn))["streams"] == STREAMS
    assert len(await checkpoints(conn)) == 2
    assert len(await history(conn)) == 1


@pytest.mark.parametrize("value", [{"streams": STREAMS}, LEGACY, None])
async def test_refused_while_the_job_runs(conn: Connection, job_id: int, value: Any) -> None:
    await move(conn, job_id, at({"n": 1}))
    await cut(conn, job_id)
    await conn.execute("UPDATE etl_jobs SET status = 'RUNNING'")
    with pytest.raises(asyncpg.ObjectInUseError, match="is RUNNING"):
        await edit(conn, value)
    assert await checkpoints(conn) == {("s", "p"): ({"n": 1}, None)}
    await conn.execute("UPDATE etl_jobs SET status = 'READY'")
    await edit(conn, value)
    assert await checkpoints(conn) != {("s", "p"): ({"n": 1}, None)}


async def test_a_legacy_document_is_kept_whole_until_a_run_says_more(conn: Connection, job_id: int) -> None:
    await edit(conn, LEGACY)
    assert await document(conn) == LEGACY
    assert await checkpoints(conn) == {}
    assert await history(conn) == [(1, "sql", [{"document": LEGACY}])]
    # A run that loads nothing leaves it alone.
    assert await cut(conn, job_id) == 1
    assert await document(conn) == LEGACY
    # One that loads something replaces it; the old one stays in the history.
    await move(conn, job_id, at({"n": 1}))
    assert await cut(conn, job_id) == 2
    assert await document(conn) == {"version": 2, "streams": {"s": {"p": {"bookmark": {"n": 1}}}}}
    assert (await history(conn))[1] == (
        2,
        "run",
        [{"stream": "s", "partition": "p", "bookmark": {"n": 1}}],
    )


async def test_back_to_a_legacy_document(conn: Connection, job_id: int) -> None:
    """Somebody restores the old document by hand: the rows would contradict it, so they go."""
    await edit(conn, {"streams": STREAMS})
    await edit(conn, LEGACY)
    assert await document(conn) == LEGACY
    assert await checkpoints(conn) == {}
    assert await conn.fetchval("SELECT checkpoint_version FROM etl_jobs") == 2


async def test_clearing_a_legacy_document_is_a_version(conn: Connection, job_id: int) -> None:
    await edit(conn, LEGACY)
    await edit(conn, None)
    assert await document(conn) is None
    assert (await history(conn))[1] == (2, "sql", [{"document": None}])


async def test_other_columns_are_no_edit(conn: Connection, job_id: int) -> None:
    await edit(conn, {"streams": STREAMS})
    await conn.execute("UPDATE etl_jobs SET status = 'RUNNING', checkpoint_data = checkpoint_data")
    await conn.execute("UPDATE etl_jobs SET status = 'READY', retry_count = 3")
    assert len(await history(conn)) == 1


async def test_the_programs_marker_ends_with_its_statement(conn: Connection, job_id: int) -> None:
    """In one transaction a version is cut by the program, then by hand: that is an edit all the same."""
    async with conn.transaction():
        await move(conn, job_id, at({"n": 1}))
        await cut(conn, job_id)
        await edit(conn, {"streams": {"s": {"p": {"bookmark": {"n": 0}}}}})
        await edit(conn, {"streams": {"s": {"p": {"bookmark": {"n": 5}}}}})
    assert await checkpoints(conn) == {("s", "p"): ({"n": 5}, None)}
    assert [source for _, source, _ in await history(conn)] == ["run", "sql", "sql"]
    async with conn.transaction():
        await cut(conn, job_id)
        await conn.execute("UPDATE etl_jobs SET status = 'RUNNING'")
        with pytest.raises(asyncpg.ObjectInUseError):
            async with conn.transaction():
                await edit(conn, None)


async def test_a_refused_edit_leaves_no_marker(conn: Connection, job_id: int) -> None:
    """The rest of the transaction goes on behind a savepoint: its edits are edits."""
    async with conn.transaction():
        with pytest.raises(asyncpg.InvalidParameterValueError):
            async with conn.transaction():
                await edit(conn, [1])
        await edit(conn, {"streams": STREAMS})
    assert len(await checkpoints(conn)) == 2


async def test_jobs_are_edited_each_for_itself(conn: Connection, job_id: int) -> None:
    """One UPDATE over many jobs is an edit of each."""
    await make_job(conn, "another")
    await edit(conn, {"streams": STREAMS})
    counts = await conn.fetch("SELECT job_id, count(*) FROM job_checkpoints GROUP BY job_id")
    assert [row["count"] for row in counts] == [2, 2]
    assert [row["version"] for row in await conn.fetch("SELECT version FROM job_checkpoint_history")] == [
        1,
        1,
    ]


async def test_the_rows_are_the_truth_while_a_run_moves_them(conn: Connection, job_id: int) -> None:
    """A bookmark that moves is in the rows at once, in the document when a version is cut."""
    await move(conn, job_id, at({"n": 1}))
    await cut(conn, job_id)
    await move(conn, job_id, at({"n": 2}))
    assert await checkpoints(conn) == {("s", "p"): ({"n": 2}, None)}
    assert (await document(conn))["streams"] == {"s": {"p": {"bookmark": {"n": 1}}}}
