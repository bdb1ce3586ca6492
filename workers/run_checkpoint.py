"""Where a run goes on: behind what it has stored, else where its job's checkpoint says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etl_core.connector import Connector, PartitionState
from etl_core.lifecycle.claim import ClaimedRun
from etl_core.store.database import Connection, Pool
from etl_core.store.queries import load
from workers.checkpoint_form import from_legacy, up_to_date
from workers.own_checkpoint import OwnCheckpoint

_checkpoints = load("checkpoints")
_leases = load("leases")


async def read_checkpoint(
    conn: Connection | Pool,
    run: ClaimedRun,
    connector: Connector,
    own: OwnCheckpoint | None,
    unloaded: Sequence[Mapping[str, Any]] = (),
) -> dict[tuple[str, str], PartitionState]:
    """(stream, partition) -> where it stands, in the form of this program's connector.

    Args:
        own: what the run keeps to itself: there the job's checkpoint has no say.
        unloaded: batches, in order, that are stored and not loaded; read before the checkpoint, so that what
            another loads in between is in both, not in neither.
    """
    rows: Sequence[Mapping[str, Any]] | None = run.checkpoint
    if rows is None or run.lease > 1:
        rows = [row async for row in _checkpoints.list_checkpoints(conn, job_id=run.job_id)]
    if not rows and run.legacy_checkpoint is not None and own is None:
        found = from_legacy(connector, run.legacy_checkpoint)
    else:
        found = {
            (row["stream"], row["partition"]): up_to_date(connector, row, row["schema_version"])
            for row in rows
            if own is None or not own.keeps(row["stream"])
        }
    stored = [f for row in unloaded for f in row["fragments"] if f["stream"] is not None]
    if own is not None:
        stored = [f for f in stored if not own.keeps(f["stream"])]
        if run.lease > 1:
            kept = _leases.list_run_checkpoints(conn, run_id=run.id)
            stored += [f async for row in kept for f in row["fragments"]]
    for f in stored:
        found[f["stream"], f["partition"]] = up_to_date(connector, f, f.get("version", 1))
    return found
