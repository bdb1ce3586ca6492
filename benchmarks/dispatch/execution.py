"""Enqueue to executed with our own processes: due jobs, their runs and checkpoints kept."""

from __future__ import annotations

from benchmarks.dispatch.jobs import make_due, until_all_ended
from benchmarks.dispatch.servers import Servers, ours, until_alive


async def first_runs(servers: Servers, database: str, prefixes: list[str], *, slots: int) -> None:
    """Lets every job run once, so that its table is there."""
    with ours(servers, database, amqp=False, workers=2, slots=slots):
        async with servers.connection(database) as conn:
            await until_alive(conn, workers=2)
            for prefix in prefixes:
                await until_all_ended(conn, prefix, since=await make_due(conn, prefix))


async def executed(
    servers: Servers, database: str, prefix: str, number: int, *, amqp: bool, workers: int, slots: int
) -> float:
    """Jobs a second, from falling due to the end of the last run, by Postgres's clock."""
    with ours(servers, database, amqp=amqp, workers=workers, slots=slots) as started:
        async with servers.connection(database) as conn:
            await until_alive(conn, workers=workers)
            await until_all_ended(conn, "warm", since=await make_due(conn, "warm"))
            seconds = await until_all_ended(conn, prefix, since=await make_due(conn, prefix))
            started.alive()
    return number / seconds
