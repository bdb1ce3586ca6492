"""Brings a database to the schema that this program needs, back again, and tells whether it is there.

Each migration is one transaction that begins with an advisory lock and reads the bookkeeping behind it: two
runners at once take turns, and one that dies leaves whole migrations only. A lock of the session would do the
same but not survive a transaction pooler.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from etl_core import __version__
from etl_core.errors import Conflict, EtlError, InvalidInput
from etl_core.store.migration_baseline import LEGACY_VERSION, check_baseline, legacy_tables
from etl_core.store.migration_bookkeeping import (
    MigrationStatus,
    Recorded,
    compare,
    queries,
    read_recorded,
    refuse_edited,
    refuse_gap,
)
from etl_core.store.migration_files import MigrationFile, admits, discover

if TYPE_CHECKING:
    from etl_core.store.database import Connection

__all__ = ["Applied", "MigrationStatus", "check_schema", "migrate", "rollback", "status"]


@dataclass(frozen=True, slots=True)
class Applied:
    """A step that was taken; `notices` are what a person should hear of: each mended row, and how."""

    version: int
    name: str
    state: Literal["applied", "adopted", "rolled back"]
    applied_at: datetime
    duration_ms: int
    notices: tuple[str, ...]


async def migrate(
    conn: Connection,
    *,
    to: int | None = None,
    legacy_timezone: str = "UTC",
    baseline: int | None = None,
    program: str = __version__,
    known: Sequence[MigrationFile] | None = None,
) -> list[Applied]:
    """Applies what is pending, up to and with version `to` (default: all), and returns what it did.

    `legacy_timezone` is the zone in which the legacy system wrote its naive times. `baseline` adopts the
    tables of a legacy database without bookkeeping as migrations 1 to `baseline`. `known` stands in for the
    files of this program.

    Raises:
        InvalidInput: no such version or zone, or the schema is further than `to` already.
        Conflict: an applied file was edited, the schema is newer than this program, a legacy database has no
            bookkeeping, or a migration refuses what it finds.
        EtlError: a migration failed; it left nothing behind, those before it stand.
    """
    known = discover() if known is None else known
    target = known[-1].version if to is None else to
    if not any(file.version == target for file in known):
        raise InvalidInput(f"there is no migration {target}: this program knows 1 to {known[-1].version}")
    zone = await _spell_timezone(conn, legacy_timezone)
    done: list[Applied] = []
    if baseline is not None:
        done += await _adopt(conn, known, baseline, zone, program)
    while True:
        applied = await _apply_next(conn, known, target, zone, program)
        if applied is None:
            break
        done.append(applied)
        if to is not None and applied.version == to:
            break
    await conn.reload_schema_state()
    return done


async def rollback(
    conn: Connection,
    *,
    to: int,
    discard: bool = False,
    alive_within: float = 10,
    known: Sequence[MigrationFile] | None = None,
) -> list[Applied]:
    """Takes back what is newer than version `to` (0: everything), newest first, each one transaction.

    Ways back keep what the older schema can hold, archive the rest or refuse; with `discard` they give it up.
    A process counts as alive when it was heard of within `alive_within` seconds.

    Raises:
        InvalidInput: `to` is below 0.
        Conflict: a run is open or a process alive, a migration in force is edited or unknown, or its way back
            refuses to lose data; those taken back before it stay so.
        EtlError: a way back failed; it left nothing behind.
    """
    known = discover() if known is None else known
    if to < 0:
        raise InvalidInput(f"--to {to}: 0 is the empty database")
    done: list[Applied] = []
    while True:
        taken = await _take_back_newest(conn, known, to, discard=discard, alive_within=alive_within)
        if taken is None:
            break
        done.append(taken)
    await conn.reload_schema_state()
    return done


async def status(conn: Connection, *, known: Sequence[MigrationFile] | None = None) -> list[MigrationStatus]:
    """Every migration that is known or in force, oldest first."""
    return compare(discover() if known is None else known, await read_recorded(conn))


async def check_schema(
    conn: Connection, program: str = __version__, *, known: Sequence[MigrationFile] | None = None
) -> None:
    """Refuses a schema on which this program must not run; every process asks at its start.

    A schema newer than the program is fine as long as its newest migration admits the program's version:
    that is how a database is migrated under running processes before they are replaced.

    Raises:
        Conflict: with the command that mends it.
    """
    known = discover() if known is None else known
    recorded = await read_recorded(conn)
    if not recorded:
        await _refuse_unadopted(conn)
        raise Conflict("this database has no schema yet: run `etl-tui db migrate`")
    refuse_edited(known, recorded)
    refuse_gap(known, recorded)
    newest, needed = recorded[-1], known[-1].version
    if newest.version < needed:
        raise Conflict(
            f"schema is at {newest.version}, this program needs {needed}: run `etl-tui db migrate`"
        )
    if not admits(newest.programs, program):
        raise Conflict(
            f"schema is at {newest.version}, newer than this program knows ({needed}): "
            f"upgrade etl-tui from {program} to {newest.programs}"
            if newest.version > needed
            else f"schema is at {newest.version}, made for etl-tui {newest.programs}; this is {program}"
        )


async def _apply_next(
    conn: Connection, known: Sequence[MigrationFile], target: int, zone: str, program: str
) -> Applied | None:
    """Applies the oldest pending migration up to `target`; None when there is none."""
    async with _turn(conn):
        recorded = await read_recorded(conn)
        if not recorded:
            await _refuse_unadopted(conn)
        refuse_edited(known, recorded)
        refuse_gap(known, recorded)
        newest = recorded[-1].version if recorded else 0
        if newest > known[-1].version:
            raise Conflict(
                f"schema is at {newest}, newer than this program knows ({known[-1].version}): upgrade etl-tui"
            )
        if newest > target:
            raise InvalidInput(f"schema is at {newest}: `etl-tui db rollback --to {target}` goes back")
        if newest == target:
            return None
        file = known[newest]  # numbered from 1 without a gap
        started = time.monotonic()
        notices = await _execute(conn, file.label, file.up, zone=zone, discard=False)
        duration_ms = round((time.monotonic() - started) * 1000)
        await queries.create_bookkeeping(conn)
        applied_at = await _record(
            conn, file, program=program, zone=zone, duration_ms=duration_ms, notices=notices
        )
    return Applied(file.version, file.name, "applied", applied_at, duration_ms, notices)


async def _take_back_newest(
    conn: Connection, known: Sequence[MigrationFile], to: int, *, discard: bool, alive_within: float
) -> Applied | None:
    """Takes back the newest migration if it is newer than `to`; None when it is not."""
    async with _turn(conn):
        recorded = await read_recorded(conn)
        if not recorded or recorded[-1].version <= to:
            return None
        newest = recorded[-1]
        refuse_edited(known, recorded)
        file = next((file for file in known if file.version == newest.version), None)
        if file is None:
            raise Conflict(
                f"migration {newest.label} is unknown to this program: "
                f"etl-tui {newest.applied_program}, which applied it, can take it back"
            )
        await _refuse_while_working(conn, alive_within)
        started = time.monotonic()
        zone = newest.legacy_timezone
        notices = await _execute(conn, f"{file.label}.down", file.down, zone=zone, discard=discard)
        taken_at = await queries.forget_applied(conn, version=newest.version)
    duration_ms = round((time.monotonic() - started) * 1000)
    return Applied(file.version, file.name, "rolled back", taken_at, duration_ms, notices)


async def _adopt(
    conn: Connection, known: Sequence[MigrationFile], baseline: int, zone: str, program: str
) -> list[Applied]:
    """Records migrations 1 to `baseline` as applied without running them."""
    async with _turn(conn):
        recorded: list[Recorded] = await read_recorded(conn)
        if recorded:
            raise Conflict(f"this database is ours already, at {recorded[-1].version}: leave --baseline out")
        remarks = await check_baseline(conn, baseline)
        await queries.create_bookkeeping(conn)
        adopted: list[Applied] = []
        for file in known[:baseline]:
            notices = tuple(remarks) if file.version == baseline else ()
            applied_at = await _record(conn, file, program=program, zone=zone, notices=notices)
            adopted.append(Applied(file.version, file.name, "adopted", applied_at, 0, notices))
    return adopted


async def _record(
    conn: Connection,
    file: MigrationFile,
    *,
    program: str,
    zone: str,
    duration_ms: int = 0,
    notices: Sequence[str] = (),
) -> datetime:
    applied_at: datetime = await queries.record_applied(
        conn,
        version=file.version,
        name=file.name,
        checksum=file.checksum,
        programs=file.programs,
        applied_program=program,
        duration_ms=duration_ms,
        legacy_timezone=zone,
        notices=list(notices),
    )
    return applied_at


@asynccontextmanager
async def _turn(conn: Connection) -> AsyncIterator[None]:
    """A transaction behind the lock; READ COMMITTED, so that what the last holder committed is seen."""
    async with conn.transaction(isolation="read_committed"):
        await queries.take_lock(conn)
        yield


async def _execute(conn: Connection, label: str, text: str, *, zone: str, discard: bool) -> tuple[str, ...]:
    """Runs the text of a migration; returns what it RAISEd as NOTICE or WARNING."""
    import asyncpg

    await queries.prepare_migration(conn, legacy_timezone=zone, discard="on" if discard else "off")
    with _collecting_notices(conn) as notices:
        try:
            await conn.execute(text)
        except asyncpg.RaiseError as error:  # its own refusal, written for people
            raise Conflict(f"migration {label}: {error}") from error
        except (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError):
            raise
        except asyncpg.PostgresError as error:
            raise EtlError(f"migration {label} failed and left nothing behind: {error}") from error
        await asyncio.sleep(0)  # listeners are called on the loop's next round
    return tuple(notices)


@contextmanager
def _collecting_notices(conn: Connection) -> Iterator[list[str]]:
    """What migrations say on purpose; not the server's own remarks ("does not exist, skipping")."""
    notices: list[str] = []

    def listen(_: object, message: Any) -> None:
        if message.server_source_function == "exec_stmt_raise":
            notices.append(str(message.message))

    conn.add_log_listener(listen)
    try:
        yield notices
    finally:
        conn.remove_log_listener(listen)


async def _refuse_unadopted(conn: Connection) -> None:
    """Refuses a database in which legacy tables stand without bookkeeping."""
    tables = await legacy_tables(conn)
    if tables:
        raise Conflict(
            f"this database has the tables {', '.join(tables)} but no record of migrations: if the legacy "
            f"tool built them, `etl-tui db migrate --baseline {LEGACY_VERSION}` adopts them"
        )


async def _refuse_while_working(conn: Connection, alive_within: float) -> None:
    """Refuses while a run is open or a process alive; afterwards none can begin in this transaction."""
    if not await queries.has_processes(conn):
        return
    for locked in (False, True):  # first without waiting for anybody, then for certain
        if locked:
            await queries.keep_processes_out(conn)
        busy = [row["what"] async for row in queries.in_the_way(conn, alive_within=alive_within)]
        if busy:
            more = f" and {len(busy) - 3} more" if len(busy) > 3 else ""
            raise Conflict(f"{', '.join(busy[:3])}{more}: end runs and stop processes before going back")


async def _spell_timezone(conn: Connection, name: str) -> str:
    """The zone as the server spells it.

    Raises:
        InvalidInput: the server knows no zone of that name (abbreviations like CET are ambiguous and refused
            unless the server lists them as zones).
    """
    if name == "UTC":  # listing all zones reads hundreds of files
        return name
    spelt: str | None = await queries.timezone(conn, name=name)
    if spelt is None:
        raise InvalidInput(f"--legacy-timezone {name}: the server knows no such zone (like Europe/Berlin)")
    return spelt
