"""Where the dashboard's jobs come from and its actions go: the feed and `control`, on one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import asyncpg

from etl_core.control.audit import Actor
from etl_core.control.feed import FeedChanges, JobFeed
from etl_core.errors import Conflict, EtlError, Unreachable
from etl_core.models.health import Health
from etl_core.models.job import JobDetails, JobRow

if TYPE_CHECKING:
    from etl_core.broker.protocol import Broker

ANSWER_TIMEOUT = 15.0
"""How long the database may take over one question before the connection counts as lost, in seconds."""

T = TypeVar("T")


class JobSource(Protocol):
    """What the dashboard asks for. All raise `EtlError`: `Unreachable` when the database is gone."""

    @property
    def lost_after(self) -> float: ...
    @property
    def read_only(self) -> str | None: ...
    @property
    def transport(self) -> str: ...
    async def broker(self) -> Broker | None: ...
    async def reconnect(self) -> None: ...
    async def ask(self, question: Callable[[asyncpg.Connection], Awaitable[T]]) -> T: ...
    async def act(self, action: Callable[[asyncpg.Connection, Actor], Awaitable[T]]) -> T: ...
    async def read_first(self, at_most: int) -> list[JobRow]: ...
    async def read_all(self) -> list[JobRow]: ...
    async def read_changes(self) -> FeedChanges: ...
    async def reconcile(self) -> FeedChanges: ...
    async def read_health(self) -> Health: ...
    async def show_job(self, job_id: int) -> JobDetails: ...


class DatabaseSource:
    """The real one: questions and actions take turns on a single connection, as a pooler likes it."""

    def __init__(
        self,
        open_connection: Callable[[], Awaitable[asyncpg.Connection]],
        conn: asyncpg.Connection,
        *,
        tenant: str | None,
        actor: Actor,
        lost_after: float = 10.0,
        read_only: str | None = None,
        open_broker: Callable[[], Awaitable[Broker]] | None = None,
    ) -> None:
        self._open_broker = open_broker
        self._broker: Broker | None = None
        self._lost_after = lost_after
        self._open_connection = open_connection
        self._tenant = tenant
        self._actor = actor
        self._read_only = read_only
        self._turn = asyncio.Lock()
        self._use(conn)

    @property
    def lost_after(self) -> float:
        """Seconds without a heartbeat after which a process is silent."""
        return self._lost_after

    @property
    def read_only(self) -> str | None:
        """Why nothing can be changed here, in a line; None when it can."""
        return self._read_only

    @property
    def transport(self) -> str:
        """`amqp`, or `postgres` where the rows are the queue and there is no broker to ask."""
        return "postgres" if self._open_broker is None else "amqp"

    async def broker(self) -> Broker | None:
        """RabbitMQ, reached when it is first asked; None where there is none.

        Raises:
            InvalidInput: its URL cannot be read.
        """
        if self._broker is None and self._open_broker is not None:
            self._broker = await self._open_broker()
        return self._broker

    async def reconnect(self) -> None:
        """Opens another connection; the feed starts anew with it."""
        async with self._turn:
            self._conn.terminate()
            self._use(await self._open_connection())

    async def close(self) -> None:
        """Lets the connections go, politely while they still answer."""
        if self._broker is not None:
            await self._broker.close()
        try:
            await self._conn.close(timeout=1)
        except (
            OSError,
            TimeoutError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        ):
            self._conn.terminate()

    async def read_first(self, at_most: int) -> list[JobRow]:
        return await self.ask(lambda _: self._feed.read_first(at_most))

    async def read_all(self) -> list[JobRow]:
        return await self.ask(lambda _: self._feed.read_all())

    async def read_changes(self) -> FeedChanges:
        return await self.ask(lambda _: self._feed.read_changes())

    async def reconcile(self) -> FeedChanges:
        return await self.ask(lambda _: self._feed.reconcile())

    async def read_health(self) -> Health:
        return await self.ask(lambda _: self._feed.read_health())

    async def show_job(self, job_id: int) -> JobDetails:
        from etl_core.control.jobs import show_job

        return await self.ask(lambda conn: show_job(conn, job_id))

    async def act(self, action: Callable[[asyncpg.Connection, Actor], Awaitable[T]]) -> T:
        """What a person does, in its turn: `control` is told who. The one gate of a dashboard that may not.

        Raises:
            Conflict: nothing can be changed here.
        """
        if self._read_only is not None:
            raise Conflict(self._read_only)
        return await self.ask(lambda conn: action(conn, self._actor))

    def _use(self, conn: asyncpg.Connection) -> None:
        self._conn = conn
        self._feed = JobFeed(conn, self._tenant)

    async def ask(self, question: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """One question in its turn, with everything the database can do to us as an `EtlError`."""
        async with self._turn:
            if self._conn.is_closed():
                raise Unreachable("the connection to the database is gone; it is being opened again")
            try:
                return await asyncio.wait_for(question(self._conn), ANSWER_TIMEOUT)
            except TimeoutError:
                self._conn.terminate()
                raise Unreachable(f"no answer in {ANSWER_TIMEOUT:.0f} s") from None
            except (
                OSError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
                asyncpg.PostgresConnectionError,
            ) as error:
                self._conn.terminate()
                raise Unreachable(str(error) or type(error).__name__) from None
            except (asyncpg.OperatorInterventionError, asyncpg.CannotConnectNowError) as error:
                self._conn.terminate()
                raise Unreachable(str(error)) from None
            except asyncpg.PostgresError as error:
                raise EtlError(f"the database refuses: {error}") from error
