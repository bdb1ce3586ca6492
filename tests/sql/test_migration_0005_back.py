"""0005 and everything after it back, and forward again: nothing is lost that the older schema can hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from etl_core.errors import Conflict
from etl_core.store.database import Connection
from etl_core.store.migrations import migrate, rollback
from tests.sql.legacy import MIGRATED_TABLES, contents, rows, structure

LEGACY_TABLES = (*MIGRATED_TABLES, "vectorization_queue")
INTERRUPTED = "interrupted by the migration; before that: timeout"

Rows = dict[int, dict[str, Any]]


def without(documents: Rows, *columns: str) -> Rows:
    return {i: {k: v for k, v in row.items() if k not in columns} for i, row in documents.items()}


def only(documents: Rows, ids: Iterable[int]) -> Rows:
    return {i: documents[i] for i in ids}


def flat(tables: dict[str, Rows]) -> dict[tuple[str, int, str], Any]:
    """One entry a value, so that a difference is told by table, id and column."""
    return {
        (table, i, column): value
        for table, documents in tables.items()
        for i, row in documents.items()
        for column, value in row.items()
    }


async def test_back_at_once_restores_every_table_and_its_structure(legacy: Connection) -> None:
    before, shape = await contents(legacy, *LEGACY_TABLES), await structure(legacy)
    await migrate(legacy, to=5)
    await rollback(legacy, to=4)
    after = await contents(legacy, *LEGACY_TABLES)
    # Nothing runs it: this one fact is not restored, its story is told instead.
    before["etl_jobs"][2] |= {"status": "FAILED", "error_message": INTERRUPTED}
    assert flat(after) == flat(before)
    assert await structure(legacy) == shape


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
async def test_back_from_the_newest_schema_restores_every_table(legacy: Connection, zone: str) -> None:
    before, shape = await contents(legacy, *LEGACY_TABLES), await structure(legacy)
    await migrate(legacy, legacy_timezone=zone)
    await rollback(legacy, to=4)
    after = await contents(legacy, *LEGACY_TABLES)
    before["etl_jobs"][2] |= {"status": "FAILED", "error_message": INTERRUPTED}
    # 0006 mends what was null; what it found is known from here on.
    mended = after["etl_jobs"][3]
    assert mended["created_at"] is not None
    before["etl_jobs"][3] |= {name: mended[name] for name in ("created_at", "last_updated_at")} | {
        "retry_count": 0
    }
    assert flat(after) == flat(before)
    assert await structure(legacy) == shape


async def test_forward_again_is_as_it_was_and_doubles_nothing(legacy: Connection) -> None:
    await migrate(legacy)
    shape, first = await structure(legacy), await contents(legacy, *MIGRATED_TABLES)
    await rollback(legacy, to=4)
    await migrate(legacy)
    again = await contents(legacy, *MIGRATED_TABLES)
    assert await structure(legacy) == shape
    seeded = first["etl_jobs"].keys() - again["etl_jobs"].keys()
    assert len(first["etl_jobs"]) == len(again["etl_jobs"]) == 11 + 7
    assert min(again["etl_jobs"].keys() - first["etl_jobs"].keys()) > max(seeded), "ids are never used twice"
    kept = first["etl_jobs"].keys() - seeded
    counted = ("last_updated_at", "row_version")
    assert only(without(again["etl_jobs"], *counted), kept) == only(
        without(first["etl_jobs"], *counted), kept
    )
    for table in ("tenants", "integrations", "system_settings"):
        assert again[table] == first[table]


async def test_what_happened_since_wins(legacy: Connection) -> None:
    await migrate(legacy, to=5)
    await legacy.execute(
        """
        DELETE FROM etl_jobs WHERE id = 9;
        UPDATE etl_jobs SET job_name = CASE id WHEN 6 THEN 'strange' WHEN 7 THEN 'swapping' END WHERE id = 7;
        UPDATE etl_jobs SET job_name = 'strange' WHERE id = 6;
        UPDATE etl_jobs SET job_name = 'done' WHERE id = 7;
        UPDATE etl_jobs SET status = 'FINISHED', error_message = NULL, retry_count = 0,
            last_run_started_at = '2025-10-01 10:00', last_run_finished_at = '2025-10-01 11:00' WHERE id = 2;
        UPDATE etl_jobs SET active = true WHERE id = 4;
        UPDATE etl_jobs SET status = 'READY', error_message = NULL WHERE id = 5;
        INSERT INTO etl_jobs (job_name, tenant_id, checkpoint_data, last_run_finished_at)
        VALUES (
            'made since', 2, '{"last_pr_cursor": "new", "current_repository": "octo/x", "batch_number": 4}',
            '2025-10-02'
        );
        INSERT INTO system_settings (setting_key, setting_value, tenant_id)
        VALUES ('max_concurrent_jobs', '9', 1);
        INSERT INTO tenants (id, name) VALUES (50, 'later');
        UPDATE etl_jobs SET active = true WHERE tenant_id = 50 AND job_name = 'AD';
        """
    )
    await rollback(legacy, to=4)
    jobs: Rows = await rows(legacy, "etl_jobs")
    assert 9 not in jobs
    assert (jobs[6]["job_name"], jobs[7]["job_name"]) == ("strange", "done")
    assert jobs[2]["status"] == "FINISHED"
    assert jobs[2]["last_finished_at"] == jobs[2]["last_success_at"] == "2025-10-01T11:00:00"
    assert (jobs[4]["status"], jobs[4]["active"]) == ("READY", True)
    assert (jobs[5]["status"], jobs[5]["error_message"]) == ("READY", None)
    assert jobs[5]["last_success_at"] == "2025-06-30T00:00:00"
    [made] = [job for job in jobs.values() if job["job_name"] == "made since"]
    assert made["execution_order"] == 2, "behind the tenant's other jobs"
    assert made["last_pr_cursor"] == "new"
    assert made["repo_processing_queue"] == '[{"finished": false, "full_name": "octo/x"}]'
    setting = "SELECT setting_value FROM system_settings WHERE setting_key = 'max_concurrent_jobs'"
    assert await legacy.fetchval(setting) == "9"
    touched = [job["job_name"] for job in jobs.values() if job["tenant_id"] == 50]
    assert touched == ["AD"], "seeded and untouched jobs go, the one that somebody switched on stays"


async def test_a_checkpoint_that_moved_goes_back_into_the_cursors(legacy: Connection) -> None:
    await migrate(legacy, to=5)
    await legacy.execute(
        """
        UPDATE etl_jobs SET checkpoint_data = checkpoint_data || '{
            "last_pr_cursor": "moved", "current_repository": null, "batch_number": 7,
            "repositories_processed": ["octo/app", "octo/old", "octo/lib"],
            "last_repo_sync_checkpoint": "yesterday evening"
        }' WHERE id = 1;
        UPDATE etl_jobs
        SET checkpoint_data = '{"version": 3, "streams": {"issues": {"": {"bookmark": {"at": 1}}}}}'
        WHERE id = 2;
        UPDATE etl_jobs SET checkpoint_data = NULL WHERE id = 8;
        """
    )
    checkpoints = "SELECT id, checkpoint_data FROM etl_jobs WHERE id IN (1, 2, 8) ORDER BY id"
    ahead = [tuple(row) for row in await legacy.fetch(checkpoints)]
    await rollback(legacy, to=4)

    jobs: Rows = await rows(legacy, "etl_jobs")
    assert jobs[1]["last_pr_cursor"] == "moved"
    assert jobs[1]["last_commit_cursor"] == "c1"
    assert jobs[1]["last_repo_sync_checkpoint"] is None, "no time any more; set aside with its document"
    assert jobs[1]["repo_processing_queue"] == (
        '[{"finished": true, "full_name": "octo/old"}, '
        '{"repo_id": "7", "finished": true, "full_name": "octo/app"}, '
        '{"repo_id": "8", "finished": true, "full_name": "octo/lib"}]'
    )
    assert jobs[2]["last_repo_sync_checkpoint"] == "2025-08-30T10:00:00", "streams have no columns: as it was"
    assert (jobs[8]["last_pr_cursor"], jobs[8]["repo_processing_queue"]) == (None, None), "cleared is cleared"

    await migrate(legacy, to=5)
    assert [tuple(row) for row in await legacy.fetch(checkpoints)] == ahead, "the documents are whole again"


async def test_cursors_that_moved_under_the_older_schema_replace_what_was_set_aside(
    legacy: Connection,
) -> None:
    await migrate(legacy, to=5)
    await legacy.execute(
        """UPDATE etl_jobs SET checkpoint_data = '{"version": 3, "streams": {}}' WHERE id IN (1, 2)"""
    )
    await rollback(legacy, to=4)
    await legacy.execute("UPDATE etl_jobs SET last_repo_sync_checkpoint = '2025-12-01' WHERE id = 2")
    [step] = await migrate(legacy, to=5)
    jobs: Rows = await rows(legacy, "etl_jobs")
    assert jobs[1]["checkpoint_data"] == {"version": 3, "streams": {}}
    assert jobs[2]["checkpoint_data"] == {"last_repo_sync_checkpoint": "2025-12-01T00:00:00"}
    assert (
        "job 2 (Jira): its cursors moved under the older schema and replace the checkpoint set aside"
        in step.notices
    )


async def test_intervals_survive_back_and_forward_unless_discarded(legacy: Connection) -> None:
    await migrate(legacy, to=5)
    await legacy.execute(
        "UPDATE etl_jobs SET schedule_interval_minutes = 15, retry_interval_minutes = 30 WHERE id = 1"
    )
    intervals = "SELECT schedule_interval_minutes, retry_interval_minutes FROM etl_jobs WHERE id = 1"
    await rollback(legacy, to=4)
    await migrate(legacy, to=5)
    assert tuple(await legacy.fetchrow(intervals) or ()) == (15, 30), (
        "an impossible pair is not for 0005 to judge"
    )

    [step] = await migrate(legacy, to=6)
    assert [notice for notice in step.notices if notice.startswith("job 1 (github): intervals 15 / 30 min")]
    assert tuple(await legacy.fetchrow(intervals) or ()) == (15, 14)

    await rollback(legacy, to=4, discard=True)
    assert await legacy.fetchval("SELECT to_regnamespace('autonomous_0005')") is None
    await migrate(legacy, to=5)
    assert tuple(await legacy.fetchrow(intervals) or ()) == (240, 15)


async def test_a_deleted_tenant_stays_deleted(legacy: Connection) -> None:
    await migrate(legacy, to=5)
    for table in ("etl_jobs", "system_settings", "integrations"):
        await legacy.execute(f"DELETE FROM {table} WHERE tenant_id = 2")
    await legacy.execute("DELETE FROM tenants WHERE id = 2")
    await rollback(legacy, to=4)
    for table in ("etl_jobs", "system_settings", "vectorization_queue"):
        assert await legacy.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = 2") == 0


async def test_columns_that_only_an_adopted_database_has_come_back(legacy: Connection) -> None:
    await legacy.execute("ALTER TABLE etl_jobs ADD COLUMN note text DEFAULT 'kept'")
    before = without(await rows(legacy, "etl_jobs"), "status", "error_message")
    await migrate(legacy, to=5)
    await rollback(legacy, to=4)
    assert without(await rows(legacy, "etl_jobs"), "status", "error_message") == before


async def test_without_the_archive_there_is_no_way_back(legacy: Connection) -> None:
    await migrate(legacy, to=5)
    await legacy.execute("DROP SCHEMA legacy_0005 CASCADE")
    with pytest.raises(Conflict, match="the archive legacy_0005 is gone"):
        await rollback(legacy, to=4)
    assert await legacy.fetchval("SELECT count(*) FROM etl_jobs") == 11 + 7


async def test_all_the_way_back_refuses_to_lose_data_unless_told_to(legacy: Connection) -> None:
    with pytest.raises(Conflict, match="--discard"):
        await rollback(legacy, to=0)
    assert len(await rows(legacy, "etl_jobs")) == 11
    await rollback(legacy, to=0, discard=True)
    assert {name: found for name, found in (await structure(legacy)).items() if found} == {
        "schemas": [("public",)]
    }
