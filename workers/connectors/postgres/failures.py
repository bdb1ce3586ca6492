"""What a server or the way to it refuses, as the errors that decide what becomes of a run.

By SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import os
import socket
import ssl
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from etl_core.errors import Permanent, SourceError, Transient, Unauthorised
from etl_core.redact import redact_text

FROM_SERVER = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    ValueError,
)
"""What the driver raises; TimeoutError is an OSError, what cannot be decoded a ValueError."""
_TLS_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_PASSING = ("08", "40", "53", "57", "58", "25P03", "55")
"""Classes that may pass: connection, rollback, resources, operator, system, idle for too long, locks."""


def source_error(error: Exception, what: str, url: str = "") -> SourceError:  # noqa: PLR0911, PLR0912 - a line each
    """`what` names what was being done: a stream, or the way to the server."""
    told = redact_text(" ".join(str(error).split()), url) or type(error).__name__
    match error:
        case asyncpg.QueryCanceledError() if "statement timeout" in told:
            return Transient(
                f"{what}: a page took longer than statement_timeout_s; make an index on cursor and key, "
                "or raise it",
                retry_in_place=False,
            )
        case asyncpg.LockNotAvailableError():
            return Transient(f"{what}: another session holds a lock on it ({told})", retry_in_place=False)
        case asyncpg.SerializationError() | asyncpg.DeadlockDetectedError():
            return Transient(
                f"{what}: {told}; on a hot standby set hot_standby_feedback, or raise "
                "max_standby_streaming_delay there"
            )
        case asyncpg.InvalidPasswordError():
            return Unauthorised(f"{what}: {told}; give the role's password in `password`")
        case asyncpg.InvalidAuthorizationSpecificationError():
            return Unauthorised(f"{what}: {told}; see user, sslmode and pg_hba.conf of the server")
        case asyncpg.InvalidCatalogNameError():
            return Permanent(f"{what}: {told}; mend the database in `url`")
        case asyncpg.InsufficientPrivilegeError():
            return Permanent(f"{what}: {told}; grant it to the role, `integrations test` says what")
        case asyncpg.UndefinedTableError() | asyncpg.UndefinedColumnError():
            return Permanent(f"{what}: {told}; mend the configuration, or make it there")
        case asyncpg.exceptions.InvalidCachedStatementError():
            return Transient(f"{what}: it was altered while it was read")
        case asyncpg.exceptions.ClientConfigurationError():
            return Permanent(f"{what}: {told}; mend `url`")
        case asyncpg.PostgresError():
            state = str(error.sqlstate or "")
            passes = state.startswith(_PASSING)
            return Transient(f"{what}: {told}") if passes else Permanent(f"{what}: {told} (SQLSTATE {state})")
        case UnicodeDecodeError():
            return Permanent(f"{what}: a text is no UTF-8 ({told}); the database's encoding is SQL_ASCII?")
        case asyncpg.InterfaceError() | asyncpg.InternalClientError():
            return Transient(f"{what}: {told}; the server, or something on the way, ended it")
    return _of_the_way(error, what, told, url)


def _of_the_way(error: Exception, what: str, told: str, url: str) -> SourceError:  # noqa: PLR0911
    match error:
        case ssl.SSLError():
            return Permanent(f"{what}: TLS: {told}; mend sslmode or sslrootcert in `url`")
        case ConnectionError() if "rejected SSL" in told:
            return Permanent(f"{what}: the server offers no TLS, and sslmode in `url` asks for it")
        case TimeoutError():
            return Transient(f"{what}: no answer in time; is the host right, and no firewall between?")
        case socket.gaierror():
            return Transient(f"{what}: host unknown; mend the host in `url`")
        case FileNotFoundError() | PermissionError() if missing := _missing_file(url):
            return Permanent(f"{what}: {missing} cannot be read by the workers; mend `url`, or put it there")
        case OSError():
            return Transient(f"{what}: cannot be reached ({told}); is PostgreSQL running there?")
    return Permanent(f"{what}: {told}")


def _missing_file(url: str) -> str | None:
    """The first of the URL's files for TLS that cannot be read: the driver does not say which."""
    files = [(name, path) for name, path in parse_qsl(urlsplit(url).query) if name in _TLS_FILES]
    return next((f"{name} {path}" for name, path in files if not os.access(path, os.R_OK)), None)
