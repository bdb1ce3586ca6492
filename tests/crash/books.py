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


AHEAD = """
SELECT coalesce(sum((l.outcome ->> 'new')::int), 0)
FROM etl_tui.loads AS l
INNER JOIN job_runs AS r ON l.run_uid = r.uid
INNER JOIN run_batches AS b ON r.id = b.run_id AND l.seq = b.seq
WHERE b.state <> 'LOADED'
"""
"""Rows in another database that only its ledger tells of as yet."""


async def look(db: Connection) -> dict[str, Any]:
    """Everything at one moment: the run, its batches, its job, and the ids in the destination."""
    async with db.transaction(isolation="repeatable_read"):
        (row,) = await db.fetch(LOOK)
        has_ledger = await db.fetchval("SELECT to_regclass('etl_tui.loads') IS NOT NULL")
        ahead = await db.fetchval(AHEAD) if has_ledger else 0
        there = await db.fetchval("SELECT to_regclass($1) IS NOT NULL", TABLE)
        ids = await db.fetch(f"SELECT id FROM {TABLE} ORDER BY id") if there else []
    return {**row, "ids": [each["id"] for each in ids], "ahead": ahead}


def disagreements(seen: dict[str, Any]) -> list[str]:
    """Holds at every moment: destination, batches and checkpoint say the same; each row is there once."""
    wrong = []
    rows = len(seen["ids"])
    if seen["ids"] != list(range(1, rows + 1)):
        wrong.append(f"the destination has rows doubled or left out: {seen['ids']}")
    if seen["new"] + seen["ahead"] != rows:
        wrong.append(f"the loaded batches count {seen['new']} new rows, the destination has {rows}")
    position = _position(seen["checkpoint"])
    if position + seen["ahead"] != rows:
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
        "ahead": 0,
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


def left_after_cancel(seen: dict[str, Any]) -> list[str]:
    """Holds once a cancelled run has ended: nobody needs a ledger any more to know what is where."""
    wrong = []
    if (seen["state"], seen["status"]) != ("CANCELLED", "READY"):
        wrong.append(f"cancelled, the run is {seen['state']} and its job {seen['status']}")
    if seen["ahead"]:
        wrong.append(f"{seen['ahead']} rows are in the destination and were never settled")
    if seen["counters"].get("rows_new") != len(seen["ids"]):
        wrong.append(f"it counts {seen['counters'].get('rows_new')} new rows of {len(seen['ids'])}")
    return wrong


def left_after_next(seen: dict[str, Any], records: int) -> list[str]:
    """Holds once the run after a cancelled one has ended: all is there once, and counted once."""
    found = (seen["ids"], seen["new"], _position(seen["checkpoint"]), seen["payloads"])
    if found == ([*range(1, records + 1)], records, records, 0):
        return []
    return [f"after the next run: ids, new rows, position, payloads are {found}"]


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
