"""What must hold of a run of two batches: at the moment of a death, and once others have recovered."""

from __future__ import annotations

from typing import Any

from etl_core.store.database import Connection

TABLE = "acme_made_up.records"

LOOK = """
SELECT
    r.state, r.worker_id IS NOT NULL AS is_held, r.extract_done, r.error_message, r.counters, r.losses,
    (SELECT count(*) FROM job_runs) AS runs,
    j.status, j.checkpoint_data, j.checkpoint_version, checkpoint_streams(j.id) AS checkpoint,
    (SELECT count(*) FROM job_checkpoint_history) AS versions,
    coalesce(
        (
            SELECT array_agg(
                b.state || CASE WHEN b.state = 'WAITING' THEN ' for ' || b.stage ELSE '' END ORDER BY b.seq
            ) FROM run_batches AS b
        ), '{}'
    ) AS batches,
    coalesce((SELECT array_agg(b.seq ORDER BY b.seq) FROM run_batches AS b), '{}') AS seqs,
    (SELECT count(*) FROM batch_payloads) AS payloads,
    coalesce(
        (SELECT sum((b.counts ->> 'rows_new')::int) FROM run_batches AS b WHERE b.state = 'LOADED'), 0
    ) AS new,
    (SELECT count(*) FROM job_events WHERE action = 'mend') AS mended,
    (SELECT count(*) FROM workers WHERE lost_at IS NOT NULL) AS lost
FROM job_runs AS r INNER JOIN etl_jobs AS j ON r.job_id = j.id
ORDER BY r.id LIMIT 1
"""


async def look(db: Connection) -> dict[str, Any]:
    """Everything at one moment: the run, its batches, its job, and the ids in the destination."""
    async with db.transaction(isolation="repeatable_read"):
        (row,) = await db.fetch(LOOK)
        there = await db.fetchval("SELECT to_regclass($1) IS NOT NULL", TABLE)
        ids = await db.fetch(f"SELECT id FROM {TABLE} ORDER BY id") if there else []
    return {**row, "ids": [each["id"] for each in ids]}


def disagreements(seen: dict[str, Any]) -> list[str]:
    """Holds at every moment: destination, batches and checkpoint say the same; each row is there once."""
    wrong = []
    rows = len(seen["ids"])
    if seen["ids"] != list(range(1, rows + 1)):
        wrong.append(f"the destination has rows doubled or left out: {seen['ids']}")
    if seen["new"] != rows:
        wrong.append(f"the loaded batches count {seen['new']} new rows, the destination has {rows}")
    position = _position(seen["checkpoint"])
    if position != rows:
        wrong.append(f"the checkpoint stands behind row {position}, the destination has {rows}")
    waiting = sum(state not in {"LOADED", "SET_ASIDE", "DISCARDED"} for state in seen["batches"])
    if seen["payloads"] != waiting:
        wrong.append(f"{seen['payloads']} payloads are kept for {waiting} batches that are not loaded")
    if seen["seqs"] != list(range(1, len(seen["seqs"]) + 1)):
        wrong.append(f"the batches are numbered {seen['seqs']}")
    return wrong


def left_undone(seen: dict[str, Any], records: int) -> list[str]:
    """Holds once a run has ended: all is there, and told as it is."""
    counters = seen["counters"]
    expected = {
        "runs": 1,
        "state": "SUCCEEDED",
        "error_message": None,
        "status": "FINISHED",
        "batches": ["LOADED", "LOADED"],
        "payloads": 0,
        "new": records,
        "mended": 0,
        "versions": seen["checkpoint_version"],
    }
    wrong = [
        f"{name} is {seen[name]!r}, not {value!r}" for name, value in expected.items() if seen[name] != value
    ]
    told = {
        "rows_extracted": records,
        "rows_new": records,
        "rows_changed": 0,
        "rows_unchanged": 0,
        "batches": 2,
    }
    wrong += [
        f"the run counts {name} {counters.get(name)}, not {value}"
        for name, value in told.items()
        if counters.get(name) != value
    ]
    if (seen["checkpoint_data"] or {}).get("streams") != seen["checkpoint"]:
        wrong.append("the checkpoint document differs from its rows")
    return wrong


def describe(seen: dict[str, Any]) -> str:
    """What is there, short enough for a table: `held; 1 loaded, 2 leased; 10 rows`."""
    run = str(seen["state"]).lower()
    if seen["state"] == "RUNNING":
        run = "held" if seen["is_held"] else "in nobody's hands"
        run += ", extract done" if seen["extract_done"] else ""
    batches = ", ".join(f"{seq} {told}" for seq, told in zip(seen["seqs"], seen["batches"], strict=True))
    return f"{run}; {batches.lower() or 'no batch'}; {len(seen['ids'])} rows"


def _position(checkpoint: dict[str, Any] | None) -> int:
    """The record behind which the checkpoint of a synthetic stream stands."""
    state = (checkpoint or {}).get("records", {}).get("default", {})
    if state.get("resume"):
        return int(state["resume"]["next"]) - 1
    return int(state["bookmark"]["through"]) if state.get("bookmark") else 0
