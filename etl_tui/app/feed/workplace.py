"""The database that a dashboard works in, opened by the settings of a context; several may be looked at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from etl_core.broker.open import open_broker
from etl_core.contexts import ContextSettings, why_read_only
from etl_core.control.access import Standing, read_refusal, read_standing
from etl_core.control.audit import Actor
from etl_core.errors import EtlError
from etl_core.store.database import connect
from etl_core.store.location import database_location, named_as_set
from etl_core.store.migrations import check_schema
from etl_tui.app.feed.source import DatabaseSource

if TYPE_CHECKING:
    import asyncpg

    from etl_core.settings import Settings

APPLICATION_NAME = "etl-tui dashboard"
GLANCE_TIMEOUT = 8.0
"""Seconds that a context's database may take to answer before the list says that it does not."""


class SettingsIn(Protocol):
    """The settings of a context by its name; None: without one. Raises InvalidInput."""

    def __call__(self, context: str | None, /) -> Settings: ...


@dataclass(frozen=True)
class Workplace:
    """Where a dashboard works: its settings and its source."""

    settings: Settings
    source: DatabaseSource

    @property
    def name(self) -> str | None:
        """The context's, or None."""
        return self.settings.context

    @property
    def context(self) -> ContextSettings | None:
        """What the settings file says of it."""
        return self.settings.contexts[self.settings.context] if self.settings.context else None


class Workplaces:
    """Opens one after another; the one before is let go when the next one answers."""

    def __init__(self, settings: Settings, settings_in: SettingsIn | None = None) -> None:
        self._settings = settings
        self._settings_in = settings_in
        self._open = AsyncExitStack()
        self.urls: list[str] = []
        """Of the services of every context that was entered, for whoever must not tell their passwords."""

    @property
    def names(self) -> list[str]:
        """The contexts of the settings file, in its order."""
        return list(self._settings.contexts) if self._settings_in else []

    def described(self, name: str) -> ContextSettings:
        return self._settings.contexts[name]

    async def enter(
        self, name: str | None = None, show: Callable[[Workplace], Awaitable[None]] | None = None
    ) -> Workplace:
        """Opens the context of that name; None: the settings as they were given. `show` it, then let the one
        before go.

        Raises:
            InvalidInput, Unreachable, Conflict: it cannot be opened; the one before is kept.
        """
        settings = self._settings if name is None else self._in(name)
        self.urls += [url.get_secret_value() for url in (settings.database_url, settings.amqp_url) if url]
        opened = AsyncExitStack()
        try:
            workplace = await opened.enter_async_context(_workplace(settings))
        except BaseException:
            await opened.aclose()
            raise
        before, self._open = self._open, opened
        try:
            if show is not None:
                await show(workplace)
        finally:
            await before.aclose()
        return workplace

    async def glance(self, name: str) -> Standing:
        """What is going on in a context, asked on a connection of its own, which is closed again.

        Raises:
            EtlError: it does not answer, or its settings lead nowhere.
        """
        settings = self._in(name)
        try:
            async with asyncio.timeout(GLANCE_TIMEOUT), database_location(settings) as url:
                conn = await connect(url, application_name=APPLICATION_NAME, read_only=True)
                try:
                    return await read_standing(conn, settings.tenant)
                finally:
                    conn.terminate()
        except TimeoutError:
            raise EtlError(f"no answer in {GLANCE_TIMEOUT:.0f} s") from None

    async def close(self) -> None:
        await self._open.aclose()

    def _in(self, name: str) -> Settings:
        assert self._settings_in is not None  # noqa: S101 - there are no names without
        return self._settings_in(name)


@asynccontextmanager
async def _workplace(settings: Settings) -> AsyncIterator[Workplace]:
    async with database_location(settings) as url:

        async def open_connection() -> asyncpg.Connection:
            with named_as_set(settings):
                conn = await connect(url, application_name=APPLICATION_NAME, read_only=settings.read_only)
            try:
                await check_schema(conn)
            except BaseException:
                conn.terminate()
                raise
            return conn

        conn = await open_connection()
        asked = why_read_only(settings)
        source = DatabaseSource(
            open_connection,
            conn,
            tenant=settings.tenant,
            actor=Actor.current(),
            lost_after=settings.lease_timeout,
            read_only=asked or await read_refusal(conn),
            open_broker=partial(open_broker, settings, url, application_name=APPLICATION_NAME)
            if settings.amqp_url is not None
            else None,
        )
        try:
            yield Workplace(settings, source)
        finally:
            await source.close()
