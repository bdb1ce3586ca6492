"""What the database must say after each step, whoever took it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from etl_core.store.database import Connection
from tests.lifecycle.state_machine.lanes import check_batches
from tests.workers.model.world import EVENTS, STREAMS, USERS, World
from workers.replay import REPLAY_LANE

SCHEMA = "acme_made_up"
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")

STATE = """
SELECT
    (SELECT coalesce(json_agg(r ORDER BY r.id), '[]') FROM job_runs AS r) AS runs,
    (
        SELECT coalesce(json_agg(to_jsonb(b) || jsonb_build_object('has_payload', p.run_id IS NOT NULL)
            ORDER BY b.run_id, b.seq), '[]')
        FROM run_batches AS b LEFT JOIN batch_payloads AS p ON b.run_id = p.run_id AND b.seq = p.seq
    ) AS batches,
    (SELECT coalesce(json_agg(c), '[]') FROM job_checkpoints AS c) AS checkpoints,
    (
        SELECT coalesce(json_agg(json_build_object(
            'stream', r.stream, 'record', convert_from(r.payload, 'UTF8'))), '[]')
        FROM rejected_records AS r
    ) AS rejects,
    (SELECT status FROM etl_jobs) AS status,
    to_regclass('acme_made_up.orders') IS NOT NULL AND to_regclass('acme_made_up.users') IS NOT NULL
    AND to_regclass('acme_made_up.events') IS NOT NULL AS has_tables
"""
ROWS = " UNION ALL ".join(
    f"SELECT '{stream}' AS stream, id, version, weight, partition, _deleted_at IS NOT NULL AS is_gone"
    f" FROM {SCHEMA}.{stream}"
    for stream in STREAMS
)


class Row(NamedTuple):
    """Of the destination."""

    version: int
    weight: int
    partition: str
    is_gone: bool


Key = tuple[str, int]
"""Stream and id."""


@dataclass(frozen=True, slots=True)
class State:
    """The database at one moment."""

    runs: dict[int, Any]
    batches: dict[tuple[int, int], Any]
    checkpoints: list[Any]
    rejects: set[tuple[str, int, int]]
    """Stream, id, version."""
    status: str
    rows: dict[Key, Row]

    def holds(self, worker: int, run: int) -> bool:
        """Whether a worker had anything of a run in its hands."""
        return self.runs[run]["worker_id"] == worker or any(
            batch["run_id"] == run and batch["worker_id"] == worker and batch["state"] == "LEASED"
            for batch in self.batches.values()
        )


class Books:
    """Looks after each step and compares with the look before."""

    def __init__(self, conn: Connection, world: World) -> None:
        self._conn = conn
        self._world = world
        self.now = State({}, {}, [], set(), "READY", {})
        self.loaded: dict[int, Counter[str]] = defaultdict(Counter)
        """Run -> what its loads were seen to do."""

    async def look(self, worker: int | None = None) -> None:
        """`worker` took the step; nobody: people or schedulers did."""
        before, self.now = self.now, await self._read()
        if worker is None:
            assert self.now.rows == before.rows, "rows changed by nobody"
            assert self.now.checkpoints == before.checkpoints, "a checkpoint moved by nobody"
        else:
            self._check_hands(before, worker)
        self._check_checkpoint()
        self._check_runs(before)

    async def _read(self) -> State:
        found = await self._conn.fetchrow(STATE)
        assert found
        rows: dict[Key, Row] = {}
        if found["has_tables"]:
            for row in await self._conn.fetch(ROWS):
                key = (row["stream"], row["id"])
                assert key not in rows, f"{key} is doubled"
                rows[key] = Row(row["version"], row["weight"], row["partition"], row["is_gone"])
        rejects = {
            (reject["stream"], record["id"], record["version"])
            for reject in found["rejects"]
            for record in [msgspec.json.decode(reject["record"])]
        }
        return State(
            runs={run["id"]: run for run in found["runs"]},
            batches={(batch["run_id"], batch["seq"]): batch for batch in found["batches"]},
            checkpoints=found["checkpoints"],
            rejects=rejects,
            status=found["status"],
            rows=rows,
        )

    def _check_hands(self, before: State, worker: int) -> None:
        """A worker changes only what it holds, and rows only with the one batch that it loads."""
        now = self.now
        for run in now.runs:
            if not before.holds(worker, run):
                old, new = before.runs[run], now.runs[run]
                settles = old["extract_done"] and old["state"] == "RUNNING" and new["state"] in ENDED
                assert new == old or settles, "a run was changed by one who does not hold it"
        for key, batch in now.batches.items():
            if batch != before.batches.get(key):
                assert before.holds(worker, batch["run_id"]), "a batch was changed by one who holds nothing"
        loaded = [
            key
            for key, batch in now.batches.items()
            if batch["state"] == "LOADED" and before.batches[key]["state"] != "LOADED"
        ]
        if not loaded:
            assert now.rows == before.rows, "rows changed without a load"
            assert now.checkpoints == before.checkpoints, "a checkpoint moved without a load"
            return
        ((run, seq),) = loaded
        held = before.batches[run, seq]
        assert (held["state"], held["worker_id"]) == ("LEASED", worker), "loaded by one who does not hold it"
        self.loaded[run] += _changes(before.rows, now.rows)

    def _check_checkpoint(self) -> None:
        """What was read up to where a partition stands is in the destination, as it was then or newer."""
        now = self.now
        for checkpoint in now.checkpoints:
            for value in (checkpoint["bookmark"], checkpoint["resume"]):
                promised = self._world.promised[value["token"]] if value and "token" in value else {}
                for (stream, id_), version in promised.items():
                    row = now.rows.get((stream, id_))
                    is_there = row is not None and row.version >= version
                    assert is_there or (stream, id_, version) in now.rejects, (
                        f"the checkpoint is ahead of {stream} {id_}, version {version}: {row}"
                    )

    def _check_runs(self, before: State) -> None:
        now = self.now
        for id_, run in now.runs.items():
            batches = [batch for batch in now.batches.values() if batch["run_id"] == id_]
            is_open = run["state"] not in ENDED
            check_batches(batches, is_open=is_open, holder=run["worker_id"])
            if is_open or id_ not in before.runs or before.runs[id_]["state"] in ENDED:
                continue
            self._check_counters(run, batches)
        open_runs = [run for run in now.runs.values() if run["state"] not in ENDED]
        assert len(open_runs) == (now.status == "RUNNING")

    def _check_counters(self, run: Any, batches: list[Any]) -> None:
        """Of a run that has just ended: what was delivered, and what was seen to change."""
        counters, seen = run["counters"], self.loaded[run["id"]]
        for name in ("new", "changed", "deleted"):
            assert counters[f"rows_{name}"] == seen[name], (name, counters, seen)
        if any(batch["lane"] == REPLAY_LANE for batch in batches):
            return
        tokens = [
            (fragment["resume"] or fragment["bookmark"])["token"]
            for batch in batches
            for fragment in batch["fragments"]
        ]
        delivered = sum(self._world.delivered[token] for token in tokens)
        assert counters["rows_extracted"] == delivered, (counters, delivered)
        if all(batch["state"] == "LOADED" for batch in batches):
            ended = ("new", "changed", "unchanged", "rejected")
            assert delivered == sum(counters[f"rows_{name}"] for name in ended), counters

    def check_the_end(self) -> None:
        """The destination is what the source is; of a full refresh what is gone is marked deleted."""
        live = {
            key: (row.version, row.weight, row.partition)
            for key, row in self.now.rows.items()
            if not row.is_gone
        }
        assert live == {
            (stream, row.id): (row.version, row.id + row.version, row.partition)
            for stream in STREAMS
            for row in self._world.rows[stream].values()
        }
        assert all(stream == USERS for (stream, _), row in self.now.rows.items() if row.is_gone)
        assert not self.now.rejects
        assert EVENTS in {stream for stream, _ in live} or not self._world.rows[EVENTS]


def _changes(before: dict[Key, Row], now: dict[Key, Row]) -> Counter[str]:
    """What a load did to the rows; none goes, and no version goes back."""
    changes = Counter[str]()
    for key, row in now.items():
        was = before.get(key)
        if was is None:
            changes["new"] += 1
        elif row != was:
            assert row.version >= was.version, f"{key} went back from {was} to {row}"
            assert key[0] != EVENTS, f"{key} was appended, and changed"
            is_deletion = row == was._replace(is_gone=True)
            changes["deleted" if is_deletion else "changed"] += 1
    assert before.keys() <= now.keys(), "rows are gone"
    return changes
