"""What the schema does for rejects and their replay, on PostgreSQL 15 and 18."""

from __future__ import annotations

import json

import asyncpg
import pytest

from etl_core.errors import EtlError
from etl_core.store.database import Connection
from etl_core.store.migrations import migrate, rollback

RECORDS = (
    b"{}",
    b'{"a": 1}',
    b' {"a": "\\u0000\\ud800"}',
    json.dumps({"a": "ä 日本 \U0001f600"}, ensure_ascii=False).encode(),
    b'{"a": 123456789012345678901234567890.5e400}',
    b'{"a": ' * 500 + b"1" + b"}" * 500,
)
OTHERS = (
    b"",
    b"null",
    b"[1]",
    b'"text"',
    b'{"a": 1',
    b'{"a": NaN}',
    b"{'a': 1}",
    b"\xff\xfe",
    b'{"a": "\x00"}',
    b"2024;x;y",
    b'{"a": ' * 200_000,
)


async def test_what_is_a_record(empty: Connection) -> None:
    await migrate(empty)
    judge = "SELECT is_json_object($1)"
    assert [payload for payload in RECORDS if not await empty.fetchval(judge, payload)] == []
    assert [payload[:40] for payload in OTHERS if await empty.fetchval(judge, payload)] == []


FILL = """
INSERT INTO tenants (name) VALUES ('acme');
INSERT INTO job_runs (job_id, tenant_id, trigger, state, finished_at)
SELECT j.id, j.tenant_id, 'manual', 'SUCCEEDED', now() FROM etl_jobs AS j WHERE j.job_name = 'GitHub';
INSERT INTO run_batches (run_id, seq, lane, stage, state, stored_at)
SELECT id, 1, 'l', 'load', 'LOADED', now() - interval '2 hours' FROM job_runs;
INSERT INTO rejected_records (job_id, run_id, seq, stream, hash, payload, reason, last_seen_at)
SELECT r.job_id, r.id, s.seq, 'orders', s.seq::text::bytea, '{}', 'bad', now() - interval '1 hour'
FROM job_runs AS r CROSS JOIN generate_series(1, 2) AS s (seq);
"""


async def test_rejects_from_before_get_the_best_time_there_is_and_the_way_back_keeps_it(
    empty: Connection,
) -> None:
    await migrate(empty, to=14)
    await empty.execute(FILL)
    await migrate(empty, to=15)
    hours = (
        "SELECT extract(EPOCH FROM now() - extracted_at)::integer / 3600 FROM rejected_records ORDER BY seq"
    )
    assert [row[0] for row in await empty.fetch(hours)] == [2, 1]
    await rollback(empty, to=14)
    await migrate(empty, to=15)
    assert [row[0] for row in await empty.fetch(hours)] == [2, 1]

    await empty.execute("DELETE FROM job_runs")
    with pytest.raises(EtlError, match="cannot hold when rejects were extracted"):
        await rollback(empty, to=14)
    await rollback(empty, to=14, discard=True)


async def test_a_batch_of_a_replay_without_its_rejects_is_refused(empty: Connection) -> None:
    await migrate(empty)
    await empty.execute(FILL)
    insert = (
        "INSERT INTO run_batches (run_id, seq, lane, stage, state)"
        " SELECT id, $1, $2, 'load', 'LEASED' FROM job_runs"
    )
    await empty.execute(insert, 2, "orders/default")
    with pytest.raises(asyncpg.RaiseError, match="the rejects of batch 3 are gone"):
        await empty.execute(insert, 3, "replay of rejects")
