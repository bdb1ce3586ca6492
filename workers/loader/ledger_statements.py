"""The SQL of the ledger that loads keep in another database, which no migration of ours reaches.

`etl_tui.jobs` has a row per job that loads there, locked by each of its loads; `etl_tui.loads` a row per
batch of the job's present run.
"""

from __future__ import annotations

from typing import Final

PREPARE: Final = """
SELECT pg_advisory_xact_lock(hashtextextended('etl-tui ledger', 0));
CREATE SCHEMA IF NOT EXISTS etl_tui;
CREATE TABLE IF NOT EXISTS etl_tui.jobs (job text PRIMARY KEY, run_uid uuid NOT NULL);
CREATE TABLE IF NOT EXISTS etl_tui.loads (
    run_uid uuid NOT NULL,
    seq integer NOT NULL,
    job text NOT NULL REFERENCES etl_tui.jobs (job) ON DELETE CASCADE,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    outcome jsonb,
    PRIMARY KEY (run_uid, seq)
);
CREATE INDEX IF NOT EXISTS loads_of_job ON etl_tui.loads (job);
"""
"""Makes what is missing, in a transaction of its own."""

IS_PREPARED: Final = "SELECT to_regclass('etl_tui.loads') IS NOT NULL"

WAIT_BRIEFLY: Final = "SET LOCAL lock_timeout = '2s'"
WAIT: Final = "SET LOCAL lock_timeout = 0"

HOLD_JOB: Final = """
INSERT INTO etl_tui.jobs (job, run_uid) VALUES ($1, $2)
ON CONFLICT (job) DO UPDATE SET run_uid = excluded.run_uid"""
"""$1 is the job, $2 its run. Until the end of the transaction no other load of the job begins."""

FORGET: Final = "DELETE FROM etl_tui.loads WHERE job = $1 AND run_uid <> $2"
"""Batches of earlier runs: each was settled before this one began."""

ENTER: Final = """
INSERT INTO etl_tui.loads (run_uid, seq, job) VALUES ($1, $2, $3)
ON CONFLICT (run_uid, seq) DO NOTHING
RETURNING seq"""
"""$1 is the run, $2 the batch, $3 the job. No row: the batch is loaded already."""

OUTCOME: Final = "SELECT outcome FROM etl_tui.loads WHERE run_uid = $1 AND seq = $2"

WRITE_OUTCOME: Final = "UPDATE etl_tui.loads SET outcome = $3 WHERE run_uid = $1 AND seq = $2"
