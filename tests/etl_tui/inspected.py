"""One job with a past: runs, versions of its checkpoint, a log, rejects, an audit; kind, or hurting."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from etl_core.control.audit import Actor, record_event
from etl_core.control.checkpoints import repair
from etl_core.rules.checkpoints.document import Document, PartitionValue
from etl_core.rules.checkpoints.repairs import SetDocument
from etl_core.store.database import Connection
from tests.support.jobs import make_integration

RUNS: Final = 24
_ANA: Final = Actor("ana", "ana", "203.0.113.7")


@dataclass(frozen=True)
class Past:
    """What is told of a job; `partitions` are those of the last stream."""

    streams: Sequence[str]
    partitions: Sequence[str]
    messages: Sequence[tuple[str, str]]
    payloads: Sequence[bytes]
    reason: str
    error: str

    def document(self, now: datetime, version: int) -> Document:
        """The older the version, the further behind."""

        def value(place: int, page: int | None = None) -> PartitionValue:
            moment = now - timedelta(hours=9 - 3 * version, minutes=13 * place)
            resume = None if page is None else {"page": page + 33 * version, "of": 655}
            return PartitionValue({"updated_at": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}, resume)

        *whole, last = self.streams
        return Document(
            {
                **{
                    stream: {"default": value(place, 314 if place == 0 else None)}
                    for place, stream in enumerate(whole)
                },
                last: {partition: value(place) for place, partition in enumerate(self.partitions)},
            }
        )


KIND: Final = Past(
    ("orders", "customers", "refunds"),
    ("apac", "eu", "us"),
    (
        ("info", "reading orders from page 347"),
        ("info", "page 380 of 655, 1,000 records"),
        ("warning", "payments.example answers slowly: 12 s"),
        ("info", "page 412 of 655, 1,000 records"),
        ("error", "timeout after 30 s from payments.example"),
    ),
    (b'{"id": 811, "total": "12,5O", "currency": "EUR"}', b'{"id": 902, "total": null}'),
    "total: no number",
    "timeout after 30 s from payments.example",
)
LONG: Final = "日本語 שלום עולם [red]b[/] \x1b[2J\u202e " + "long-" * 35
HURTING: Final = Past(
    (*(f"stream-{number:02}" for number in range(38)), "日本語の列 " * 20, LONG),
    (LONG, "ملف", "e\u0301\u0302 combining", *(f"octo/repository-{number}" for number in range(30))),
    (
        ("debug", "x" * 300),
        ("info", LONG),
        ("warning", "first line\nsecond line\tand a tab"),
        ("error", "שלום " * 40),
    ),
    (json.dumps({LONG: LONG, "id": 1}).encode(), b"torn \xff\x00", json.dumps({"名": "日本" * 80}).encode()),
    LONG,
    f"first {LONG}\nsecond \x1b[31m line",
)


async def add_job(conn: Connection, name: str, now: datetime, *, legacy: Any = None) -> int:
    """A failed job of tenant `acme`, whose connector nobody has; `legacy` is its checkpoint."""
    integration = await make_integration(conn, f"{name}-source", kind="elsewhere")
    job: int = await conn.fetchval(
        "INSERT INTO etl_jobs (job_name, tenant_id, integration_id, status, schedule_interval_minutes,"
        " retry_interval_minutes, last_run_started_at, last_run_finished_at, last_success_at, created_at,"
        " checkpoint_data) SELECT $1, id, $2, 'FAILED', 60, 15, $3, $4, $5, $6, $7"
        " FROM tenants WHERE name = 'acme' RETURNING id",
        name,
        integration,
        now - timedelta(minutes=3, seconds=30),
        now - timedelta(minutes=3, seconds=5),
        now - timedelta(days=1),
        now - timedelta(days=30),
        legacy,
    )
    return job


async def give_past(conn: Connection, job: int, past: Past, now: datetime) -> int:
    """Gives it one that ended in a failure; returns the failed run."""
    await conn.execute("DELETE FROM job_runs WHERE job_id = $1", job)
    await conn.execute(
        "UPDATE etl_jobs SET status = 'FAILED', error_message = $2, error_kind = 'transient', retry_count = 2"
        " WHERE id = $1",
        job,
        past.error,
    )
    run = 0
    for number in range(RUNS):
        run = await _add_run(conn, job, past, number, now)
    for number, (level, message) in enumerate(past.messages):
        await conn.execute(
            "INSERT INTO run_logs (run_id, at, level, message) VALUES ($1, $2, $3, $4)",
            run,
            now - timedelta(seconds=200 - 5 * number),
            level,
            message,
        )
    for number, payload in enumerate(past.payloads):
        await conn.execute(
            "INSERT INTO rejected_records (job_id, run_id, seq, stream, reason, hash, payload, count,"
            " first_seen_at, last_seen_at) VALUES ($1, $2, 1, $3, $4, sha256($5), $5, $6, $7, $7)",
            job,
            run,
            past.streams[-1],
            past.reason,
            payload,
            number + 1,
            now - timedelta(minutes=4 + number),
        )
    await _add_versions(conn, job, run, past, now)
    return run


async def _add_run(conn: Connection, job: int, past: Past, number: int, now: datetime) -> int:
    started = now - timedelta(minutes=3 + 60 * (RUNS - 1 - number), seconds=30)
    failed = number >= RUNS - 2
    rows = 0 if failed else 900 + 37 * (number * 7 % 11)
    seconds = 300 if number == RUNS // 2 else 25 + number % 5
    counters: Mapping[str, int] = {
        "rows_extracted": rows + 2,
        "rows_new": rows // 3,
        "rows_changed": rows - rows // 3,
        "rows_rejected": 2,
    }
    run: int = await conn.fetchval(
        "INSERT INTO job_runs (job_id, tenant_id, trigger, state, ready_at, queued_at, started_at,"
        " finished_at, extract_done, counters, error_kind, error_message)"
        " SELECT id, tenant_id, 'schedule', $2, $3, $3, $3, $4, true, $5, $6, $7"
        " FROM etl_jobs WHERE id = $1 RETURNING id",
        job,
        "FAILED" if failed else "SUCCEEDED",
        started,
        started + timedelta(seconds=seconds),
        counters,
        "transient" if failed else None,
        past.error if failed else None,
    )
    for seq in range(1, 4):
        await conn.execute(
            "INSERT INTO run_batches (run_id, seq, lane, stage, state, counts, bytes, stored_at, loaded_at)"
            " VALUES ($1, $2, $3, 'load', 'LOADED', $4, 40960, $5, $6)",
            run,
            seq,
            f"{past.streams[-1]}/{past.partitions[0]}",
            counters,
            started + timedelta(seconds=4 * seq),
            started + timedelta(seconds=4 * seq + 3),
        )
    return run


async def _add_versions(conn: Connection, job: int, run: int, past: Past, now: datetime) -> None:
    """Three, as a run, a person and a run made them, at their times: the database's own clock is another."""
    for version in range(1, 4):
        await repair(conn, job, SetDocument(past.document(now, version)), _ANA, reason=past.reason)
    await record_event(conn, "disable", _ANA, job_id=job, reason=past.reason)
    await record_event(conn, "enable", _ANA, job_id=job)
    async with conn.transaction():
        await conn.execute("SET LOCAL session_replication_role = replica")  # the audit refuses changes
        await conn.execute(
            "UPDATE job_checkpoint_history SET cut_at = $2::timestamptz - (4 - version) * interval '3 hours',"
            " source = CASE version WHEN 2 THEN source ELSE 'run' END,"
            " run_id = CASE version WHEN 2 THEN null ELSE $3::bigint - 3 + version END WHERE job_id = $1",
            job,
            now,
            run,
        )
        await conn.execute(
            "UPDATE job_events AS e SET at = $1::timestamptz - p.place * interval '37 minutes'"
            " FROM (SELECT id, row_number() OVER (ORDER BY id DESC) AS place FROM job_events) AS p"
            " WHERE p.id = e.id",
            now,
        )
        await conn.execute("UPDATE job_checkpoints SET updated_at = $2 WHERE job_id = $1", job, now)
