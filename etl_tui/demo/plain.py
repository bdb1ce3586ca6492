"""The demo without a terminal: every job once to its end, a line when something happens, a table at last."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from etl_core.errors import Conflict, EtlError
from etl_tui.demo.jobs import DemoJob

if TYPE_CHECKING:
    from etl_core.models.run import RunRow
    from etl_core.store.database import Connection
    from etl_tui.cli.output import Output
    from etl_tui.demo.processes import DemoProcess

POLL = 0.2
PATIENCE = 300.0
"""Seconds that all jobs together may take."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A job of the demo and the run that ended, or the last state seen when time was up."""

    job: DemoJob
    run: RunRow

    @property
    def as_it_should(self) -> bool:
        return self.run.state == ("FAILED" if self.job.must_fail else "SUCCEEDED")

    @property
    def seconds(self) -> float | None:
        if self.run.started_at is None or self.run.finished_at is None:
            return None
        return round((self.run.finished_at - self.run.started_at).total_seconds(), 1)

    @property
    def rows(self) -> str:
        from etl_core.rules.counts_text import result_sentence

        return result_sentence(self.run) if self.run.state == "SUCCEEDED" else "–"

    @property
    def result(self) -> str:
        return self.rows if self.run.state == "SUCCEEDED" else self.run.error_message or ""


async def run_all(
    conn: Connection,
    jobs: list[DemoJob],
    ids: dict[str, int],
    processes: list[DemoProcess],
    output: Output,
) -> list[Ended]:
    """Starts every job and follows it to its end.

    Raises:
        EtlError: scheduler or worker ended under us.
    """
    from etl_core.control.runs import show_run

    runs = {job.full_name: await _start(conn, ids[job.full_name]) for job in jobs}
    told: dict[str, str] = {}
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        for job in jobs:
            run = runs[job.full_name] = await show_run(conn, runs[job.full_name].id)
            sentence = await _wait(conn, run) or _sentence(Ended(job, run))
            if told.get(job.full_name) != sentence:
                told[job.full_name] = sentence
                output.line(f"{job.full_name}: {sentence}")
                output.flush()
        if not any(run.state.is_open for run in runs.values()):
            break
        if asyncio.get_running_loop().time() > deadline:
            output.notice(f"not every job ended within {PATIENCE:g} s")
            break
        for process in processes:
            if process.poll() is not None:
                raise EtlError(f"{process.name} ended with {process.returncode}; see {process.log}")
        await asyncio.sleep(POLL)
    return [Ended(job, runs[job.full_name]) for job in jobs]


async def _start(conn: Connection, job_id: int) -> RunRow:
    """A new run, or the one that the scheduler has just begun."""
    from etl_core.control.audit import Actor
    from etl_core.control.jobs import run_now
    from etl_core.control.runs import open_run

    for _ in range(3):
        try:
            return await run_now(conn, job_id, Actor.current())
        except Conflict:
            run = await open_run(conn, job_id)
            if run is not None:
                return run
    return await run_now(conn, job_id, Actor.current())


async def _wait(conn: Connection, run: RunRow) -> str | None:
    """What the source of a parked run makes it wait for, and until when."""
    from etl_core.control.jobs import read_job
    from etl_core.rules.why import WhyKind, why

    if run.state != "QUEUED" or run.wait_reason is None:
        return None
    answer = why(await read_job(conn, run.job_id), None, datetime.now().astimezone())
    return answer.text if answer.kind is WhyKind.WAITING else None


def _sentence(ended: Ended) -> str:
    run = ended.run
    match run.state:
        case "QUEUED":
            return "queued"
        case "RUNNING":
            return f"running, {run.rows_extracted:,} records"
    return f"{run.state.lower()}: {ended.result}"


def print_table(results: list[Ended], output: Output) -> None:
    """Job, status, rows, seconds; then what each failed job says."""
    output.line()
    output.table(
        ("JOB", "STATUS", "ROWS", "SECONDS"),
        [
            (
                ended.job.full_name,
                "FINISHED" if ended.run.state == "SUCCEEDED" else ended.run.state.value,
                ended.rows,
                ended.seconds,
            )
            for ended in results
        ],
    )
    output.line()
    for ended in results:
        if ended.run.state == "FAILED":
            how = "failed, as it should" if ended.job.must_fail else "failed"
            output.line(f"{ended.job.full_name} {how}: {ended.result}")
