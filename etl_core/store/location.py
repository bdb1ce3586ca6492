"""Where the state database is: the server that the settings name, else the embedded one of this user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from etl_core.errors import Unreachable

if TYPE_CHECKING:
    from etl_core.settings import Settings


@asynccontextmanager
async def database_location(settings: Settings, *, prepare: bool = True) -> AsyncIterator[str]:
    """The URL of the state database, good as long as the context is open.

    Without `settings.database_url` the embedded server in its default folder is started, and let go at the
    end; it stops when nobody else holds it. With `prepare` its database, when it is still empty, is migrated,
    so that the first command just works. A server that somebody runs is never migrated unasked.

    Raises:
        Unreachable: the embedded server is not installed or does not start; says what to do.
    """
    if settings.database_url is not None:
        with named_as_set(settings):
            yield settings.database_url.get_secret_value()
        return
    from etl_core.store.embedded.server import default_folder, start

    server = await asyncio.to_thread(start, default_folder())
    try:
        url = await asyncio.to_thread(server.url)
        if prepare:
            await _migrate_when_empty(url)
        yield url
    finally:
        await asyncio.shield(asyncio.to_thread(server.close))


@contextmanager
def named_as_set(settings: Settings) -> Iterator[None]:
    """What cannot be reached is mended where its address stands: in the context, not in the environment."""
    try:
        yield
    except Unreachable as error:
        if settings.context is None:
            raise
        from etl_core.settings import config_path

        place = f"database_url of [contexts.{settings.context}] in {config_path() or 'the settings file'}"
        raise Unreachable(str(error).replace("ETL_DATABASE_URL", place)) from error.__cause__


async def _migrate_when_empty(url: str) -> None:
    from etl_core.store.database import connect
    from etl_core.store.migrations import migrate, status
    from etl_core.store.queries import load

    conn = await connect(url, application_name="etl-tui migrate")
    try:
        # Another process may be in the middle of it: wait, rather than find it half made.
        await load("migrations").wait_for_first_use(conn)
        if all(migration.state == "pending" for migration in await status(conn)):
            await migrate(conn)
    finally:
        await asyncio.shield(conn.close())
