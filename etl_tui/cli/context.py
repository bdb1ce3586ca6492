"""What every subcommand gets: settings, a database connection when it asks for one, and an output."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from etl_tui.cli.output import Output

if TYPE_CHECKING:
    from etl_core.broker.protocol import Broker
    from etl_core.settings import Settings
    from etl_core.store.database import Connection

APPLICATION_NAME = "etl-tui"
WENT_AWAY = "the database went away in the middle of it; `etl-tui doctor` looks at it"


class Context:
    """Built once by `main`; handlers use it and nothing global."""

    def __init__(self, output: Output, *, context: str | None = None, **overrides: Any) -> None:
        """`context` and `overrides` are what the command line says, before every other setting."""
        self.output = output
        self._context = context
        self._overrides = overrides

    @cached_property
    def settings(self) -> Settings:
        return self.settings_in(self._context)

    def settings_in(self, context: str | None) -> Settings:
        """The settings in another context, with what the command line says.

        Raises:
            InvalidInput: there is none of that name, or a setting cannot be read.
        """
        from etl_core.settings import load_settings

        return load_settings(context=context, **self._overrides)

    def refuse_when_read_only(self) -> None:
        """Raises Conflict before a change that no connection to the database would refuse."""
        from etl_core.contexts import why_read_only
        from etl_core.errors import Conflict

        if refusal := why_read_only(self.settings):
            raise Conflict(f"{refusal}; nothing was changed")

    @asynccontextmanager
    async def connection(self, *, check_schema: bool = True) -> AsyncIterator[Connection]:
        """A connection to the state database; the embedded one is started when no URL is set.

        Raises:
            Unreachable: the database does not answer, or goes away in the middle; with what to do.
            Conflict: its schema is behind or ahead of this program, with the command that mends it; or the
                settings say read-only, and a change was tried.
        """
        import asyncpg

        from etl_core.errors import Unreachable
        from etl_core.store.database import connect
        from etl_core.store.location import database_location
        from etl_core.store.migrations import check_schema as check

        async with database_location(self.settings, prepare=check_schema) as url:
            conn = await connect(url, application_name=APPLICATION_NAME, read_only=self.settings.read_only)
            try:
                if check_schema:
                    await check(conn)
                yield conn
            except asyncpg.ReadOnlySQLTransactionError:
                self.refuse_when_read_only()
                raise
            except (
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
                OSError,
            ) as error:
                if not conn.is_closed():
                    raise
                raise Unreachable(f"{WENT_AWAY} ({error})") from error
            finally:
                await asyncio.shield(conn.close())

    @staticmethod
    def silence_logs() -> None:
        """What a transport or a connector logs would stand on stdout beside the answer; errors are told."""
        import structlog

        if not structlog.is_configured():
            structlog.configure(logger_factory=structlog.ReturnLoggerFactory())

    @asynccontextmanager
    async def broker(self) -> AsyncIterator[Broker]:
        """The transport that the settings name; it connects when it is first asked.

        Raises:
            InvalidInput: the AMQP URL cannot be read.
        """
        from etl_core.broker.open import open_broker
        from etl_core.store.location import database_location

        self.silence_logs()
        async with database_location(self.settings) as url:
            broker = await open_broker(self.settings, url, application_name=APPLICATION_NAME)
            try:
                yield broker
            finally:
                await asyncio.shield(broker.close())
