"""What happened, written down by the database itself, and whether it may happen.

Triggers note every change of runs and batches with the session that made it. A worker's sessions carry its id
as application_name, so the history shows who changed what under which lease, whatever the programs claim.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import asyncpg

from etl_core.store.database import Connection

INSTALL = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    session text NOT NULL DEFAULT current_setting('application_name'),
    what text NOT NULL,
    run_id bigint NOT NULL,
    seq integer,
    old_state text, new_state text,
    old_lease bigint, new_lease bigint,
    old_worker bigint, new_worker bigint
);
CREATE FUNCTION chaos.note_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO chaos.history (what, run_id, new_state, new_lease, new_worker)
        VALUES ('run', NEW.id, NEW.state, NEW.lease, NEW.worker_id);
    ELSE
        INSERT INTO chaos.history
            (what, run_id, old_state, new_state, old_lease, new_lease, old_worker, new_worker)
        VALUES ('run', NEW.id, OLD.state, NEW.state, OLD.lease, NEW.lease, OLD.worker_id, NEW.worker_id);
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION chaos.note_batch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO chaos.history (what, run_id, seq, new_state, new_lease, new_worker)
        VALUES ('batch', NEW.run_id, NEW.seq, NEW.state, NEW.lease, NEW.worker_id);
    ELSE
        INSERT INTO chaos.history
            (what, run_id, seq, old_state, new_state, old_lease, new_lease, old_worker, new_worker)
        VALUES
            ('batch', NEW.run_id, NEW.seq, OLD.state, NEW.state, OLD.lease, NEW.lease,
             OLD.worker_id, NEW.worker_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_note AFTER INSERT OR UPDATE OF state, lease, worker_id ON job_runs
FOR EACH ROW EXECUTE FUNCTION chaos.note_run();
CREATE TRIGGER chaos_note AFTER INSERT OR UPDATE OF state, lease, worker_id ON run_batches
FOR EACH ROW EXECUTE FUNCTION chaos.note_batch();
"""

ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
RUN_STEPS = {
    (None, "QUEUED"),
    ("QUEUED", "RUNNING"),
    ("RUNNING", "QUEUED"),
    *(("RUNNING", end) for end in ENDED),
    *(("QUEUED", end) for end in ENDED),
}
BATCH_STEPS = {
    (None, "LEASED"),
    (None, "WAITING"),  # for another worker
    (None, "DISCARDED"),  # in a lane that has ended
    ("LEASED", "LOADED"),
    ("LEASED", "WAITING"),
    ("WAITING", "LEASED"),
    ("LEASED", "LEASED"),  # adopted by the next holder
    ("LEASED", "DISCARDED"),
    ("WAITING", "DISCARDED"),
    ("LEASED", "SET_ASIDE"),
    ("WAITING", "SET_ASIDE"),  # by the sweep, when it has cost three workers
}


@dataclass(slots=True)
class Findings:
    """What the history holds, and what it should not."""

    events: int = 0
    runs: int = 0
    takeovers: int = 0
    batches_loaded: int = 0
    wrong: list[str] = field(default_factory=list)


async def read_history(conn: Connection) -> Findings:
    """Checks every change against the rules of leases.

    - States go only along the arrows of the state machine.
    - A lease never goes back, and rises whenever the holder changes.
    - A worker's session changes only what it holds at that moment, or takes what nobody holds.
    - A batch is loaded once.
    """
    found = Findings()
    rows = await conn.fetch("SELECT * FROM chaos.history ORDER BY id")
    loaded: dict[tuple[int, int], int] = defaultdict(int)
    runs = set()
    holders: dict[int, int | None] = {}
    for row in rows:
        found.events += 1
        runs.add(row["run_id"])
        name = (
            f"{row['what']} {row['run_id']}"
            + (f"/{row['seq']}" if row["seq"] else "")
            + f" (event {row['id']})"
        )
        step = (row["old_state"], row["new_state"])
        allowed = RUN_STEPS if row["what"] == "run" else BATCH_STEPS
        if step not in allowed and row["old_state"] != row["new_state"]:
            found.wrong.append(f"{name}: {step[0]} -> {step[1]} is no arrow")
        if row["old_lease"] is not None:
            if row["new_lease"] < row["old_lease"]:
                found.wrong.append(f"{name}: its lease went back, {row['old_lease']} -> {row['new_lease']}")
            changed_hands = row["old_worker"] != row["new_worker"] and row["new_worker"] is not None
            if changed_hands and row["new_lease"] <= row["old_lease"]:
                found.wrong.append(f"{name}: another holder under the same lease")
        if row["what"] == "batch" and row["new_state"] == "LOADED" and row["old_state"] != "LOADED":
            loaded[row["run_id"], row["seq"]] += 1
            found.batches_loaded += 1
        if row["what"] == "run" and step == ("RUNNING", "QUEUED"):
            found.takeovers += 1
        _check_session(row, name, found, run_holder=holders.get(row["run_id"]))
        if row["what"] == "run":
            holders[row["run_id"]] = row["new_worker"]
    found.runs = len(runs)
    found.wrong += [
        f"batch {run}/{seq} was loaded {times} times" for (run, seq), times in loaded.items() if times > 1
    ]
    return found


def _check_session(row: asyncpg.Record, name: str, found: Findings, *, run_holder: int | None) -> None:
    session, old, new = row["session"], row["old_worker"], row["new_worker"]
    if not session.startswith("etl-worker/"):
        return
    worker = int(session.removeprefix("etl-worker/"))
    takes = new == worker
    holds = old == worker
    # A run that nobody holds and of which nothing is left to load may be settled by anybody.
    settles = old is None and row["what"] == "run" and row["new_state"] in ENDED
    # Extract stores a batch for others; a batch that nobody holds ends with its lane.
    stores = row["what"] == "batch" and row["old_state"] is None and run_holder == worker
    discards = old is None and row["what"] == "batch" and row["new_state"] == "DISCARDED"
    if not (takes or holds or settles or stores or discards):
        found.wrong.append(
            f"{name}: changed by worker {worker}, which does not hold it (holder {old} -> {new})"
        )
    if row["new_state"] == "LOADED" and old != worker:
        found.wrong.append(f"{name}: loaded by worker {worker} while {old} held it")
