"""Every way in which a connection fails, provoked: one line that says what to do, and never the password."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import msgspec
import pytest

from etl_core.errors import EtlError, InvalidInput, Unreachable
from etl_core.store import database, embedded

SECRET = "s3cret"


async def refused(url: str, *, timeout: float = 10) -> EtlError:
    with pytest.raises(EtlError) as caught:
        await database.connect(url, application_name="tests", timeout=timeout)
    message = str(caught.value)
    assert SECRET not in message
    assert "\n" not in message
    assert caught.value.__suppress_context__ or caught.value.__cause__ is None
    return caught.value


@asynccontextmanager
async def server(answer: bytes | None) -> AsyncIterator[int]:
    """A TCP server that sends `answer` to whatever it is told and hangs up; None: never answers."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        if answer is None:
            await reader.read()
        else:
            await reader.read(1000)
            writer.write(answer)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost/etl",
        f"mysql://u:{SECRET}@localhost/etl",
        f"postgresql:u:{SECRET}@localhost",
        f"postgresql://u:{SECRET}@localhost:port/etl",
        f"postgresql://u:{SECRET}@localhost:99999/etl",
        f"postgresql://u:{SECRET}@localhost/etl?sslmode=sometimes",
    ],
)
async def test_what_is_no_postgres_url_is_invalid_input(url: str) -> None:
    error = await refused(url)
    assert isinstance(error, InvalidInput)
    assert "database URL" in str(error)


async def test_nobody_listens() -> None:
    error = await refused(f"postgresql://u:{SECRET}@127.0.0.1:1/etl")
    assert isinstance(error, Unreachable)
    assert str(error) == "PostgreSQL at 127.0.0.1:1: connection refused; is PostgreSQL running there?"


async def test_nobody_listens_on_any_address_of_the_name() -> None:
    error = await refused(f"postgresql://u:{SECRET}@localhost:1/etl")
    assert "localhost:1: connection refused" in str(error)


async def test_no_socket_there() -> None:
    error = await refused("postgresql:///etl?host=/nowhere/at/all&port=5432&user=u")
    assert isinstance(error, Unreachable)
    assert "/nowhere/at/all: no server listens on this socket" in str(error)


async def test_unknown_host() -> None:
    error = await refused(f"postgresql://u:{SECRET}@database.invalid/etl")
    assert isinstance(error, Unreachable)
    assert "database.invalid:5432: host unknown" in str(error)


async def test_no_answer() -> None:
    async with server(None) as port:
        error = await refused(f"postgresql://u:{SECRET}@127.0.0.1:{port}/etl?sslmode=disable", timeout=0.3)
    assert isinstance(error, Unreachable)
    assert "no answer in time" in str(error)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
async def test_another_kind_of_server(answer: bytes) -> None:
    async with server(answer) as port:
        error = await refused(f"postgresql://u:{SECRET}@127.0.0.1:{port}/etl?sslmode=disable", timeout=3)
    assert isinstance(error, Unreachable)


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


async def test_a_server_that_is_too_old() -> None:
    greeting = (
        message(b"R", struct.pack("!I", 0))
        + message(b"S", b"server_version\x0014.2\x00")
        + message(b"S", b"client_encoding\x00UTF8\x00")
        + message(b"K", struct.pack("!II", 1, 2))
        + message(b"Z", b"I")
    )
    async with server(greeting) as port:
        error = await refused(f"postgresql://u:{SECRET}@127.0.0.1:{port}/etl?sslmode=disable", timeout=3)
    assert isinstance(error, Unreachable)
    assert str(error).endswith("server is PostgreSQL 14.2; etl-tui needs 15 or newer")


@pytest.fixture
async def guarded_url(postgres: embedded.EmbeddedServer) -> str:
    """The URL of a role that must give its password (the server trusts everybody else)."""
    url = postgres.url("postgres")
    admin = await asyncpg.connect(url)
    await admin.execute("SELECT pg_advisory_lock(1)")  # the other xdist workers share this server
    if not await admin.fetchval("SELECT TRUE FROM pg_roles WHERE rolname = 'guarded'"):
        await admin.execute(f"CREATE ROLE guarded LOGIN PASSWORD '{SECRET}'")
        await admin.execute("CREATE DATABASE private")
        await admin.execute("REVOKE CONNECT ON DATABASE private FROM PUBLIC")
        rules = postgres.folder / "data" / "pg_hba.conf"
        rules.write_text(f"local all guarded scram-sha-256\nlocal all shut_out reject\n{rules.read_text()}")
        await admin.execute("SELECT pg_reload_conf()")
    await _wait_for_rules(url)
    await admin.close()
    return url.replace("postgres@", f"guarded:{SECRET}@")


async def _wait_for_rules(url: str) -> None:
    """The postmaster reads its rules again some moments after it is told; new sessions see them then."""
    while True:
        try:
            stranger = await asyncpg.connect(url.replace("postgres@", "shut_out@"))
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            if "pg_hba.conf rejects" in str(error):
                return
        else:
            await stranger.close()
        await asyncio.sleep(0.02)


async def test_the_right_password(guarded_url: str) -> None:
    connection = await database.connect(guarded_url, application_name="tests")
    assert await connection.fetchval("SELECT current_user::text") == "guarded"
    await connection.close()


async def test_a_wrong_password(guarded_url: str) -> None:
    error = await refused(guarded_url.replace(SECRET, f"{SECRET}%20no"))
    assert isinstance(error, Unreachable)
    assert "wrong password for user 'guarded'" in str(error)


async def test_a_user_who_is_shut_out(guarded_url: str) -> None:
    error = await refused(guarded_url.replace("guarded", "shut_out"))
    assert isinstance(error, Unreachable)
    assert "pg_hba.conf" in str(error)


async def test_a_role_that_is_not_there(guarded_url: str) -> None:
    error = await refused(guarded_url.replace("guarded:", "stranger:"))
    assert isinstance(error, Unreachable)
    assert 'role "stranger" does not exist' in str(error)


async def test_no_such_database(guarded_url: str) -> None:
    error = await refused(guarded_url.replace("/postgres?", "/nothing%20here?"))
    assert isinstance(error, Unreachable)
    assert "there is no database 'nothing here'" in str(error)


async def test_a_database_that_the_user_may_not_enter(guarded_url: str) -> None:
    error = await refused(guarded_url.replace("/postgres?", "/private?"))
    assert isinstance(error, Unreachable)
    assert "grant it to user 'guarded'" in str(error)


async def test_a_parameter_that_postgres_does_not_know(guarded_url: str) -> None:
    error = await refused(f"{guarded_url}&no_such_thing=1")
    assert isinstance(error, InvalidInput)
    assert "no_such_thing" in str(error)


async def test_the_session(empty_database_url: str) -> None:
    connection = await database.connect(empty_database_url, application_name="etl-worker 7")
    assert await connection.fetchval("SHOW timezone") == "UTC"
    assert await connection.fetchval("SHOW application_name") == "etl-worker 7"
    await connection.close()


DOCUMENT = {"id": 2**70, "name": "Zürich ☃", "deep": [{"a": None, "b": [1.5, True, "\t"]}], "": {}}


@pytest.mark.parametrize("kind", ["json", "jsonb"])
@pytest.mark.parametrize("statement_cache_size", [0, 200])
async def test_json_goes_in_and_comes_out_as_it_is(
    empty_database_url: str, kind: str, statement_cache_size: int
) -> None:
    connection = await database.connect(
        empty_database_url, application_name="tests", statement_cache_size=statement_cache_size
    )
    assert await connection.fetchval(f"SELECT $1::{kind}", DOCUMENT) == DOCUMENT
    assert await connection.fetchval(f"SELECT $1::{kind}", msgspec.Raw(b'{"x": 1}')) == {"x": 1}
    assert await connection.fetchval(f"SELECT $1::{kind}", None) is None
    await connection.execute(f"CREATE TABLE copied (document {kind})")
    await connection.copy_records_to_table("copied", records=[(DOCUMENT,), (None,), ("text",)])
    rows = await connection.fetch("SELECT document FROM copied")
    assert [row["document"] for row in rows] == [DOCUMENT, None, "text"]
    await connection.close()


async def test_a_pool_gives_such_connections(empty_database_url: str) -> None:
    async with database.open_pool(empty_database_url, application_name="pooled", max_size=3) as pool:

        async def ask(number: int) -> tuple[object, object]:
            async with pool.acquire() as connection:
                return (
                    await connection.fetchval("SELECT $1::jsonb", {"n": number}),
                    await connection.fetchval("SHOW application_name"),
                )

        assert await asyncio.gather(*map(ask, range(9))) == [({"n": n}, "pooled") for n in range(9)]


async def test_a_pool_tells_in_one_line_why_it_cannot_open() -> None:
    with pytest.raises(Unreachable, match="connection refused"):
        async with database.open_pool(f"postgresql://u:{SECRET}@127.0.0.1:1/etl", application_name="tests"):
            pass


async def test_a_pool_whose_server_went_away_says_so_too(empty_database_url: str) -> None:
    async with database.open_pool(empty_database_url, application_name="tests", min_size=0) as pool:
        admin = await database.connect(_admin(empty_database_url), application_name="tests")
        name = empty_database_url.partition("@/")[2].partition("?")[0]
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()
        with pytest.raises(Unreachable, match="there is no database"):
            await pool.acquire()


def _admin(url: str) -> str:
    head, _, tail = url.partition("@/")
    return f"{head}@/postgres?{tail.partition('?')[2]}"
