"""Holds the database against the model, and against what must be true whatever the model says."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from etl_core.models.job import JobRow
from etl_core.rules.why import why
from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.lifecycle.state_machine.lanes import UNLOADED, check_batches
from tests.lifecycle.state_machine.model import Job, Run, World, places

_jobs = load("jobs")

TIMES_OF_JOBS = {
    "last_run_started_at": "started_at",
    "last_run_finished_at": "finished_at",
    "not_before": "not_before",
    "held_until": "held_until",
}

RUNS = """
SELECT r.*, coalesce(b.batches, '[]') AS batches
FROM job_runs AS r
LEFT JOIN LATERAL (
    SELECT
        jsonb_agg(
            to_jsonb(b) || jsonb_build_object('has_payload', p.run_id IS NOT NULL) ORDER BY b.seq
        ) AS batches
    FROM run_batches AS b LEFT JOIN batch_payloads AS p ON b.run_id = p.run_id AND b.seq = p.seq
    WHERE b.run_id = r.id
) AS b ON true
ORDER BY r.id
"""
CHECKPOINTS = """
SELECT j.id, j.checkpoint_data, j.checkpoint_version, checkpoint_streams(j.id) AS streams,
    (
        SELECT jsonb_agg(h.changes ORDER BY h.version)
        FROM job_checkpoint_history AS h WHERE h.job_id = j.id
    ) AS history
FROM etl_jobs AS j
"""


class Agreement:
    """Looks after each step; remembers leases and what has ended."""

    def __init__(self, conn: Connection, world: World) -> None:
        self._conn = conn
        self._world = world
        self._leases: dict[tuple[int, int], int] = {}
        self._ended: dict[int, Any] = {}
        self._running: dict[tuple[str | None, str | None], int] = {}

    async def check(self) -> None:
        rows = await self._conn.fetch("SELECT * FROM etl_jobs ORDER BY id")
        runs = await self._conn.fetch(RUNS)
        after = await self._conn.fetchval("SELECT clock_timestamp()")
        self._tolerance = after - self._world.now
        for row, job in zip(rows, self._world.jobs, strict=True):
            self._check_job(dict(row), job, [dict(run) for run in runs if run["job_id"] == job.id])
        self._check_limits()
        self._check_what_ended(runs)
        await self._check_checkpoints()
        await self._check_why()

    def _same_time(self, of: Job | Run, name: str, found: datetime | None) -> None:
        """Equal; or of this very step, whose moment only the database knows: it is taken over."""
        expected = getattr(of, name)
        if found != expected:
            assert found is not None, (name, of)
            assert expected is not None, (name, found, of)
            assert expected >= self._world.now, (name, found, of)
            assert timedelta() <= found - expected <= self._tolerance, (name, found, of)
            setattr(of, name, found)

    def _check_job(self, row: dict[str, Any], job: Job, runs: list[dict[str, Any]]) -> None:
        # What must be, without the model.
        open_runs = [run for run in runs if run["state"] in ("QUEUED", "RUNNING")]
        assert row["status"] in ("READY", "RUNNING", "FINISHED", "FAILED")
        assert len(open_runs) == (row["status"] == "RUNNING"), row
        sleeps = not row["active"] or row["status"] == "RUNNING" or row["held"]
        assert (row["due_at"] is None) == sleeps, row
        # What the model says.
        for theirs, ours in TIMES_OF_JOBS.items():
            self._same_time(job, ours, row[theirs])
        for name in ("status", "active", "off_by", "held_by", "error_kind", "retry_count", "due_at"):
            assert row[name] == getattr(job, name), (name, row, job)
        assert (row["error_message"] is None) == (row["error_kind"] is None), row
        for found, run in zip(runs, job.runs, strict=True):
            self._check_run(found, run)

    def _check_run(self, found: dict[str, Any], run: Run) -> None:
        self._check_lease(run.id, 0, found["lease"])
        if found["state"] == "RUNNING":  # else it is in nobody's hands while batches wait for theirs
            assert found["worker_id"] is not None or found["extract_done"], found
        self._same_time(run, "ready_at", found["ready_at"])
        self._same_time(run, "started_at", found["started_at"])
        for name in ("id", "trigger", "state", "lease", "losses", "extract_done", "error_kind"):
            assert found[name] == getattr(run, name), (name, found, run)
        if run.is_open:
            assert found["worker_id"] == run.worker, (found, run)
        self._check_batches(found, run)

    def _check_batches(self, found: dict[str, Any], run: Run) -> None:
        check_batches(found["batches"], is_open=run.is_open, holder=found["worker_id"])
        for batch in found["batches"]:
            self._check_lease(run.id, batch["seq"], batch["lease"])
        # What the model says.
        batches = {
            b["seq"]: (b["lane"], b["state"], b["lease"], b["attempts"])
            + ((b["stage"], b["worker_id"], b["in_hand_since"] is not None) if b["state"] in UNLOADED else ())
            for b in found["batches"]
        }
        assert batches == {
            seq: (b.lane, b.state, b.lease, b.attempts)
            + ((b.stage, b.worker, b.in_hand) if b.is_unloaded else ())
            for seq, b in run.batches.items()
        }, (found, run)

    def _check_lease(self, run_id: int, seq: int, lease: int) -> None:
        assert lease >= self._leases.get((run_id, seq), 0), "a lease went back"
        self._leases[run_id, seq] = lease

    def _check_limits(self) -> None:
        """A limit that is lowered ends nothing; but nothing starts beyond it."""
        for place in {place for job in self._world.jobs for place in places(job)}:
            running = self._world.running(place)
            limit = self._world.limits.get(place)
            assert limit is None or running <= max(limit, self._running.get(place, 0)), place
            self._running[place] = running

    def _check_what_ended(self, runs: list[Any]) -> None:
        for run in runs:
            if run["finished_at"]:
                assert run["state"] in ("SUCCEEDED", "FAILED", "CANCELLED")
                assert self._ended.setdefault(run["id"], run) == run, "an ended run changed"

    async def _check_checkpoints(self) -> None:
        """The rows are where the last loaded batch left them; the document is where the last version was cut,
        and every version adds up to it."""
        for row, job in zip(
            await self._conn.fetch(CHECKPOINTS + " ORDER BY j.id"), self._world.jobs, strict=True
        ):
            assert row["streams"] == streams(job.at), (row, job)
            document = row["checkpoint_data"]
            assert (document or {}).get("streams") == streams(job.document), (row, job)
            history = row["history"] or []
            assert len(history) == row["checkpoint_version"]
            if document:
                assert document["version"] == row["checkpoint_version"]
                assert {c["partition"]: c["bookmark"]["at"] for c in history[-1]} == job.moved, (row, job)
            if row["id"] not in {j.id for j, _ in self._world.open_jobs()}:
                assert (document or {}).get("streams") == row["streams"], "a version was not cut"

    async def _check_why(self) -> None:
        rows = [
            JobRow.model_validate(dict(row))
            async for row in _jobs.list_jobs_by_id(self._conn, ids=[job.id for job in self._world.jobs])
        ]
        now = await self._conn.fetchval("SELECT now()")
        for row in rows:
            job = next(job for job in self._world.jobs if job.id == row.id)
            answer = why(row, None, now)
            assert answer.kind == self._expected_why(job), (answer, job)
            assert answer.text
            assert "\n" not in answer.text
            assert (answer.kind == "running") == (row.status == "RUNNING" and row.run_state == "RUNNING")

    def _expected_why(self, job: Job) -> str:
        run = job.run
        if run:
            if run.state == "RUNNING":
                return "running"
            if run.ready_at > self._world.now + self._tolerance:
                return "waiting"
            return self._bar(job, run) or "queued"
        if not job.active:
            return "off"
        if job.held_by:
            return "held"
        assert job.due_at
        if job.due_at > self._world.now + self._tolerance:
            return "snoozed" if job.not_before and job.not_before >= job.due_at else "not_due"
        return self._bar(job, None) or "due"

    def _bar(self, job: Job, run: Run | None) -> str | None:
        if any(place in self._world.paused for place in places(job)):
            return "paused"
        if job.blacked_out and (run is None or run.trigger != "manual"):
            return "blackout"
        if self._world.holds(job, run):
            return "limited"
        return None if self._world.has_room(job) else "busy"


def streams(at: dict[str, int]) -> Any:
    """The document's streams when its partitions stand there."""
    return {"records": {lane: {"bookmark": {"at": at_}} for lane, at_ in at.items()}} if at else None
