"""The runner: whole migrations or none, one runner at a time, and refusals that say what mends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from etl_core.errors import Conflict, EtlError, InvalidInput
from etl_core.store import database
from etl_core.store.migration_files import MigrationFile, discover
from etl_core.store.migrations import check_schema, migrate, rollback, status

NEWEST = discover()[-1].version


def edited(version: int) -> list[MigrationFile]:
    """Our migrations, one of them changed after the fact."""
    return [
        replace(file, up=file.up + "\n-- later") if file.version == version else file for file in discover()
    ]


def followed_by(up: str, down: str = "SELECT 1", programs: str = ">=0.1") -> list[MigrationFile]:
    """Our migrations and one more."""
    return [*discover(), MigrationFile(NEWEST + 1, "next", f"-- programs: {programs}\n{up}", down)]


@pytest.fixture
async def conn(empty_database_url: str) -> AsyncIterator[database.Connection]:
    """A connection to an empty database."""
    connection = await database.connect(empty_database_url, application_name="tests")
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def versions(conn: database.Connection) -> list[int]:
    return [migration.version for migration in await status(conn) if migration.state == "applied"]


async def test_all_is_applied_once_and_then_nothing_is_left_to_do(conn: database.Connection) -> None:
    done = await migrate(conn)
    assert [step.version for step in done] == [file.version for file in discover()]
    assert {step.state for step in done} == {"applied"}
    assert await migrate(conn) == []
    await check_schema(conn)
    recorded = await conn.fetchrow("SELECT * FROM schema_migrations WHERE version = 5")
    assert recorded is not None
    assert recorded["applied_by"] == await conn.fetchval("SELECT session_user")
    assert recorded["applied_at"] == done[4].applied_at


async def test_back_and_forward_ends_with_the_same_schema(conn: database.Connection) -> None:
    await migrate(conn)
    done = await rollback(conn, to=0)
    assert [step.version for step in done] == list(range(NEWEST, 0, -1))
    assert {step.state for step in done} == {"rolled back"}
    tables = "SELECT array_agg(tablename) FROM pg_tables WHERE schemaname = 'public'"
    assert await conn.fetchval(tables) == ["schema_migrations"]
    await migrate(conn)
    await check_schema(conn)


async def test_to_stops_there_and_never_goes_back(conn: database.Connection) -> None:
    await migrate(conn, to=6)
    assert await versions(conn) == [1, 2, 3, 4, 5, 6]
    assert await migrate(conn, to=6) == []
    with pytest.raises(InvalidInput, match=r"schema is at 6: `etl-tui db rollback --to 4` goes back"):
        await migrate(conn, to=4)
    with pytest.raises(InvalidInput, match="no migration 99"):
        await migrate(conn, to=99)
    with pytest.raises(InvalidInput, match="--to -1"):
        await rollback(conn, to=-1)
    assert await rollback(conn, to=6) == []


async def test_status_tells_what_is_applied_pending_edited_and_unknown(conn: database.Connection) -> None:
    assert {migration.state for migration in await status(conn)} == {"pending"}
    await migrate(conn, known=followed_by("SELECT 1"))
    states = {migration.version: migration.state for migration in await status(conn, known=edited(3)[:-1])}
    assert states[2] == "applied"
    assert states[3] == "edited"
    assert states[NEWEST] == states[NEWEST + 1] == "unknown"
    pending = (
        await status(conn, known=[*followed_by("SELECT 1"), replace(discover()[0], version=NEWEST + 2)])
    )[-1]
    assert (pending.state, pending.applied_at) == ("pending", None)


async def test_an_edited_file_is_refused_everywhere(conn: database.Connection) -> None:
    await migrate(conn)
    known = edited(6)
    for refused in (
        migrate(conn, known=[*known, MigrationFile(NEWEST + 1, "next", "-- programs: >=0.1", "")]),
        check_schema(conn, known=known),
        rollback(conn, to=5, known=known),
    ):
        with pytest.raises(Conflict, match="0006_job_scheduling was edited after") as error:
            await refused
        assert known[5].checksum[:8] in str(error.value)
    assert await versions(conn) == list(range(1, NEWEST + 1))


async def test_a_failure_in_the_middle_leaves_nothing_of_that_migration(conn: database.Connection) -> None:
    known = followed_by("CREATE TABLE half (id int); INSERT INTO half VALUES (1); SELECT 1 / 0;")
    with pytest.raises(
        EtlError, match=rf"{NEWEST + 1:04}_next failed and left nothing behind: division by zero"
    ):
        await migrate(conn, known=known)
    assert await conn.fetchval("SELECT to_regclass('half')") is None
    assert await versions(conn) == list(range(1, NEWEST + 1)), "those before it stand"
    await migrate(conn, known=followed_by("CREATE TABLE half (id int);"))
    assert await conn.fetchval("SELECT to_regclass('half')") == "half"


async def test_a_failing_way_back_leaves_the_migration_in_force(conn: database.Connection) -> None:
    known = followed_by("CREATE TABLE kept (id int)", down="DROP TABLE kept; SELECT 1 / 0")
    await migrate(conn, known=known)
    with pytest.raises(EtlError, match=r"next\.down failed and left nothing behind"):
        await rollback(conn, to=NEWEST, known=known)
    assert await conn.fetchval("SELECT to_regclass('kept')") == "kept"


async def test_two_runners_at_once_take_turns(conn: database.Connection, empty_database_url: str) -> None:
    other = await database.connect(empty_database_url, application_name="tests")
    try:
        both = await asyncio.gather(migrate(conn), migrate(other))
    finally:
        await other.close(timeout=5)
    assert sorted(step.version for done in both for step in done) == list(range(1, NEWEST + 1))


async def test_a_runner_that_dies_leaves_whole_migrations_and_no_lock(
    conn: database.Connection, empty_database_url: str
) -> None:
    dying = await database.connect(empty_database_url, application_name="tests")
    known = followed_by("CREATE TABLE half (id int); SELECT pg_sleep(3600);")
    task = asyncio.create_task(migrate(dying, known=known))
    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%' AND pid <> pg_backend_pid()"
    )
    while (pid := await conn.fetchval(waiting)) is None:
        await asyncio.sleep(0.02)
    await conn.fetchval("SELECT pg_terminate_backend($1)", pid)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
        await task
    dying.terminate()
    await migrate(conn)
    assert await versions(conn) == list(range(1, NEWEST + 1))
    assert await conn.fetchval("SELECT to_regclass('half')") is None


async def test_notices_of_migrations_are_told_and_the_servers_own_are_not(conn: database.Connection) -> None:
    await conn.execute("SET client_min_messages = error")
    up = """
        CREATE TABLE IF NOT EXISTS schema_migrations (id int);
        DO $$ BEGIN RAISE NOTICE 'row % was mended', 7; RAISE WARNING 'look at it'; RAISE INFO 'done'; END $$;
    """
    done = await migrate(conn, known=followed_by(up))
    assert done[-1].notices[:2] == ("row 7 was mended", "look at it")
    stored = await conn.fetchval("SELECT notices FROM schema_migrations WHERE version = $1", NEWEST + 1)
    assert tuple(stored) == done[-1].notices
    assert await conn.fetchval("SHOW client_min_messages") == "error"


async def test_naive_times_are_read_in_the_zone_asked_for(conn: database.Connection) -> None:
    await migrate(conn, to=5)
    await conn.execute("INSERT INTO tenants (name, created_at) VALUES ('acme', '2025-07-01 12:00')")
    with pytest.raises(InvalidInput, match="Mars/Olympus: the server knows no such zone"):
        await migrate(conn, legacy_timezone="Mars/Olympus")
    await migrate(conn, legacy_timezone="europe/berlin")
    created = "SELECT created_at::text FROM tenants"
    assert await conn.fetchval(created) == "2025-07-01 10:00:00+00"
    zone = "SELECT legacy_timezone FROM schema_migrations WHERE version = 6"
    assert await conn.fetchval(zone) == "Europe/Berlin"
    await rollback(conn, to=5)
    assert await conn.fetchval(created) == "2025-07-01 12:00:00"


async def test_a_process_refuses_a_schema_that_does_not_fit(conn: database.Connection) -> None:
    with pytest.raises(Conflict, match="no schema yet: run `etl-tui db migrate`"):
        await check_schema(conn)
    await migrate(conn, to=4)
    with pytest.raises(
        Conflict, match=f"schema is at 4, this program needs {NEWEST}: run `etl-tui db migrate`"
    ):
        await check_schema(conn)


async def test_a_newer_schema_says_which_programs_may_go_on(conn: database.Connection) -> None:
    await migrate(conn, known=followed_by("SELECT 1", programs=">=0.1"))
    await check_schema(conn, "0.1.0")
    await rollback(conn, to=NEWEST, known=followed_by("SELECT 1"))
    await migrate(conn, known=followed_by("SELECT 1", programs=">=0.2"))
    with pytest.raises(Conflict) as refused:
        await check_schema(conn, "0.1.0")
    assert str(refused.value) == (
        f"schema is at {NEWEST + 1}, newer than this program knows ({NEWEST}): "
        "upgrade etl-tui from 0.1.0 to >=0.2"
    )
    with pytest.raises(Conflict, match="upgrade etl-tui"):
        await migrate(conn)
    with pytest.raises(Conflict, match="is unknown to this program"):
        await rollback(conn, to=5)


async def test_a_gap_under_a_newer_migration_is_refused(conn: database.Connection) -> None:
    await migrate(conn)
    await conn.execute("DELETE FROM schema_migrations WHERE version = 7")
    for refused in (migrate(conn), check_schema(conn)):
        with pytest.raises(Conflict, match="0007_runs is not in force although"):
            await refused


async def test_the_way_back_is_refused_while_a_run_is_open_or_a_process_alive(
    conn: database.Connection,
) -> None:
    await migrate(conn)
    await conn.execute(
        """
        INSERT INTO tenants (name) VALUES ('acme');
        INSERT INTO job_runs (job_id, tenant_id, trigger)
        SELECT id, tenant_id, 'manual' FROM etl_jobs WHERE job_name = 'Jira';
        INSERT INTO workers (host, pid, version, stages, slots) VALUES ('box', 41, '0.1', '{load}', 1);
        INSERT INTO schedulers (host, pid, version) VALUES ('box', 42, '0.1');
        """
    )
    for obstacle, removed in (
        ("run 1 of Jira is QUEUED", "UPDATE job_runs SET state = 'CANCELLED', finished_at = now()"),
        (r"worker 1 \(box, pid 41\) is alive", "UPDATE workers SET stopped_at = now()"),
        # One that was killed leaves its row: it is silent, and that is enough.
        (
            r"scheduler 1 \(box, pid 42\) is alive",
            "UPDATE schedulers SET heartbeat_at = now() - interval '11 s'",
        ),
    ):
        with pytest.raises(Conflict, match=obstacle):
            await rollback(conn, to=5, discard=True)
        await conn.execute(removed)
    with pytest.raises(Conflict, match=r"1 runs of job_runs: --discard"):
        await rollback(conn, to=5)
    await rollback(conn, to=5, discard=True)
    assert await versions(conn) == [1, 2, 3, 4, 5]


async def test_a_legacy_database_is_adopted_on_request_only(conn: database.Connection) -> None:
    for file in discover()[:4]:
        await conn.execute(file.up)
    await conn.execute("ALTER TABLE etl_jobs ADD COLUMN colour text")
    for refused in (migrate(conn), check_schema(conn)):
        with pytest.raises(Conflict, match="`etl-tui db migrate --baseline 4` adopts them"):
            await refused
    with pytest.raises(InvalidInput, match="--baseline 5"):
        await migrate(conn, baseline=5)
    done = await migrate(conn, baseline=4)
    assert [(step.version, step.state) for step in done[:5]] == [
        *((version, "adopted") for version in (1, 2, 3, 4)),
        (5, "applied"),
    ]
    assert done[3].notices == (
        "etl_jobs.colour is not known to us: it goes into the archive legacy_0005 only",
    )
    await check_schema(conn)
    with pytest.raises(Conflict, match="is ours already"):
        await migrate(conn, baseline=4)


async def test_a_stranger_is_not_adopted(conn: database.Connection) -> None:
    await conn.execute("CREATE TABLE tenants (id int, name text); CREATE TABLE etl_jobs (id int)")
    with pytest.raises(Conflict) as refused:
        await migrate(conn, baseline=4)
    assert "tenants.active" in str(refused.value)
    assert "etl_jobs.execution_order" in str(refused.value)
    assert "table vectorization_queue" in str(refused.value)
    assert await conn.fetchval("SELECT to_regclass('schema_migrations')") is None


async def test_every_query_of_the_runner_prepares_on_the_newest_schema(db: database.Connection) -> None:
    from etl_core.store.queries import load

    queries = load("migrations")
    for name in queries.available_queries:
        await db.prepare(getattr(queries, name).sql)
