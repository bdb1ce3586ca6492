"""What `doctor` finds in the services: database, schema, clocks, broker, processes, jobs. Reads only.

What it finds on this machine (Python, packages, terminal) is the command line's part.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from etl_core.errors import EtlError
from etl_core.models.check import Check
from etl_core.store.database import Connection
from etl_core.store.queries import load

if TYPE_CHECKING:
    from etl_core.settings import Settings

_doctor = load("doctor")

CLOCK_TOLERANCE = 2.0
"""Seconds that our clock may differ from the database's: times on a screen are counted from both."""
OVERDUE_AFTER = timedelta(minutes=2)
"""A due job is claimed within seconds; after so long something holds it up."""


async def check_server(conn: Connection) -> list[Check]:
    """The server behind a connection: version, role, whether it can be written to, and its clock."""
    before = time.time()
    server = await _doctor.read_server(conn)
    halfway = datetime.fromtimestamp((before + time.time()) / 2, UTC)
    place = f"PostgreSQL {server['version'].split()[0]}, database {server['database']}, role {server['role']}"
    checks = [Check.ok("database", place)]
    if server["read_only"]:
        checks[0] = Check.fail(
            "database", f"{place}: read-only, a standby", "name the primary in ETL_DATABASE_URL"
        )
    skew = abs((server["now"] - halfway).total_seconds())
    if skew > CLOCK_TOLERANCE:
        checks.append(
            Check.warn(
                "clock", f"differs from the database's by {skew:.0f} s", "let both machines run an NTP client"
            )
        )
    else:
        checks.append(Check.ok("clock", f"within {CLOCK_TOLERANCE:g} s of the database's"))
    return checks


async def check_schema_state(conn: Connection) -> Check:
    """Whether this program may run on the schema as it is."""
    from etl_core.store.migrations import check_schema, status

    try:
        await check_schema(conn)
    except EtlError as refusal:
        return Check.fail("schema", str(refusal), "see `etl-tui db status`")
    newest = max(row.version for row in await status(conn) if row.state != "pending")
    return Check.ok("schema", f"at migration {newest:04}")


async def check_processes(conn: Connection, *, lost_after: float) -> list[Check]:
    """Workers and schedulers with the age of their heartbeat; silent for `lost_after` seconds is lost."""
    rows = [row async for row in _doctor.list_processes(conn)]
    return [_check_kind(kind, [row for row in rows if row["kind"] == kind], lost_after) for kind in _KINDS]


_KINDS = {
    "worker": ("no run is worked on", "start one with `etl-worker`"),
    "scheduler": ("no job starts by itself", "start one with `etl-scheduler`"),
}


def _check_kind(kind: str, rows: Sequence[Any], lost_after: float) -> Check:
    name = f"{kind}s"
    without, remedy = _KINDS[kind]
    if not rows:
        return Check.warn(name, f"none alive: {without}", remedy)
    told = ", ".join(_process(row) for row in rows)
    silent = [row for row in rows if row["age"] > lost_after]
    if len(silent) == len(rows):
        return Check.warn(name, f"none alive: {without}; heard of: {told}", remedy)
    if silent:
        return Check.warn(
            name, told, f"look at pid {silent[0]['pid']} on {silent[0]['host']}; its runs are taken over"
        )
    return Check.ok(name, told)


def _process(row: Any) -> str:
    stages = f", {'+'.join(row['stages'])}" if row["stages"] else ""
    return f"{row['host']}:{row['pid']} (heartbeat {row['age']:.0f} s ago, {row['version']}{stages})"


async def check_jobs(conn: Connection) -> list[Check]:
    """Jobs that are overdue, have no integration, or wait for a person; one of each by name."""
    jobs = await _doctor.summarise_jobs(conn, tolerance=OVERDUE_AFTER)
    checks = [Check.ok("jobs", f"{jobs['jobs']:,}, {jobs['active']:,} of them on")]
    if jobs["overdue"]:
        late = int(jobs["overdue_by"] // 60)
        checks.append(
            Check.warn(
                "overdue jobs",
                f"{jobs['overdue']:,}, the oldest {jobs['the_most_overdue']} by {late:,} min",
                "see that a scheduler and enough workers are alive",
            )
        )
    else:
        checks.append(Check.ok("overdue jobs", "none"))
    if jobs["unconnected"]:
        name = jobs["an_unconnected_one"]
        checks.append(
            Check.warn(
                "integrations of jobs",
                f"{jobs['unconnected']:,} on but without one, like {name}",
                f"`etl-tui jobs settings {name} --integration NAME`, or switch them off",
            )
        )
    if jobs["held"]:
        name = jobs["a_held_one"]
        checks.append(
            Check.warn(
                "held jobs",
                f"{jobs['held']:,} waiting for a person, like {name}",
                f"`etl-tui jobs show {name}` says why",
            )
        )
    return checks


async def check_broker(settings: Settings, database_url: str) -> Check:
    """Whether rings can be sent: RabbitMQ by its queues, or PostgreSQL, which carries them otherwise."""
    if settings.amqp_url is None:
        return Check.ok("broker", "PostgreSQL carries the queues (ETL_AMQP_URL is not set)")
    from etl_core.broker.open import open_broker
    from etl_core.broker.protocol import Stage
    from etl_core.redact import redact_url

    place = redact_url(settings.amqp_url.get_secret_value())
    try:
        broker = await open_broker(settings, database_url, application_name="etl-tui doctor")
        try:
            depths = {
                stage: await broker.depth(stage) for stage in (Stage.EXTRACT, Stage.TRANSFORM, Stage.LOAD)
            }
        finally:
            await broker.close()
    except EtlError as error:
        remedy = "start RabbitMQ or mend ETL_AMQP_URL; until then workers find work by polling"
        return Check.fail("broker", str(error), remedy)
    queues = ", ".join(f"{stage} {depth.ready}" for stage, depth in depths.items() if depth is not None)
    return Check.ok("broker", f"RabbitMQ at {place}; rings waiting: {queues}")
