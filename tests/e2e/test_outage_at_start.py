"""A scheduler and a worker that meet an outage in the moment in which they start."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from etl_core.store.database import Connection
from tests.chaos.cluster import OURS, Program
from tests.e2e.running import QUICK
from tests.support.jobs import eventually
from tests.support.relay import Relay

PROGRAMS = {"scheduler": "schedulers", "workers": "workers"}
"""Module -> the table in which it registers."""


@pytest.fixture
def relay(database_url: str) -> Iterator[Relay]:
    """In front of the database."""
    made = Relay(parse_qs(urlsplit(database_url).query)["host"][0], 5432)
    made.open()
    yield made
    made.close()


@pytest.fixture(params=list(PROGRAMS))
async def program(
    request: pytest.FixtureRequest, relay: Relay, database_url: str, tmp_path: Path
) -> AsyncIterator[Program]:
    """Each in turn, with a broker that is away: nothing listens at its address."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        name = urlsplit(database_url).path.lstrip("/")
        environment = {key: value for key, value in os.environ.items() if key not in OURS} | QUICK
        environment["ETL_DATABASE_URL"] = f"postgresql://postgres@127.0.0.1:{relay.port}/{name}"
        environment["ETL_AMQP_URL"] = f"amqp://guest:guest@127.0.0.1:{nobody.getsockname()[1]}/"
        made = Program(request.param, 0, environment, tmp_path)
        yield made
        await asyncio.to_thread(made.end)


async def until_it_stands_before(db: Connection, table: str) -> None:
    """Somebody waits for the lock on a table, which the caller holds."""
    waiting = (
        "SELECT count(*) FROM pg_locks AS l INNER JOIN pg_database AS d ON l.database = d.oid"
        " WHERE l.relation = $1::regclass AND NOT l.granted AND d.datname = current_database()"
    )
    await eventually(lambda: db.fetchval(waiting, table), f"a statement that waits for {table}")


async def test_an_outage_while_it_registers_is_waited_for(
    program: Program, relay: Relay, db: Connection
) -> None:
    table = PROGRAMS[program.name.split()[0]]
    async with db.transaction():
        await db.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        program.start()
        await until_it_stands_before(db, table)
        await asyncio.to_thread(relay.shut)

    async def it_says_so() -> bool:
        return "waits for the database" in program.log_tail() or program.returncode is not None

    await eventually(it_says_so, "a line about the outage")
    assert (program.returncode, program.log_tail().count("Traceback")) == (None, 0), program.log_tail()
    await asyncio.to_thread(relay.open)
    beating = f"SELECT count(*) = 1 FROM {table} WHERE heartbeat_at > started_at"
    await eventually(lambda: db.fetchval(beating), "its heartbeats")
    assert await asyncio.to_thread(program.end) == 0
    assert "Traceback" not in program.log_tail(1_000)


async def test_it_ends_when_asked_while_it_waits(program: Program, relay: Relay, db: Connection) -> None:
    table = PROGRAMS[program.name.split()[0]]
    async with db.transaction():
        await db.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        program.start()
        await until_it_stands_before(db, table)
        await asyncio.to_thread(relay.shut)
        assert await asyncio.to_thread(program.end) == 0, program.log_tail()
    assert "Traceback" not in program.log_tail(1_000)


async def test_an_outage_at_the_first_look_ends_it_in_one_line(
    program: Program, relay: Relay, db: Connection
) -> None:
    """Not known yet to be the right database: whoever starts it hears of it."""
    async with db.transaction():
        await db.execute("LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE")
        program.start()
        await until_it_stands_before(db, "schema_migrations")
        await asyncio.to_thread(relay.shut)

    async def it_ended() -> bool:
        return program.returncode is not None

    await eventually(it_ended, "its end")
    (line,) = program.log_tail().splitlines()
    assert program.returncode == 5, line
    assert "went away at the start" in line
