"""Connections to PostgreSQL: one way to open them, and one line for each way in which that can fail.

On every connection `json` and `jsonb` are Python objects (through msgspec: integers of any size keep their
value, `msgspec.Raw` is sent as it is), and times are UTC.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import msgspec

from etl_core.errors import EtlError, InvalidInput, Unreachable
from etl_core.redact import redact_text, redact_url

# Its pool tells each failed try of an outage with a traceback; whoever uses the pool tells it in a line.
logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)

OUTAGES = (
    OSError,
    Unreachable,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What a long-running process may meet while the database is away; it tries again a little later."""
OLDEST_SERVER = 15
CONNECT_TIMEOUT = 10.0
"""How long a server may take to let us in, in seconds."""
STATEMENT_CACHE_SIZE = 200
"""Prepared statements kept per connection; 0 behind a pooler in transaction mode (PgBouncer before 1.21)."""

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    # What a pool lends is a connection too; asyncpg's stubs do not say so.
    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection, Pool = asyncpg.Connection, asyncpg.Pool


async def connect(
    url: str,
    *,
    application_name: str,
    statement_cache_size: int = STATEMENT_CACHE_SIZE,
    command_timeout: float | None = None,
    timeout: float = CONNECT_TIMEOUT,  # noqa: ASYNC109 - asyncpg's own, which also closes the socket
    read_only: bool = False,
) -> asyncpg.Connection[asyncpg.Record]:
    """A ready connection.

    `application_name` (at most 63 bytes) is what others see of us in `pg_stat_activity`; `command_timeout`
    is the longest that a statement may take, in seconds; `read_only` has the server refuse every change
    (PgBouncer must be told to let `default_transaction_read_only` pass).

    Raises:
        InvalidInput: the URL cannot be right.
        Unreachable: no server there, it refuses us, or it is older than PostgreSQL 15.
    """
    check_url(url)
    session = {"application_name": application_name, "timezone": "UTC"}
    if read_only:
        session["default_transaction_read_only"] = "on"
    with translated(url):
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            url,
            timeout=timeout,
            command_timeout=command_timeout,
            statement_cache_size=statement_cache_size,
            server_settings=session,
        )
        try:
            await _prepare(connection, url)
        except BaseException:
            connection.terminate()
            raise
        return connection


@asynccontextmanager
async def open_pool(
    url: str,
    *,
    application_name: str,
    min_size: int = 1,
    max_size: int = 10,
    statement_cache_size: int = STATEMENT_CACHE_SIZE,
    command_timeout: float | None = None,
    reset_sessions: bool = True,
) -> AsyncIterator[Pool]:
    """A pool of such connections, closed at the end (what is still in use then is cut off after 10 s).

    A connection that comes back is rolled back; `reset_sessions` False leaves it at that, for users that set
    nothing for a session and hold no advisory lock of one: it spares a round trip each time.

    Opening it, and each later `acquire` that needs a new connection, raises as `connect` does.
    """

    async def open_one(*_: Any, **__: Any) -> asyncpg.Connection[asyncpg.Record]:
        return await connect(
            url,
            application_name=application_name,
            statement_cache_size=statement_cache_size,
            command_timeout=command_timeout,
        )

    async def leave_session(_: Any) -> None:
        return

    pool: Pool = asyncpg.create_pool(
        min_size=min_size,
        max_size=max_size,
        connect=open_one,
        reset=None if reset_sessions else leave_session,
    )
    try:
        await pool
        yield pool
    finally:
        await _close(pool)


def check_url(url: str) -> None:
    """Raises InvalidInput unless this is a PostgreSQL URL."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"postgresql", "postgres"} and "://" in url
        _ = parts.port
    except ValueError as error:
        raise InvalidInput(f"database URL {redact_url(url)}: {redact_text(str(error), url)}") from None
    if not fits:  # then nobody knows where in it a password is
        named = f" (scheme {parts.scheme})" if "://" in url else ""
        raise InvalidInput(
            f"the database URL is not a PostgreSQL URL{named}: write postgresql://user@host:5432/database"
        )


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Turns what asyncpg and the network raise while connecting into an `EtlError` with one line."""
    try:
        yield
    except EtlError:
        raise
    except (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        OSError,
        ValueError,
    ) as error:
        raise _translate(error, url) from None


def _translate(error: Exception, url: str) -> EtlError:  # noqa: PLR0911 - a line per failure
    place, database, user = _place(url)
    what = redact_text(" ".join(str(error).split()), url) or type(error).__name__
    match error:
        case asyncpg.InvalidPasswordError():
            return Unreachable(f"{place}: wrong password for user {user}; mend it in ETL_DATABASE_URL")
        case asyncpg.InvalidAuthorizationSpecificationError():
            return Unreachable(f"{place}: {what}; mend user or sslmode in ETL_DATABASE_URL, or pg_hba.conf")
        case asyncpg.InvalidCatalogNameError():
            return Unreachable(
                f"{place}: there is no database {database}; make it (createdb) or name another"
            )
        case asyncpg.InsufficientPrivilegeError():
            return Unreachable(f"{place}: {what}; grant it to user {user}")
        case asyncpg.TooManyConnectionsError():
            return Unreachable(f"{place}: {what}; raise max_connections, or use a pooler or fewer workers")
        case asyncpg.CannotConnectNowError():
            return Unreachable(f"{place}: {what}; try again in a moment")
        case asyncpg.exceptions.ClientConfigurationError():
            return InvalidInput(f"database URL {redact_url(url)}: {what}")
        case asyncpg.CantChangeRuntimeParamError() | asyncpg.UndefinedObjectError():
            return InvalidInput(f"database URL {redact_url(url)}: {what}")
        case asyncpg.PostgresError():
            return Unreachable(f"{place}: {what}")
    return _translate_network(error, place, what, url)


def _translate_network(error: Exception, place: str, what: str, url: str) -> EtlError:  # noqa: PLR0911
    match error:
        case TimeoutError():
            return Unreachable(f"{place}: no answer in time; is the host right, and no firewall between?")
        case socket.gaierror():
            return Unreachable(f"{place}: host unknown; mend the host in ETL_DATABASE_URL")
        case ConnectionRefusedError():
            return Unreachable(f"{place}: connection refused; is PostgreSQL running there?")
        case FileNotFoundError() if "host=" in url or not urlsplit(url).hostname:
            return Unreachable(f"{place}: no server listens on this socket; is PostgreSQL running?")
        case ssl.SSLError():
            return Unreachable(f"{place}: TLS: {what}; mend sslmode or sslrootcert in ETL_DATABASE_URL")
        case asyncpg.InterfaceError() | asyncpg.InternalClientError() | ConnectionError():
            return Unreachable(f"{place}: {what}; is a PostgreSQL server there?")
        case OSError() if "Multiple exceptions" in what or "Connect call failed" in what:
            return Unreachable(f"{place}: connection refused; is PostgreSQL running there?")
        case OSError():
            return Unreachable(f"{place}: {what}")
    return InvalidInput(f"database URL {redact_url(url)}: {what}")


def _place(url: str) -> tuple[str, str, str]:
    """Where a URL leads, for people: server, database, user; without any secret."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    host = parts.hostname or query.get("host", ["localhost"])[0]
    port = parts.port or query.get("port", ["5432"])[0]
    user = unquote(parts.username or "") or query.get("user", ["(unnamed)"])[0]
    database = unquote(parts.path.lstrip("/")) or query.get("dbname", query.get("database", [user]))[0]
    where = host if host.startswith("/") else f"{host}:{port}"
    return f"PostgreSQL at {where}", repr(database), repr(user)


async def _prepare(connection: asyncpg.Connection[asyncpg.Record], url: str) -> None:
    if connection.get_server_version().major < OLDEST_SERVER:
        version = connection.get_settings().server_version
        raise Unreachable(
            f"{_place(url)[0]}: server is PostgreSQL {version}; etl-tui needs {OLDEST_SERVER} or newer"
        )
    # Binary, because COPY in binary knows no text codecs; the first byte of a jsonb is its format's version.
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", format="binary", encoder=_encode_jsonb, decoder=_decode_jsonb
    )
    await connection.set_type_codec(
        "json", schema="pg_catalog", format="binary", encoder=msgspec.json.encode, decoder=msgspec.json.decode
    )


def _encode_jsonb(value: object) -> bytes:
    return b"\x01" + msgspec.json.encode(value)


def _decode_jsonb(data: bytes) -> Any:
    return msgspec.json.decode(memoryview(data)[1:])


async def _close(pool: Pool) -> None:
    try:
        await asyncio.wait_for(pool.close(), timeout=10)
    except (TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
        pool.terminate()
