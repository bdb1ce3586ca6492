"""0005 forward: the documented table, every job's data, the settings, the queue, the seeds."""

from __future__ import annotations

from typing import Any

import pytest

from etl_core.errors import Conflict
from etl_core.store.database import Connection
from etl_core.store.migrations import migrate
from tests.sql.legacy import rows, structure

DOCUMENTED = """
CREATE SCHEMA documented;
SET LOCAL search_path = documented, public;
CREATE TABLE etl_jobs (
    -- Primary Key
    id SERIAL PRIMARY KEY,

    -- Core Job Identity
    job_name VARCHAR NOT NULL,

    -- Job Status
    status VARCHAR(20) NOT NULL DEFAULT 'READY',

    -- Scheduling Configuration (NEW)
    schedule_interval_minutes INTEGER NOT NULL DEFAULT 360,
    retry_interval_minutes INTEGER NOT NULL DEFAULT 15,

    -- Execution Tracking
    last_run_started_at TIMESTAMP,
    last_run_finished_at TIMESTAMP,  -- RENAMED from last_finished_at

    -- Error Handling
    error_message TEXT,
    retry_count INTEGER DEFAULT 0,

    -- Generic Recovery/Checkpoint (NEW)
    checkpoint_data JSONB,

    -- Foreign Keys
    integration_id INTEGER REFERENCES integrations(id),

    -- BaseEntity Fields (ALWAYS LAST)
    tenant_id INTEGER NOT NULL REFERENCES tenants(id),
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP DEFAULT NOW(),
    last_updated_at TIMESTAMP DEFAULT NOW(),

    -- Constraints
    UNIQUE(job_name, tenant_id),
    CHECK (status IN ('READY', 'RUNNING', 'FINISHED', 'FAILED'))
);
"""
"""As the document has it, word for word."""


async def test_the_table_is_the_documented_one_column_for_column(legacy: Connection) -> None:
    await migrate(legacy, to=5)
    ours = await structure(legacy)
    async with legacy.transaction():
        await legacy.execute(DOCUMENTED)
        documented = await structure(legacy, "documented")
    for part in ("columns", "constraints"):
        assert [row for row in ours[part] if row[0] == "etl_jobs"] == documented[part], part
    indexes = {row[1] for row in ours["indexes"] if row[0] == "etl_jobs"}
    assert {row[1] for row in documented["indexes"]} <= indexes
    assert {"idx_etl_jobs_tenant_active", "idx_etl_jobs_integration", "idx_etl_jobs_status"} <= indexes


async def test_ids_stay_and_the_sequence_is_carried_over(legacy: Connection) -> None:
    before = await rows(legacy, "etl_jobs")
    await migrate(legacy, to=5)
    after = await rows(legacy, "etl_jobs")
    assert {i: (j["job_name"], j["tenant_id"]) for i, j in before.items()} == {
        i: (after[i]["job_name"], after[i]["tenant_id"]) for i in before
    }
    assert ("etl_jobs_id_seq", "etl_jobs", "id") in (await structure(legacy))["sequences"]
    created = "INSERT INTO etl_jobs (job_name, tenant_id) VALUES ('new', 1) RETURNING id"
    # The legacy sequence stood at 10 below a job 100: the next id is one that nobody has.
    assert await legacy.fetchval(created) == max(after) + 1 > 100


async def test_old_statuses_become_what_they_mean(legacy: Connection) -> None:
    [step] = await migrate(legacy, to=5)
    jobs = await rows(legacy, "etl_jobs")
    assert {
        i: (job["status"], job["active"], job["error_message"]) for i, job in jobs.items() if i <= 10
    } == {
        1: ("READY", True, None),  # PENDING
        2: ("FAILED", True, "interrupted by the migration; before that: timeout"),  # RUNNING
        3: ("READY", True, None),  # NOT_STARTED
        4: ("READY", False, None),  # PAUSED
        5: ("FAILED", True, 'no "token"'),  # ERROR
        6: ("FINISHED", True, None),
        7: ("FAILED", True, 'its legacy status was " Rate limited"; before that: wait'),
        8: ("FAILED", True, "broken"),
        9: ("READY", True, None),
        10: ("READY", False, None),
    }
    assert step.notices == (
        "job 2 (Jira) was RUNNING: it is FAILED now",
        "job 4 (Fabric) was PAUSED: it is READY now, and off",
        "job 7 (strange) was  Rate limited: it is FAILED now",
        "job 8 (unreadable): its repo_processing_queue cannot be read and is kept as it was",
        "job 9 (another shape): its repo_processing_queue cannot be read and is kept as it was",
        "job 10 (paused, off) was PAUSED: it is READY now, and off",
    )


async def test_an_interrupted_job_without_a_message_says_just_that(legacy: Connection) -> None:
    await legacy.execute("UPDATE etl_jobs SET error_message = NULL WHERE id = 2")
    await migrate(legacy, to=5)
    assert (await rows(legacy, "etl_jobs"))[2]["error_message"] == "interrupted by the migration"


async def test_times_and_counters_stay_and_finished_is_renamed(legacy: Connection) -> None:
    before = await rows(legacy, "etl_jobs")
    await migrate(legacy, to=5)
    after = await rows(legacy, "etl_jobs")
    for i, old in before.items():
        same = ("last_run_started_at", "retry_count", "integration_id", "created_at", "last_updated_at")
        assert {name: after[i][name] for name in same} == {name: old[name] for name in same}
        finished = old["last_finished_at"] or old["last_success_at"]
        assert after[i]["last_run_finished_at"] == finished


async def test_cursors_become_the_documented_checkpoint_fields(legacy: Connection) -> None:
    await migrate(legacy, to=5)
    documents: dict[int, Any] = {
        i: job["checkpoint_data"] for i, job in (await rows(legacy, "etl_jobs")).items()
    }
    assert documents[1] == {
        "last_pr_cursor": "Y3Vyc29yOjE=",
        "current_pr_node_id": 'PR_kw"1',
        "last_commit_cursor": "c1",
        "last_review_cursor": "r1",
        "last_comment_cursor": "",
        "last_review_thread_cursor": "t1",
        "last_repo_sync_checkpoint": "2025-08-31T10:59:59.5",
        "repositories_processed": ["octo/app", "octo/old"],
        "current_repository": "octo/lib",
        # What says more than "this name is finished" stays whole.
        "repo_processing_queue": [
            {"repo_id": "7", "full_name": "octo/app", "finished": True},
            {"repo_id": "8", "full_name": "octo/lib", "finished": False},
        ],
    }
    assert documents[2] == {"last_repo_sync_checkpoint": "2025-08-30T10:00:00"}
    assert documents[3] is None
    assert documents[6] == {"repositories_processed": ["octo/app"]}
    assert documents[7] == {"repositories_processed": []}
    assert documents[8] == {"last_pr_cursor": "c", "repo_processing_queue": "not {json"}
    assert documents[9] == {"repo_processing_queue": '{"repo": "\\u0000"}'}


async def test_the_seven_settings_go_and_the_others_stay(legacy: Connection) -> None:
    await migrate(legacy, to=5)
    settings = await legacy.fetch("SELECT setting_key, setting_value FROM system_settings")
    assert [tuple(row) for row in settings] == [("theme", "it's dark")]
    assert await legacy.fetchval("SELECT count(*) FROM legacy_0005.system_settings") == 8


async def test_the_vectorization_queue_goes(legacy: Connection) -> None:
    await migrate(legacy, to=5)
    assert await legacy.fetchval("SELECT to_regclass('vectorization_queue')") is None
    assert await legacy.fetchval("SELECT count(*) FROM legacy_0005.vectorization_queue") == 2


async def test_every_tenant_has_the_four_jobs_and_existing_ones_are_left_alone(legacy: Connection) -> None:
    await migrate(legacy, to=5)
    jobs = await legacy.fetch(
        """
        SELECT tenant_id, job_name, schedule_interval_minutes, retry_interval_minutes, active, integration_id
        FROM etl_jobs WHERE lower(job_name) IN ('jira', 'github', 'fabric', 'ad') ORDER BY tenant_id, id
        """
    )
    assert [tuple(job) for job in jobs] == [
        (1, "github", 240, 15, True, 1),
        (1, "Jira", 360, 15, True, 2),
        (1, "Fabric", 1440, 15, False, None),  # was PAUSED
        (1, "AD", 720, 15, True, None),  # on, as it was
        (2, "Jira", 360, 15, True, None),
        (2, "GitHub", 240, 15, True, None),
        (2, "Fabric", 1440, 15, False, None),
        (2, "AD", 720, 15, False, 5),  # the tenant's only directory
        (3, "Jira", 360, 15, True, None),
        (3, "GitHub", 240, 15, True, None),
        (3, "Fabric", 1440, 15, False, None),
        (3, "AD", 720, 15, False, None),
    ]


async def test_a_later_tenant_gets_its_four_jobs_too(legacy: Connection) -> None:
    for version in (5, None):  # under 0005 alone, and under everything
        await migrate(legacy, to=version)
        tenant = await legacy.fetchval("INSERT INTO tenants (name) VALUES ('later' || random()) RETURNING id")
        jobs = await legacy.fetch(
            "SELECT job_name, status, active FROM etl_jobs WHERE tenant_id = $1 ORDER BY id", tenant
        )
        assert [tuple(job) for job in jobs] == [
            ("Jira", "READY", True),
            ("GitHub", "READY", True),
            ("Fabric", "READY", False),
            ("AD", "READY", False),
        ]


async def test_seeding_jira_takes_the_sole_jira_integration_only(legacy: Connection) -> None:
    await legacy.execute("DELETE FROM etl_jobs WHERE lower(job_name) = 'jira'")
    await migrate(legacy, to=5)
    jobs = await legacy.fetch(
        "SELECT tenant_id, integration_id FROM etl_jobs WHERE job_name = 'Jira' ORDER BY 1"
    )
    assert [tuple(job) for job in jobs] == [(1, 2), (2, None), (3, None)]


async def test_the_archive_keeps_nobody_from_being_deleted(legacy: Connection) -> None:
    await migrate(legacy, to=5)
    for table in ("etl_jobs", "system_settings"):
        await legacy.execute(f"DELETE FROM {table} WHERE tenant_id = 2")
    await legacy.execute("DELETE FROM integrations WHERE tenant_id = 2; DELETE FROM tenants WHERE id = 2")


async def test_owner_and_privileges_are_carried_over(legacy: Connection) -> None:
    # Roles belong to the whole server: made and dropped in one transaction that is rolled back.
    transaction = legacy.transaction()
    await transaction.start()
    await legacy.execute('CREATE ROLE "a reader"; CREATE ROLE owner_0005 SUPERUSER')
    await legacy.execute(
        'GRANT SELECT ON etl_jobs TO "a reader" WITH GRANT OPTION; GRANT UPDATE ON etl_jobs TO PUBLIC'
    )
    await legacy.execute('GRANT USAGE ON SEQUENCE etl_jobs_id_seq TO "a reader"')
    await legacy.execute("ALTER TABLE etl_jobs OWNER TO owner_0005")
    await migrate(legacy, to=5)
    owner = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'public.etl_jobs'::regclass"
    assert await legacy.fetchval(owner) == "owner_0005"
    granted = """
        SELECT has_table_privilege('a reader', 'etl_jobs', 'SELECT WITH GRANT OPTION'),
            has_table_privilege('a reader', 'etl_jobs', 'UPDATE'),
            has_table_privilege('a reader', 'etl_jobs', 'DELETE'),
            has_sequence_privilege('a reader', 'etl_jobs_id_seq', 'USAGE')
    """
    assert tuple(await legacy.fetchrow(granted) or ()) == (True, True, False, True)
    await transaction.rollback()


@pytest.mark.parametrize(
    ("preparation", "named"),
    [
        ("CREATE VIEW overview AS SELECT job_name FROM etl_jobs", "overview"),
        ("CREATE TABLE notes (job_id integer REFERENCES etl_jobs (id))", "notes"),
        (
            "ALTER TABLE etl_jobs DROP CONSTRAINT etl_jobs_job_name_tenant_id_key;"
            "INSERT INTO etl_jobs (job_name, tenant_id) VALUES ('done', 1)",
            "done (tenant 1)",
        ),
    ],
)
async def test_what_stands_in_the_way_is_named_and_nothing_changes(
    legacy: Connection, preparation: str, named: str
) -> None:
    await legacy.execute(preparation)
    before = await structure(legacy), await rows(legacy, "etl_jobs")
    with pytest.raises(Conflict, match="0005_etl_jobs_autonomous_architecture") as refused:
        await migrate(legacy)
    assert named in str(refused.value)
    assert (await structure(legacy), await rows(legacy, "etl_jobs")) == before
